//! What the I/O verifier remembers of each IRP, apart from the IRP itself: that is its drivers'
//! to write to, and is freed while dispatch routines that saw it still run.

use alloc::{collections::BTreeMap, sync::Arc, vec, vec::Vec};

use nthost_nt::status::NTSTATUS;

use super::dispatch_rules::Seen;

/// Who made an IRP, which decides who frees it and what `IoReuseIrp` may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `IoAllocateIrp`: the driver frees it.
    Allocated,
    /// `IoInitializeIrp` on the driver's own memory.
    DriverMemory,
    /// `IoBuildAsynchronousFsdRequest`: the driver frees it.
    Asynchronous,
    /// `IoBuildSynchronousFsdRequest`, `IoBuildDeviceIoControlRequest`: the system frees it.
    Synchronous,
    /// `IoMakeAssociatedIrp`.
    Associated,
    /// The kernel itself, for a system call, plug and play or power.
    System,
}

/// One driver's part of an IRP.
#[derive(Clone, Copy, Debug, Default)]
struct Location {
    device: usize,
    seen: Seen,
}

/// One IRP.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who made it.
    pub origin: Origin,
    /// The address of the call that made it.
    pub caller: usize,
    /// It has been sent to a driver and has not been completed back to who sent it.
    pub sent: bool,
    locations: Vec<Location>,
}

impl Record {
    /// An IRP that nobody has sent yet.
    #[must_use]
    pub fn new(origin: Origin, caller: usize, stack_count: usize) -> Self {
        Self {
            origin,
            caller,
            sent: false,
            locations: vec![Location::default(); stack_count + 1],
        }
    }

    /// The IRP goes to `device`, whose location this is (counted from 1).
    pub fn send(&mut self, location: usize, device: usize) {
        self.sent = true;
        if let Some(slot) = self.locations.get_mut(location) {
            *slot = Location {
                device,
                seen: Seen::default(),
            };
        }
    }

    /// The IRP leaves this location upwards.
    pub fn complete(&mut self, location: usize, status: NTSTATUS, marked: bool) {
        if let Some(slot) = self.locations.get_mut(location) {
            slot.seen = Seen {
                completed: Some(status),
                marked,
            };
        }
    }

    /// What is known of a location; nothing of one that does not exist.
    #[must_use]
    pub fn seen(&self, location: usize) -> Seen {
        self.locations
            .get(location)
            .map_or_else(Seen::default, |slot| slot.seen)
    }

    /// The devices that have the IRP and have not completed it, the lowest first.
    pub fn holders(&self) -> impl Iterator<Item = usize> {
        self.locations
            .iter()
            .filter(|slot| slot.device != 0 && slot.seen.completed.is_none())
            .map(|slot| slot.device)
    }
}

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

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Lock>)> {
        self.0.iter().map(|(&irp, record)| (irp, record))
    }
}

#[cfg(test)]
mod tests {
    use nthost_nt::status::STATUS_SUCCESS;

    use super::*;

    #[test]
    fn a_location_is_seen_afresh_each_time_the_irp_is_sent_to_it() {
        let mut record = Record::new(Origin::Allocated, 0x1000, 2);
        record.send(1, 0xd1);
        record.complete(1, STATUS_SUCCESS, true);
        assert!(record.seen(1).marked);
        record.send(1, 0xd1);
        assert_eq!(record.seen(1), Seen::default());
    }

    #[test]
    fn the_holders_are_those_who_have_not_completed_it() {
        let mut record = Record::new(Origin::System, 0, 2);
        record.send(2, 0xd2);
        record.send(1, 0xd1);
        assert_eq!(record.holders().collect::<Vec<_>>(), [0xd1, 0xd2]);
        record.complete(1, STATUS_SUCCESS, false);
        assert_eq!(record.holders().collect::<Vec<_>>(), [0xd2]);
    }

    #[test]
    fn a_location_beyond_the_stack_is_ignored() {
        let mut record = Record::new(Origin::System, 0, 1);
        record.send(9, 0xd9);
        record.complete(9, STATUS_SUCCESS, false);
        assert_eq!(record.seen(9), Seen::default());
    }
}
