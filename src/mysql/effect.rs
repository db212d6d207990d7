//! What a statement may have done when the server says that it failed: [`Effect`].

/// How much of a statement may have been done when it failed.
///
/// It is told from the first word, and in doubt it is the worst: what a server has not said cannot
/// be proved. Tables without transactions keep what was done whatever the statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It reads: all that an answer cut off costs is the answer.
    Reads,
    /// All of it or nothing: the server takes back what it had done.
    Whole,
    /// Definitions, of several things perhaps: one after the other, each for good.
    Defines,
    /// Several statements, each of which may be for good by itself; and what is not known.
    Parts,
}

/// Errors by which a definition is refused before anything of it is done. Others may come after
/// the first of several things, or after `OR REPLACE` has dropped the old one.
/// (<https://mariadb.com/kb/en/mariadb-error-codes/>)
const BEFORE: [u16; 18] = [
    1007, 1008, // the database exists, does not exist
    1044, 1142, 1143, 1227, 1370, // not allowed
    1046, 1049, 1146, // no database, an unknown one, no such table
    1050, 1304, 1359, // the table, procedure, trigger exists
    1064, // it cannot be parsed
    1290, 1836, // the server is read-only
    1305, 1360, // no such procedure, trigger
];

impl Effect {
    /// Of this text; of several statements, of the first, after which the server goes no further
    /// when it fails.
    pub(super) fn of(sql: &str) -> Self {
        let text = after_comments(sql);
        let is_letter = |letter: char| letter.is_alphanumeric() || "_$".contains(letter);
        let (word, rest) = text.split_at(text.find(|it| !is_letter(it)).unwrap_or(text.len()));
        let rest = after_comments(rest);
        if rest.starts_with(':') {
            // The label of a loop.
            return Self::Parts;
        }
        match word.to_ascii_uppercase().as_str() {
            "SELECT" | "VALUES" | "TABLE" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" => Self::Reads,
            // `SET STATEMENT … FOR` any statement.
            "SET" if starts_with_word(rest, "STATEMENT") => Self::Parts,
            "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH" | "DO" | "SET" | "USE"
            | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" => Self::Whole,
            // `BEGIN NOT ATOMIC` is a program.
            "BEGIN" if rest.trim_end_matches([';', ' ']).is_empty() => Self::Whole,
            "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "GRANT" | "REVOKE" => {
                Self::Defines
            }
            _ => Self::Parts,
        }
    }

    /// Whether this error of the server proves that nothing was done.
    pub(super) fn is_refused_by(self, code: u16) -> bool {
        match self {
            Self::Reads | Self::Whole => true,
            Self::Defines => BEFORE.contains(&code),
            // Any error may be that of its last part.
            Self::Parts => false,
        }
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    let start = text.get(..word.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The text without the comments that it begins with. One that the server executes (`/*!`, `/*M!`)
/// is none.
pub(super) fn after_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let rest = if text.starts_with("/*!") || text.starts_with("/*M!") {
            None
        } else if let Some(comment) = text.strip_prefix("/*") {
            comment.split_once("*/")
        } else if text.starts_with("-- ") || text.starts_with('#') {
            text.split_once('\n')
        } else {
            None
        };
        match rest {
            Some((_, rest)) => text = rest,
            None => return text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_from_the_first_word_and_in_doubt_the_worst() {
        for (sql, effect) in [
            ("select 1", Effect::Reads),
            (
                "-- why\n# and\n/* who */ Insert into t values (1)",
                Effect::Whole,
            ),
            ("SET @a = 1", Effect::Whole),
            ("BEGIN", Effect::Whole),
            ("begin ;", Effect::Whole),
            ("DROP TABLE a, b", Effect::Defines),
            ("CALL p()", Effect::Parts),
            ("BEGIN NOT ATOMIC CALL p(); END", Effect::Parts),
            (
                "SET STATEMENT max_statement_time = 1 FOR CALL p()",
                Effect::Parts,
            ),
            (
                "set/**/statement max_statement_time = 1 FOR CALL p()",
                Effect::Parts,
            ),
            ("DO: LOOP CALL p(); END LOOP", Effect::Parts),
            ("insert_all: LOOP CALL p(); END LOOP", Effect::Parts),
            ("/*!50000 CALL p() */", Effect::Parts),
            ("/*M! CALL p() */", Effect::Parts),
            ("(SELECT 1)", Effect::Parts),
            ("SELECTS", Effect::Parts),
            ("/* SELECT", Effect::Parts),
            ("LOAD DATA INFILE 'a' INTO TABLE t", Effect::Parts),
            ("", Effect::Parts),
        ] {
            assert_eq!(Effect::of(sql), effect, "{sql}");
        }
    }

    #[test]
    fn a_definition_is_refused_only_by_what_comes_before_it() {
        assert!(Effect::Whole.is_refused_by(1062) && Effect::Reads.is_refused_by(1146));
        assert!(Effect::Defines.is_refused_by(1050) && Effect::Defines.is_refused_by(1064));
        assert!(
            !Effect::Defines.is_refused_by(1051),
            "the others were dropped"
        );
        assert!(
            !Effect::Defines.is_refused_by(1060),
            "OR REPLACE has dropped it"
        );
        assert!(
            !Effect::Parts.is_refused_by(1064),
            "EXECUTE IMMEDIATE in a procedure"
        );
    }
}
