//! Notification of a target device's changes.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicI32, AtomicPtr, Ordering},
};

use nthost_nt::{
    io::{device::DEVICE_OBJECT, file::FILE_OBJECT},
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
        STATUS_UNSUCCESSFUL,
    },
};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::Event,
    target::{self, Target},
};
use crate::{
    io::{
        notify::{IoRegisterPlugPlayNotification, IoUnregisterPlugPlayNotificationEx},
        notify_target::{self, IoReportTargetDeviceChange, IoReportTargetDeviceChangeAsynchronous},
        pointer::IoGetDeviceObjectPointer,
    },
    ke::lock::SpinLock,
    ob::object,
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "notify: who agreed to a removal that another forbids is told that it is canceled",
        vetoed,
    ),
    (
        "notify: a driver's own event reaches who registered for its device, with its data",
        custom,
    ),
    (
        "notify: a callback may take back its own registration",
        unregisters_itself,
    ),
];

/// What a callback hears, and answers to a query.
struct Ear {
    heard: SpinLock<Vec<u32>>,
    data: AtomicI32,
    answer: NTSTATUS,
    entry: AtomicPtr<c_void>,
    file: *mut FILE_OBJECT,
    unregisters: bool,
}

/// Notes the first word of the event's GUID.
unsafe extern "win64" fn hear(notification: *mut c_void, context: *mut c_void) -> NTSTATUS {
    // SAFETY: the test's own.
    let ear = unsafe { &*context.cast::<Ear>() };
    let words = notification.cast::<u32>();
    // SAFETY: the GUID is behind version and size.
    let event = unsafe { words.add(1) };
    // SAFETY: as above.
    ear.heard.lock().push(unsafe { event.read() } & 0xff);
    // SAFETY: the size is the second half of the first word.
    let size = unsafe { words.read() } >> 16;
    if size > 32 {
        // SAFETY: a driver's own event, with a word of data behind where its text begins.
        let data = unsafe { words.add(9) };
        // SAFETY: as above.
        let data = unsafe { data.read() };
        ear.data.store(data.cast_signed(), Ordering::Relaxed);
    }
    if ear.unregisters {
        let entry = ear.entry.load(Ordering::Relaxed);
        // SAFETY: its own registration, taken back once.
        unsafe { IoUnregisterPlugPlayNotificationEx(entry) };
    }
    ear.answer
}

impl Ear {
    fn new(name: &mut [u16], answer: NTSTATUS, unregisters: bool) -> Result<Self, NTSTATUS> {
        let bytes = (name.len() * 2) as u16;
        let string = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: name.as_mut_ptr(),
        };
        let (mut file, mut device) = (null_mut(), null_mut::<DEVICE_OBJECT>());
        // SAFETY: a string, and variables to be written.
        let status = unsafe {
            IoGetDeviceObjectPointer(&raw const string, 1, &raw mut file, &raw mut device)
        };
        if status != STATUS_SUCCESS {
            return Err(status);
        }
        Ok(Self {
            heard: SpinLock::new(Vec::new()),
            data: AtomicI32::new(0),
            answer,
            entry: AtomicPtr::new(null_mut()),
            file,
            unregisters,
        })
    }

    fn register(&self) -> NTSTATUS {
        let mut entry = null_mut();
        let context = core::ptr::from_ref(self).cast_mut().cast();
        let (driver, file) = (target::driver(), self.file.cast());
        // SAFETY: an open file, and a context that outlives the registration.
        let status = unsafe {
            IoRegisterPlugPlayNotification(3, 0, file, driver, hear, context, &raw mut entry)
        };
        self.entry.store(entry, Ordering::Relaxed);
        status
    }

    fn take(&self) -> Vec<u32> {
        core::mem::take(&mut *self.heard.lock())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let entry = self.entry.load(Ordering::Relaxed);
        if !entry.is_null() && !self.unregisters {
            // SAFETY: the registration is the test's.
            unsafe { IoUnregisterPlugPlayNotificationEx(entry) };
        }
        object::dereference(self.file.cast());
    }
}

/// The events by the last byte of their GUIDs' first words.
const QUERY_REMOVE: u32 = 6;
const REMOVE_CANCELLED: u32 = 7;
const REMOVE_COMPLETE: u32 = 8;

fn opened<T>(result: Result<T, NTSTATUS>) -> Result<T, alloc::string::String> {
    result.map_err(|status| alloc::format!("not opened: {status:#x}"))
}

