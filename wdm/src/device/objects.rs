//! Device objects that are not this driver's own, and references to those that are.
//!
//! The rule of the kernel this stands for: a device object is there for as long as somebody refers to
//! it, whatever becomes of the device. (nf-wdm-obreferenceobject.)

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{
    DEVICE_OBJECT,
    ntddk::{IoInvalidateDeviceState, ObfDereferenceObject, ObfReferenceObject},
};

use crate::irql::AtOrBelowDispatch;

/// The device below in the stack.
#[derive(Clone, Copy, Debug)]
pub struct LowerDevice<'a>(
    pub(super) NonNull<DEVICE_OBJECT>,
    pub(super) PhantomData<&'a ()>,
);

impl LowerDevice<'_> {
    /// The device object, for a kernel routine that takes it.
    #[must_use]
    pub const fn as_ptr(self) -> *mut DEVICE_OBJECT {
        self.0.as_ptr()
    }
}

/// A physical device object: the bottom of the stack, by which the kernel knows the device.
#[derive(Clone, Copy, Debug)]
pub struct PhysicalDevice<'a>(
    pub(super) NonNull<DEVICE_OBJECT>,
    pub(super) PhantomData<&'a ()>,
);

impl PhysicalDevice<'_> {
    /// The device object that a kernel routine has given.
    ///
    /// # Safety
    ///
    /// The device object is a PDO, and stays for the lifetime.
    #[must_use]
    pub const unsafe fn from_raw(device: NonNull<DEVICE_OBJECT>) -> Self {
        Self(device, PhantomData)
    }

    /// The device object, for a kernel routine that takes it.
    #[must_use]
    pub const fn as_ptr(self) -> *mut DEVICE_OBJECT {
        self.0.as_ptr()
    }

    /// Has the PnP manager ask the drivers of the device for its state: IRP_MN_QUERY_PNP_DEVICE_STATE
    /// follows.
    ///
    /// Source: nf-wdm-ioinvalidatedevicestate.
    pub fn invalidate_state<I: AtOrBelowDispatch>(self, _irql: &I) {
        // SAFETY: a PDO, at IRQL <= DISPATCH_LEVEL.
        unsafe { IoInvalidateDeviceState(self.as_ptr()) };
    }

    /// References the device object, for a routine that takes it later.
    ///
    /// Source: nf-wdm-obreferenceobject.
    #[must_use]
    pub fn reference(self) -> PhysicalReference {
        // SAFETY: it stays during this call.
        PhysicalReference(unsafe { DeviceReference::new(self.0) })
    }
}

/// A reference to a physical device object.
pub struct PhysicalReference(DeviceReference);

impl PhysicalReference {
    /// The device object.
    #[must_use]
    pub const fn device(&self) -> PhysicalDevice<'_> {
        PhysicalDevice(self.0.0, PhantomData)
    }
}

/// A reference to a device object: its memory stays for as long as this is held, whatever becomes
/// of the device.
pub struct DeviceReference(NonNull<DEVICE_OBJECT>);

// SAFETY: device objects belong to no thread.
unsafe impl Send for DeviceReference {}
// SAFETY: only its address is given out.
unsafe impl Sync for DeviceReference {}

impl DeviceReference {
    /// # Safety
    ///
    /// The device object is there.
    pub(super) unsafe fn new(object: NonNull<DEVICE_OBJECT>) -> Self {
        // SAFETY: a device object is an object.
        unsafe { ObfReferenceObject(object.as_ptr().cast()) };
        Self(object)
    }

    /// The device object, for a kernel routine that takes it. It stays for as long as this does.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut DEVICE_OBJECT {
        self.0.as_ptr()
    }
}

impl Drop for DeviceReference {
    fn drop(&mut self) {
        // SAFETY: referenced once by `Fdo::reference`; callable at IRQL <= DISPATCH_LEVEL.
        unsafe { ObfDereferenceObject(self.0.as_ptr().cast()) };
    }
}
