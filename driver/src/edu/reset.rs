//! The reset: all requests end, the device is idle, and everything starts afresh.

use wdm::{Result, Status, device::Fdo, function::FunctionDevice, irql::Passive};

use super::{Edu, EduFunction};

impl Edu {
    /// [`eduwdm_abi::Ioctl::Reset`], validated.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` while the device is stopped or has no power.
    pub fn reset(
        &self,
        device: &Fdo<FunctionDevice<EduFunction>>,
        irql: &mut Passive,
    ) -> Result<()> {
        // PnP and power wait meanwhile.
        let mut state = device.state.acquire(irql);
        let (state, irql) = state.parts();
        let hardware = state.working_hardware().ok_or(Status::DEVICE_NOT_READY)?;
        // Closed first, so that nothing that waits is started instead of being ended.
        hardware.pause(irql);
        self.for_each_queue(|queue| queue.end_all_waiting(Status::CANCELLED, irql));
        hardware.initialize_device(irql);
        hardware.resume(irql);
        Ok(())
    }
}
