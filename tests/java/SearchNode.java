import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/**
 * One OpenSearch node in a process of its own, for tests: the server's class with its HTTP plugin,
 * without the scripts and the security manager of the distribution.
 *
 * Arguments are settings, name=value. TERM closes the node in its own manner. With the argument
 * "once" it ends as soon as it has started.
 */
public final class SearchNode extends Node {
    private SearchNode(Environment environment) {
        super(environment, List.of(Netty4Plugin.class), false);
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder given = Settings.builder();
        boolean once = false;
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            if (at < 0) {
                once = argument.equals("once");
            } else {
                given.put(argument.substring(0, at), argument.substring(at + 1));
            }
        }
        Settings settings = given.build();
        SearchNode node = new SearchNode(InternalSettingsPreparer.prepareEnvironment(
            settings, Map.of(), Path.of(settings.get("path.home")), () -> settings.get("node.name")));
        node.start();
        if (once) {
            node.close();
            System.exit(0);
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        new CountDownLatch(1).await();
    }
}
