//! IRP_MJ_READ and IRP_MJ_WRITE: direct I/O on the device's buffer.
//!
//! A request past the end of the buffer moves what lies before it, as at the end of any device;
//! one that begins behind the end gets STATUS_END_OF_FILE for a read, STATUS_DISK_FULL for a
//! write.

use eduwdm_abi::statistics::QueueKind;
use eduwdm_logic::transfer::{Clipped, DeviceRange};
use wdm::{
    Status,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

use super::{
    Edu,
    queue::Arrival,
    transfer::{Memory, TransferRequest},
};
use crate::status;

impl Edu {
    /// The dispatch routine for both.
    pub fn read_or_write(
        &self,
        irp: Irp<Fresh>,
        kind: QueueKind,
        irql: &mut Passive,
    ) -> Dispatched {
        let (queue, behind_end) = match kind {
            QueueKind::Read => (&self.read, Status::END_OF_FILE),
            _ => (&self.write, Status::DISK_FULL),
        };
        let Some(parameters) = irp.read_write() else {
            return irp.complete(Status::INVALID_DEVICE_REQUEST, irql);
        };
        let clipped = DeviceRange::clip(parameters.offset, parameters.length, self.buffer_length);
        match clipped {
            Ok(Clipped::Range(range)) if irp.has_mdl() => {
                let request = TransferRequest::new(Memory::Direct, range, Arrival::now(self, irql));
                queue.submit(self, irp, request, irql)
            }
            // Some other driver's request, which did not describe its buffer as DO_DIRECT_IO asks.
            Ok(Clipped::Range(_)) => irp.complete(Status::INVALID_PARAMETER, irql),
            Ok(Clipped::Nothing) => irp.complete(Status::SUCCESS, irql),
            Ok(Clipped::BehindEnd) => irp.complete(behind_end, irql),
            Err(refusal) => irp.complete(status::of(refusal), irql),
        }
    }
}
