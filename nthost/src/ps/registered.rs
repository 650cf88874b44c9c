//! Routines that drivers have registered to be told of something: called one after the other, at
//! PASSIVE_LEVEL in a critical region; whoever removes one waits until nobody runs it any more.
//!
//! Sources: PsSetCreateProcessNotifyRoutineEx, PsRemoveCreateThreadNotifyRoutine,
//! PsRemoveLoadImageNotifyRoutine and the pages of their callbacks.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    driver_routine::{self, Kind},
    ke::{bugcheck, dispatcher, irql, lock::SpinLock, thread},
    pe::module::module_of,
};

/// How many routines there can be of each kind.
const MAXIMUM: usize = 64;
/// IRQL_UNEXPECTED_VALUE.
const IRQL_UNEXPECTED_VALUE: u32 = 0xc8;
/// A critical region's nesting was changed by a routine.
const APC_INDEX_MISMATCH: u32 = 0x01;

/// Why a routine was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is registered already.
    Twice,
    /// There are as many as there can be.
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    number: u64,
    kind: K,
    routine: usize,
    running: u32,
    removed: bool,
}

#[derive(Debug)]
struct Entries<K> {
    list: Vec<Entry<K>>,
    next: u64,
}

/// Routines for one occasion, of some kinds.
#[derive(Debug)]
pub struct Registered<K>(SpinLock<Entries<K>>);

impl<K: Copy + PartialEq> Registered<K> {
    /// None yet.
    pub const fn new() -> Self {
        Self(SpinLock::new(Entries {
            list: Vec::new(),
            next: 0,
        }))
    }

    /// Registers a routine; `once` if not again as long as it is.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn add(&self, kind: K, routine: usize, once: bool) -> Result<(), Refused> {
        let mut entries = self.0.lock();
        let mut present = entries.list.iter().filter(|entry| !entry.removed);
        if once && present.any(|entry| entry.routine == routine && entry.kind == kind) {
            return Err(Refused::Twice);
        }
        if entries.list.len() == MAXIMUM {
            return Err(Refused::Full);
        }
        let number = entries.next;
        entries.next += 1;
        entries.list.push(Entry {
            number,
            kind,
            routine,
            running: 0,
            removed: false,
        });
        drop(entries);
        Ok(())
    }

    /// Removes a routine of the kinds that suit, and waits until nobody runs it any more; whether
    /// there was one. IRQL below DISPATCH_LEVEL.
    pub fn remove(&self, routine: usize, suits: impl Fn(K) -> bool) -> bool {
        let mut entries = self.0.lock();
        let mut present = entries.list.iter_mut();
        let found = present
            .find(|entry| entry.routine == routine && suits(entry.kind) && !entry.removed)
            .map(|entry| {
                entry.removed = true;
                entry.number
            });
        drop(entries);
        let Some(number) = found else {
            return false;
        };
        loop {
            let mut entries = self.0.lock();
            let place = entries.list.iter().position(|entry| entry.number == number);
            let Some(place) = place.filter(|&place| entries.list[place].running != 0) else {
                if let Some(place) = place {
                    entries.list.remove(place);
                }
                return true;
            };
            assert!(entries.list[place].removed);
            drop(entries);
            dispatcher::yield_now();
        }
    }

    /// Calls the routines of the kinds that suit, in the order in which they were registered.
    /// PASSIVE_LEVEL.
    pub fn call(&self, suits: impl Fn(K) -> bool, mut call: impl FnMut(usize, K)) {
        let mut from = 0;
        while let Some(entry) = self.begin(from, &suits) {
            in_critical_region(entry.routine, || {
                driver_routine::call(Kind::Callback, entry.routine, 0, || {
                    call(entry.routine, entry.kind);
                });
            });
            let mut entries = self.0.lock();
            let mut list = entries.list.iter_mut();
            if let Some(entry) = list.find(|other| other.number == entry.number) {
                entry.running -= 1;
            }
            from = entry.number + 1;
        }
    }

    /// The next routine from a number on: it runs.
    fn begin(&self, from: u64, suits: &impl Fn(K) -> bool) -> Option<Entry<K>> {
        let mut entries = self.0.lock();
        let mut list = entries.list.iter_mut();
        let entry =
            list.find(|entry| entry.number >= from && !entry.removed && suits(entry.kind))?;
        entry.running += 1;
        Some(*entry)
    }

    /// A routine that is still registered and lies there.
    pub fn calling_into(&self, image: &Range<u64>) -> Option<u64> {
        let entries = self.0.lock();
        let mut routines = entries.list.iter().map(|entry| entry.routine as u64);
        routines.find(|routine| image.contains(routine))
    }
}

/// Calls a driver's routine in a critical region, which it must leave as it found it.
fn in_critical_region(routine: usize, call: impl FnOnce()) {
    let current = thread::current();
    // SAFETY: the thread that runs; only it uses this field.
    let before = unsafe { &mut (*current).kernel_apc_disable };
    *before -= 1;
    let nesting = *before;
    let level = irql::current();
    call();
    let (module, offset) = module_of(routine as u64);
    let now = irql::current();
    if now != level {
        log!("verifier", "{module}+{offset:#x} returned at IRQL {now}");
        let levels = u64::from(now) << 16 | u64::from(level) << 8;
        bugcheck::bugcheck(IRQL_UNEXPECTED_VALUE, [levels, routine as u64, 0, 0]);
    }
    // SAFETY: as above.
    let after = unsafe { &mut (*current).kernel_apc_disable };
    if *after != nesting {
        log!(
            "verifier",
            "{module}+{offset:#x} returned in a critical region"
        );
        let count = u64::from(after.cast_unsigned());
        bugcheck::bugcheck(APC_INDEX_MISMATCH, [routine as u64, 0, count, 0]);
    }
    *after += 1;
}
