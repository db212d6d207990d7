//! Where, and with what, figures were measured: [`Setting`].

use std::fmt;
use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

const LOCK: &str = include_str!("Cargo.lock");
const CLIENTS: [&str; 3] = ["redis", "fred", "rustis"];

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    processor: String,
    cores: usize,
    /// The server's program, as it names itself.
    server: String,
    /// The commit of everlink; with `-dirty` if there is more.
    everlink: String,
    /// Names and versions of the other clients.
    clients: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

impl Setting {
    pub(crate) fn here(server: &str) -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processor = processor.map_or("unknown", |(_, name)| name);
        let said = said(server, &["--version"]);
        let version = said.split(" sha=").next().unwrap_or_default();
        let lock: Option<Lock> = toml::from_str(LOCK).ok();
        let packages = lock.map(|lock| lock.package).unwrap_or_default();
        let clients = packages
            .iter()
            .filter(|package| CLIENTS.contains(&package.name.as_str()))
            .map(|package| format!("{} {}", package.name, package.version))
            .collect();
        let here = env!("CARGO_MANIFEST_DIR");
        let describe = ["-C", here, "describe", "--always", "--dirty"];
        Self {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            server: version.to_owned(),
            everlink: self::said("git", &describe),
            clients,
        }
    }
}

/// What a program prints; nothing if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores; {}; everlink {}, {}",
            self.processor,
            self.cores,
            self.server,
            self.everlink,
            self.clients.join(", ")
        )
    }
}
