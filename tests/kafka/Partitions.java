import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HexFormat;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/**
 * Prints the partition that the Java producer gives each key: the number of
 * partitions is the argument, a key in hexadecimal is a line of stdin.
 * Run from its source: java -cp "lib/*" Partitions.java 12
 */
final class Partitions {
    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        BufferedReader keys = new BufferedReader(new InputStreamReader(System.in));
        StringBuilder partitions = new StringBuilder();
        for (String line = keys.readLine(); line != null; line = keys.readLine()) {
            byte[] key = HexFormat.of().parseHex(line);
            partitions.append(BuiltInPartitioner.partitionForKey(key, count)).append('\n');
        }
        System.out.print(partitions);
    }
}
