//! The frame of a function driver: what it does whatever its device.
//!
//! The rules of the kernel this stands for: a function driver handles IRP_MJ_PNP and IRP_MJ_POWER
//! for its device through all of that device's life, as the pages of each minor function have it,
//! and holds its requests back while the device is stopped or has no power. ("State Transitions for
//! PnP Devices", "Power Management Responsibilities for Drivers".)
//!
//! A driver says in its [`Function`] what is about its device: what a start acquires, what holds
//! requests back, what a request does. [`add_device`] makes a device object of it, whose routines
//! ([`FunctionDevice`]) pass PnP and power to this module's `pnp`, `power` and `idle`, and the rest to
//! the [`Function`]. What a device does not use, it need not name.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     device::PhysicalDevice,
//!     driver::DriverObject,
//!     function::{self, Function, FunctionObject, Start, Tags},
//!     guid::Guid,
//!     irp::{Dispatched, Fresh, Irp},
//!     irql::Passive,
//!     pool::Tag,
//!     status::Status,
//! };
//!
//! /// A device without requests that wait.
//! struct Echo;
//!
//! impl Function for Echo {
//!     const INTERFACE: Guid = Guid::new(0x1234_5678, 0x1234, 0x4321, [0x80, 1, 2, 3, 4, 5, 6, 7]);
//!     const TAGS: Tags = Tags::all(Tag::new(*b"Echo"));
//!     type Hardware = ();
//!
//!     fn start(&self, _: &FunctionObject<Self>, _: Start<'_>, _: &mut Passive) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn device_control(
//!         &self,
//!         _: &FunctionObject<Self>,
//!         mut irp: Irp<Fresh>,
//!         irql: &mut Passive,
//!     ) -> Dispatched {
//!         let answer = <[u8; 4]>::try_from(irp.input()).map(|input| irp.write_output(&input));
//!         let status = answer.map_or(Status::INVALID_BUFFER_SIZE, Status::of);
//!         irp.complete(status, irql)
//!     }
//! }
//!
//! fn add_device(
//!     driver: &DriverObject,
//!     physical: PhysicalDevice<'_>,
//!     irql: &mut Passive,
//! ) -> Result<()> {
//!     function::add_device(driver, physical, None, |_, _| Ok(Echo), irql)
//! }
//! ```

mod idle;
mod pnp;
mod power;

use core::{
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
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
    pool::{Shared, Tag},
};

use self::{idle::IdlePower, power::PowerState};

pub use self::pnp::PnpState;

/// The tags of what the frame allocates for a device.
#[derive(Clone, Copy, Debug)]
pub struct Tags {
    /// What PnP needs: the lock of its state.
    pub pnp: Tag,
    /// The interface of the bus.
    pub bus: Tag,
    /// What idle power-down keeps.
    pub idle: Tag,
    /// Work items.
    pub work: Tag,
}

impl Tags {
    /// One for all of it.
    #[must_use]
    pub const fn all(tag: Tag) -> Self {
        Self {
            pnp: tag,
            bus: tag,
            idle: tag,
            work: tag,
        }
    }
}

/// What the frame tells of a device's life.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// IRP_MN_START_DEVICE is over, with this status.
    Start(Status),
    /// The device is not there any more, and how that came about.
    Stop(&'a str),
    /// What failed, and with which status.
    Error(&'a str, Status),
}

/// What a device is started with.
pub struct Start<'a> {
    /// What the PnP manager has assigned.
    pub resources: Resources<'a>,
    /// The interface of the device's bus, if that has one, as PCI does.
    pub bus: Option<&'a Shared<BusInterface>>,
}

/// The function device object of a [`Function`].
pub type FunctionObject<F> = Fdo<FunctionDevice<F>>;

