//! A device of the safe layer on a stack of two: what it does with an IRP is what its test says.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use wdk_sys::{
    DRIVER_OBJECT, IRP_MJ_PNP, IRP_MN_REMOVE_DEVICE, NTSTATUS, PDEVICE_OBJECT, PIRP,
    STATUS_SUCCESS, UNICODE_STRING,
};
use wdm::{
    Result, Status,
    device::{Device, Fdo, Io, PhysicalDevice},
    driver::{self, Driver, DriverObject},
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    pool::Shared,
    unicode::UnicodeString,
};

use crate::{
    TAG,
    kernel::{self, irp::TestIrp},
};

/// What a test has its device do with an IRP.
pub type Act = Box<dyn Fn(&Fdo<Tested>, Irp<Fresh>, &mut Passive) -> Dispatched + Send + Sync>;

/// A kind of device.
pub struct Tested {
    act: OnceLock<Act>,
    /// Something of its own, in pool: an access after the device is gone is found.
    pub own: Shared<AtomicBool>,
}

impl Tested {
    fn act(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        match device.act.get() {
            Some(act) => act(device, irp, irql),
            None => irp.complete(Status::SUCCESS, irql),
        }
    }
}

macro_rules! routines {
    ($($name:ident),*) => {$(
        fn $name(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
            Self::act(device, irp, irql)
        }
    )*};
}

impl Device for Tested {
    routines!(
        create,
        cleanup,
        close,
        read,
        write,
        device_control,
        power,
        pnp
    );

    fn remove(_device: &Fdo<Self>, _irql: &mut Passive) {}
}

struct TestDriver;

impl Driver for TestDriver {
    fn entry(_path: UnicodeString<'_>, _irql: &mut Passive) -> Result<()> {
        Ok(())
    }

    fn add_device(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        let make = |irql: &mut Passive| {
            Ok(Tested {
                act: OnceLock::new(),
                own: Shared::new(TAG, AtomicBool::new(true), irql)?,
            })
        };
        Fdo::create(driver, physical, Io::Direct, make, irql)
    }

    fn unload(_irql: &mut Passive) {}
}

/// The driver below: completes with success what it is sent.
unsafe extern "C" fn lower(_device: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    // SAFETY: given to this driver.
    unsafe {
        (*irp).IoStatus.__bindgen_anon_1.Status = STATUS_SUCCESS;
        wdk_sys::ntddk::IofCompleteRequest(irp, 0);
    }
    STATUS_SUCCESS
}

/// A stack: a device of the driver's, attached to one below.
pub struct Stack {
    lower_driver: *mut DRIVER_OBJECT,
    driver: *mut DRIVER_OBJECT,
    extension: *mut wdk_sys::DRIVER_EXTENSION,
    pub physical: PDEVICE_OBJECT,
    pub device: PDEVICE_OBJECT,
}

// SAFETY: addresses that are passed about.
unsafe impl Send for Stack {}
// SAFETY: likewise.
unsafe impl Sync for Stack {}

impl Stack {
    /// A stack whose device completes everything with success, unless told otherwise.
    pub fn new() -> Self {
        let lower_driver = Box::into_raw(Box::new(kernel::device::driver(Some(lower))));
        let physical = kernel::device::create(lower_driver, 0);
        let extension = Box::into_raw(Box::new(wdk_sys::DRIVER_EXTENSION::default()));
        let mut object = DRIVER_OBJECT::default();
        object.DriverExtension = extension;
        let driver = Box::into_raw(Box::new(object));
        let path = UNICODE_STRING::default();
        // SAFETY: as the I/O manager and the PnP manager call them.
        unsafe {
            assert_eq!(
                driver::entry::<TestDriver>(driver, &raw const path),
                STATUS_SUCCESS
            );
            let added = (*extension).AddDevice.unwrap()(driver, physical);
            assert_eq!(added, STATUS_SUCCESS);
            Self {
                lower_driver,
                driver,
                extension,
                physical,
                device: (*physical).AttachedDevice,
            }
        }
    }

    /// The device, as the safe layer gives it to its routines.
    pub fn fdo(&self) -> &Fdo<Tested> {
        // SAFETY: of this kind, and there until the stack is removed.
        unsafe { &*self.device.cast() }
    }

    /// Says what the device does with the next IRPs.
    pub fn act(
        &self,
        act: impl Fn(&Fdo<Tested>, Irp<Fresh>, &mut Passive) -> Dispatched + Send + Sync + 'static,
    ) {
        assert!(self.fdo().act.set(Box::new(act)).is_ok(), "said once");
    }

    /// IRP_MN_REMOVE_DEVICE, to its end.
    pub fn remove(&self) {
        let irp = TestIrp::new(IRP_MJ_PNP, IRP_MN_REMOVE_DEVICE, |_| {});
        assert_eq!(irp.send(self.device), STATUS_SUCCESS);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        kernel::device::IoDeleteDevice(self.physical);
        // SAFETY: from `new`; the devices are gone.
        unsafe {
            drop(Box::from_raw(self.driver));
            drop(Box::from_raw(self.extension));
            drop(Box::from_raw(self.lower_driver));
        }
    }
}

/// A place for what an act leaves to its test.
pub struct Left<T>(Mutex<Option<T>>);

impl<T> Left<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub fn put(&self, value: T) {
        *self.0.lock().unwrap() = Some(value);
    }

    pub fn take(&self) -> T {
        self.0.lock().unwrap().take().unwrap()
    }
}

#[test]
fn a_request_is_completed_and_the_device_removed() {
    let stack = Stack::new();
    let irp = TestIrp::new(wdk_sys::IRP_MJ_CREATE, 0, |_| {});
    assert_eq!(irp.send(stack.device), STATUS_SUCCESS);
    assert_eq!(irp.ended(), Some((STATUS_SUCCESS, 0)));
    stack.remove();
}

#[test]
fn a_request_is_passed_down() {
    let stack = Stack::new();
    stack.act(|device, irp, irql| {
        assert!(device.own.load(Ordering::Relaxed));
        irp.forward(irql)
    });
    let irp = TestIrp::new(wdk_sys::IRP_MJ_READ, 0, |_| {});
    assert_eq!(irp.send(stack.device), STATUS_SUCCESS);
    assert_eq!(irp.ended(), Some((STATUS_SUCCESS, 0)));
    stack.remove();
}

#[test]
fn a_reference_keeps_the_object_and_not_the_device() {
    let stack = Stack::new();
    let reference = stack.fdo().reference();
    stack.remove();
    drop(reference);
}
