import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
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
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Sends records to ringest: NDJSON from stdin, in batches, over a kept connection. Java 17 or later, no libraries.
 *
 * <pre>INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… java Send.java &lt;records.ndjson &gt;left.ndjson</pre>
 *
 * Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, else 1.
 * Why each answer is handled as it is: ../python/send.py.
 */
public final class Send {
    private static final URI URL = URI.create(setting("INGEST_URL", "http://127.0.0.1:4000/ingest/RawEvent/1.0"));
    private static final String TOKEN = setting("INGEST_TOKEN", "");
    private static final int BATCH = Integer.parseInt(setting("INGEST_BATCH", "500"));
    private static final int ATTEMPTS = Integer.parseInt(setting("INGEST_ATTEMPTS", "10"));
    private static final Set<Integer> RETRYABLE = Set.of(408, 429, 502, 503, 504);
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final PrintStream ERR = new PrintStream(System.err, true, StandardCharsets.UTF_8);

    /** What is sent from now on would be refused, too. */
    private static final class Stop extends Exception {
        private static final long serialVersionUID = 1;
    }

    /** The batches to send again, and how many seconds later; a negative number after progress. */
    private record Next(List<List<String>> again, long seconds) {
        static Next progress(List<List<String>> again) {
            return new Next(again, -1);
        }
    }

    // ringest speaks HTTP/1.1.
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5)).build();
    private int accepted;
    private int left;

    /** Sends records until each is accepted or refused; before it throws Stop, those that remain are printed. */
    private void send(List<String> records) throws Stop, InterruptedException {
        Deque<List<String>> pending = new ArrayDeque<>(List.of(records));
        int failures = 0;
        try {
            while (!pending.isEmpty()) {
                Next next = attempt(pending.pop());
                failures = next.seconds < 0 ? 0 : failures + 1;
                next.again.stream().filter(part -> !part.isEmpty()).forEach(pending::push);
                if (failures == ATTEMPTS) {
                    throw new Stop();
                }
                if (next.seconds >= 0) {
                    // Retry-After is the same for all clients that were refused; the random part spreads them.
                    double more = ThreadLocalRandom.current().nextDouble() * Math.min(30, 0.1 * Math.pow(2, failures));
                    Thread.sleep((long) (1000 * (next.seconds + more)));
                }
            }
        } catch (Stop stop) {
            pending.forEach(this::leave);
            throw stop;
        }
    }

    /** One request. */
    private Next attempt(List<String> batch) throws Stop, InterruptedException {
        HttpResponse<String> answer;
        try {
            answer = post(batch);
        } catch (IOException error) {
            ERR.println(error);
            return new Next(List.of(batch), 0); // Without an answer: this may make duplicates.
        }
        int status = answer.statusCode();
        String body = answer.body();
        if (status == 200) {
            accepted += batch.size();
            return Next.progress(List.of());
        }
        ERR.println(status + " " + body);
        if (status == 207) {
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

    private HttpResponse<String> post(List<String> batch) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URL)
                .timeout(Duration.ofSeconds(30)) // Above ringest's timeouts.ack_timeout_ms.
                .header("Content-Type", "application/x-ndjson")
                .POST(HttpRequest.BodyPublishers.ofString(String.join("\n", batch)));
        if (!TOKEN.isEmpty()) {
            request.header("Authorization", "Bearer " + TOKEN);
        }
        return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    /** Prints the records that an answer lists as invalid; their indices. */
    private Set<Integer> refuse(List<String> batch, String body) {
        Set<Integer> invalid = new TreeSet<>();
        Matcher found = Pattern.compile("\"index\":\\s*(\\d+)").matcher(body);
        while (found.find()) {
            invalid.add(Integer.valueOf(found.group(1)));
        }
        leave(invalid.stream().map(batch::get).toList());
        return invalid;
    }

    /** Prints records that are not accepted. */
    private void leave(Collection<String> records) {
        left += records.size();
        records.forEach(OUT::println);
    }

    private static List<String> without(List<String> batch, Set<Integer> indices) {
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

    private static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Send sender = new Send();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<String> batch = new ArrayList<>();
        boolean stopped = false;
        for (String line = lines.readLine(); line != null || !batch.isEmpty(); line = lines.readLine()) {
            if (line != null && !line.isBlank()) {
                batch.add(line.strip());
            }
            if (batch.size() < BATCH && line != null) {
                continue;
            }
            try {
                if (stopped) {
                    sender.leave(batch);
                } else {
                    sender.send(batch);
                }
            } catch (Stop stop) {
                stopped = true;
            }
            batch = new ArrayList<>();
        }
        ERR.println("accepted " + sender.accepted + ", left " + sender.left);
        System.exit(sender.left > 0 ? 1 : 0);
    }
}