/// A kind of device: what differs between them. What has a default need not be named by a driver
/// whose device does not use it.
///
/// The frame calls one of [`Self::start`], [`Self::pause`], [`Self::resume`], [`Self::power_down`],
/// [`Self::power_up`], [`Self::stop`] and [`Self::unplugged`] at a time, with the mutex of
/// [`FunctionDevice::state`] held.
pub trait Function: Send + Sync + Sized + 'static {
    /// The interface by which clients find it.
    const INTERFACE: Guid;
    /// The tags of what the frame allocates for it.
    const TAGS: Tags;
    /// What IRP_MN_START_DEVICE acquires.
    type Hardware: Send;
    /// How the I/O manager passes the buffers of reads and writes.
    const IO: Io = Io::Direct;
    /// StartIo, if the system queues its requests.
    const START_IO: Option<StartIo<FunctionDevice<Self>>> = None;

    /// Acquires the hardware and lets waiting requests run.
    ///
    /// # Errors
    ///
    /// The start fails; everything acquired so far is given back.
    fn start(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        start: Start<'_>,
        irql: &mut Passive,
    ) -> Result<Self::Hardware>;

    /// What has become of a device of this kind. By default it is noted for a crash dump; see
    /// [`crate::bugcheck`].
    fn tell(notice: Notice<'_>) {
        let (what, status) = match notice {
            Notice::Start(status) => ("start", status),
            Notice::Stop(how) => (how, Status::SUCCESS),
            Notice::Error(what, status) => (what, status),
        };
        crate::bugcheck::note(what, status.to_raw().cast_unsigned().into());
    }

    /// Whether the device has been found not to work by what is beside PnP and power.
    fn has_failed(&self) -> bool {
        false
    }

    /// The device's component has become active: requests that wait for that may run. Nothing by
    /// default: a device that never goes to D3 for being idle has none that wait for it.
    fn component_active(&self, device: &Fdo<FunctionDevice<Self>>, irql: &mut UpToDispatch) {
        _ = (device, irql);
    }

    /// Holds new requests back and waits until the device is idle, without giving anything back.
    /// Nothing by default, which suits a device that no request touches after its dispatch routine.
    fn pause(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        hardware: &mut Self::Hardware,
        irql: &mut Passive,
    ) {
        _ = (device, hardware, irql);
    }

    /// Lets requests run again after [`Self::pause`]. Nothing by default.
    fn resume(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        hardware: &mut Self::Hardware,
        irql: &mut Passive,
    ) {
        _ = (device, hardware, irql);
    }

    /// The paused device is about to lose its power: it must not be touched any more.
    /// Nothing by default.
    fn power_down(&self, hardware: &mut Self::Hardware, irql: &mut Passive) {
        _ = (hardware, irql);
    }

    /// The paused device has its power back. Nothing by default, for a device that a power loss takes
    /// nothing from.
    ///
    /// # Errors
    ///
    /// It does not work, or is another than before. Its requests go on waiting, and it is removed.
    fn power_up(&self, hardware: &mut Self::Hardware, irql: &mut Passive) -> Result<()> {
        _ = (hardware, irql);
        Ok(())
    }

    /// Waits until the device is idle and gives everything back. New requests go on waiting.
    /// By default what was acquired is dropped.
    fn stop(&self, hardware: Self::Hardware, irql: &mut Passive) {
        _ = irql;
        drop(hardware);
    }

    /// The device has been unplugged: it answers nothing any more. Ends the requests that are
    /// on it, and gives everything back. As [`Self::stop`] by default.
    fn unplugged(&self, hardware: Self::Hardware, irql: &mut Passive) {
        self.stop(hardware, irql);
    }

    /// Ends all waiting requests, and those that may still come, with this status. Nothing by
    /// default: a driver without a queue has none.
    fn refuse_requests(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        status: Status,
        irql: &mut Passive,
    ) {
        _ = (device, status, irql);
    }

    /// Ends the waiting requests of a handle that was closed. Nothing by default: a driver without a
    /// queue has none.
    fn cleanup(&self, device: &Fdo<FunctionDevice<Self>>, irp: &Irp<Fresh>, irql: &mut Passive) {
        _ = (device, irp, irql);
    }

    /// IRP_MJ_READ. By default STATUS_INVALID_DEVICE_REQUEST.
    fn read(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        _ = device;
        irp.complete(Status::INVALID_DEVICE_REQUEST, irql)
    }

    /// IRP_MJ_WRITE. By default STATUS_INVALID_DEVICE_REQUEST.
    fn write(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        _ = device;
        irp.complete(Status::INVALID_DEVICE_REQUEST, irql)
    }

    /// IRP_MJ_DEVICE_CONTROL. By default STATUS_INVALID_DEVICE_REQUEST.
    fn device_control(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        _ = device;
        irp.complete(Status::INVALID_DEVICE_REQUEST, irql)
    }
}

/// The device extension.
pub struct FunctionDevice<F: Function> {
    /// The driver's own part.
    pub function: F,
    /// What PnP, power and whatever resets the device change, one at a time. Taken before all other
    /// locks.
    pub state: Mutex<PnpState<F::Hardware>>,
    interface: DeviceInterface,
    power: PowerState<F>,
    idle: IdlePower<F>,
    /// The device has failed, and must be removed. Atomic.
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
        F::tell(Notice::Error(what, status));
        // Release: pairs with `has_failed`.
        self.failed.store(true, Ordering::Release);
        device.physical().invalidate_state(irql);
    }

    /// Whether it has.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire) || self.function.has_failed()
    }
}

/// AddDevice for one kind of device, which `make` makes of the component by which it is used. The
/// device goes to D3 when it has been idle for so many milliseconds, or `None`, never.
///
/// # Errors
///
/// Those of `make` and of the kernel's routines; nothing is left behind.
pub fn add_device<F: Function>(
    driver: &DriverObject,
    physical: PhysicalDevice<'_>,
    idle_ms: Option<NonZeroU32>,
    make: impl FnOnce(Component, &mut Passive) -> Result<F>,
    irql: &mut Passive,
) -> Result<()> {
    let make = |irql: &mut Passive| {
        let idle = IdlePower::new(idle_ms, irql)?;
        Ok(FunctionDevice {
            function: make(idle.component(), irql)?,
            interface: DeviceInterface::register(physical, &F::INTERFACE, irql)?,
            state: Mutex::new(F::TAGS.pnp, PnpState::default(), irql)?,
            power: PowerState::new(),
            idle,
            failed: AtomicBool::new(false),
        })
    };
    Fdo::create(driver, physical, F::IO, make, irql)
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
