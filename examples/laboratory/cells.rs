//! Where the traffic goes: [`Cell`]s, spread evenly over all slots, so that every shard, and every
//! stretch of slots that moves, has some.

use everlink::redis::Slot;

/// How many cells there are: one in each of as many equal stretches of slots.
const CELLS: usize = 48;

/// Three keys with one hash tag, and so in one slot: a list, a counter and a value.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) slot: u16,
    pub(crate) list: String,
    pub(crate) counter: String,
    pub(crate) value: String,
    /// Written only by the observer of the cluster, never through everlink.
    pub(crate) probe: String,
}

impl Cell {
    /// What every value of this cell begins with, so that a reply meant for another call shows.
    pub(crate) fn mark(&self) -> String {
        format!("{}=", self.value)
    }

    pub(crate) fn keys(&self) -> [&str; 3] {
        [&self.list, &self.counter, &self.value]
    }
}

/// The cells of one run, whose keys begin with `prefix`.
pub(crate) fn cells(prefix: &str) -> Vec<Cell> {
    let mut found: Vec<Option<Cell>> = vec![None; CELLS];
    let mut missing = CELLS;
    for number in 0.. {
        let tag = format!("{prefix}:{{{number}}}");
        let slot = Slot::of(tag.as_bytes()).get();
        let stretch = usize::from(slot) * CELLS / Slot::COUNT;
        if found[stretch].is_some() {
            continue;
        }
        found[stretch] = Some(Cell {
            slot,
            list: format!("{tag}:list"),
            counter: format!("{tag}:counter"),
            value: format!("{tag}:value"),
            probe: format!("{tag}:probe"),
        });
        missing -= 1;
        if missing == 0 {
            break;
        }
    }
    found.into_iter().flatten().collect()
}
