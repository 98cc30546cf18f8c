// A gateway as one writes it in Java in an afternoon: Vert.x, Jackson's streaming parser to check the syntax,
// kafka-clients.
//
//     Main PORT BROKERS TOPIC
//
// The body of a POST becomes one message; 200 after the brokers' acknowledgement (acks=all, idempotent).
import com.fasterxml.jackson.core.JsonFactory;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Main {
    static final String PATH = "/ingest/Event/1.0";
    static final JsonFactory JSON = new JsonFactory();

    final KafkaProducer<byte[], byte[]> producer;
    final String topic;

    Main(String brokers, String topic) {
        this.topic = topic;
        producer = new KafkaProducer<>(Map.of(
            "bootstrap.servers", brokers, "acks", "all", "linger.ms", "1", "max.block.ms", "10000",
            "delivery.timeout.ms", "10000", "request.timeout.ms", "5000"),
            new ByteArraySerializer(), new ByteArraySerializer());
        // Fetches the topic's metadata: else the first send would block the event loop for it.
        producer.partitionsFor(topic);
    }

    public static void main(String[] arguments) {
        var gateway = new Main(arguments[1], arguments[2]);
        var vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1));
        vertx.createHttpServer()
            .requestHandler(request -> gateway.handle(request, vertx.getOrCreateContext()))
            .listen(Integer.parseInt(arguments[0]), "127.0.0.1");
    }

    void handle(HttpServerRequest request, Context context) {
        var response = request.response();
        if (!PATH.equals(request.path())) {
            response.setStatusCode(404).end();
            return;
        }
        request.body().onSuccess(buffer -> {
            var body = buffer.getBytes();
            if (!isValid(body)) {
                response.setStatusCode(400).end("invalid JSON");
                return;
            }
            producer.send(new ProducerRecord<>(topic, body), (metadata, error) -> context.runOnContext(none -> {
                if (error == null) {
                    response.end();
                } else {
                    response.setStatusCode(503).end(error.getMessage());
                }
            }));
        });
    }

    static boolean isValid(byte[] body) {
        try (var parser = JSON.createParser(body)) {
            if (parser.nextToken() == null) {
                return false;
            }
            parser.skipChildren();
            return parser.nextToken() == null;
        } catch (IOException error) {
            return false;
        }
    }
}
