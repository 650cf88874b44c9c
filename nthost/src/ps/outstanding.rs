//! The requests of a process that are on their way.
//!
//! There are few at a time, and they come in the order of their numbers, nearly: a list that is
//! sorted finds them sooner than a tree, and allocates nothing once it is long enough.

use alloc::vec::Vec;

use nthost_nt::io::{file::FILE_OBJECT, irp::IRP};
use nthost_protocol::{RequestId, ThreadId};

/// A request that is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    /// Null once it is complete and gone.
    pub(super) irp: *mut IRP,
    pub(super) file: *mut FILE_OBJECT,
    pub(super) thread: ThreadId,
    /// Somebody is canceling it: it must not be freed meanwhile.
    pub(super) pins: u32,
}

// SAFETY: the pointers are used while the request is pinned, or compared.
unsafe impl Send for Outstanding {}

/// The requests, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Requests(Vec<(RequestId, Outstanding)>);

impl Requests {
    fn find(&self, id: RequestId) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last >= id => self.0.binary_search_by_key(&id, |(id, _)| *id),
            _ => Err(self.0.len()),
        }
    }

    /// Adds one. It takes the place of one of this number.
    pub fn insert(&mut self, id: RequestId, request: Outstanding) {
        match self.find(id) {
            Ok(index) => self.0[index].1 = request,
            Err(index) => self.0.insert(index, (id, request)),
        }
    }

    /// The one of this number.
    pub fn get_mut(&mut self, id: RequestId) -> Option<&mut Outstanding> {
        let index = self.find(id).ok()?;
        Some(&mut self.0[index].1)
    }

    /// Takes one out, if this holds of it; whether it is out now.
    pub fn remove_if(&mut self, id: RequestId, holds: impl FnOnce(&Outstanding) -> bool) -> bool {
        let Ok(index) = self.find(id) else {
            return true;
        };
        let holds = holds(&self.0[index].1);
        if holds {
            self.0.remove(index);
        }
        holds
    }

    /// All of them.
    pub fn all(&mut self) -> impl Iterator<Item = (RequestId, &mut Outstanding)> {
        self.0.iter_mut().map(|(id, request)| (*id, request))
    }
}
