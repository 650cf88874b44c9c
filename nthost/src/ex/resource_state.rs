//! Who has a resource, who waits for it, and who is next.
//!
//! Source: "Introduction to ERESOURCE Routines".

use alloc::{collections::VecDeque, vec::Vec};

use nthost_nt::ke::KEVENT;

/// A thread that waits; the record is on its stack.
pub(super) struct Waiter {
    pub(super) event: KEVENT,
    pub(super) owner: u64,
    pub(super) exclusive: bool,
}

/// Who has a resource, and how often.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    /// A thread, or what ExSetResourceOwnerPointer put in its place.
    pub(super) id: u64,
    pub(super) count: u32,
}

/// A resource.
#[derive(Default)]
pub(super) struct State {
    pub(super) owners: Vec<Owner>,
    pub(super) exclusive: bool,
    pub(super) waiters: VecDeque<*mut Waiter>,
    /// Who made it.
    pub(super) caller: u64,
}

// SAFETY: the waiters are only touched under the lock.
unsafe impl Send for State {}

/// How a thread that wants shared access stands to those who wait for exclusive access.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Politeness {
    /// It waits for them, unless it has shared access already.
    Normal,
    /// It goes before them.
    Starve,
    /// It waits for them, even if it has shared access already.
    Wait,
}

impl State {
    pub(super) fn own(&mut self, id: u64) -> Option<&mut Owner> {
        self.owners.iter_mut().find(|owner| owner.id == id)
    }

    pub(super) fn grant(&mut self, id: u64, exclusive: bool) {
        self.exclusive = exclusive;
        match self.own(id) {
            Some(owner) => owner.count += 1,
            None => self.owners.push(Owner { id, count: 1 }),
        }
    }

    pub(super) fn waiting(&self, exclusive: bool) -> usize {
        let waiters = self.waiters.iter();
        waiters
            // SAFETY: whoever waits stays until it is granted access.
            .filter(|&&waiter| unsafe { (*waiter).exclusive } == exclusive)
            .count()
    }

    /// Grants access at once, if the rules allow it.
    pub(super) fn try_exclusive(&mut self, id: u64) -> bool {
        let mine = self.own(id).is_some();
        let granted = self.owners.is_empty() || (mine && self.exclusive);
        if granted {
            self.grant(id, true);
        }
        granted
    }

    /// Likewise, for shared access.
    pub(super) fn try_shared(&mut self, id: u64, politeness: Politeness) -> bool {
        let mine = self.own(id).is_some();
        if self.exclusive && !self.owners.is_empty() {
            // Exclusive access goes on being exclusive.
            if mine {
                self.grant(id, true);
            }
            return mine;
        }
        let before_others = match politeness {
            Politeness::Normal => mine,
            Politeness::Starve => true,
            Politeness::Wait => false,
        };
        let granted = self.owners.is_empty() || before_others || self.waiting(true) == 0;
        if granted {
            self.grant(id, false);
        }
        granted
    }

    /// Grants access to those who can have it now, oldest first; gives them, to be woken.
    pub(super) fn hand_on(&mut self) -> Vec<*mut Waiter> {
        let mut woken = Vec::new();
        while let Some(&waiter) = self.waiters.front() {
            // SAFETY: whoever waits stays until it is granted access.
            let &Waiter {
                owner, exclusive, ..
            } = unsafe { &*waiter };
            let free = self.owners.is_empty() || (!exclusive && !self.exclusive);
            if !free {
                break;
            }
            self.waiters.pop_front();
            self.grant(owner, exclusive);
            woken.push(waiter);
        }
        woken
    }
}
