//! What drivers have and must give back: one table for everything that is neither pool nor an
//! IRP.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::ke::lock::HighLock;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Pages for an MDL, and contiguous memory.
    Pages,
    /// Views of sections in system space, in pages.
    View,
    /// Memory that is not cached, in bytes.
    NonCached,
    /// Pages of a buffer that are locked.
    LockedPages,
    /// I/O space that is mapped.
    IoSpace,
    /// An MDL's pages that are mapped.
    MdlMapping,
    /// Addresses that are reserved for mappings.
    MappingAddress,
}

/// Something that a driver has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// How much of it.
    pub count: u64,
    /// Who got it.
    pub caller: u64,
    /// The address space of the process whose pages it is about; 0 for the system's.
    pub space: usize,
}

/// By kind and address. A leaf among locks.
static HOLDINGS: HighLock<BTreeMap<(Kind, u64), Holding>> = HighLock::new(BTreeMap::new());

/// A driver got something, which is known by an address.
pub fn take(kind: Kind, address: u64, count: u64, caller: u64) {
    take_in(kind, address, count, caller, 0);
}

/// As [`take`], of a process's pages.
pub fn take_in(kind: Kind, address: u64, count: u64, caller: u64, space: usize) {
    let holding = Holding {
        count,
        caller,
        space,
    };
    HOLDINGS.lock().insert((kind, address), holding);
}

/// A driver gives something back; `None` if it does not have it.
pub fn give(kind: Kind, address: u64) -> Option<Holding> {
    HOLDINGS.lock().remove(&(kind, address))
}

/// What a driver has under this address.
#[must_use]
pub fn get(kind: Kind, address: u64) -> Option<Holding> {
    HOLDINGS.lock().get(&(kind, address)).copied()
}

/// Everything of a kind: addresses and what is held.
#[must_use]
pub fn all(kind: Kind) -> Vec<(u64, Holding)> {
    let holdings = HOLDINGS.lock();
    let of_kind = holdings.iter().filter(|((other, _), _)| *other == kind);
    of_kind
        .map(|(&(_, address), &holding)| (address, holding))
        .collect()
}

/// How much there is of a kind.
#[must_use]
pub fn total(kind: Kind) -> u64 {
    all(kind).iter().map(|(_, holding)| holding.count).sum()
}
