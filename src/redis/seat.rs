//! Whose connections a request goes over: [`Seat`].

use std::fmt;

/// An arbiter that has connections of its own, as a number of its client; or the shared ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat(u16);

impl Seat {
    /// The connections that a client always has, on its router's arbiter.
    pub(crate) const SHARED: Self = Self(0);

    /// The seat at this place in a list of seats; none beyond what can be counted.
    pub(crate) fn at(place: usize) -> Option<Self> {
        u16::try_from(place).ok()?.checked_add(1).map(Self)
    }

    /// Its place in that list; none if the connections are the shared ones.
    pub(crate) fn place(self) -> Option<usize> {
        self.0.checked_sub(1).map(usize::from)
    }

    pub(crate) fn is_shared(self) -> bool {
        self == Self::SHARED
    }
}

/// Its number, as link names end with it.
impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
