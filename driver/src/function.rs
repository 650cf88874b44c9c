//! What every function driver does, whatever its device: the device object's routines, which
//! pass PnP and power to [`crate::pnp`] and [`crate::power`], and the rest to the device.

use core::sync::atomic::{AtomicBool, Ordering};

use eduwdm_abi::InterfaceClass;
use wdm::{
    Result, Status,
    bus::BusInterface,
    device::{Device, Fdo, Io, PhysicalDevice, StartIo},
    driver::DriverObject,
    guid::Guid,
    interface::DeviceInterface,
    irp::{Dispatched, Fresh, Irp},
    irql::{AtOrBelowDispatch, Passive, UpToDispatch},
    mutex::Mutex,
    pnp::Resources,
    pofx::Component,
    pool::Shared,
};

use crate::{
    idle::IdlePower,
    parameters::Parameters,
    pnp::{self, PnpState},
    power, tags, trace,
};

/// A kind of device: what differs between them.
pub trait Function: Send + Sync + Sized + 'static {
    /// For messages.
    const NAME: &str;
    /// The interface by which clients find it.
    const INTERFACE: InterfaceClass;
    /// What IRP_MN_START_DEVICE acquires.
    type Hardware: Send;
    /// StartIo, if the system queues its requests.
    const START_IO: Option<StartIo<FunctionDevice<Self>>> = None;

    /// Acquires the hardware and lets waiting requests run. `bus` is the interface of the device's
    /// bus.
    ///
    /// # Errors
    ///
    /// The start fails; everything acquired so far is given back.
    fn start(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        resources: Resources<'_>,
        bus: &Shared<BusInterface>,
        irql: &mut Passive,
    ) -> Result<Self::Hardware>;

    /// Whether the device has been found not to work by what is beside PnP and power.
    fn has_failed(&self) -> bool {
        false
    }

    /// The device's component has become active: requests that wait for that may run.
    fn component_active(&self, device: &Fdo<FunctionDevice<Self>>, irql: &mut UpToDispatch);

    /// Holds new requests back and waits until the device is idle, without giving anything back.
    fn pause(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        hardware: &mut Self::Hardware,
        irql: &mut Passive,
    );

    /// Lets requests run again after [`Self::pause`].
    fn resume(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        hardware: &mut Self::Hardware,
        irql: &mut Passive,
    );

    /// The paused device is about to lose its power: it must not be touched any more.
    fn power_down(&self, hardware: &mut Self::Hardware, irql: &mut Passive);

    /// The paused device has its power back.
    ///
    /// # Errors
    ///
    /// It does not work, or is another than before. Its requests go on waiting, and it is removed.
    fn power_up(&self, hardware: &mut Self::Hardware, irql: &mut Passive) -> Result<()>;

    /// Waits until the device is idle and gives everything back. New requests go on waiting.
    fn stop(&self, hardware: Self::Hardware, irql: &mut Passive);

    /// The device has been unplugged: it answers nothing any more. Ends the requests that are
    /// on it, and gives everything back.
    fn unplugged(&self, hardware: Self::Hardware, irql: &mut Passive);

    /// Ends all waiting requests, and those that may still come, with this status.
    fn refuse_requests(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        status: Status,
        irql: &mut Passive,
    );

    /// Ends the waiting requests of a handle that was closed.
    fn cleanup(&self, device: &Fdo<FunctionDevice<Self>>, irp: &Irp<Fresh>, irql: &mut Passive);

    /// IRP_MJ_READ.
    fn read(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched;

    /// IRP_MJ_WRITE.
    fn write(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched;

    /// IRP_MJ_DEVICE_CONTROL.
    fn device_control(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched;
}

/// The device extension.
pub struct FunctionDevice<F: Function> {
    pub function: F,
    pub interface: DeviceInterface,
    /// What PnP, power and the reset change, one at a time. Taken before all other locks.
    pub state: Mutex<PnpState<F::Hardware>>,
    pub power: power::PowerState<F>,
    pub idle: IdlePower<F>,
    /// The device has failed, and is to be removed. Atomic.
    failed: AtomicBool,
}

impl<F: Function> FunctionDevice<F> {
    /// The device does not work, and nothing that the driver can do changes that: has the PnP
    /// manager remove it, which ends its requests. The manager asks first what state it is in;
    /// see [`Self::has_failed`].
    pub fn fail<I: AtOrBelowDispatch>(
        &self,
        device: &Fdo<Self>,
        what: &str,
        status: Status,
        irql: &I,
    ) {
        trace::error(F::NAME, what, status);
        // Release: pairs with `has_failed`.
        self.failed.store(true, Ordering::Release);
        device.physical().invalidate_state(irql);
    }

    /// Whether it has.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire) || self.function.has_failed()
    }
}

/// AddDevice for one kind of device, which `make` makes of the component by which it is used.
///
/// # Errors
///
/// Those of `make` and of the kernel's routines; nothing is left behind.
pub fn add_device<F: Function>(
    driver: &DriverObject,
    physical: PhysicalDevice<'_>,
    parameters: Parameters,
    make: impl FnOnce(Component, &mut Passive) -> Result<F>,
    irql: &mut Passive,
) -> Result<()> {
    let make = |irql: &mut Passive| {
        let class = F::INTERFACE;
        let class = Guid::new(class.data1, class.data2, class.data3, class.data4);
        let idle = IdlePower::new(parameters, irql)?;
        Ok(FunctionDevice {
            function: make(idle.component(), irql)?,
            interface: DeviceInterface::register(physical, &class, irql)?,
            state: Mutex::new(tags::PNP, PnpState::default(), irql)?,
            power: power::PowerState::new(),
            idle,
            failed: AtomicBool::new(false),
        })
    };
    Fdo::create(driver, physical, Io::Direct, make, irql)
}

impl<F: Function> Device for FunctionDevice<F> {
    const START_IO: Option<StartIo<Self>> = F::START_IO;

    fn create(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        // The device has no namespace: only the device itself can be opened.
        let status = if irp.opens_a_name() {
            Status::OBJECT_NAME_NOT_FOUND
        } else {
            device.state.acquire(irql).open_status()
        };
        irp.complete(status, irql)
    }

    fn cleanup(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        device.function.cleanup(device, &irp, irql);
        irp.complete(Status::SUCCESS, irql)
    }

    fn close(_device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete(Status::SUCCESS, irql)
    }

    fn read(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        device.function.read(device, irp, irql)
    }

    fn write(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        device.function.write(device, irp, irql)
    }

    fn device_control(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        device.function.device_control(device, irp, irql)
    }

    fn power(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        power::dispatch(device, irp, irql)
    }

    fn pnp(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        pnp::dispatch(device, irp, irql)
    }

    fn remove(device: &Fdo<Self>, irql: &mut Passive) {
        pnp::remove(device, irql);
    }
}
