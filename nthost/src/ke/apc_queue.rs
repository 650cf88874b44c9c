//! A thread's special kernel APCs, oldest first, each for the time in which the thread is in one
//! process.
//!
//! Sources: "Types of APCs"; KeStackAttachProcess, which says that attaching keeps requests from
//! being completed.

use alloc::boxed::Box;
use core::ptr::null_mut;

/// What one does.
pub type Routine = unsafe fn(argument: usize);

/// A special kernel APC.
#[derive(Debug)]
pub struct Apc {
    next: *mut Self,
    /// The process in whose addresses it runs: while the thread is in another, it waits.
    process: usize,
    /// What it does, at APC_LEVEL.
    pub routine: Routine,
    /// With what.
    pub argument: usize,
}

impl Apc {
    /// One for the time in which the thread is in a process.
    #[must_use]
    pub const fn new(process: usize, routine: Routine, argument: usize) -> Self {
        Self {
            next: null_mut(),
            process,
            routine,
            argument,
        }
    }
}

/// A thread's APCs.
#[derive(Debug)]
pub struct Queue {
    first: *mut Apc,
    last: *mut Apc,
}

impl Queue {
    /// With none in it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: null_mut(),
            last: null_mut(),
        }
    }

    /// Whether none is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// One more, behind all others.
    pub fn push(&mut self, apc: Box<Apc>) {
        let apc = Box::into_raw(apc);
        if self.first.is_null() {
            self.first = apc;
        } else {
            // SAFETY: what is in the queue exists, and is the queue's alone.
            unsafe { (*self.last).next = apc };
        }
        self.last = apc;
    }

    /// The oldest that can run in a process.
    pub fn pop(&mut self, process: usize) -> Option<Box<Apc>> {
        let mut before: *mut Apc = null_mut();
        let mut apc = self.first;
        loop {
            // SAFETY: what is in the queue exists, and is the queue's alone.
            let fields = unsafe { apc.as_ref() }?;
            let next = fields.next;
            if fields.process != process {
                (before, apc) = (apc, next);
                continue;
            }
            if before.is_null() {
                self.first = next;
            } else {
                // SAFETY: as above.
                unsafe { (*before).next = next };
            }
            if self.last == apc {
                self.last = before;
            }
            // SAFETY: it came from a box, and has left the queue.
            return Some(unsafe { Box::from_raw(apc) });
        }
    }

    /// Whether one of them can run in a process.
    #[must_use]
    pub fn has(&self, process: usize) -> bool {
        let mut apc = self.first;
        // SAFETY: what is in the queue exists, and is the queue's alone.
        while let Some(fields) = unsafe { apc.as_ref() } {
            if fields.process == process {
                return true;
            }
            apc = fields.next;
        }
        false
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut apc = self.first;
        while !apc.is_null() {
            // SAFETY: what is in the queue came from a box, and the queue goes.
            apc = unsafe { Box::from_raw(apc) }.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: usize = 0x10;
    const ELSEWHERE: usize = 0x20;

    unsafe fn nothing(_argument: usize) {}

    fn queue(of: &[(usize, usize)]) -> Queue {
        let mut queue = Queue::new();
        for &(process, argument) in of {
            queue.push(Box::new(Apc::new(process, nothing, argument)));
        }
        queue
    }

    fn taken(queue: &mut Queue, process: usize) -> Option<usize> {
        queue.pop(process).map(|apc| apc.argument)
    }

    #[test]
    fn apcs_of_a_process_come_in_the_order_in_which_they_were_queued() {
        let mut queue = queue(&[(HERE, 1), (HERE, 2), (HERE, 3)]);
        assert_eq!(taken(&mut queue, HERE), Some(1));
        queue.push(Box::new(Apc::new(HERE, nothing, 4)));
        let rest = [(); 4].map(|()| taken(&mut queue, HERE));
        assert_eq!(rest, [Some(2), Some(3), Some(4), None]);
        assert!(queue.is_empty());
    }

    #[test]
    fn apcs_of_another_process_wait_until_the_thread_is_there() {
        let mut queue = queue(&[(ELSEWHERE, 1), (HERE, 2), (ELSEWHERE, 3)]);
        assert_eq!(taken(&mut queue, HERE), Some(2));
        assert!(!queue.has(HERE) && queue.has(ELSEWHERE));
        assert_eq!(taken(&mut queue, HERE), None);
        assert_eq!(taken(&mut queue, ELSEWHERE), Some(1));
        assert_eq!(taken(&mut queue, ELSEWHERE), Some(3));
        assert!(queue.is_empty());
    }

    #[test]
    fn the_last_apc_may_leave_first() {
        let mut queue = queue(&[(ELSEWHERE, 1), (HERE, 2)]);
        assert_eq!(taken(&mut queue, HERE), Some(2));
        queue.push(Box::new(Apc::new(ELSEWHERE, nothing, 3)));
        assert_eq!(taken(&mut queue, ELSEWHERE), Some(1));
        assert_eq!(taken(&mut queue, ELSEWHERE), Some(3));
    }
}
