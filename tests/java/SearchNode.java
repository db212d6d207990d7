import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;
import org.opensearch.transport.TransportService;

/**
 * One OpenSearch node in a process of its own, for tests: the server's class with its HTTP plugin,
 * without the scripts and the security manager of the distribution.
 *
 * Arguments are settings, name=value. TERM closes the node in its own manner. With the argument
 * "once" it is two nodes that do what tests ask for, once, and end: so that the classes for all of
 * it can be prepared.
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
        if (once) {
            once(given.build());
            System.exit(0);
        }
        SearchNode node = started(given);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        new CountDownLatch(1).await();
    }

    private static SearchNode started(Settings.Builder given) throws Exception {
        Settings settings = given.build();
        SearchNode node = new SearchNode(InternalSettingsPreparer.prepareEnvironment(
            settings, Map.of(), Path.of(settings.get("path.home")), () -> settings.get("node.name")));
        node.start();
        return node;
    }

    private static void once(Settings given) throws Exception {
        String home = given.get("path.home");
        SearchNode first = started(Settings.builder().put(given).put("path.home", home + "/1")
            .put("node.name", "1").put("cluster.initial_cluster_manager_nodes", "1"));
        String seed = first.injector().getInstance(TransportService.class).boundAddress()
            .publishAddress().toString();
        int port = first.injector().getInstance(HttpServerTransport.class).boundAddress()
            .publishAddress().getPort();
        ask(port, "PUT", "/a", "{\"settings\":{\"number_of_replicas\":1}}");
        ask(port, "PUT", "/a/_create/1", "{\"n\":1}");
        ask(port, "POST", "/a/_bulk", "{\"index\":{\"_id\":\"2\"}}\n{\"n\":2}\n");
        SearchNode second = started(Settings.builder().put(given).put("path.home", home + "/2")
            .put("node.name", "2").put("discovery.seed_hosts", seed));
        ask(port, "GET", "/_cluster/health?wait_for_status=green&timeout=30s", null);
        ask(port, "PUT", "/a/_doc/3", "{\"n\":3}");
        ask(port, "POST", "/a/_refresh", null);
        ask(port, "GET", "/a/_count", null);
        ask(port, "GET", "/a/_search?version=true&sort=_doc", null);
        ask(port, "GET", "/a/_doc/1", null);
        ask(port, "GET", "/a/_stats?level=shards", null);
        ask(port, "GET", "/_nodes/http", null);
        second.close();
        first.close();
    }

    /** Whatever the answer. */
    private static void ask(int port, String method, String path, String body) throws Exception {
        URL url = new URL("http://127.0.0.1:" + port + path);
        HttpURLConnection asking = (HttpURLConnection) url.openConnection();
        asking.setRequestMethod(method);
        asking.setRequestProperty("Content-Type", "application/json");
        if (body != null) {
            asking.setDoOutput(true);
            asking.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        }
        asking.getResponseCode();
    }
}
