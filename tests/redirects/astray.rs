//! Redirects, and where they must not lead.

use std::time::Duration;

use everlink::redis::config::{ClusterSettings, EndpointRule};
use everlink::redis::{ErrorKind, Outcome, cmd, pipe};

use crate::application::{Application, SOON, TestResult, local};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::replies;
use crate::two_nodes::{FOO, TwoNodes};

#[actix::test]
async fn moved_is_followed_once_and_remembered() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    cluster.errs(1, format!("MOVED {FOO} 127.0.0.1:{}", cluster.port(0)));
    for _ in 0..10 {
        let name: String = application.client.query(cmd("GET").arg("foo")).await?;
        assert_eq!(name, "first");
    }
    // The map is patched at once; a refresh, which tells the old one here, may undo it.
    let asked = cluster.nodes[1].received_named("GET").len();
    assert!((1..=3).contains(&asked), "{asked}");
    Ok(())
}

#[actix::test]
async fn an_endless_moved_loop_ends_after_five_redirects() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    cluster.errs(0, format!("MOVED {FOO} 127.0.0.1:{}", cluster.port(1)));
    cluster.errs(1, format!("MOVED {FOO} 127.0.0.1:{}", cluster.port(0)));
    let error = application.error(cmd("GET").arg("foo")).await;
    assert!(
        matches!(error.kind(), ErrorKind::Redirects { count: 5, .. }),
        "{error:?}"
    );
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(error.command(), Some("GET"));
    let asked: usize = cluster
        .nodes
        .iter()
        .map(|node| node.received_named("GET").len())
        .sum();
    assert_eq!(asked, 6);
    Ok(())
}

#[actix::test]
async fn an_endless_ask_loop_ends_after_five_redirects() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    cluster.errs(0, format!("ASK {FOO} 127.0.0.1:{}", cluster.port(1)));
    cluster.errs(1, format!("ASK {FOO} 127.0.0.1:{}", cluster.port(0)));
    let error = application.error(cmd("GET").arg("foo")).await;
    assert!(
        matches!(error.kind(), ErrorKind::Redirects { count: 5, .. }),
        "{error:?}"
    );
    assert_eq!(error.outcome(), Outcome::Refused);
    Ok(())
}

#[actix::test]
async fn the_largest_bound_of_redirects_holds_as_well() -> TestResult {
    let cluster = TwoNodes::start()?;
    let settings = ClusterSettings::default().max_redirects(u8::MAX);
    let application = Application::ready(cluster.config().cluster_settings(settings)).await?;
    cluster.errs(0, format!("ASK {FOO} 127.0.0.1:{}", cluster.port(1)));
    cluster.errs(1, format!("ASK {FOO} 127.0.0.1:{}", cluster.port(0)));
    let error = application.error(cmd("GET").arg("foo")).await;
    assert!(
        matches!(error.kind(), ErrorKind::Redirects { count: 255, .. }),
        "{error:?}"
    );
    let asked = cluster.nodes.each_ref();
    let asked = asked.map(|node| node.received_named("GET").len());
    assert_eq!(asked.iter().sum::<usize>(), 256);
    Ok(())
}

#[actix::test]
async fn moved_to_itself_reconnects_once_and_heals() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    // As behind a proxy: the first connection led to the wrong server, a new one leads right.
    let itself = format!("MOVED {FOO} 127.0.0.1:{}", cluster.port(1));
    let wrong = cluster.nodes[1]
        .received()
        .last()
        .map(|last| last.connection);
    cluster.with(1, "GET", move |received| {
        Action::reply(if Some(received.connection) <= wrong {
            replies::error(&itself)
        } else {
            replies::bulk("right")
        })
    });
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "right");
    assert_eq!(
        application.count("reconnected"),
        1,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn moved_to_itself_for_ever_ends_with_an_error() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    let before = cluster.nodes[1].connections();
    cluster.errs(1, format!("MOVED {FOO} 127.0.0.1:{}", cluster.port(1)));
    let error = application.error(cmd("GET").arg("foo")).await;
    assert!(
        matches!(error.kind(), ErrorKind::Redirects { count: 5, .. }),
        "{error:?}"
    );
    assert_eq!(error.outcome(), Outcome::Refused);
    // Not one new connection for each redirect.
    let dialled = cluster.nodes[1].connections() - before;
    assert!(dialled <= 2, "{dialled}");
    // The other node is none of its concern.
    assert_eq!(
        application
            .client
            .query::<String>(cmd("GET").arg("bar"))
            .await?,
        "first"
    );
    Ok(())
}

