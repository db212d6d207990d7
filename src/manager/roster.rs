//! Who is a member, in which order, and who needs whom: [`Roster`]. Pure.

use crate::endpoint::LinkName;

/// Why a member was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRegistered {
    /// There is one of this name.
    #[error("{0} is registered already")]
    Twice(LinkName),
    /// It is to start after one that is not registered before it.
    #[error("{name} is to start after {after}, which is not registered before it")]
    Unknown {
        /// The new one.
        name: LinkName,
        /// The one it is to start after.
        after: LinkName,
    },
    /// One of the two is called as the other, a slash and more: the links of both would be the
    /// other's.
    #[error("{name} cannot be registered beside {other}: the links of one would be the other's")]
    Overlaps {
        /// The new one.
        name: LinkName,
        /// The one that is there.
        other: LinkName,
    },
}

/// Members in the order of their registration, which is the order of starting: whom a member needs
/// is registered before it, so there are no cycles.
#[derive(Debug)]
pub(super) struct Roster<M> {
    members: Vec<Entry<M>>,
}

#[derive(Debug)]
pub(super) struct Entry<M> {
    pub(super) name: LinkName,
    pub(super) after: Vec<LinkName>,
    pub(super) member: M,
}

impl<M> Default for Roster<M> {
    fn default() -> Self {
        let members = Vec::new();
        Self { members }
    }
}

impl<M> Roster<M> {
    pub(super) fn add(
        &mut self,
        name: LinkName,
        after: Vec<LinkName>,
        member: M,
    ) -> Result<(), NotRegistered> {
        if self.get(&name).is_some() {
            return Err(NotRegistered::Twice(name));
        }
        let overlaps = |it: &&Entry<M>| owns(&it.name, &name) || owns(&name, &it.name);
        if let Some(other) = self.members.iter().find(overlaps) {
            let other = other.name.clone();
            return Err(NotRegistered::Overlaps { name, other });
        }
        if let Some(after) = after.iter().find(|after| self.get(after).is_none()) {
            let after = after.clone();
            return Err(NotRegistered::Unknown { name, after });
        }
        self.members.push(Entry {
            name,
            after,
            member,
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &LinkName) -> Option<M> {
        let at = self.members.iter().position(|entry| entry.name == *name)?;
        for entry in &mut self.members {
            entry.after.retain(|after| after != name);
        }
        Some(self.members.remove(at).member)
    }

    pub(super) fn get(&self, name: &LinkName) -> Option<&Entry<M>> {
        self.members.iter().find(|entry| entry.name == *name)
    }

    pub(super) fn get_mut(&mut self, name: &LinkName) -> Option<&mut Entry<M>> {
        self.members.iter_mut().find(|entry| entry.name == *name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<M>> {
        self.members.iter()
    }

    pub(super) fn names(&self) -> Vec<LinkName> {
        self.members
            .iter()
            .map(|entry| entry.name.clone())
            .collect()
    }

    /// This one and all that were registered after it.
    pub(super) fn from(&self, name: &LinkName) -> Vec<LinkName> {
        let names = self.names();
        let at = names.iter().position(|known| known == name);
        names[at.unwrap_or(names.len())..].to_vec()
    }

    /// Whose link this is.
    pub(super) fn owner(&self, link: &LinkName) -> Option<&Entry<M>> {
        self.members.iter().find(|entry| owns(&entry.name, link))
    }
}

/// Whether a link belongs to the member of this name: it is called so, or so and a slash and more.
pub(super) fn owns(member: &LinkName, link: &LinkName) -> bool {
    link.as_str()
        .strip_prefix(member.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster() -> Roster<u8> {
        let mut roster = Roster::default();
        roster.add("db".into(), vec![], 1).expect("new");
        roster.add("cache".into(), vec![], 2).expect("new");
        let after = vec!["db".into(), "cache".into()];
        roster.add("feed".into(), after, 3).expect("new");
        roster
    }

    #[test]
    fn a_name_is_taken_once_and_whom_a_member_needs_is_there_before_it() {
        let mut roster = roster();
        let twice = roster.add("db".into(), vec![], 4);
        assert_eq!(twice, Err(NotRegistered::Twice("db".into())));
        for after in ["late", "self"] {
            let unknown = roster.add("self".into(), vec![after.into()], 4);
            assert!(matches!(unknown, Err(NotRegistered::Unknown { .. })));
        }
        assert_eq!(roster.names(), ["db".into(), "cache".into(), "feed".into()]);
    }

    #[test]
    fn no_member_owns_another() {
        let mut roster = roster();
        for (name, other) in [("db/archive", "db"), ("a/b/c", "a/b"), ("a", "a/b")] {
            if roster.get(&other.into()).is_none() {
                roster.add(other.into(), vec![], 4).expect("new");
            }
            let refused = roster.add(name.into(), vec![], 5).expect_err(name);
            assert!(refused.to_string().contains(other), "{refused}");
            roster.remove(&"a/b".into());
        }
        roster.add("dbs".into(), vec![], 6).expect("another name");
    }

    #[test]
    fn one_that_is_removed_is_needed_by_nobody() {
        let mut roster = roster();
        assert_eq!(roster.remove(&"cache".into()), Some(2));
        assert_eq!(roster.remove(&"cache".into()), None);
        let feed = roster.get(&"feed".into()).expect("registered");
        assert_eq!(feed.after, ["db".into()]);
    }

    #[test]
    fn knows_those_after_one_and_whose_a_link_is() {
        let roster = roster();
        assert_eq!(
            roster.from(&"cache".into()),
            ["cache".into(), "feed".into()]
        );
        assert!(roster.from(&"nobody".into()).is_empty());
        let owner = |link: &str| roster.owner(&link.into()).map(|entry| entry.member);
        assert_eq!(owner("cache"), Some(2));
        assert_eq!(owner("cache/10.0.0.1:7000"), Some(2));
        assert_eq!(owner("cachet"), None);
        assert_eq!(owner("cach"), None);
    }
}
