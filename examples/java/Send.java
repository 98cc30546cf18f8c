import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Sends records to ringest: NDJSON from stdin, in batches, over a kept connection. Java 17 or later, no libraries.
 *
 * <pre>INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… java Send.java &lt;records.ndjson &gt;left.ndjson</pre>
 *
 * Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, 1 if
 * not, 2 for an invalid setting. Why each answer is handled as it is: ../python/send.py.
 */
public final class Send {
    private static final PrintStream ERR = new PrintStream(System.err, true, StandardCharsets.UTF_8);
    // Not System.out: it hides that stdout is closed or full.
    private static final OutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static final Set<Integer> RETRYABLE = Set.of(408, 429, 502, 503, 504);
    private static final String HOST = "([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?";
    private static final URI URL = URI.create(setting("INGEST_URL", "http://127.0.0.1:4000/ingest/RawEvent/1.0",
            "https?://" + HOST + "/[!-~]+", "an http(s) URL"));
    private static final String TOKEN = setting("INGEST_TOKEN", "", "[!-~]*", "one word of ASCII");
    private static final int BATCH = count("INGEST_BATCH", "500");
    private static final int ATTEMPTS = count("INGEST_ATTEMPTS", "10");

    /** What is sent from now on would be refused, too. */
    private static final class Stop extends Exception {
        private static final long serialVersionUID = 1;
    }

    /** The batches to send again, and how many seconds later; a negative number after progress. */
    private record Next(List<List<byte[]>> again, long seconds) {
        static Next progress(List<List<byte[]>> again) {
            return new Next(again, -1);
        }
    }

