//! Keeps the house in order, by reading `src/` as text: one direction of imports, pure modules
//! that stay pure, and files that one can read at a sitting.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module imports only from those before it. Those in one row may import each other.
const ORDER: [&[&str]; 17] = [
    &["clock", "guarded"],
    &["secret"],
    &["percent"],
    &["endpoint"],
    &["exit"],
    &["outcome"],
    &["wording"],
    &["policy"],
    &["event"],
    &["registry"],
    &["link"],
    &["tls"],
    &["elasticsearch"],
    &["mysql"],
    &["redis"],
    &["websocket"],
    &["manager"],
];

/// The same within `redis`.
const REDIS_ORDER: [&[&str]; 19] = [
    &["looking"],
    &["value", "error"],
    &["slot"],
    &["spares"],
    &["awaited"],
    &["resp"],
    &["from_value"],
    &["retry"],
    &["command"],
    &["config"],
    &["cluster"],
    &["refusal"],
    &["memory"],
    &["seat"],
    &["request"],
    &["lane"],
    &["handoff"],
    &["connection"],
    &["router"],
];

/// What `redis` itself re-exports, and where it stands.
const REEXPORTED: [(&str, &str); 8] = [
    ("Error", "error"),
    ("ErrorKind", "error"),
    ("FromValue", "from_value"),
    ("Outcome", "error"),
    ("Result", "error"),
    ("ServerError", "error"),
    ("Value", "value"),
    ("Verbatim", "value"),
];

/// They decide; they know neither actors nor sockets nor clocks.
const PURE: [&str; 39] = [
    "secret.rs",
    "percent.rs",
    "endpoint.rs",
    "exit.rs",
    "outcome.rs",
    "wording.rs",
    "policy/",
    "link/life.rs",
    "link/life/",
    "elasticsearch/bulk.rs",
    "elasticsearch/error.rs",
    "elasticsearch/rotation.rs",
    "elasticsearch/settings.rs",
    "elasticsearch/sniffed.rs",
    "elasticsearch/url.rs",
    "mysql/error.rs",
    "mysql/settings.rs",
    "mysql/statement.rs",
    "mysql/url.rs",
    "mysql/verdict.rs",
    "tls/pem.rs",
    "tls/settings.rs",
    "redis/value.rs",
    "redis/error.rs",
    "redis/slot.rs",
    "redis/resp/",
    "redis/from_value/",
    "redis/retry.rs",
    "redis/command/",
    "redis/config/",
    "redis/cluster/",
    "redis/looking.rs",
    "redis/refusal.rs",
    "redis/connection/vigil.rs",
    "websocket/queue.rs",
    "websocket/subscriptions.rs",
    "websocket/topic.rs",
    "websocket/url.rs",
    "websocket/vigil.rs",
];

/// A command is an actor's message, and knows when it was made.
const PURE_BUT_FOR: [&str; 2] = ["redis/command/builder.rs", "redis/command/pipeline.rs"];

/// Lines of a file, its tests not counted.
const LONGEST: usize = 400;

struct Source {
    /// Below `src/`.
    path: String,
    /// Its lines up to the tests.
    lines: Vec<String>,
}

impl Source {
    /// The code alone: without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().enumerate();
        lines
            .map(|(n, line)| (n + 1, line.split("//").next().unwrap_or_default()))
            .filter(|(_, line)| !line.trim().is_empty())
    }
}

/// All files of `src/` that are not tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push((path.clone(), fs::read_to_string(&path).expect("text")));
            }
        }
    }
    let tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, text)| test_files(path, text))
        .collect();
    let mut sources: Vec<_> = files
        .into_iter()
        .filter(|(path, _)| {
            // Also what stands below a module of tests.
            let mut homes = path.ancestors().map(|home| home.with_extension("rs"));
            !homes.any(|home| tests.contains(&home))
        })
        .map(|(path, text)| {
            let below = path.strip_prefix(&root).expect("below src");
            Source {
                path: below.to_str().expect("plain names").to_owned(),
                lines: without_tests(&text),
            }
        })
        .collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 50, "looked in the wrong place");
    sources
}

/// The lines of a file without its modules of tests, wherever these stand.
fn without_tests(text: &str) -> Vec<String> {
    let mut code: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let after_attribute = code.last().is_some_and(|last| last == "#[cfg(test)]");
        if !(after_attribute && line.starts_with("mod ")) {
            code.push(line.to_owned());
            continue;
        }
        code.pop();
        if line.ends_with('{') {
            lines.find(|line| *line == "}").expect("the module ends");
        }
    }
    code
}

/// The files of the modules that are only there for tests.
fn test_files(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib") => path.parent().expect("in src").to_owned(),
        _ => path.with_extension(""),
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'))
        .map(|name| folder.join(format!("{name}.rs")))
        .collect()
}

/// What follows `prefix` in the code, up to the end of the name; a group gives each of its names.
fn named<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let name = |text: &'a str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        &text[..end.unwrap_or(text.len())]
    };
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let rest = &line[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let parts = group.split('}').next().unwrap_or(group).split(',');
                names.extend(
                    parts
                        .map(|part| name(part.trim()))
                        .filter(|it| !it.is_empty()),
                );
            }
            None => names.push(name(rest)),
        }
    }
    names
}

fn rank(order: &[&[&str]], module: &str) -> Option<usize> {
    let reexported = REEXPORTED.iter().find(|(name, _)| *name == module);
    let module = reexported.map_or(module, |(_, home)| home);
    order.iter().position(|row| row.contains(&module))
}

