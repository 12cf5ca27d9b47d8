import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.TrackMessage;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Sends COUNT events with Segment's SDK for Java: Segment URL KEY COUNT. Prints `failed ID WHY` for what it gives up. */
final class Segment {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[2]);
        CountDownLatch open = new CountDownLatch(count);
        Analytics analytics = Analytics.builder(args[1])
                .setUploadURL(args[0] + "/v1/import/")
                .flushInterval(1, TimeUnit.SECONDS)
                .callback(new Callback() {
                    @Override
                    public void success(Message message) {
                        open.countDown();
                    }

                    @Override
                    public void failure(Message message, Throwable why) {
                        System.out.println("failed " + message.messageId() + " " + String.valueOf(why).replace(' ', '_'));
                        open.countDown();
                    }
                })
                .build();
        for (int number = 0; number < count; number++) {
            int known = number % 3;
            TrackMessage.Builder message = TrackMessage.builder("Purchase")
                    .messageId("java-" + number)
                    .properties(Map.of("number", number, "city", "Köln \"5%41\""));
            if (known != 0) {
                message.userId("user-" + number % 7);
            }
            if (known != 1) {
                message.anonymousId("anon-" + number % 7);
            }
            analytics.enqueue(message);
        }
        analytics.flush();
        boolean all = open.await(100, TimeUnit.SECONDS);
        System.out.println(all ? "done" : "open " + open.getCount());
        analytics.shutdown();
        System.exit(0);
    }
}
