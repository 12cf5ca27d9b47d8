import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Sends COUNT events with the CloudEvents SDK for Java: CloudEvents URL MODE COUNT. Prints `failed ID STATUS` for refusals. COUNT 0: as
 * many as there's time for until standard input ends, with `sent ID` for each.
 */
final class CloudEvents {
    public static void main(String[] args) throws Exception {
        String mode = args[1];
        int count = Integer.parseInt(args[2]);
        AtomicBoolean ended = new AtomicBoolean();
        Thread reader = new Thread(() -> {
            try {
                System.in.transferTo(OutputStream.nullOutputStream());
            } catch (java.io.IOException error) {
                // It has ended as well.
            }
            ended.set(true);
        });
        reader.setDaemon(true);
        reader.start();
        for (int number = 0; count == 0 ? !ended.get() : number < count; number++) {
            if (count == 0) {
                System.out.println("sent java-" + mode + "-" + number);
                Thread.sleep(5);
            }
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
            String told = "";
            try {
                if (mode.equals("binary")) {
                    writer.writeBinary(event);
                } else {
                    writer.writeStructured(event, new JsonFormat());
                }
                int status = connection.getResponseCode();
                told = status / 100 == 2 ? "" : "" + status;
            } catch (java.io.IOException | java.io.UncheckedIOException error) {
                told = error.getClass().getSimpleName();
            }
            if (!told.isEmpty()) {
                System.out.println("failed " + event.getId() + " " + told);
            }
        }
        System.out.println("done");
    }
}
