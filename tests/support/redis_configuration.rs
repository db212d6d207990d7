//! What a [`super::redis_server::RedisServer`] is started with.
//!
//! The program is `redis-server`, or what the environment variable `EVERLINK_REDIS_SERVER` names.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::waiting::Result;

/// The user by which the fixtures themselves sign in, whatever a test does to the others.
pub const FIXTURE_USER: &str = "fixture";
/// Its password.
pub const FIXTURE_PASSWORD: &str = "fixture-password";

/// What a server is started with.
///
/// By default: a free port, no password, no cluster, and every write on disk before it is answered
/// (`appendfsync always`), so that a `kill -9` loses nothing that was acknowledged.
#[derive(Debug, Clone, Default)]
pub struct RedisServerOptions {
    pub(super) port: Option<u16>,
    password: Option<String>,
    users: Vec<String>,
    cluster: bool,
    volatile: bool,
    without_hello: bool,
    unix_socket: bool,
    pub(super) tls: Option<PathBuf>,
    lines: Vec<String>,
}

impl RedisServerOptions {
    /// A fixed port, instead of a free one. The caller holds its reservation.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The password of the user `default`.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// One more user, in the words of `ACL SETUSER`: `alice on >secret ~* &* +@all`.
    pub fn user(mut self, rules: &str) -> Self {
        self.users.push(rules.to_owned());
        self
    }

    /// Cluster mode.
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// Writes nothing to disk: a restart comes back empty.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Behaves like a server before 6.0, which has no `HELLO` and so no RESP3.
    pub fn without_hello(mut self) -> Self {
        self.without_hello = true;
        self
    }

    /// Listens on [`RedisServer::socket_path`], too.
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Speaks TLS on a second port, [`RedisServer::tls_port`], and in a cluster with other nodes,
    /// by `ca.pem`, `server.pem` and `server.key` in this folder. It asks clients for a
    /// certificate only with a further line `tls-auth-clients yes`. See also [`can_test_tls`].
    pub fn tls(mut self, folder: &Path) -> Self {
        self.tls = Some(folder.to_owned());
        self
    }

    /// One more line of the configuration file: `maxmemory 100kb`.
    pub fn config(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

/// The program that is started.
pub fn program() -> String {
    env::var("EVERLINK_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// The major version of the program; 7 where it does not tell.
pub fn major_version() -> u32 {
    static VERSION: OnceLock<u32> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let output = Command::new(program()).arg("--version").output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v=")?.split('.').next()?.parse().ok())
            .unwrap_or(7)
    })
}

/// Whether the program has TLS; if not, says so on the terminal.
///
/// # Panics
/// In CI, where a test that is passed over would be a hole.
pub fn can_test_tls() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    // It reads its settings one by one, stops at the first that it does not know, and names it.
    let knows = *KNOWS.get_or_init(|| {
        let settings = ["--tls-port", "0", "--no-such-setting", "1"];
        let output = Command::new(program()).args(settings).output();
        let output = output.expect("the server's program can be started");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).contains("no-such-setting")
    });
    if !knows {
        let text = format!("{} was built without TLS: nothing is tested", program());
        assert!(env::var_os("CI").is_none(), "{text}");
        // Not by a macro, whose output is shown of tests that fail only.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    knows
}

/// Writes `redis.conf` and `users.acl` into `folder`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_configuration(
    options: &RedisServerOptions,
    port: u16,
    tls_port: Option<u16>,
    folder: &Path,
) -> Result<()> {
    let path = folder.display();
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("port {port}"),
        format!("dir \"{path}\""),
        format!("logfile \"{path}/redis.log\""),
        format!("aclfile \"{path}/users.acl\""),
        format!("masteruser {FIXTURE_USER}"),
        format!("masterauth {FIXTURE_PASSWORD}"),
        "daemonize no".to_owned(),
        "save \"\"".to_owned(),
        // No child processes that could outlive a killed server.
        "auto-aof-rewrite-percentage 0".to_owned(),
        "repl-diskless-sync-delay 0".to_owned(),
        "repl-ping-replica-period 1".to_owned(),
    ];
    if !options.volatile {
        lines.extend(["appendonly yes".to_owned(), "appendfsync always".to_owned()]);
    }
    if options.cluster {
        lines.extend([
            "cluster-enabled yes".to_owned(),
            "cluster-config-file nodes.conf".to_owned(),
        ]);
    }
    if options.without_hello {
        lines.push("rename-command HELLO \"\"".to_owned());
    }
    if options.unix_socket {
        lines.push(format!("unixsocket \"{path}/redis.sock\""));
    }
    if major_version() >= 7 {
        lines.push("enable-debug-command yes".to_owned());
    }
    if let (Some(port), Some(files)) = (tls_port, &options.tls) {
        let files = files.display();
        lines.extend([
            format!("tls-port {port}"),
            format!("tls-ca-cert-file \"{files}/ca.pem\""),
            format!("tls-cert-file \"{files}/server.pem\""),
            format!("tls-key-file \"{files}/server.key\""),
            "tls-auth-clients no".to_owned(),
        ]);
        if options.cluster {
            lines.extend(["tls-cluster yes", "tls-replication yes"].map(str::to_owned));
        }
    }
    lines.extend(options.lines.iter().cloned());
    fs::write(folder.join("redis.conf"), lines.join("\n") + "\n")?;

    // An ACL file instead of `requirepass`, so that `ACL LOAD` and `ACL SAVE` work in tests.
    let default = match &options.password {
        Some(password) => format!(">{password}"),
        None => "nopass".to_owned(),
    };
    let mut users = vec![
        format!("user {FIXTURE_USER} on >{FIXTURE_PASSWORD} ~* &* +@all"),
        format!("user default on {default} ~* &* +@all"),
    ];
    users.extend(options.users.iter().map(|rules| format!("user {rules}")));
    fs::write(folder.join("users.acl"), users.join("\n") + "\n")?;
    Ok(())
}
