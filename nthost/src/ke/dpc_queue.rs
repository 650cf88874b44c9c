//! The DPCs that wait for a processor, as a list through the DPCs themselves.
//!
//! Source: "Organization of DPC Queues".

use core::ptr::null_mut;

use nthost_nt::ke::{KDPC, SINGLE_LIST_ENTRY};

/// The DPCs that wait for a processor, first to be run first.
#[derive(Debug)]
pub struct DpcQueue {
    /// To be run first; null if there is none.
    pub first: *mut KDPC,
    last: *mut KDPC,
    /// How many there are.
    pub depth: u32,
}

// SAFETY: the DPCs in it are reached through its lock alone.
unsafe impl Send for DpcQueue {}

impl DpcQueue {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: null_mut(),
            last: null_mut(),
            depth: 0,
        }
    }

    /// Takes a DPC that is in no queue.
    pub fn insert(&mut self, dpc: *mut KDPC, at_head: bool) {
        let next = if at_head { self.first } else { null_mut() };
        // SAFETY: the DPC is the caller's, and in no queue.
        unsafe { (*dpc).DpcListEntry.Next = next.cast::<SINGLE_LIST_ENTRY>() };
        if at_head {
            self.first = dpc;
            if self.last.is_null() {
                self.last = dpc;
            }
        } else {
            if self.last.is_null() {
                self.first = dpc;
            } else {
                // SAFETY: what is in the queue exists.
                unsafe { (*self.last).DpcListEntry.Next = dpc.cast() };
            }
            self.last = dpc;
        }
        self.depth += 1;
    }

    /// The one behind it.
    #[must_use]
    pub fn next_of(dpc: *mut KDPC) -> *mut KDPC {
        // SAFETY: what is in the queue exists.
        unsafe { (*dpc).DpcListEntry.Next }.cast()
    }

    /// Gives the first; null if there is none.
    #[must_use]
    pub fn take_first(&mut self) -> *mut KDPC {
        let dpc = self.first;
        if !dpc.is_null() {
            self.unlink(null_mut(), dpc);
        }
        dpc
    }

    fn unlink(&mut self, before: *mut KDPC, dpc: *mut KDPC) {
        let next = Self::next_of(dpc);
        if before.is_null() {
            self.first = next;
        } else {
            // SAFETY: what is in the queue exists.
            unsafe { (*before).DpcListEntry.Next = next.cast() };
        }
        if self.last == dpc {
            self.last = before;
        }
        self.depth -= 1;
    }

    /// Takes a DPC out, if it is in the queue; whether it was.
    pub fn remove(&mut self, dpc: *mut KDPC) -> bool {
        let (mut before, mut entry) = (null_mut(), self.first);
        while !entry.is_null() {
            if entry == dpc {
                self.unlink(before, dpc);
                return true;
            }
            (before, entry) = (entry, Self::next_of(entry));
        }
        false
    }
}

impl Default for DpcQueue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, vec::Vec};

    use super::*;

    /// So many DPCs, which live as long as the test's process.
    fn dpcs<const N: usize>() -> [*mut KDPC; N] {
        core::array::from_fn(|_| {
            let dpc = KDPC {
                Type: 0x13,
                Importance: 1,
                Number: 0,
                DpcListEntry: SINGLE_LIST_ENTRY { Next: null_mut() },
                ProcessorHistory: 0,
                DeferredRoutine: None,
                DeferredContext: null_mut(),
                SystemArgument1: null_mut(),
                SystemArgument2: null_mut(),
                DpcData: null_mut(),
            };
            &raw mut *Box::leak(Box::new(dpc))
        })
    }

    fn drain(queue: &mut DpcQueue) -> Vec<*mut KDPC> {
        core::iter::from_fn(|| Some(queue.take_first()).filter(|dpc| !dpc.is_null())).collect()
    }

    #[test]
    fn dpcs_come_in_order_but_for_those_of_high_importance() {
        let [first, second, urgent, more_urgent] = dpcs();
        let mut queue = DpcQueue::new();
        queue.insert(first, false);
        queue.insert(urgent, true);
        queue.insert(second, false);
        queue.insert(more_urgent, true);
        assert_eq!(queue.depth, 4);
        assert_eq!(drain(&mut queue), [more_urgent, urgent, first, second]);
        assert_eq!(queue.depth, 0);
    }

    #[test]
    fn a_dpc_can_be_taken_out_wherever_it_is() {
        for taken in 0..3 {
            let all: [_; 3] = dpcs();
            let mut queue = DpcQueue::new();
            for dpc in all {
                queue.insert(dpc, false);
            }
            assert!(queue.remove(all[taken]));
            assert!(!queue.remove(all[taken]), "it is not in the queue any more");
            // The end of the queue is known: what is inserted behind it comes last.
            queue.insert(all[taken], false);
            let mut expected = all.to_vec();
            expected.remove(taken);
            expected.push(all[taken]);
            assert_eq!(drain(&mut queue), expected, "after {taken}");
        }
    }

    #[test]
    fn the_only_dpc_can_be_taken_out() {
        let [only] = dpcs();
        let mut queue = DpcQueue::new();
        queue.insert(only, true);
        assert!(queue.remove(only));
        assert_eq!(drain(&mut queue), Vec::new());
        queue.insert(only, false);
        assert_eq!(drain(&mut queue), [only]);
    }
}
