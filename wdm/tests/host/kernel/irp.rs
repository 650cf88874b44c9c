//! IRPs: made by a test, sent to a device, completed through its stack locations.

use std::{
    collections::HashMap,
    ptr::NonNull,
    sync::{
        Mutex,
        atomic::{AtomicPtr, Ordering},
    },
};

use wdk_sys::{
    BOOLEAN, CCHAR, DEVICE_OBJECT, IO_STACK_LOCATION, IRP, NTSTATUS, PDEVICE_OBJECT,
    PDRIVER_CANCEL, PIO_COMPLETION_ROUTINE, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED,
    STATUS_SUCCESS,
};

use super::assert_at_most_dispatch;

const LOCATIONS: usize = 2;

#[repr(C)]
struct Packet {
    irp: IRP,
    locations: [IO_STACK_LOCATION; LOCATIONS],
}

/// How an IRP ended, by its address.
static COMPLETED: Mutex<Option<HashMap<usize, (NTSTATUS, usize)>>> = Mutex::new(None);

/// An IRP of a test's own. It must have been completed when this is dropped.
pub struct TestIrp(NonNull<Packet>);

// SAFETY: it is the test's, which passes its address about.
unsafe impl Send for TestIrp {}
// SAFETY: likewise.
unsafe impl Sync for TestIrp {}

impl TestIrp {
    /// One that nobody has been sent yet. `set` fills in the location of the highest driver.
    pub fn new(major: u32, minor: u32, set: impl FnOnce(&mut IO_STACK_LOCATION)) -> Self {
        let packet = Box::into_raw(Box::new(Packet {
            irp: IRP::default(),
            locations: Default::default(),
        }));
        // SAFETY: just made.
        unsafe {
            let first = (&raw mut (*packet).locations).cast::<IO_STACK_LOCATION>();
            let top = first.add(LOCATIONS - 1);
            (*top).MajorFunction = major.try_into().unwrap();
            (*top).MinorFunction = minor.try_into().unwrap();
            set(&mut *top);
            (*packet).irp.StackCount = LOCATIONS.try_into().unwrap();
            (*packet).irp.CurrentLocation = (LOCATIONS + 1).try_into().unwrap();
            current(packet.cast()).write(first.add(LOCATIONS));
            Self(NonNull::new_unchecked(packet))
        }
    }

    pub fn as_ptr(&self) -> PIRP {
        self.0.as_ptr().cast()
    }

    /// Gives it the I/O manager's MDL.
    pub fn set_mdl(&self, mdl: *mut wdk_sys::MDL) {
        // SAFETY: not sent yet.
        unsafe { (*self.as_ptr()).MdlAddress = mdl };
    }

    /// Gives it the I/O manager's buffer.
    pub fn set_system_buffer(&self, buffer: wdk_sys::PVOID) {
        // SAFETY: not sent yet.
        unsafe { (*self.as_ptr()).AssociatedIrp.SystemBuffer = buffer };
    }

    /// Leaves something in it.
    pub fn set_information(&self, information: u64) {
        // SAFETY: not sent yet.
        unsafe { (*self.as_ptr()).IoStatus.Information = information };
    }

    /// Sends it.
    pub fn send(&self, device: PDEVICE_OBJECT) -> NTSTATUS {
        call_driver(device, self.as_ptr())
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<(NTSTATUS, usize)> {
        let completed = COMPLETED.lock().unwrap();
        completed.as_ref()?.get(&self.as_ptr().addr()).copied()
    }
}

impl Drop for TestIrp {
    fn drop(&mut self) {
        let mut completed = COMPLETED.lock().unwrap();
        let ended = completed
            .as_mut()
            .and_then(|all| all.remove(&self.as_ptr().addr()));
        assert!(ended.is_some(), "an IRP was not completed");
        // SAFETY: from `new`; completed, so no driver looks at it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Where the current stack location's address is.
///
/// # Safety
///
/// The IRP is valid.
unsafe fn current(irp: PIRP) -> *mut *mut IO_STACK_LOCATION {
    // SAFETY: by contract; only an address is formed.
    unsafe {
        &raw mut (*irp)
            .Tail
            .Overlay
            .__bindgen_anon_2
            .__bindgen_anon_1
            .CurrentStackLocation
    }
}

/// The cancel routine, as all who change it reach it.
///
/// # Safety
///
/// The IRP is valid for as long as this is used.
pub unsafe fn cancel_routine<'a>(irp: PIRP) -> &'a AtomicPtr<()> {
    // SAFETY: by contract; only an address is formed.
    let field: *mut PDRIVER_CANCEL = unsafe { &raw mut (*irp).CancelRoutine };
    // SAFETY: a routine that may be none is a pointer that may be null.
    unsafe { AtomicPtr::from_ptr(field.cast()) }
}

fn call_driver(device: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    // SAFETY: a device object and an IRP of the caller's.
    unsafe {
        (*irp).CurrentLocation -= 1;
        let location = current(irp).read().sub(1);
        current(irp).write(location);
        (*location).DeviceObject = device;
        let driver = (*device).DriverObject;
        let major = usize::from((*location).MajorFunction);
        let routine = (*driver).MajorFunction[major].expect("a dispatch routine");
        routine(device, irp)
    }
}

#[unsafe(no_mangle)]
extern "C" fn IofCallDriver(device: *mut DEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    assert_at_most_dispatch();
    call_driver(device, irp)
}

#[unsafe(no_mangle)]
extern "C" fn IoSetCompletionRoutineEx(
    _device: PDEVICE_OBJECT,
    irp: PIRP,
    routine: PIO_COMPLETION_ROUTINE,
    context: PVOID,
    on_success: BOOLEAN,
    on_error: BOOLEAN,
    on_cancel: BOOLEAN,
) -> NTSTATUS {
    // SAFETY: the caller's IRP, which has a location left.
    unsafe {
        let next = current(irp).read().sub(1);
        (*next).CompletionRoutine = routine;
        (*next).Context = context;
        (*next).Control = on_success << 6 | on_error << 7 | on_cancel << 5;
    }
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn IofCompleteRequest(irp: PIRP, _boost: CCHAR) {
    assert_at_most_dispatch();
    // SAFETY: an IRP of the caller's, which gives it up.
    unsafe {
        let cancel = cancel_routine(irp).load(Ordering::Relaxed);
        assert!(cancel.is_null(), "completed with a cancel routine");
        while usize::try_from((*irp).CurrentLocation).unwrap() <= LOCATIONS {
            let location = current(irp).read();
            (*irp).CurrentLocation += 1;
            current(irp).write(location.add(1));
            if (*location).Control & 0xe0 == 0 {
                continue;
            }
            let above = usize::try_from((*irp).CurrentLocation).unwrap() <= LOCATIONS;
            let device = if above {
                (*location.add(1)).DeviceObject
            } else {
                core::ptr::null_mut()
            };
            let routine = (*location).CompletionRoutine.expect("a completion routine");
            if routine(device, irp, (*location).Context) == STATUS_MORE_PROCESSING_REQUIRED {
                return;
            }
        }
        let status = (*irp).IoStatus.__bindgen_anon_1.Status;
        let information = (*irp).IoStatus.Information.try_into().unwrap();
        let mut completed = COMPLETED.lock().unwrap();
        let old = completed
            .get_or_insert_default()
            .insert(irp.addr(), (status, information));
        assert!(old.is_none(), "completed once");
    }
}
