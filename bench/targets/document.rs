//! The table of targets, and where tables stand: [`table`], [`write`].

use std::fmt::Write as _;
use std::{fs, io};

use crate::rows::Row;

/// From the folder of the project.
pub(crate) const PATH: &str = "docs/performance.md";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");

/// A table stands between two lines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Targets,
    Beside,
}

impl Place {
    fn lines(self) -> (String, String) {
        let name = match self {
            Self::Targets => "targets",
            Self::Beside => "beside other clients",
        };
        let begin = format!("<!-- {name}: written by `make bench-targets ARGS=--write` -->\n");
        (begin, format!("<!-- end of {name} -->\n"))
    }
}

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

/// Puts tables where the last ones stood. One that is empty leaves that.
///
/// # Errors
/// The document cannot be read or written, or has no place for one of them.
pub(crate) fn write(tables: &[(Place, &str)]) -> io::Result<()> {
    let mut text = fs::read_to_string(FILE)?;
    for (place, table) in tables.iter().filter(|(_, table)| !table.is_empty()) {
        let missing = || io::Error::other(format!("it has no place for {place:?}"));
        text = replaced(&text, *place, table).ok_or_else(missing)?;
    }
    fs::write(FILE, text)
}

fn replaced(text: &str, place: Place, table: &str) -> Option<String> {
    let (begin, end) = place.lines();
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_the_one_before_and_nothing_else() {
        let (begin, end) = Place::Beside.lines();
        let document = |table: &str| format!("before\n{begin}\n{table}\n{end}after\n");
        let new = replaced(&document("old\n"), Place::Beside, "new\n");
        assert_eq!(new, Some(document("new\n")));
        assert_eq!(replaced(&document("old\n"), Place::Targets, "new\n"), None);
    }
}
