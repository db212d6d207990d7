use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::endpoint::Endpoint;
use crate::exit::Class;
use crate::redis::resp::ReplyLimits;
use crate::secret::Secret;

const INFO: [&str; 2] = [
    "CLIENT SETINFO LIB-NAME everlink",
    concat!("CLIENT SETINFO LIB-VER ", env!("CARGO_PKG_VERSION")),
];

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::standalone(Endpoint::tcp("localhost", 1));
    change(&mut config);
    config
}

/// Commands on the wire as lines.
fn lines(wire: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(wire);
    let mut words = text.split("\r\n");
    let mut lines = Vec::new();
    while let Some(count) = words.next().and_then(|head| head.strip_prefix('*')) {
        let count: usize = count.parse().expect("a count");
        let args: Vec<_> = (0..count)
            .filter_map(|_| words.nth(1).map(str::to_owned))
            .collect();
        lines.push(args.join(" "));
    }
    lines
}

/// Answers each round trip with the next of these, then closes; gives what was sent in each.
async fn serve(mut peer: DuplexStream, answers: Vec<String>) -> Vec<Vec<String>> {
    let mut trips = Vec::new();
    let mut answers = answers.into_iter();
    loop {
        let mut wire = vec![0; 4096];
        let read = peer.read(&mut wire).await.expect("readable");
        if read == 0 {
            return trips;
        }
        trips.push(lines(&wire[..read]));
        match answers.next() {
            Some(answer) => peer.write_all(answer.as_bytes()).await.expect("writable"),
            None => return trips,
        }
    }
}

async fn shake(
    config: &Config,
    answers: impl IntoIterator<Item = &'static str>,
) -> (Result<(), Cause>, Vec<Vec<String>>) {
    let (ours, peer) = tokio::io::duplex(4096);
    let server = serve(peer, answers.into_iter().map(str::to_owned).collect());
    let client = async {
        let mut exchange = Exchange::new(Box::new(ours), ReplyLimits::default());
        shake_hands(&mut exchange, config).await
    };
    tokio::join!(client, server)
}

fn with_password(config: &mut Config) {
    config.password = Some(Secret::from("hunter2"));
}

#[tokio::test]
async fn one_round_trip_says_all_where_hello_is_known() {
    let ok = "%1\r\n+proto\r\n:3\r\n+OK\r\n+OK\r\n";
    let (shaken, trips) = shake(&config(|_| {}), [ok]).await;
    assert_eq!(shaken, Ok(()));
    assert_eq!(trips, [vec!["HELLO 3", INFO[0], INFO[1]]]);

    let full = config(|config| {
        with_password(config);
        config.username = Some("ann".into());
        config.client_name = Some("app".into());
        config.database = 2;
    });
    let ok = "%0\r\n+OK\r\n-ERR unknown subcommand\r\n-ERR unknown subcommand\r\n";
    let (shaken, trips) = shake(&full, [ok]).await;
    assert_eq!(shaken, Ok(()));
    let hello = "HELLO 3 AUTH ann hunter2 SETNAME app";
    assert_eq!(trips, [vec![hello, "SELECT 2", INFO[0], INFO[1]]]);

    let (_, trips) = shake(&config(with_password), [ok]).await;
    assert_eq!(trips[0][0], "HELLO 3 AUTH default hunter2");
}

