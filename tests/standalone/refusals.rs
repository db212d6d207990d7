//! Commands that are not sent, commands that the server refuses, replies of another type.

use everlink::redis::{ErrorKind, Outcome, cmd};

use crate::application::{Application, TestResult, local, serving};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

/// Given as an argument, it must not be found in any error.
const CANARY: &str = "canary-argument";

async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

#[actix::test]
async fn commands_that_would_change_or_block_the_connection_are_not_sent() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let commands = [
        (cmd("SUBSCRIBE").arg(CANARY), "connection of their own"),
        (cmd("PSUBSCRIBE").arg(CANARY), "connection of their own"),
        (cmd("MONITOR"), "another client"),
        (cmd("BLPOP").arg(CANARY).arg(0), "connection of their own"),
        (
            cmd("XREAD BLOCK 0 STREAMS").arg(CANARY).arg("$"),
            "connection of their own",
        ),
        (cmd("MULTI"), "script"),
        (cmd("WATCH").arg(CANARY), "script"),
        (cmd("SELECT").arg(1), "`database`"),
        (cmd("AUTH").arg(CANARY), "configuration"),
        (cmd("HELLO").arg(2), "configuration"),
        (cmd("CLIENT REPLY OFF"), "from all callers"),
        (cmd("RESET"), "stop the client"),
        (cmd("QUIT"), "stop the client"),
    ];
    for (command, instead) in commands {
        let name = command.name().to_owned();
        let error = application.error(command).await;
        assert!(
            matches!(error.kind(), ErrorKind::Unsuitable { .. }),
            "{error}"
        );
        assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
        assert_eq!(error.command(), Some(&name[..]), "{error}");
        let text = error.to_string();
        assert!(text.contains(instead), "{instead:?} is not in {text:?}");
        assert!(!format!("{text}{error:?}").contains(CANARY), "{error:?}");
    }
    // None of them has reached the server, whose connection serves on.
    let seen = server.info("commandstats").await?;
    assert!(!seen.contains("cmdstat_subscribe"), "{seen}");
    assert!(!seen.contains("cmdstat_blpop"), "{seen}");
    assert_eq!(
        application.client.query::<String>(cmd("PING")).await?,
        "PONG"
    );
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn a_server_error_names_command_and_endpoint_and_never_the_arguments() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    application.run(cmd("SET").arg(CANARY).arg("text")).await?;
    let error = application
        .error(cmd("LPUSH").arg(CANARY).arg(CANARY))
        .await;
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert_eq!(error.command(), Some("LPUSH"));
    assert_eq!(error.endpoint(), Some(&local(server.port())));
    let text = error.to_string();
    assert!(text.contains("LPUSH") && text.contains(&local(server.port()).to_string()));
    assert!(!format!("{text}{error:?}").contains(CANARY), "{error:?}");

    let incr = application.error(cmd("INCR").arg(CANARY)).await;
    assert_eq!(
        (incr.code(), incr.outcome()),
        (Some("ERR"), Outcome::Refused)
    );
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn a_full_server_refuses_writes_and_the_connection_lives_on() -> TestResult {
    let options = RedisServerOptions::default().volatile();
    let server = RedisServer::start(options.config("maxmemory 100kb")).await?;
    let application = Application::ready(serving(&server)).await?;
    let error = application.error(cmd("SET").arg("k").arg("v")).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("OOM"), Outcome::Refused)
    );
    assert_eq!(
        application
            .client
            .query::<Option<String>>(cmd("GET").arg("k"))
            .await?,
        None
    );
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn rights_that_are_taken_away_refuse_commands_and_the_connection_lives_on() -> TestResult {
    let options = RedisServerOptions::default().volatile();
    let server = RedisServer::start(options.user("app on >secret ~* &* +@all")).await?;
    let config = serving(&server).username("app").password("secret");
    let application = Application::ready(config).await?;
    application.run(cmd("SET").arg("k").arg("v")).await?;
    server
        .command(&["ACL", "SETUSER", "app", "-set"])
        .await?
        .refused()?;
    let error = application.error(cmd("SET").arg("k").arg("w")).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("NOPERM"), Outcome::Refused)
    );
    let value: String = application.client.query(cmd("GET").arg("k")).await?;
    assert_eq!(value, "v");
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn a_reply_of_another_type_is_an_error_that_says_the_command_was_executed() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let push = cmd("RPUSH").arg("l").arg("not a number");
    let wrong = application.client.query::<Vec<String>>(push).await;
    let error = wrong.expect_err("an integer is no list");
    assert_eq!(error.outcome(), Outcome::Executed);
    assert_eq!(error.command(), Some("RPUSH"));
    assert!(
        matches!(error.kind(), ErrorKind::Conversion { .. }),
        "{error:?}"
    );
    assert_eq!(
        application
            .client
            .query::<u32>(cmd("LLEN").arg("l"))
            .await?,
        1
    );
    Ok(())
}

#[actix::test]
async fn a_script_that_fails_half_way_has_an_unknown_outcome() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let script = "redis.call('INCR', KEYS[1]); return redis.call('LPUSH', KEYS[1], 1)";
    let error = application
        .error(cmd("EVAL").arg(script).arg((1, "n")))
        .await;
    assert_eq!(error.outcome(), Outcome::Unknown);
    // Before 7.0 the script's own error has the code ERR, and tells this one.
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(
        application.client.query::<u32>(cmd("GET").arg("n")).await?,
        1
    );
    let missing = application
        .error(cmd("EVALSHA").arg("0".repeat(40)).arg(0))
        .await;
    assert_eq!(
        (missing.code(), missing.outcome()),
        (Some("NOSCRIPT"), Outcome::Refused)
    );
    Ok(())
}

#[actix::test]
async fn a_script_whose_own_error_begins_like_a_servers_is_not_run_again() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let returned = "redis.call('INCR', KEYS[1]); return redis.error_reply(ARGV[1])";
    let thrown = "redis.call('INCR', KEYS[1]); error({err = ARGV[1]})";
    let texts = [
        "TRYAGAIN later",
        "LOADING my own data",
        "CLUSTERDOWN as far as I know",
        "MASTERDOWN too",
        "MOVED 7 127.0.0.1:1",
        "ASK 7 127.0.0.1:1",
        "NOSCRIPT of mine",
        "NOAUTH for you",
    ];
    for (number, (script, text)) in texts
        .iter()
        .flat_map(|text| [(returned, text), (thrown, text)])
        .enumerate()
    {
        let key = format!("n{number}");
        let error = application
            .error(cmd("EVAL").arg(script).arg((1, &key, *text)))
            .await;
        if error
            .to_string()
            .contains("attempt to concatenate local 'err'")
        {
            eprintln!(
                "NOT RUN: scripts of this server cannot throw an error of their own (before 7.0)"
            );
            continue;
        }
        assert_eq!(error.code(), text.split(' ').next(), "{error:?}");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
        let runs: u32 = application.client.query(cmd("GET").arg(&key)).await?;
        assert_eq!(runs, 1, "{text}");
    }
    Ok(())
}
