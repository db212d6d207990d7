//! Values of a caller's, whose code may panic where that is nobody else's matter.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what a caller gave. If its drop panics, that ends nothing but the drop.
pub(crate) fn drop_guarded<T>(value: T) {
    // The panic was told by the hook of the process already.
    drop(catch_unwind(AssertUnwindSafe(|| drop(value))));
}
