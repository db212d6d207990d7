use super::*;

fn local() -> ElasticSettings {
    ElasticSettings::from_urls(["http://localhost:9200"]).expect("valid")
}

#[test]
fn secrets_are_never_shown_and_survive() {
    let urls = ["http://app:hunter2@a", "http://app:hunter2@b"];
    let mut settings = ElasticSettings::from_urls(urls).expect("valid");
    assert_eq!(
        settings.password.as_ref().expect("given").expose(),
        "hunter2"
    );
    settings.api_key = Some(Secret::from("hunter2"));
    let json = serde_json::to_string(&settings).expect("can be written");
    for shown in [format!("{settings:?} {settings:#?}"), json] {
        assert!(
            shown.contains("***") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let error = toml::from_str::<ElasticSettings>("urls = ['http://app:hunter2@h:x']");
    let error = error.expect_err("no port").message().to_owned();
    assert!(!error.contains("hunter2"), "{error}");
    let urls = ["http://app:hunter2@a", "http://app:hunter3@b"];
    let error = ElasticSettings::from_urls(urls)
        .expect_err("two")
        .to_string();
    assert!(!error.contains("hunter"), "{error}");
}

#[test]
fn validation_names_the_field_that_cannot_work() {
    let check = |change: fn(&mut ElasticSettings), expected: &str| {
        let mut settings = local();
        change(&mut settings);
        let error = settings.validate().expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(|s| s.nodes.clear(), "url");
    check(|s| s.nodes.push(s.nodes[0].clone()), "once");
    check(|s| s.username = Some("a".to_owned()), "password");
    check(|s| s.api_key = Some(Secret::from("a\n")), "api_key");
    check(|s| s.node_failure_threshold = 0, "node_failure_threshold");
    check(|s| s.limits.in_flight = 0, "limits.in_flight");
    check(|s| s.limits.answer = 0, "limits.answer");
    check(|s| s.timeouts.attempt = Duration::ZERO, "timeouts.attempt");
    check(|s| s.health.timeout = Duration::MAX, "health.timeout");
    check(
        |s| s.link.kill_timeout = Duration::ZERO,
        "link.kill_timeout",
    );
    check(|s| s.name = LinkName::from(""), "name");
}

#[test]
fn what_is_not_given_has_its_default_and_what_is_unknown_is_refused() {
    let read = |text: &str| toml::from_str::<ElasticSettings>(text);
    let text = "urls = ['http://h']\nhealth = { at_least = 'green' }\nsniff = { interval = '5s' }";
    let settings = read(text).expect("valid");
    assert_eq!(settings.health.at_least, Colour::Green);
    assert_eq!(settings.health.interval, Duration::from_secs(15));
    assert_eq!(settings.health.timeout, Duration::from_secs(5));
    assert_eq!(settings.node_failure_threshold, 3);
    assert_eq!(settings.limits, Limits::default());
    assert!(settings.sniff.expect("given").map.is_empty());
    for text in [
        "",
        "urls = []",
        "urls = ['http://h']\nhealt = {}",
        "urls = ['http://h']\nhealth = { intervall = '1s' }",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}
