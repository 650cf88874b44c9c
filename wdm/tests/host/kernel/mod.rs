//! Stand-ins for the kernel's routines that the safe layer calls, as far as its tests on the host
//! need them: they do what the documentation says, single-mindedly, and are strict where it pays.
//! What is freed is gone, so that the interpreter finds a later access.
//!
//! IRQL is each thread's own. A lock that is waited for is waited for by yielding.

pub mod csq;
pub mod device;
pub mod dma;
mod event;
pub mod irp;
pub mod lock;
pub mod pofx;
pub mod pool;
pub mod timer;
pub mod work;

use std::cell::Cell;

use wdk_sys::KIRQL;

thread_local! {
    static IRQL: Cell<KIRQL> = const { Cell::new(0) };
}

pub const DISPATCH_LEVEL: KIRQL = 2;

pub fn irql() -> KIRQL {
    IRQL.get()
}

/// Gives the old level.
pub fn set_irql(level: KIRQL) -> KIRQL {
    IRQL.replace(level)
}

/// What code above DISPATCH_LEVEL may not do.
pub fn assert_at_most_dispatch() {
    assert!(irql() <= DISPATCH_LEVEL, "called at IRQL {}", irql());
}