#[actix::test]
async fn a_redirect_while_the_client_ends_starts_no_new_link() -> TestResult {
    for redirect in ["ASK", "MOVED"] {
        let cluster = TwoNodes::start()?;
        let third = FakeNode::start(Answers::new().script())?;
        let application = Application::ready(cluster.config()).await?;
        let text = format!("{redirect} {FOO} 127.0.0.1:{}", third.port());
        let soon = Duration::from_millis(100);
        cluster.with(1, "GET", move |_| {
            Action::delayed(soon, replies::error(&text))
        });
        // Ends later: its node is still drained when the redirect comes.
        cluster.with(0, "GET", move |_| {
            Action::delayed(5 * soon, replies::bulk("first"))
        });
        let client = &application.client;
        let bar = client.query::<String>(cmd("GET").arg("bar"));
        let foo = application.error(cmd("GET").arg("foo"));
        let (bar, error, ended) = tokio::join!(biased; bar, foo, client.shutdown(SOON));
        assert_eq!(bar?, "first");
        assert_eq!(
            (error.code(), error.outcome()),
            (Some(redirect), Outcome::Refused)
        );
        assert_eq!(ended?.drained, 2);
        assert_eq!(third.connections(), 0, "{redirect}");
    }
    Ok(())
}

#[actix::test]
async fn asking_goes_right_before_the_command_on_the_same_connection() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    cluster.errs(1, format!("ASK {FOO} 127.0.0.1:{}", cluster.port(0)));
    let client = &application.client;
    let asks = (0..50).map(|_| client.query::<String>(cmd("GET").arg("foo")));
    let others = (0..50).map(|_| client.query::<String>(cmd("GET").arg("bar")));
    let (asks, others) = tokio::join!(
        futures_util::future::join_all(asks),
        futures_util::future::join_all(others)
    );
    for name in asks.into_iter().chain(others) {
        assert_eq!(name?, "first");
    }
    let received = cluster.nodes[0].received();
    let asked: Vec<&Received> = received
        .iter()
        .filter(|command| command.line() == "GET foo")
        .collect();
    assert_eq!(asked.len(), 50);
    for command in &asked {
        let before = received
            .iter()
            .find(|other| other.connection == command.connection && other.nth + 1 == command.nth);
        assert_eq!(before.map(Received::line).as_deref(), Some("ASKING"));
    }
    assert_eq!(cluster.nodes[0].received_named("ASKING").len(), 50);
    // An ASK changes no map: the owner is asked each time.
    let owner = cluster.nodes[1].received_named("GET");
    assert_eq!(owner.iter().filter(|get| get.text(1) == "foo").count(), 50);
    Ok(())
}

#[actix::test]
async fn moved_with_an_empty_host_means_the_host_that_answered() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    cluster.errs(1, format!("MOVED {FOO} :{}", cluster.port(0)));
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "first");
    Ok(())
}

#[actix::test]
async fn moved_to_an_unknown_host_makes_the_client_look_for_it() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    let refreshes = || {
        let asked = |node: usize| cluster.nodes[node].received_named("CLUSTER").len();
        asked(0) + asked(1)
    };
    let before = refreshes();
    cluster.errs(1, format!("MOVED {FOO} ?:{}", cluster.port(0)));
    let mut ranges = cluster.topology.ranges();
    let owner = ranges[0].members.clone();
    ranges[1].members = owner;
    ranges[1].epoch = 7;
    cluster.topology.set(ranges);
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "first");
    assert!(refreshes() > before);
    Ok(())
}

#[actix::test]
async fn a_redirect_that_is_none_goes_to_the_caller() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    for text in [
        "MOVED",
        "MOVED x y",
        "MOVED 99999 127.0.0.1:1",
        "ASK 1 nowhere",
    ] {
        cluster.errs(1, text.to_owned());
        let error = application.error(cmd("GET").arg("foo")).await;
        assert_eq!(error.outcome(), Outcome::Refused, "{text}");
        assert!(error.code().is_some(), "{text}: {error:?}");
    }
    Ok(())
}

#[actix::test]
async fn a_redirect_to_a_dead_node_ends_by_the_deadline_of_the_call() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    let nobody = crate::support::ports::Port::reserve()?;
    cluster.errs(1, format!("ASK {FOO} 127.0.0.1:{}", nobody.number()));
    let began = tokio::time::Instant::now();
    let get = cmd("GET").arg("foo").timeout(Duration::from_millis(300));
    let error = application.error(get).await;
    assert!(began.elapsed() < Duration::from_secs(3));
    // The first node refused it, the second was never reached.
    assert_eq!(error.outcome(), Outcome::NotSent, "{error:?}");
    Ok(())
}

