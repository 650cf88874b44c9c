//! IRP_MJ_DEVICE_CONTROL: each request is validated whole before anything is done for it.

use eduwdm_abi::{
    Header, Ioctl,
    testdev::{Info, MAX_WRITES, RunInput, RunOutput, TEST_COUNT},
};
use eduwdm_logic::request::{self, Refusal};
use wdm::{
    Result, Status,
    device::Fdo,
    function::FunctionDevice,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};
use zerocopy::IntoBytes;

use super::Testdev;
use crate::status;

impl Testdev {
    /// The dispatch routine.
    pub fn dispatch_device_control(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        mut irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        let (code, output_length) = irp
            .device_control()
            .map_or((0, 0), |control| (control.code, control.output_length));
        match Ioctl::from_code(code) {
            Some(Ioctl::TestdevInfo) => {
                let info = request::no_input(irp.input(), output_length, size_of::<Info>())
                    .map_err(status::of)
                    .and_then(|()| self.info(irql));
                let told = info.and_then(|info| irp.write_output(info.as_bytes()));
                irp.complete(Status::of(told), irql)
            }
            Some(Ioctl::TestdevRun) => match validate_run(&irp, output_length) {
                Ok(()) => device.start_packet(irp, irql),
                Err(refusal) => irp.complete(status::of(refusal), irql),
            },
            _ => irp.complete(Status::INVALID_DEVICE_REQUEST, irql),
        }
    }

    fn info(&self, irql: &mut Passive) -> Result<Info> {
        let bars = self.bars.acquire(irql);
        let bars = bars.as_ref().ok_or(Status::DEVICE_NOT_READY)?;
        Ok(Info {
            header: Header::of::<Info>(),
            memory_length: bars.memory_length,
            port_length: bars.ports.length().into(),
            membar_length: bars.membar_length,
        })
    }
}

/// Everything that StartIo counts on.
fn validate_run(irp: &Irp<Fresh>, output_length: usize) -> core::result::Result<(), Refusal> {
    let input: RunInput = request::input(irp.input(), output_length, size_of::<RunOutput>())?;
    if input.bar > 1 || input.test >= TEST_COUNT || input.writes > MAX_WRITES {
        return Err(Refusal::InvalidParameter);
    }
    Ok(())
}
