//! Transfers that fail for a reason that is not their client's: they are told to the system's event
//! log.
//!
//! The log is written at PASSIVE_LEVEL, and transfers end in DPCs: so a work item writes. It is
//! queued once; failures that come while it is queued are counted, and told in the one entry.
//! ("Writing to the System Event Log", nf-wdm-ioqueueworkitem.)

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use wdm::{
    Result, Status,
    device::{Fdo, PhysicalReference},
    errorlog::{self, Entry},
    function::FunctionDevice,
    irql::{Dispatch, Passive},
    workitem::{WorkItem, WorkRoutine},
};

use super::EduFunction;
use crate::tags;

/// `IO_ERR_INSUFFICIENT_RESOURCES`: the system's text for it names the device.
const INSUFFICIENT_RESOURCES: Status = Status::from_raw(0xc004_0002_u32.cast_signed());
/// `IO_ERR_CONFIGURATION_ERROR`.
const CONFIGURATION_ERROR: Status = Status::from_raw(0xc004_0003_u32.cast_signed());
/// `IO_ERR_TIMEOUT`.
const TIMEOUT: Status = Status::from_raw(0xc004_0009_u32.cast_signed());
/// Tells this place from others that may log the same.
const TRANSFER: u32 = 1;

/// Tells of failed transfers.
pub struct Failures(WorkItem<Untold>);

/// What the log has not been told yet.
struct Untold {
    device: PhysicalReference,
    count: AtomicU32,
    /// The last one's.
    status: AtomicI32,
}

impl Failures {
    /// Nothing has failed.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(device: &Fdo<FunctionDevice<EduFunction>>, irql: &Passive) -> Result<Self> {
        let untold = Untold {
            device: device.physical().reference(),
            count: AtomicU32::new(0),
            status: AtomicI32::new(0),
        };
        WorkItem::new(tags::WORK, device.reference(), untold, irql).map(Self)
    }

    /// A transfer has ended with this status. Those that are the client's doing, or the device's
    /// removal, are not for the log.
    pub fn ended(&self, status: Status, irql: &Dispatch) {
        if ![
            Status::INSUFFICIENT_RESOURCES,
            Status::DEVICE_CONFIGURATION_ERROR,
            Status::IO_TIMEOUT,
        ]
        .contains(&status)
        {
            return;
        }
        let untold = self.0.context();
        untold.status.store(status.to_raw(), Ordering::Relaxed);
        // Relaxed, both: queuing releases them to the call that follows.
        untold.count.fetch_add(1, Ordering::Relaxed);
        // False if it is queued already: then that call tells of this one too.
        self.0.queue(irql);
    }
}

impl WorkRoutine for Untold {
    fn work(&self, irql: &mut Passive) {
        let count = self.count.swap(0, Ordering::Relaxed);
        if count == 0 {
            // The call before this has told of it.
            return;
        }
        let status = Status::from_raw(self.status.load(Ordering::Relaxed));
        let error_code = match status {
            Status::INSUFFICIENT_RESOURCES => INSUFFICIENT_RESOURCES,
            Status::IO_TIMEOUT => TIMEOUT,
            _ => CONFIGURATION_ERROR,
        };
        let entry = Entry {
            error_code,
            unique_value: TRANSFER,
            final_status: status,
            dump_data: count,
        };
        errorlog::write(self.device.device(), entry, irql);
    }
}
