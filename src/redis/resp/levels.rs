//! The arrays, maps and sets of a reply that are not complete yet: [`Levels`].

use super::error::ProtocolError;
use super::limits::ReplyLimits;
use crate::redis::Value;

/// What holds other elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Array,
    Set,
    Push,
    Map,
    /// Precedes an element and is none: dropped.
    Attribute,
}

/// Elements of a reply for which there is room on the word of its headers alone: 2.5 MiB, which the
/// system does not provide before they come.
const CREDIT: usize = 64 * 1024;

/// Takes the elements of one reply in their order and puts them where they belong.
///
/// A vector is made for as many elements as the bytes that came can hold, and a bounded number on
/// credit; when it is full it grows in proportion to what came.
#[derive(Debug)]
pub(super) struct Levels {
    /// Outermost first; each still lacks an element at least.
    open: Vec<Level>,
    /// Announced so far, over the whole reply.
    elements: usize,
    /// What is left of [`CREDIT`].
    credit: usize,
    /// Elements that came.
    came: usize,
}

#[derive(Debug)]
struct Level {
    aggregate: Aggregate,
    /// Elements still to come; both halves of a pair count.
    left: usize,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Values(Vec<Value>),
    Pairs {
        whole: Vec<(Value, Value)>,
        key: Option<Value>,
    },
    Nothing,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            elements: 0,
            credit: CREDIT,
            came: 0,
        }
    }
}

impl Levels {
    /// An element is complete. Some: the reply is, too.
    #[inline]
    pub(super) fn put(&mut self, mut value: Value) -> Option<Value> {
        while let Some(level) = self.open.last_mut() {
            level.push(value);
            self.came += 1;
            if level.left > 0 {
                return None;
            }
            value = self.open.pop()?.finish()?;
        }
        self.elements = 0;
        self.credit = CREDIT;
        self.came = 0;
        Some(value)
    }

    /// Elements are complete, as long as `next` has some, all of the innermost aggregate; but not its
    /// last one.
    #[inline]
    pub(super) fn put_all_but_one(&mut self, mut next: impl FnMut() -> Option<Value>) {
        let Some(level) = self.open.last_mut() else {
            return;
        };
        let before = level.left;
        while level.left > 1
            && let Some(value) = next()
        {
            level.push(value);
        }
        self.came += before - level.left;
    }

    /// What the elements that came take beside their payloads, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.came * size_of::<Value>()
    }

    /// Keeps no room for levels to come.
    pub(super) fn release(&mut self) {
        self.open.shrink_to_fit();
    }

    /// An aggregate begins: its header announces so many elements, and `come` bytes of them are
    /// there. Some: it is empty, and the reply is complete.
    ///
    /// # Errors
    /// It is beyond the limits.
    pub(super) fn begin(
        &mut self,
        aggregate: Aggregate,
        announced: u64,
        come: usize,
        limits: &ReplyLimits,
    ) -> Result<Option<Value>, ProtocolError> {
        let limit = limits.elements;
        let count = usize::try_from(announced)
            .ok()
            .filter(|count| *count <= limit - self.elements)
            .ok_or(ProtocolError::TooManyElements { announced, limit })?;
        // Empty ones count as a level too: whoever reads the value enters them like any other.
        if self.open.len() >= limits.depth {
            let limit = limits.depth;
            return Err(ProtocolError::TooDeep { limit });
        }
        self.elements += count;
        // An element has 3 bytes at least; what came is not promised to each level anew.
        let certain = count.min(come / 3 / (self.open.len() + 1));
        let believed = (count - certain).min(self.credit);
        self.credit -= believed;
        let level = Level::new(aggregate, count, certain + believed);
        if count > 0 {
            self.open.push(level);
            return Ok(None);
        }
        Ok(level.finish().and_then(|empty| self.put(empty)))
    }
}

impl Level {
    /// With room for so many.
    fn new(aggregate: Aggregate, count: usize, room: usize) -> Self {
        let held = match aggregate {
            Aggregate::Array | Aggregate::Set | Aggregate::Push => {
                Held::Values(Vec::with_capacity(room))
            }
            Aggregate::Map => Held::Pairs {
                whole: Vec::with_capacity(room / 2),
                key: None,
            },
            Aggregate::Attribute => Held::Nothing,
        };
        Self {
            aggregate,
            left: count,
            held,
        }
    }

