//! Changes of a device that other drivers have open: they are asked before it is removed, and
//! told of what drivers report of it.
//!
//! Sources: "Using PnP Target Device Change Notification", "Using PnP Custom Notification",
//! ns-wdm-_target_device_removal_notification, IoReportTargetDeviceChange,
//! IoReportTargetDeviceChangeAsynchronous.

use alloc::{sync::Arc, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    io::{device::DEVICE_OBJECT, file::FILE_OBJECT},
    status::{
        NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
        nt_success,
    },
};

use super::notify::{self, Registration};
use crate::{
    ex::worker::{self, Queue},
    ob::object,
};

/// `GUID_TARGET_DEVICE_QUERY_REMOVE`.
const QUERY_REMOVE: GUID = GUID {
    Data1: 0xcb3a_4006,
    Data2: 0x46f0,
    Data3: 0x11d0,
    Data4: [0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f],
};
/// `GUID_TARGET_DEVICE_REMOVE_CANCELLED`.
const REMOVE_CANCELLED: GUID = GUID {
    Data1: 0xcb3a_4007,
    ..QUERY_REMOVE
};
/// `GUID_TARGET_DEVICE_REMOVE_COMPLETE`.
const REMOVE_COMPLETE: GUID = GUID {
    Data1: 0xcb3a_4008,
    ..QUERY_REMOVE
};

/// What the callback gets (ns-wdm-_target_device_removal_notification); the head of what
/// drivers report (ns-wdm-_target_device_custom_notification).
#[repr(C)]
struct TargetChange {
    version: u16,
    size: u16,
    event: GUID,
    file: *mut FILE_OBJECT,
}

/// Bytes of a driver's report without data: the head, and where its text begins.
const CUSTOM_SIZE: usize = size_of::<TargetChange>() + size_of::<i32>();

fn tell(registration: &Registration, event: GUID) -> Option<NTSTATUS> {
    let mut change = TargetChange {
        version: 1,
        size: size_of::<TargetChange>() as u16,
        event,
        file: registration.file,
    };
    registration.call((&raw mut change).cast())
}

fn tell_all<'a>(registrations: impl Iterator<Item = &'a Arc<Registration>>, event: GUID) {
    for registration in registrations {
        // Only a query has an answer.
        let _ = tell(registration, event);
    }
}

/// May a device be removed? If one says no, those who agreed before are told that it is not.
/// PASSIVE_LEVEL.
///
/// # Errors
///
/// The status of who said no.
pub fn query_remove(pdo: *mut DEVICE_OBJECT) -> Result<(), NTSTATUS> {
    let registrations = notify::of_target(pdo);
    for (index, registration) in registrations.iter().enumerate() {
        let answer = tell(registration, QUERY_REMOVE).unwrap_or(STATUS_SUCCESS);
        if !nt_success(answer) {
            let agreed = registrations.iter().take(index).rev();
            tell_all(agreed, REMOVE_CANCELLED);
            return Err(answer);
        }
    }
    Ok(())
}

/// A device is not removed after all. PASSIVE_LEVEL.
pub fn remove_canceled(pdo: *mut DEVICE_OBJECT) {
    tell_all(notify::of_target(pdo).iter(), REMOVE_CANCELLED);
}

/// A device is about to be removed, or gone. PASSIVE_LEVEL.
pub fn remove_complete(pdo: *mut DEVICE_OBJECT) {
    tell_all(notify::of_target(pdo).iter(), REMOVE_COMPLETE);
}

/// A copy of a driver's report, aligned as the original.
struct Report(Vec<u64>);

impl Report {
    /// Copies a report; whose head says how long it is.
    ///
    /// # Safety
    ///
    /// The notification is as long as it says.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_REQUEST` for an event of the system's, `STATUS_INVALID_PARAMETER`
    /// for what is no report.
    unsafe fn new(notification: *const c_void) -> Result<Self, NTSTATUS> {
        // SAFETY: the caller's promise.
        let head = unsafe { &*notification.cast::<TargetChange>() };
        if [QUERY_REMOVE, REMOVE_CANCELLED, REMOVE_COMPLETE].contains(&head.event) {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        let size = usize::from(head.size);
        if size < CUSTOM_SIZE || head.version != 1 || !head.file.is_null() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let mut words = alloc::vec![0; size.div_ceil(8)];
        let to = words.as_mut_ptr().cast::<u8>();
        // SAFETY: the caller's promise, and a copy that is at least as long.
        unsafe { to.copy_from_nonoverlapping(notification.cast(), size) };
        Ok(Self(words))
    }

    /// Tells a registered driver.
    fn tell(&mut self, registration: &Registration) {
        let change = self.0.as_mut_ptr().cast::<TargetChange>();
        // SAFETY: a report begins with this.
        unsafe { (*change).file = registration.file };
        // Nobody is asked anything.
        let _ = registration.call(change.cast());
    }

    fn tell_all(&mut self, pdo: *mut DEVICE_OBJECT) {
        for registration in notify::of_target(pdo) {
            self.tell(&registration);
        }
    }
}

/// What a report that is told later needs.
struct Later {
    report: Report,
    pdo: *mut DEVICE_OBJECT,
    callback: Option<unsafe extern "win64" fn(context: *mut c_void)>,
    context: *mut c_void,
}

// SAFETY: the device is referenced, and the context is only handed back.
unsafe impl Send for Later {}

impl Later {
    fn run(mut self) {
        self.report.tell_all(self.pdo);
        if let Some(callback) = self.callback {
            // SAFETY: the driver's own routine, with its context.
            unsafe { callback(self.context) };
        }
        object::dereference(self.pdo.cast());
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells those who registered for a device's changes of an event of the caller's own, and
    /// returns when they know.
    ///
    /// Source: IoReportTargetDeviceChange.
    ///
    /// # Safety
    ///
    /// `pdo` is a physical device object; the notification is as long as it says.
    pub unsafe fn IoReportTargetDeviceChange(
        pdo: *mut DEVICE_OBJECT,
        notification: *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        match unsafe { Report::new(notification) } {
            Ok(mut report) => {
                report.tell_all(pdo);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As IoReportTargetDeviceChange, from a system thread; a routine of the caller's is called
    /// when they all know.
    ///
    /// Source: IoReportTargetDeviceChangeAsynchronous.
    ///
    /// # Safety
    ///
    /// As IoReportTargetDeviceChange; the context stays until the routine is called.
    pub unsafe fn IoReportTargetDeviceChangeAsynchronous(
        pdo: *mut DEVICE_OBJECT,
        notification: *mut c_void,
        callback: Option<unsafe extern "win64" fn(context: *mut c_void)>,
        context: *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let report = match unsafe { Report::new(notification) } {
            Ok(report) => report,
            Err(status) => return status,
        };
        object::reference(pdo.cast());
        let later = Later { report, pdo, callback, context };
        worker::queue(Queue::Delayed, move || later.run());
        STATUS_SUCCESS
    }
}
