//! Keeps the documents true: what they name must exist.

use std::fs;
use std::path::PathBuf;

/// A row of `docs/known-failures.md`: its number, and what its last column says.
struct Row {
    number: u32,
    tests: String,
}

impl Row {
    fn named(&self) -> impl Iterator<Item = &str> {
        self.tests.split('`').skip(1).step_by(2)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, number, _, _, tests, _] = cells.as_slice() else {
                return None;
            };
            Some(Row {
                number: number.parse().ok()?,
                tests: (*tests).to_owned(),
            })
        })
        .collect()
}

/// The files in which a test of this path can be, as cargo prints it behind its program's name.
fn files_of(path: &[&str]) -> Vec<PathBuf> {
    let root = root();
    let Some((program, modules)) = path.split_first() else {
        return Vec::new();
    };
    let base = match *program {
        "lib" => root.join("src"),
        program => root.join("tests").join(program),
    };
    let below = |modules: &[&str]| modules.iter().fold(base.clone(), |at, name| at.join(name));
    let mut files = vec![
        below(modules).with_extension("rs"),
        below(modules).join("mod.rs"),
    ];
    // A module `tests` at the end of the file that it tests.
    if let Some((&"tests", outer)) = modules.split_last() {
        files.push(below(outer).with_extension("rs"));
        files.push(below(outer).join("mod.rs"));
    }
    files
}

/// Whether the text has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let (plain, waiting) = (format!("fn {name}("), format!("async fn {name}("));
    lines.iter().enumerate().any(|(at, line)| {
        let named = line.starts_with(&plain) || line.starts_with(&waiting);
        let attributes = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("#["));
        named
            && attributes
                .into_iter()
                .any(|line| line.ends_with("test]") || line.contains("::test("))
    })
}

fn exists(test: &str) -> bool {
    let path: Vec<_> = test.split("::").collect();
    let Some((name, modules)) = path.split_last() else {
        return false;
    };
    let file_has_it = |file: &PathBuf| fs::read_to_string(file).is_ok_and(|it| has_test(&it, name));
    files_of(modules).iter().any(file_has_it)
}

fn known_failures() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/known-failures.md"));
    rows(&text.expect("the document"))
}

#[test]
fn every_test_that_the_known_failures_name_exists() {
    let rows = known_failures();
    let missing: Vec<_> = rows
        .iter()
        .flat_map(|row| row.named().map(move |test| (row.number, test)))
        .filter(|(_, test)| !exists(test))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_known_failure_has_its_row_and_in_it_a_test_or_what_is_missing() {
    let rows = known_failures();
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    for row in &rows {
        let waits = row.tests.contains("not yet: needs ");
        assert!(waits || row.named().next().is_some(), "{}", row.number);
    }
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).expect("the document");
    let table = text.lines().filter(|line| line.starts_with('|'));
    let cells = table.filter_map(|line| line.split('|').nth(2));
    let named: Vec<_> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| !name.starts_with("make "))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let is_there = |name: &&str| {
        let module: Vec<_> = name.split("::").collect();
        let whole = root().join(format!("tests/{name}.rs"));
        exists(name) || whole.is_file() || files_of(&module).iter().any(|it| it.is_file())
    };
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_reader_of_the_table_sees_what_it_should() {
    let table = "| # | failure | what | tests |\n| --- | --- | --- | --- |\n\
                 | 7 | a | b | `one::two`, `three`; not yet: needs x |\n";
    let rows = rows(table);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].named().collect::<Vec<_>>(), ["one::two", "three"]);

    let text = "#[actix::test]\nasync fn a() {}\n#[test]\n#[ignore]\nfn b() {}\nfn c() {}\n";
    assert!(has_test(text, "a") && has_test(text, "b"));
    assert!(!has_test(text, "c") && !has_test(text, "d"));
    let own = "documents::the_reader_of_the_table_sees_what_it_should";
    assert!(exists(own) && !exists("documents::rows") && !exists("lib::nowhere::a"));
}
