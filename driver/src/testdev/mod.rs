//! The `pci-testdev` device: no interrupt, and a queue that the system manages.

use wdm::{
    Result, Status,
    device::PhysicalDevice,
    driver::DriverObject,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    pnp::Resources,
};

use crate::function::{self, Function};

/// The kind of device that [`crate::function`] knows.
pub struct TestdevFunction;

/// AddDevice.
///
/// # Errors
///
/// Those of the kernel's routines; nothing is left behind.
pub fn add_device(
    driver: &DriverObject,
    physical: PhysicalDevice<'_>,
    irql: &mut Passive,
) -> Result<()> {
    function::add_device(driver, physical, |_irql| Ok(TestdevFunction), irql)
}

impl Function for TestdevFunction {
    const NAME: &str = "pci-testdev";
    const INTERFACE: eduwdm_abi::InterfaceClass = eduwdm_abi::TESTDEV_INTERFACE;
    type Hardware = ();

    fn start(
        &self,
        _physical: PhysicalDevice<'_>,
        _resources: Resources<'_>,
        _irql: &mut Passive,
    ) -> Result<()> {
        Ok(())
    }

    fn pause(&self, (): &mut (), _irql: &mut Passive) {}

    fn resume(&self, (): &mut (), _irql: &mut Passive) {}

    fn stop(&self, (): (), _irql: &mut Passive) {}

    fn unplugged(&self, (): (), _irql: &mut Passive) {}

    fn refuse_requests(&self, _status: Status, _irql: &mut Passive) {}

    fn cleanup(&self, _irp: &Irp<Fresh>, _irql: &mut Passive) {}

    fn read(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
    }

    fn write(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
    }

    fn device_control(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
    }
}
