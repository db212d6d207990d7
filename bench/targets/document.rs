//! The table, and where it stands: [`table`], [`write`].

use std::fmt::Write as _;
use std::{fs, io};

use crate::rows::Row;

/// From the folder of the project.
pub(crate) const PATH: &str = "docs/performance.md";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
/// The table stands between these lines.
const BEGIN: &str = "<!-- targets: written by `make bench-targets ARGS=--write` -->\n";
const END: &str = "<!-- end of targets -->\n";

/// As Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| | target | measured | met | by |\n| --- | --: | --: | --- | --- |\n");
    for row in rows {
        let measured = match row.measured {
            Some(figure) => format!("{}{}", short(figure), row.unit),
            None => "to be measured".to_owned(),
        };
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let (what, target, command) = (row.what, &row.target, row.command);
        let _ = writeln!(
            text,
            "| {what} | {target} | {measured} | {met} | `{command}` |"
        );
    }
    text
}

fn short(figure: f64) -> String {
    match figure {
        figure if figure.fract() == 0.0 || figure >= 100.0 => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// Puts the table where the last one stood.
///
/// # Errors
/// The document cannot be read or written, or has no place for it.
pub(crate) fn write(table: &str) -> io::Result<()> {
    let text = fs::read_to_string(FILE)?;
    let replaced = replaced(&text, table);
    let replaced = replaced.ok_or_else(|| io::Error::other("it has no place for the targets"))?;
    fs::write(FILE, replaced)
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_the_one_before_and_nothing_else() {
        let document = |table: &str| format!("before\n{BEGIN}\n{table}\n{END}after\n");
        let new = replaced(&document("old\n"), "new\n");
        assert_eq!(new, Some(document("new\n")));
        assert_eq!(replaced("no place", "new"), None);
    }
}
