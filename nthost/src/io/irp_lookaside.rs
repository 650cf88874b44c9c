//! Free IRPs that each processor keeps: most IRPs are made of one that was freed a moment ago, and
//! not of pool.
//!
//! As on NT, an IRP of few stack locations has room for [`LOCATIONS`], however few were asked for, and
//! its `AllocationFlags` say that it goes back to such a list. Where pool is special there are no
//! lists: nobody is to reach what was freed.
//!
//! Sources: ns-wdm-_irp; "Using Lookaside Lists".

use core::{cell::UnsafeCell, ptr::null_mut};

use nthost_nt::io::irp::{IO_TYPE_IRP, IRP};
use x86_64::instructions::interrupts;

use super::irp;
use crate::{
    hook,
    ke::pcr::{self, MAXIMUM_PROCESSORS},
    mm::{guarded, pool},
};

/// `IRP_ALLOCATED_FIXED_SIZE` in `AllocationFlags`: it has room for [`LOCATIONS`].
pub(super) const FIXED_SIZE: u8 = 0x04;
/// The most stack locations of an IRP that is kept.
const LOCATIONS: i8 = 8;
/// How many free IRPs a processor keeps at the most.
const KEPT: u16 = 32;

/// Free IRPs; each leads to the next by `ThreadListEntry`.
struct List {
    first: *mut IRP,
    count: u16,
}

/// A processor's list. Used by that processor alone, with interrupts off.
#[repr(align(64))]
struct OfProcessor(UnsafeCell<List>);

// SAFETY: each is used by one processor, with interrupts off.
unsafe impl Sync for OfProcessor {}

static LISTS: [OfProcessor; MAXIMUM_PROCESSORS] = [const {
    OfProcessor(UnsafeCell::new(List {
        first: null_mut(),
        count: 0,
    }))
}; MAXIMUM_PROCESSORS];

/// Runs with the list of this processor, and with interrupts off.
#[inline]
fn with_list<T>(operation: impl FnOnce(&mut List) -> T) -> T {
    let enabled = interrupts::are_enabled();
    interrupts::disable();
    let list = LISTS[pcr::current().number as usize].0.get();
    // SAFETY: this processor's list, and nothing else runs here meanwhile.
    let result = operation(unsafe { &mut *list });
    if enabled {
        interrupts::enable();
    }
    result
}

impl List {
    fn pop(&mut self) -> Option<*mut IRP> {
        if self.first.is_null() {
            return None;
        }
        let irp = self.first;
        // SAFETY: a free IRP of the list.
        self.first = unsafe { (*irp).ThreadListEntry.Flink }.cast();
        self.count -= 1;
        Some(irp)
    }

    /// Whether there was room for it.
    fn push(&mut self, irp: *mut IRP) -> bool {
        let has_room = self.count < KEPT;
        if has_room {
            // SAFETY: nobody else has it.
            unsafe { (*irp).ThreadListEntry.Flink = self.first.cast() };
            self.first = irp;
            self.count += 1;
        }
        has_room
    }
}

/// Memory for an IRP of so many locations, if it is to come from a list; null if there is none
/// left. IRQL up to DISPATCH_LEVEL.
#[inline]
pub(super) fn take(stack_count: i8) -> Option<*mut IRP> {
    if stack_count > LOCATIONS || pool::is_special(false) {
        return None;
    }
    let kept = with_list(List::pop).or_else(|| {
        let memory = guarded::allocate_buffer(irp::size(LOCATIONS));
        memory.map(<*mut u8>::cast)
    });
    Some(kept.unwrap_or(null_mut()))
}

/// Frees an IRP that came from a list; whether it did, and was not free. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// Nobody uses it any more.
#[inline]
pub(super) unsafe fn give(irp: *mut IRP) -> bool {
    // SAFETY: the caller's promise. What is freed is known by its type, also where it is none.
    let packet = unsafe { &mut *irp };
    if packet.AllocationFlags & FIXED_SIZE == 0 || packet.Type != IO_TYPE_IRP {
        return false;
    }
    hook::memory_freed(irp.addr() as u64, irp::size(LOCATIONS) as u64);
    // Whoever completes it or frees it once more is to be found out.
    packet.Type = 0;
    with_list(|list| list.push(irp)) || guarded::free(irp.cast())
}

/// Whether an IRP lies in a list, or has come from there.
pub(super) const fn is_kept(irp: &IRP) -> bool {
    irp.AllocationFlags & FIXED_SIZE != 0
}