/// Imports against the order, in the files below `folder`.
fn against(order: &[&[&str]], folder: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources() {
        let Some(below) = source.path.strip_prefix(folder) else {
            continue;
        };
        let module = below.split('/').next().unwrap_or(below);
        let module = module.trim_end_matches(".rs");
        // The root re-exports what is below it.
        if module == "lib" || module == "mod" {
            continue;
        }
        let own = rank(order, module).unwrap_or_else(|| panic!("{module} has no place"));
        for (line, code) in source.code() {
            for name in named(code, prefix) {
                if rank(order, name).is_none_or(|rank| rank > own) {
                    found.push(format!("{}:{line}: {}", source.path, code.trim()));
                }
            }
        }
    }
    found
}

#[test]
fn modules_import_only_from_those_before_them() {
    let none: [String; 0] = [];
    assert_eq!(against(&ORDER, "", "crate::"), none);
    assert_eq!(against(&REDIS_ORDER, "redis/", "crate::redis::"), none);
}

#[test]
fn supervision_knows_nothing_of_redis() {
    for source in sources() {
        // The manager holds clients of every kind; what they are is in these two files alone.
        let of_kinds = ["lib.rs", "manager/config.rs", "manager/member.rs"];
        if source.path.starts_with("redis/") || of_kinds.contains(&source.path.as_str()) {
            continue;
        }
        for (line, code) in source.code() {
            let known = code.to_lowercase().contains("redis") && !code.contains("feature =");
            assert!(!known, "{}:{line}: {code}", source.path);
        }
    }
}

#[test]
fn pure_modules_know_neither_actors_nor_sockets_nor_clocks() {
    let mut seen = BTreeSet::new();
    for source in sources() {
        let Some(module) = PURE.iter().find(|module| source.path.starts_with(**module)) else {
            continue;
        };
        seen.insert(*module);
        if PURE_BUT_FOR.contains(&source.path.as_str()) {
            continue;
        }
        for (line, code) in source.code() {
            for word in [
                "actix",
                "tokio",
                "Instant::now",
                "clock::",
                "SystemTime::now",
                "rand::random",
            ] {
                assert!(!code.contains(word), "{}:{line}: {code}", source.path);
            }
        }
    }
    assert_eq!(seen.len(), PURE.len(), "one of them is gone");
}

#[test]
fn files_can_be_read_at_a_sitting() {
    let too_long: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.lines.len() > LONGEST)
        .map(|source| format!("{}: {} lines", source.path, source.lines.len()))
        .collect();
    assert!(too_long.is_empty(), "{too_long:#?}");
}

#[test]
fn the_reader_of_imports_sees_what_it_should() {
    assert_eq!(named("use crate::link::Stop;", "crate::"), ["link"]);
    assert_eq!(
        named("use crate::{event, exit::Cause};", "crate::"),
        ["event", "exit"]
    );
    assert_eq!(named("use std::fmt;", "crate::"), [""; 0]);
    let order: [&[&str]; 2] = [&["first"], &["second"]];
    assert!(rank(&order, "first") < rank(&order, "second"));
    let text =
        "mod a;\n#[cfg(test)]\nmod b;\nuse c;\n#[cfg(test)]\nmod d {\n    e();\n}\nfn f() {}\n";
    assert_eq!(without_tests(text), ["mod a;", "use c;", "fn f() {}"]);
    let text = "#[cfg(test)]\nmod model;\n";
    let expected = [PathBuf::from("src/link/life/model.rs")];
    assert_eq!(test_files(Path::new("src/link/life.rs"), text), expected);
}

/// A clock that somebody sets jumps: it may be shown, and nothing may be decided by it.
#[test]
fn the_wall_clock_is_told_and_never_asked_what_to_do() {
    const TELLING: [&str; 6] = [
        "event.rs",
        "registry/narrator.rs",
        "registry/status.rs",
        "registry/subscriber.rs",
        "registry/registry.rs",
        "websocket/gap.rs",
    ];
    let mut told = 0;
    for source in sources() {
        for (line, code) in source.code() {
            if !["SystemTime", "UNIX_EPOCH", "duration_since(UNIX"]
                .iter()
                .any(|word| code.contains(word))
            {
                continue;
            }
            told += 1;
            let place = format!("{}:{line}: {}", source.path, code.trim());
            assert!(TELLING.contains(&source.path.as_str()), "{place}");
            // No difference, no sum, no comparison of what it says.
            for deciding in [".elapsed()", "checked_sub", "checked_add", " < ", " > "] {
                assert!(!code.contains(deciding), "{place}");
            }
        }
    }
    assert!(told > 5, "looked for the wrong words");
}

/// What each backend stands on is its own: whoever wants Redis alone builds none of it.
#[test]
fn the_redis_client_brings_no_driver_of_another_backend() {
    let tree = |features: &str| {
        let output = std::process::Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--prefix", "none"])
            .args(["--edges", "normal", "--format", "{p}"])
            .args(["--no-default-features", "--features", features])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let text = String::from_utf8(output.stdout).expect("names");
        let names = text.lines().filter_map(|line| line.split(' ').next());
        names.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let drivers = [
        ("elasticsearch", "reqwest"),
        ("elasticsearch", "hyper"),
        ("elasticsearch", "serde_json"),
        ("mysql", "mysql_async"),
        ("websocket", "tokio-tungstenite"),
    ];
    let redis = tree("redis");
    for (feature, driver) in drivers {
        assert!(!redis.contains(driver), "{driver}");
        assert!(tree(feature).contains(driver), "{driver}");
    }
    // One implementation of TLS, and one of its cryptography.
    let full = tree("full");
    for other in ["aws-lc-rs", "native-tls", "openssl", "h2"] {
        assert!(!full.contains(other), "{other}");
    }
}