#[tokio::test]
async fn an_old_server_costs_a_second_round_trip() {
    let full = config(|config| {
        with_password(config);
        config.client_name = Some("app".into());
        config.database = 2;
    });
    let resp2 = [
        "AUTH hunter2",
        "SELECT 2",
        "CLIENT SETNAME app",
        INFO[0],
        INFO[1],
    ];
    let ok = "+OK\r\n+OK\r\n+OK\r\n-ERR no\r\n-ERR no\r\n";
    for refusal in [
        "-ERR unknown command 'HELLO'\r\n-NOAUTH no\r\n-NOAUTH no\r\n-NOAUTH no\r\n",
        "-NOAUTH HELLO must be called\r\n-NOAUTH no\r\n-NOAUTH no\r\n-NOAUTH no\r\n",
        "-NOPROTO unsupported\r\n-NOAUTH no\r\n-NOAUTH no\r\n-NOAUTH no\r\n",
        "-NOPERM no\r\n-NOAUTH no\r\n-NOAUTH no\r\n-NOAUTH no\r\n",
    ] {
        let (shaken, trips) = shake(&full, [refusal, ok]).await;
        assert_eq!(shaken, Ok(()), "{refusal}");
        assert_eq!(trips.len(), 2);
        assert_eq!(trips[1], resp2);
    }
    let only_resp2 = config(|config| config.protocol = Protocol::Resp2);
    let (shaken, trips) = shake(&only_resp2, ["+OK\r\n+OK\r\n"]).await;
    assert_eq!(shaken, Ok(()));
    assert_eq!(trips, [INFO.to_vec()]);
}

#[tokio::test]
async fn each_refusal_has_its_class() {
    use CauseKind::{Denied, Misconfigured, Protocol as Broken, Unavailable};
    let no = || config(|_| {});
    let auth = || config(with_password);
    let select = || config(|config| config.database = 99);
    let resp3 = || config(|config| config.protocol = Protocol::Resp3);
    let resp2 = || config(|config| config.protocol = Protocol::Resp2);
    let resp2_auth = || {
        config(|config| {
            config.protocol = Protocol::Resp2;
            with_password(config);
        })
    };
    for (config, answer, kind) in [
        (auth(), "-WRONGPASS no\r\n+OK\r\n+OK\r\n", Denied),
        (no(), "-NOAUTH no\r\n-NOAUTH no\r\n-NOAUTH no\r\n", Denied),
        // Without a password nothing but the optional steps tells it.
        (resp2(), "-NOAUTH no\r\n-NOAUTH no\r\n", Denied),
        (
            resp2_auth(),
            "-WRONGPASS no\r\n-NOAUTH\r\n-NOAUTH\r\n",
            Denied,
        ),
        (
            resp2_auth(),
            "-ERR invalid password\r\n-NOAUTH\r\n-NOAUTH\r\n",
            Denied,
        ),
        (
            select(),
            "%0\r\n-ERR out of range\r\n+OK\r\n+OK\r\n",
            Misconfigured,
        ),
        (select(), "%0\r\n-LOADING no\r\n+OK\r\n+OK\r\n", Unavailable),
        (
            resp3(),
            "-ERR unknown command\r\n+OK\r\n+OK\r\n",
            Misconfigured,
        ),
        (resp3(), "-NOPROTO no\r\n+OK\r\n+OK\r\n", Misconfigured),
        (no(), "-ERR max number of clients reached\r\n", Unavailable),
        (
            resp2(),
            "-ERR max number of clients reached\r\n",
            Unavailable,
        ),
        (no(), "HTTP/1.1 400 Bad Request\r\n", Broken),
        // One more than was asked for: every later reply would be another's.
        (no(), "%0\r\n+OK\r\n+OK\r\n+OK\r\n", Broken),
    ] {
        let (shaken, _) = shake(&config, [answer]).await;
        let cause = shaken.expect_err(answer);
        assert_eq!(cause.kind(), kind, "{answer}: {cause}");
        assert!(!cause.to_string().contains("hunter2"), "{cause}");
        let permanent = cause.class() == Class::Permanent;
        assert_eq!(permanent, matches!(kind, Denied | Misconfigured));
    }
}

#[tokio::test]
async fn a_peer_that_closes_is_closed() {
    let (shaken, _) = shake(&config(|_| {}), []).await;
    assert_eq!(shaken.expect_err("closed").kind(), CauseKind::Closed);
}

#[tokio::test]
async fn pushes_are_no_answers() {
    let ok = ">1\r\n+hi\r\n%0\r\n>1\r\n+hi\r\n+OK\r\n+OK\r\n>1\r\n+hi\r\n";
    let (shaken, _) = shake(&config(|_| {}), [ok]).await;
    assert_eq!(shaken, Ok(()));
}