    #[inline]
    fn push(&mut self, value: Value) {
        match &mut self.held {
            Held::Values(values) => {
                make_room(values, self.left);
                values.push(value);
            }
            Held::Pairs { whole, key } => match key.take() {
                None => *key = Some(value),
                Some(key) => {
                    make_room(whole, self.left.div_ceil(2));
                    whole.push((key, value));
                }
            },
            Held::Nothing => {}
        }
        self.left -= 1;
    }

    /// None for an attribute.
    fn finish(self) -> Option<Value> {
        Some(match (self.held, self.aggregate) {
            (Held::Values(values), Aggregate::Set) => Value::Set(values),
            (Held::Values(values), Aggregate::Push) => Value::Push(values),
            (Held::Values(values), _) => Value::Array(values),
            (Held::Pairs { whole, .. }, _) => Value::Map(whole),
            (Held::Nothing, _) => return None,
        })
    }
}

/// For one more, of at most `left` that are to come. A full vector becomes four times as large, so
/// that little is copied and few pages are touched twice; and ends exact.
#[inline]
fn make_room<T>(items: &mut Vec<T>, left: usize) {
    const LEAST: usize = 16;
    if items.len() == items.capacity() {
        items.reserve_exact(left.min((3 * items.len()).max(LEAST)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(levels: &mut Levels, count: u64, come: usize) -> Option<Value> {
        let limits = ReplyLimits::default();
        let begun = levels.begin(Aggregate::Array, count, come, &limits);
        begun.expect("within the limits")
    }

    fn room(levels: &Levels) -> usize {
        match &levels.open.last().expect("open").held {
            Held::Values(values) => values.capacity(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_array_grows_with_what_comes_and_has_not_an_element_too_much() {
        let mut levels = Levels::default();
        assert_eq!(begin(&mut levels, 1_000_000, 0), None);
        assert_eq!(room(&levels), CREDIT);
        for n in 0..999_999 {
            assert_eq!(levels.put(Value::Int(n)), None);
            let most = CREDIT.max(4 * n as usize);
            assert!(room(&levels) <= most, "{} at {n}", room(&levels));
        }
        let whole = levels.put(Value::Nil).expect("complete");
        let Value::Array(values) = whole else {
            panic!("{whole:?}");
        };
        assert_eq!((values.len(), values.capacity()), (1_000_000, 1_000_000));
    }

    #[test]
    fn headers_alone_are_given_a_bounded_memory_however_many_they_are() {
        let mut levels = Levels::default();
        for depth in 0..32 {
            assert_eq!(begin(&mut levels, 100_000, 0), None);
            let expected = if depth == 0 { CREDIT } else { 0 };
            assert_eq!(room(&levels), expected);
        }
    }

    #[test]
    fn what_came_is_not_promised_to_every_level() {
        const CAME: usize = 96 * 1024;
        let mut levels = Levels::default();
        let mut all = 0;
        for _ in 0..32 {
            assert_eq!(begin(&mut levels, 43_000, CAME), None);
            all += room(&levels);
        }
        // Five times what is there, at most: 1 + 1/2 + ... + 1/32 is 4.06.
        assert!(all <= CREDIT + 5 * CAME / 3, "{all}");
    }

    #[test]
    fn what_came_is_counted_until_the_reply_is_complete() {
        let mut levels = Levels::default();
        assert_eq!(begin(&mut levels, 3, 0), None);
        let mut ones = (0..2).map(Value::Int);
        levels.put_all_but_one(|| ones.next());
        assert_eq!(levels.bytes(), 2 * size_of::<Value>());
        assert!(levels.put(Value::Nil).is_some());
        assert_eq!(levels.bytes(), 0);
    }

    #[test]
    fn an_array_that_came_whole_is_made_in_one_piece() {
        let mut levels = Levels::default();
        assert_eq!(begin(&mut levels, 100, 400), None);
        assert_eq!(room(&levels), 100);
    }

    #[test]
    fn the_next_reply_has_all_elements_of_its_own() {
        let mut levels = Levels::default();
        let limits = ReplyLimits::default().elements(1);
        for _ in 0..3 {
            let begun = levels.begin(Aggregate::Set, 1, 4, &limits);
            assert_eq!(begun, Ok(None));
            let set = Value::Set(vec![Value::Int(1)]);
            assert_eq!(levels.put(Value::Int(1)), Some(set));
        }
    }
}
