//! The table of what is remembered of IRPs, by their addresses.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::ops::Range;

/// All IRPs that exist, by their addresses. `Lock` is what protects one record: it outlives
/// its IRP as long as a dispatch routine runs that was called with it.
#[derive(Debug)]
pub struct Records<Lock>(BTreeMap<usize, Arc<Lock>>);

impl<Lock> Default for Records<Lock> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<Lock> Records<Lock> {
    /// Begins to remember an IRP.
    pub fn insert(&mut self, irp: usize, record: Lock) {
        self.0.insert(irp, Arc::new(record));
    }

    /// The record of an IRP.
    #[must_use]
    pub fn get(&self, irp: usize) -> Option<Arc<Lock>> {
        self.0.get(&irp).cloned()
    }

    /// Forgets an IRP that is freed.
    pub fn remove(&mut self, irp: usize) -> Option<Arc<Lock>> {
        self.0.remove(&irp)
    }

    /// Forgets the IRPs at these addresses that `goes` says of.
    pub fn remove_within(&mut self, addresses: Range<usize>, mut goes: impl FnMut(&Lock) -> bool) {
        let within = self.0.range(addresses);
        let gone: Vec<_> = within
            .filter(|(_, record)| goes(record))
            .map(|(&irp, _)| irp)
            .collect();
        for irp in gone {
            self.0.remove(&irp);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Lock>)> {
        self.0.iter().map(|(&irp, record)| (irp, record))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::*;
    use crate::io::origin::Origin;

    #[test]
    fn the_irps_in_memory_that_goes_are_forgotten_and_no_others() {
        let mut records = Records::default();
        for irp in [0x1000, 0x1fff, 0x2000] {
            records.insert(irp, Record::new(Origin::DriverMemory, 0, 1));
        }
        records.insert(0x1800, Record::new(Origin::Allocated, 0, 1));
        let own = |record: &Record| record.origin == Origin::DriverMemory;
        records.remove_within(0x1000..0x2000, own);
        let left: Vec<_> = records.iter().map(|(irp, _)| irp).collect();
        assert_eq!(left, [0x1800, 0x2000]);
    }
}
