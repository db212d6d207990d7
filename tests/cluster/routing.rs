//! Which node serves what.

use everlink::redis::Slot;

use crate::support::redis_cluster::SLOTS;

/// For each slot a key that is in it.
pub(crate) fn key_of_each_slot() -> Vec<String> {
    let mut keys = vec![None; usize::from(SLOTS)];
    let mut missing = keys.len();
    for number in 0_u32.. {
        let key = format!("key:{number}");
        let place = &mut keys[usize::from(Slot::of(key.as_bytes()).get())];
        if place.is_none() {
            *place = Some(key);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    keys.into_iter().flatten().collect()
}

/// A key in this slot.
pub(crate) fn key_in(slot: u16) -> String {
    (0_u32..)
        .map(|number| format!("key:{number}"))
        .find(|key| Slot::of(key.as_bytes()).get() == slot)
        .expect("each slot has keys")
}
