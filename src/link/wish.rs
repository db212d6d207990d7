//! What is wished of a running connection: [`Wish`].

/// What is wished of a running connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wish {
    #[default]
    Run,
    /// Take nothing more, finish what is under way, end.
    Drain,
    /// End at once.
    Now,
}