    // ringest speaks HTTP/1.1.
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5)).build();
    private final CountDownLatch stopping = new CountDownLatch(1); // Zero after a signal.
    private int accepted;
    private int left;

    /** Sends records until each is accepted or refused; before it throws Stop, those that remain are printed. */
    private void send(List<byte[]> records) throws Stop, IOException, InterruptedException {
        Deque<List<byte[]>> pending = new ArrayDeque<>(List.of(records));
        int failures = 0;
        try {
            while (!pending.isEmpty()) {
                if (stopping.getCount() == 0) {
                    throw new Stop();
                }
                Next next = attempt(pending.pop());
                failures = next.seconds < 0 ? 0 : failures + 1;
                next.again.stream().filter(part -> !part.isEmpty()).forEach(pending::push);
                if (failures == ATTEMPTS) {
                    throw new Stop();
                }
                if (next.seconds >= 0) {
                    // Retry-After is the same for all clients that were refused; the random part spreads them.
                    double more = ThreadLocalRandom.current().nextDouble() * Math.min(30, 0.1 * Math.pow(2, failures));
                    stopping.await((long) (1000 * (next.seconds + more)), TimeUnit.MILLISECONDS);
                }
            }
        } catch (Stop stop) {
            for (List<byte[]> part : pending) {
                leave(part);
            }
            throw stop;
        }
    }

    /** One request. */
    private Next attempt(List<byte[]> batch) throws Stop, IOException, InterruptedException {
        HttpResponse<String> answer;
        try {
            answer = post(batch);
        } catch (IOException error) {
            ERR.println(error);
            return new Next(List.of(batch), 0); // Without an answer: this may make duplicates.
        }
        int status = answer.statusCode();
        String body = answer.body();
        if (status == 200 && String.valueOf(batch.size()).equals(member(body, "accepted"))) {
            accepted += batch.size();
            return Next.progress(List.of());
        }
        ERR.println(status + " " + body);
        if (status == 207 && member(body, "accepted") != null) {
            int delivered = Integer.parseInt(member(body, "accepted"));
            accepted += delivered;
            int invalid = refuse(batch, body).size();
            left += batch.size() - delivered - invalid;
            return Next.progress(List.of());
        }
        if (status == 400 && body.contains("\"index\":")) {
            return Next.progress(List.of(without(batch, refuse(batch, body))));
        }
        if (status == 413 && batch.size() > 1) {
            int half = batch.size() / 2;
            return Next.progress(List.of(batch.subList(half, batch.size()), batch.subList(0, half)));
        }
        if (status == 413) {
            leave(batch);
            return Next.progress(List.of());
        }
        if ("partial".equals(member(body, "persisted"))) {
            Set<Integer> delivered = indices(body, "delivered");
            Set<Integer> missing = indices(body, "not_delivered");
            missing.addAll(indices(body, "unknown"));
            accepted += delivered.size();
            delivered.addAll(missing);
            leave(without(batch, delivered));
            batch = missing.stream().map(batch::get).toList();
            if (status == 500) {
                leave(batch);
                return Next.progress(List.of());
            }
        }
        if (RETRYABLE.contains(status)) {
            String wait = answer.headers().firstValue("Retry-After").orElse("");
            return new Next(List.of(batch), wait.matches("\\d{1,9}") ? Math.min(Long.parseLong(wait), 60) : 1);
        }
        leave(batch);
        throw new Stop();
    }

    private HttpResponse<String> post(List<byte[]> batch) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URL)
                .timeout(Duration.ofSeconds(30)) // Above ringest's timeouts.ack_timeout_ms.
                .header("Content-Type", "application/x-ndjson")
                .POST(HttpRequest.BodyPublishers.ofByteArray(joined(batch)));
        if (!TOKEN.isEmpty()) {
            request.header("Authorization", "Bearer " + TOKEN);
        }
        return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    /** Prints the records that an answer lists as invalid; their indices. */
    private Set<Integer> refuse(List<byte[]> batch, String body) throws IOException {
        Set<Integer> invalid = new TreeSet<>();
        Matcher found = Pattern.compile("\"index\":\\s*(\\d+)").matcher(body);
        while (found.find()) {
            invalid.add(Integer.valueOf(found.group(1)));
        }
        leave(invalid.stream().map(batch::get).toList());
        return invalid;
    }

    /** Prints records that are not accepted. */
    private void leave(Collection<byte[]> records) throws IOException {
        left += records.size();
        OUT.write(joined(records));
    }

    private static byte[] joined(Collection<byte[]> records) {
        ByteArrayOutputStream lines = new ByteArrayOutputStream();
        for (byte[] record : records) {
            lines.writeBytes(record);
            lines.write('\n');
        }
        return lines.toByteArray();
    }

    /** The next line, null at the end. As bytes: text would lose those that are not UTF-8. */
    private static byte[] line(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int next = in.read();
        boolean isEnd = next < 0;
        for (; next >= 0 && next != '\n'; next = in.read()) {
            line.write(next);
        }
        return isEnd ? null : line.toByteArray();
    }

    private static boolean isBlank(byte[] line) {
        return IntStream.range(0, line.length).allMatch(it -> " \t\r".indexOf(line[it]) >= 0);
    }

    private static List<byte[]> without(List<byte[]> batch, Set<Integer> indices) {
        return IntStream.range(0, batch.size()).filter(it -> !indices.contains(it)).mapToObj(batch::get).toList();
    }

    // The JDK reads no JSON. In an answer of ringest a quote within a string has a backslash before it, so that these
    // patterns find members only; a program that has a JSON library uses that.

    private static String member(String body, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\\s*\"?(\\w+)").matcher(body);
        return found.find() ? found.group(1) : null;
    }

    private static Set<Integer> indices(String body, String name) {
        Set<Integer> indices = new TreeSet<>();
        Matcher found = Pattern.compile("\"" + name + "\":\\s*\\[([\\d,\\s]*)\\]").matcher(body);
        if (found.find()) {
            Pattern.compile("\\d+").matcher(found.group(1)).results()
                    .forEach(it -> indices.add(Integer.valueOf(it.group())));
        }
        return indices;
    }

    /** A variable of the environment, without the spaces around it; an invalid one ends the program. */
    private static String setting(String name, String otherwise, String pattern, String meaning) {
        String given = System.getenv().getOrDefault(name, "").strip();
        String value = given.isEmpty() ? otherwise : given;
        if (!value.matches(pattern)) {
            ERR.println(name + " must be " + meaning);
            System.exit(2);
        }
        return value;
    }

    private static int count(String name, String otherwise) {
        return Integer.parseInt(setting(name, otherwise, "[1-9][0-9]{0,5}", "a number from 1 to 999999"));
    }

    private void run(InputStream in) throws IOException, InterruptedException {
        List<byte[]> batch = new ArrayList<>();
        boolean stopped = false;
        for (byte[] line = line(in); line != null || !batch.isEmpty(); line = line(in)) {
            if (line != null && !isBlank(line)) {
                batch.add(line);
            }
            if (batch.size() < BATCH && line != null) {
                continue;
            }
            try {
                if (stopped) {
                    leave(batch);
                } else {
                    send(batch);
                }
            } catch (Stop stop) {
                stopped = true;
            }
            batch = new ArrayList<>();
        }
    }

    /** After a signal nothing more is sent, and the rest of stdin is printed. */
    private void handleSignals() {
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping.countDown();
            try {
                main.join(); // Which halts.
            } catch (InterruptedException interrupted) {
                // Nobody does.
            }
        }));
    }

    public static void main(String[] arguments) throws InterruptedException {
        Send sender = new Send();
        sender.handleSignals();
        boolean failed = false;
        try {
            sender.run(new BufferedInputStream(System.in));
        } catch (IOException error) {
            ERR.println(error + ": stopped after " + (sender.accepted + sender.left) + " records");
            failed = true;
        }
        ERR.println("accepted " + sender.accepted + ", left " + sender.left);
        Runtime.getRuntime().halt(failed || sender.left > 0 ? 1 : 0);
    }
}
