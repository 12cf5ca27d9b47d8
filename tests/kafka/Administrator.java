import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Changes what librdkafka's Rust binding can't change: rights, the settings of topics, SCRAM users. The argument is the
 * cluster's bootstrap; a line of stdin is a request, with tabs between its words; a line of stdout is its answer: "ok", or
 * what went wrong. One process serves all requests of a test run, because a JVM takes two seconds to start.
 * Run from its source: java -cp "lib/*" Administrator.java 127.0.0.1:9092
 */
final class Administrator {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        try (var admin = Admin.create(settings)) {
            for (String line = requests.readLine(); line != null; line = requests.readLine()) {
                String answer = "ok";
                try {
                    carryOut(admin, line.split("\t"));
                } catch (Exception error) {
                    answer = error.toString().replace('\n', ' ');
                }
                System.out.println(answer);
            }
        }
    }

    private static void carryOut(Admin admin, String[] words) throws Exception {
        switch (words[0]) {
            // The rights of a user, all of them: each of the further words is ALLOW or DENY, an operation, the type of a
            // resource and its name, with spaces between.
            case "rights" -> setRights(admin, words);
            case "topic" -> setTopic(admin, words[1], words[2], words[3]);
            case "scram" -> {
                var info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
                var change = new UserScramCredentialUpsertion(words[1], info, words[2]);
                admin.alterUserScramCredentials(List.of(change)).all().get(30, TimeUnit.SECONDS);
            }
            case "unscram" -> {
                var change = new UserScramCredentialDeletion(words[1], ScramMechanism.SCRAM_SHA_256);
                admin.alterUserScramCredentials(List.of(change)).all().get(30, TimeUnit.SECONDS);
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    /** Adds before it removes: no right that the user has before and after is away in between. */
    private static void setRights(Admin admin, String[] words) throws Exception {
        String principal = "User:" + words[1];
        Set<AclBinding> wanted = new HashSet<>();
        for (int at = 2; at < words.length; at++) {
            String[] right = words[at].split(" ");
            var pattern = new ResourcePattern(ResourceType.valueOf(right[2]), right[3], PatternType.LITERAL);
            var operation = AclOperation.valueOf(right[1]);
            var permission = AclPermissionType.valueOf(right[0]);
            wanted.add(new AclBinding(pattern, new AccessControlEntry(principal, "*", operation, permission)));
        }
        Set<AclBinding> present = new HashSet<>();
        var all = admin.describeAcls(AclBindingFilter.ANY).values();
        for (AclBinding right : all.get(30, TimeUnit.SECONDS)) {
            if (right.entry().principal().equals(principal)) {
                present.add(right);
            }
        }
        Set<AclBinding> added = new HashSet<>(wanted);
        added.removeAll(present);
        admin.createAcls(added).all().get(30, TimeUnit.SECONDS);
        present.removeAll(wanted);
        admin.deleteAcls(present.stream().map(AclBinding::toFilter).toList()).all().get(30, TimeUnit.SECONDS);
    }

    /** One setting of a topic; the others stay. */
    private static void setTopic(Admin admin, String topic, String name, String value)
            throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var change = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get(30, TimeUnit.SECONDS);
    }
}