fn vetoed() -> Outcome {
    let (target, mut name) = Target::new(0);
    let agrees = opened(Ear::new(&mut name, STATUS_SUCCESS, false))?;
    let forbids = opened(Ear::new(&mut name, STATUS_UNSUCCESSFUL, false))?;
    let last = opened(Ear::new(&mut name, STATUS_SUCCESS, false))?;
    ensure_eq!(agrees.register(), STATUS_SUCCESS);
    ensure_eq!(notify_target::query_remove(target.get()), Ok(()));
    ensure_eq!(agrees.take(), [QUERY_REMOVE]);
    ensure_eq!(forbids.register(), STATUS_SUCCESS);
    ensure_eq!(last.register(), STATUS_SUCCESS);
    ensure_eq!(
        notify_target::query_remove(target.get()),
        Err(STATUS_UNSUCCESSFUL)
    );
    ensure_eq!(agrees.take(), [QUERY_REMOVE, REMOVE_CANCELLED]);
    ensure_eq!(forbids.take(), [QUERY_REMOVE]);
    ensure_eq!(last.take(), []);
    let (other, _) = Target::new(0);
    notify_target::remove_complete(other.get());
    notify_target::remove_complete(target.get());
    ensure_eq!(last.take(), [REMOVE_COMPLETE]);
    Ok(())
}

/// A driver's own event, aligned as its pointer demands.
#[repr(align(8))]
struct Report([u32; 10]);

unsafe extern "win64" fn set(context: *mut c_void) {
    // SAFETY: the test's own event, which it waits for.
    unsafe { &*context.cast::<Event>() }.set();
}

fn custom() -> Outcome {
    let (target, mut name) = Target::new(0);
    let ear = opened(Ear::new(&mut name, STATUS_SUCCESS, false))?;
    ensure_eq!(ear.register(), STATUS_SUCCESS);
    // Version, size, GUID, padding, file, where the text begins, and a word of data.
    let mut report = Report([1 | 40 << 16, 0x77, 0, 0, 0, 0, 0, 0, u32::MAX, 0x1234]);
    let notification: *mut c_void = report.0.as_mut_ptr().cast();
    // SAFETY: the notification is as long as it says.
    let status = unsafe { IoReportTargetDeviceChange(target.get(), notification) };
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(ear.take(), [0x77]);
    ensure_eq!(ear.data.swap(0, Ordering::Relaxed), 0x1234);
    let told = Event::notification();
    let context = (&raw const told).cast_mut().cast();
    // SAFETY: as above; the event is waited for.
    let status = unsafe {
        IoReportTargetDeviceChangeAsynchronous(target.get(), notification, Some(set), context)
    };
    ensure_eq!(status, STATUS_SUCCESS);
    told.wait(None);
    ensure_eq!(ear.take(), [0x77]);
    ensure_eq!(ear.data.load(Ordering::Relaxed), 0x1234);
    for (version, first, expected) in [
        (1 | 35 << 16, 0x77, STATUS_INVALID_PARAMETER),
        (2 | 40 << 16, 0x77, STATUS_INVALID_PARAMETER),
    ] {
        (report.0[0], report.0[1]) = (version, first);
        // SAFETY: as above.
        let status = unsafe { IoReportTargetDeviceChange(target.get(), notification) };
        ensure_eq!(status, expected);
    }
    // GUID_TARGET_DEVICE_QUERY_REMOVE.
    report.0[..5].copy_from_slice(&[
        1 | 40 << 16,
        0xcb3a_4006,
        0x11d0_46f0,
        0x6000_8fb0,
        0x3f05_1397,
    ]);
    // SAFETY: as above.
    let status = unsafe { IoReportTargetDeviceChange(target.get(), notification) };
    ensure_eq!(status, STATUS_INVALID_DEVICE_REQUEST);
    ensure_eq!(ear.take(), []);
    Ok(())
}

fn unregisters_itself() -> Outcome {
    let (target, mut name) = Target::new(0);
    let references = target.references();
    let ear = opened(Ear::new(&mut name, STATUS_SUCCESS, true))?;
    let opened = target.references();
    ensure_eq!(ear.register(), STATUS_SUCCESS);
    ensure!(target.references() > opened, "the device is not kept");
    notify_target::remove_canceled(target.get());
    notify_target::remove_canceled(target.get());
    ensure_eq!(ear.take(), [REMOVE_CANCELLED]);
    ensure_eq!(target.references(), opened);
    drop(ear);
    ensure_eq!(target.references(), references);
    Ok(())
}
