//! Device objects. An extension is freed when its device is deleted, and the object with its last
//! reference.

use wdk_sys::{
    CCHAR, DEVICE_OBJECT, DRIVER_OBJECT, LONG, LONG_PTR, NTSTATUS, PDEVICE_OBJECT,
    PDRIVER_DISPATCH, PDRIVER_OBJECT, PUNICODE_STRING, PVOID, STATUS_SUCCESS, ULONG,
};

use std::sync::atomic::{AtomicI32, Ordering};

use super::pool;

/// A device object of a driver, with an extension of so many bytes.
pub fn create(driver: PDRIVER_OBJECT, extension_bytes: usize) -> PDEVICE_OBJECT {
    let object: PDEVICE_OBJECT = pool::allocate(size_of::<DEVICE_OBJECT>()).cast();
    // SAFETY: just made.
    unsafe {
        object.write(DEVICE_OBJECT::default());
        (*object).DriverObject = driver;
        (*object).ReferenceCount = 1;
        if extension_bytes > 0 {
            (*object).DeviceExtension = pool::allocate(extension_bytes);
        }
    }
    object
}

/// A driver whose dispatch routine is this one, for all major functions.
pub fn driver(dispatch: PDRIVER_DISPATCH) -> DRIVER_OBJECT {
    let mut driver = DRIVER_OBJECT::default();
    driver.MajorFunction.fill(dispatch);
    driver
}

fn references<'a>(object: PDEVICE_OBJECT) -> &'a AtomicI32 {
    // SAFETY: the caller's reference keeps the object.
    unsafe { AtomicI32::from_ptr(&raw mut (*object).ReferenceCount) }
}

#[unsafe(no_mangle)]
extern "C" fn ObfReferenceObject(object: PVOID) -> LONG_PTR {
    let old: LONG = references(object.cast()).fetch_add(1, Ordering::Relaxed);
    (old + 1).into()
}

#[unsafe(no_mangle)]
extern "C" fn ObfDereferenceObject(object: PVOID) -> LONG_PTR {
    let old: LONG = references(object.cast()).fetch_sub(1, Ordering::AcqRel);
    if old == 1 {
        pool::free(object);
    }
    (old - 1).into()
}

#[unsafe(no_mangle)]
extern "C" fn IoCreateDevice(
    driver: PDRIVER_OBJECT,
    extension_bytes: ULONG,
    _name: PUNICODE_STRING,
    _kind: ULONG,
    _characteristics: ULONG,
    _exclusive: u8,
    object: *mut PDEVICE_OBJECT,
) -> NTSTATUS {
    let created = create(driver, extension_bytes as usize);
    // SAFETY: the caller's place for it.
    unsafe { object.write(created) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn IoDeleteDevice(object: PDEVICE_OBJECT) {
    // SAFETY: the caller's device.
    let extension = unsafe { (*object).DeviceExtension };
    if !extension.is_null() {
        pool::free(extension);
    }
    ObfDereferenceObject(object.cast());
}

#[unsafe(no_mangle)]
extern "C" fn IoAttachDeviceToDeviceStackSafe(
    source: PDEVICE_OBJECT,
    target: PDEVICE_OBJECT,
    attached: *mut PDEVICE_OBJECT,
) -> NTSTATUS {
    let two: CCHAR = 2;
    // SAFETY: the caller's objects and its place.
    unsafe {
        attached.write(target);
        (*source).StackSize = two;
        (*target).AttachedDevice = source;
    }
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn IoDetachDevice(target: PDEVICE_OBJECT) {
    // SAFETY: the caller was attached to it.
    unsafe { (*target).AttachedDevice = core::ptr::null_mut() };
}
