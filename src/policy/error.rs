//! What is wrong with a setting: [`PolicyError`].

/// A setting of a policy that cannot be; says which one, its value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}, but must be {allowed}")]
pub struct PolicyError {
    setting: &'static str,
    value: String,
    allowed: String,
}

impl PolicyError {
    pub(crate) fn new(
        setting: &'static str,
        value: impl std::fmt::Debug,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            setting,
            value: format!("{value:?}"),
            allowed: allowed.into(),
        }
    }

    /// The name of the setting, as in a configuration.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}
