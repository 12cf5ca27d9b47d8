import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** Sends COUNT events with the CloudEvents SDK for Java: CloudEvents URL MODE COUNT. Prints `failed ID STATUS` for refusals. */
final class CloudEvents {
    public static void main(String[] args) throws Exception {
        String mode = args[1];
        for (int number = 0; number < Integer.parseInt(args[2]); number++) {
            String data = "{\"number\":" + number + ",\"city\":\"Köln\"}";
            CloudEvent event = CloudEventBuilder.v1()
                    .withId("java-" + mode + "-" + number)
                    .withSource(URI.create("/app/shop"))
                    .withType("com.example.purchase")
                    .withSubject("käufer " + number % 7)
                    .withExtension("partitionkey", "user-" + number % 7)
                    .withData("application/json", data.getBytes(StandardCharsets.UTF_8))
                    .build();
            HttpURLConnection connection = (HttpURLConnection) URI.create(args[0]).toURL().openConnection();
            connection.setRequestMethod("POST");
            connection.setDoOutput(true);
            connection.setReadTimeout(20_000);
            MessageWriter<?, ?> writer = HttpMessageFactory.createWriter(connection::setRequestProperty, body -> {
                try (var stream = connection.getOutputStream()) {
                    stream.write(body == null ? new byte[0] : body);
                } catch (java.io.IOException error) {
                    throw new java.io.UncheckedIOException(error);
                }
            });
            if (mode.equals("binary")) {
                writer.writeBinary(event);
            } else {
                writer.writeStructured(event, new JsonFormat());
            }
            int status = connection.getResponseCode();
            if (status / 100 != 2) {
                System.out.println("failed " + event.getId() + " " + status);
            }
        }
        System.out.println("done");
    }
}