#[actix::test]
async fn a_node_that_only_an_ask_named_leaves_as_every_other() -> TestResult {
    let cluster = TwoNodes::start()?;
    let settings = ClusterSettings::default()
        .refresh_every(Duration::from_millis(100))
        .refresh_cooldown(Duration::from_millis(50))
        .node_grace(Duration::from_millis(300));
    let config = cluster.config().cluster_settings(settings);
    let application = Application::ready(config).await?;
    let nobody = crate::support::ports::Port::reserve()?;
    cluster.errs(1, format!("ASK {FOO} 127.0.0.1:{}", nobody.number()));
    let get = cmd("GET").arg("foo").timeout(Duration::from_millis(100));
    application.error(get).await;
    application.told("stopped", 1).await;
    let links = application.client.status().await?;
    assert_eq!(links.len(), 2, "{links:?}");
    assert!(application.client.health_check().await?.healthy);
    Ok(())
}

#[actix::test]
async fn each_command_of_a_pipeline_is_redirected_on_its_own_and_keeps_its_place() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config()).await?;
    cluster.errs(1, format!("ASK {FOO} 127.0.0.1:{}", cluster.port(0)));
    cluster.nodes[0].retarget(
        crate::two_nodes::serving(&cluster.topology, cluster.port(0), "first")
            .on("ECHO", |received| {
                Action::reply(replies::bulk(received.text(1)))
            })
            .script(),
    );
    let mut pipeline = pipe();
    for n in 0..30 {
        pipeline.add(cmd("ECHO").arg(n).route_by("bar"));
        pipeline.add(cmd("GET").arg("foo"));
    }
    let replies: Vec<String> = application.client.pipeline(pipeline).await.all()?;
    for n in 0..30 {
        assert_eq!(replies[2 * n], n.to_string());
        assert_eq!(replies[2 * n + 1], "first");
    }
    Ok(())
}

#[actix::test]
async fn a_redirect_to_where_the_configuration_does_not_allow_is_not_followed() -> TestResult {
    let cluster = TwoNodes::start()?;
    let stranger = FakeNode::start(Answers::new().script())?;
    let known = [0, 1].map(|node| format!("127.0.0.1:{}", cluster.port(node)));
    let rule = EndpointRule::only(known)?;
    let config = cluster.config().password("hunter2").allowed_endpoints(rule);
    let application = Application::ready(config).await?;
    for kind in ["MOVED", "ASK"] {
        cluster.errs(1, format!("{kind} {FOO} 127.0.0.1:{}", stranger.port()));
        let error = application.error(cmd("GET").arg("foo")).await;
        assert!(
            matches!(error.kind(), ErrorKind::NotAllowed(to) if *to == local(stranger.port())),
            "{error}"
        );
        assert_eq!(error.outcome(), Outcome::Refused);
    }
    assert_eq!(stranger.connections(), 0);
    // What it announced changed nothing.
    cluster.with(1, "INCR", |_| Action::reply(replies::int(7)));
    assert_eq!(
        application
            .client
            .query::<u32>(cmd("INCR").arg("foo"))
            .await?,
        7
    );
    Ok(())
}

#[actix::test]
async fn a_topology_that_leads_elsewhere_is_not_believed() -> TestResult {
    let cluster = TwoNodes::start()?;
    let stranger = FakeNode::start(Answers::new().script())?;
    let known = [0, 1].map(|node| format!("127.0.0.1:{}", cluster.port(node)));
    let config = cluster
        .config()
        .allowed_endpoints(EndpointRule::only(known)?);
    let application = Application::ready(config).await?;
    let mut ranges = cluster.topology.ranges();
    ranges[1].members = vec![("127.0.0.1".to_owned(), stranger.port())];
    ranges[1].epoch = 9;
    cluster.topology.set(ranges);
    // A sign of change makes it look.
    cluster.nodes[1].close_all().await?;
    let failed = application.told("topology_failed", 1).await.to_string();
    assert!(failed.contains("allowed_endpoints"), "{failed}");
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "second");
    assert_eq!(stranger.connections(), 0);

    // From the start: calls fail with the reason, at once.
    let config = cluster
        .config()
        .allowed_endpoints(EndpointRule::configured());
    let application = Application::open(config).await?;
    let error = application.error(cmd("GET").arg("foo")).await;
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.to_string().contains("allowed_endpoints"), "{error}");
    Ok(())
}
