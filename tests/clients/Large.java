import java.net.HttpURLConnection;
import java.net.URI;

/** Posts 5 MB eight times and prints the statuses. */
public class Large {
    public static void main(String[] arguments) {
        byte[] body = new byte[5_000_000];
        for (int number = 0; number < 8; number++) {
            try {
                var connection = (HttpURLConnection) URI.create(arguments[0]).toURL().openConnection();
                connection.setRequestMethod("POST");
                connection.setDoOutput(true);
                connection.setFixedLengthStreamingMode(body.length);
                connection.setRequestProperty("content-type", "application/json");
                connection.getOutputStream().write(body);
                System.out.println(connection.getResponseCode());
            } catch (Exception error) {
                System.out.println(error.toString().replace(' ', '_'));
            }
        }
    }
}
