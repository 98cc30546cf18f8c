// Apache Camel: a route from platform-http (Vert.x) to kafka, which answers when the producer's acknowledgement is there.
//
//     Main PORT BROKERS TOPIC
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServer;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServerConfiguration;

public class Main {
    public static void main(String[] arguments) throws Exception {
        var server = new VertxPlatformHttpServerConfiguration();
        server.setBindHost("127.0.0.1");
        server.setBindPort(Integer.parseInt(arguments[0]));
        var main = new org.apache.camel.main.Main();
        main.configure().addRoutesBuilder(new RouteBuilder() {
            public void configure() throws Exception {
                getContext().addService(new VertxPlatformHttpServer(server));
                from("platform-http:/ingest/Event/1.0?httpMethodRestrict=POST")
                    .convertBodyTo(byte[].class)
                    .to("kafka:" + arguments[2] + "?brokers=" + arguments[1]
                        + "&requestRequiredAcks=all&lingerMs=1&deliveryTimeoutMs=10000&requestTimeoutMs=5000"
                        + "&valueSerializer=org.apache.kafka.common.serialization.ByteArraySerializer")
                    .setBody(constant(""));
            }
        });
        main.run();
    }
}
