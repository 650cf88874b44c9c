//! Faults on demand: a processor that does not come to a DPC, and to those behind it, for a while.

use core::sync::atomic::{AtomicU64, Ordering};

use super::fault;
use crate::ke::{
    dpc,
    pcr::{self, MAXIMUM_PROCESSORS},
    time,
};

/// The first DPC of a processor, as far as it was asked whether that is late, and until when it is.
/// Relaxed: only the processor itself uses them.
struct Late {
    dpc: AtomicU64,
    until: AtomicU64,
}

static LATE: [Late; MAXIMUM_PROCESSORS] = [const {
    Late {
        dpc: AtomicU64::new(0),
        until: AtomicU64::new(0),
    }
}; MAXIMUM_PROCESSORS];

/// Whether this processor does not come to the first of its DPCs yet. It is interrupted when it
/// does. DISPATCH_LEVEL.
#[must_use]
pub fn waits() -> bool {
    let pcr = pcr::current();
    let Some((dpc, routine)) = dpc::first(pcr) else {
        return false;
    };
    let now = time::interrupt_time();
    let late = &LATE[pcr.number as usize];
    if late.dpc.load(Ordering::Relaxed) == dpc {
        return late.until.load(Ordering::Relaxed) > now;
    }
    let milliseconds = fault::late_dpc(routine);
    // Each DPC is one for the faults, however often its processor looks at it.
    late.dpc.store(dpc, Ordering::Relaxed);
    let due = now + u64::from(milliseconds) * 10_000;
    late.until.store(due, Ordering::Relaxed);
    if milliseconds != 0 {
        dpc::look_again(pcr, due);
    }
    milliseconds != 0
}

/// A DPC runs on this processor: the next time that it is the first, it is another.
pub fn runs(dpc: u64) {
    let late = &LATE[pcr::current().number as usize];
    let _ = late
        .dpc
        .compare_exchange(dpc, 0, Ordering::Relaxed, Ordering::Relaxed);
}
