//! The records of all IRPs, and the hooks by which the I/O manager tells of them.

use alloc::sync::Arc;

use nthost_nt::io::irp::IRP;

use super::{completing, left, making, record::Record, records::Records, sending};
use crate::{
    hook::{self, register},
    io::irp::Origin,
    ke::lock::SpinLock,
};

/// The record of one IRP.
pub type RecordLock = SpinLock<Record>;

/// Protects the table, not the records. A record's own lock is taken while it is held.
static RECORDS: SpinLock<Option<Records<RecordLock>>> = SpinLock::new(None);

/// Has the I/O manager tell of IRPs from now on.
pub fn watch() {
    register::irp_made(made);
    register::irp_freed(freed);
    register::irp_initializing(making::initializing);
    register::irp_reusing(making::reusing);
    register::irp_freeing(making::freeing);
    register::irp_sending(sending::sending);
    register::irp_dispatching(sending::dispatching);
    register::irp_dispatched(sending::dispatched);
    register::irp_completing(completing::completing);
    register::irp_leaving(completing::leaving);
    register::irp_back(completing::back);
    register::irp_passed_up(completing::passed_up);
    register::irp_canceling(making::canceling);
    register::is_irp(|address| {
        record_of(core::ptr::with_exposed_provenance_mut(address)).is_some()
    });
    register::driver_leaving(left::check_unloaded);
}

/// The record of an IRP; none, if it was never made or has been freed.
pub fn record_of(irp: *const IRP) -> Option<Arc<RecordLock>> {
    RECORDS.lock().as_ref()?.get(irp.addr())
}

/// Looks at every IRP that exists.
pub fn for_each(mut look: impl FnMut(usize, &Record)) {
    if let Some(records) = RECORDS.lock().as_ref() {
        for (irp, record) in records.iter() {
            look(irp, &record.lock());
        }
    }
}

/// An IRP was made, or is made ready to be used once more.
fn made(irp: *mut IRP, caller: usize) {
    // SAFETY: it was just made.
    let packet = unsafe { &*irp };
    let record = Record::new(Origin::of(packet), caller, packet.StackCount as usize);
    let mut records = RECORDS.lock();
    let records = records.get_or_insert_with(Records::default);
    records.insert(irp.addr(), SpinLock::new(record));
}

/// An IRP is about to be freed.
fn freed(irp: *mut IRP) {
    let record = RECORDS
        .lock()
        .as_mut()
        .and_then(|records| records.remove(irp.addr()));
    drop(record);
}

/// Memory of a driver's is freed: IRPs in it are none any more. Those that the driver did not make of
/// it (`IoInitializeIrp`) are not freed so: bug check 0xC4, 0x105.
pub fn forget_memory(start: usize, bytes: usize) {
    let mut others = false;
    if let Some(records) = RECORDS.lock().as_mut() {
        records.remove_within(start..start + bytes, |record| {
            others |= record.lock().origin != Origin::DriverMemory;
            true
        });
    }
    if others {
        hook::misuse([0x105, start as u64, 0, 0]);
    }
}
