//! A transfer with a buffer that the client names by its address, as METHOD_NEITHER requests and
//! buffers inside of structures are: the driver probes and locks it itself, in the context of the
//! client's thread, before anything else may run.

use eduwdm_abi::edu::{FROM_DEVICE, LockedTransfer, TO_DEVICE};
use eduwdm_logic::{request::Refusal, transfer::DeviceRange};
use wdm::{
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    mdl::UserPages,
    probe::LockOperation,
};

use super::{
    Edu,
    queue::{Arrival, Queue},
    transfer::{Memory, Transfer, TransferRequest},
};
use crate::status;

impl Edu {
    /// [`eduwdm_abi::Ioctl::LockedTransfer`], its header validated.
    pub fn locked_transfer(
        &self,
        irp: Irp<Fresh>,
        input: &LockedTransfer,
        irql: &mut Passive,
    ) -> Dispatched {
        let (queue, operation, range) = match self.locked_parameters(input) {
            Ok(parameters) => parameters,
            Err(refusal) => return irp.complete(status::of(refusal), irql),
        };
        match UserPages::lock(&irp, input.address, range.length(), operation, irql) {
            Ok(pages) => {
                let request =
                    TransferRequest::new(Memory::User(pages), range, Arrival::now(self, irql));
                queue.submit(self, irp, request, irql)
            }
            Err(status) => irp.complete(status, irql),
        }
    }

    fn locked_parameters(
        &self,
        input: &LockedTransfer,
    ) -> Result<(&Queue<Transfer>, LockOperation, DeviceRange), Refusal> {
        let (queue, operation) = match input.direction {
            // What goes to the device is read from memory.
            TO_DEVICE => (&self.write, LockOperation::Read),
            FROM_DEVICE => (&self.read, LockOperation::Write),
            _ => return Err(Refusal::InvalidParameter),
        };
        let range = DeviceRange::exact(input.device_offset, input.length, self.buffer_length)?;
        Ok((queue, operation, range))
    }
}
