//! Figures under heads: [`Table`], [`Line`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digits::grouped;

/// One size: figures by the names of their columns.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Line(Vec<(String, f64)>);

/// Lines of the same columns.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    title: &'static str,
    lines: Vec<Line>,
}

impl Line {
    pub(crate) fn with(mut self, column: &str, figure: f64) -> Self {
        self.0.push((column.to_owned(), figure));
        self
    }
}

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            lines: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }
}

/// As Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:\n", self.title)?;
        let Some(first) = self.lines.first() else {
            return Ok(());
        };
        f.write_str("|")?;
        for (column, _) in &first.0 {
            write!(f, " {column} |")?;
        }
        writeln!(f, "\n|{}", " --: |".repeat(first.0.len()))?;
        for line in &self.lines {
            f.write_str("|")?;
            for (_, figure) in &line.0 {
                write!(f, " {} |", short(*figure))?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// No more digits than matter, in groups of three.
fn short(figure: f64) -> String {
    if figure.abs() < 10.0 && figure.fract() != 0.0 {
        return format!("{figure:.2}");
    }
    grouped(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_head_and_a_line_for_each_size() {
        let mut table = Table::new("links");
        table.push(Line::default().with("links", 10_000.0).with("ms", 1.234));
        let text = "links:\n\n| links | ms |\n| --: | --: |\n| 10,000 | 1.23 |\n";
        assert_eq!(table.to_string(), text);
    }
}
