//! Plug-and-play notification: drivers that want to hear of devices other than their own.
//!
//! Sources: IoRegisterPlugPlayNotification, IoUnregisterPlugPlayNotificationEx,
//! nc-wdm-driver_notification_callback_routine. Here are the registrations and the changes of
//! device interface classes; those of a target device are in [`super::notify_target`]. There
//! are no hardware profiles: who registers for their changes hears of none.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{
    ffi::c_void,
    ops::Range,
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering},
};

use nthost_nt::{
    guid::GUID,
    io::{device::DEVICE_OBJECT, driver::DRIVER_OBJECT, file::FILE_OBJECT},
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{device, interface};
use crate::{
    ex::worker::{self, Queue},
    ke::{dispatcher, lock::SpinLock, thread},
    ob::object,
    pnp::relations,
};

/// A driver's callback.
pub type Callback =
    unsafe extern "win64" fn(notification: *mut c_void, context: *mut c_void) -> NTSTATUS;

/// `EventCategoryDeviceInterfaceChange`.
const INTERFACE_CHANGE: i32 = 2;
/// `EventCategoryTargetDeviceChange`.
const TARGET_CHANGE: i32 = 3;
/// `PNPNOTIFY_DEVICE_INTERFACE_INCLUDE_EXISTING_INTERFACES`.
const INCLUDE_EXISTING: u32 = 1;

/// `GUID_DEVICE_INTERFACE_ARRIVAL`.
const ARRIVAL: GUID = GUID {
    Data1: 0xcb3a_4004,
    Data2: 0x46f0,
    Data3: 0x11d0,
    Data4: [0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f],
};
/// `GUID_DEVICE_INTERFACE_REMOVAL`.
const REMOVAL: GUID = GUID {
    Data1: 0xcb3a_4005,
    ..ARRIVAL
};

/// What the callback gets (ns-wdm-_device_interface_change_notification).
#[repr(C)]
struct InterfaceChange {
    version: u16,
    size: u16,
    event: GUID,
    class: GUID,
    link: *mut UNICODE_STRING,
}

/// A registration.
#[derive(Debug)]
pub struct Registration {
    /// The class whose interfaces it is about.
    class: Option<GUID>,
    /// The file through which it is about a device; not referenced, as the reference says.
    pub(super) file: *mut FILE_OBJECT,
    /// That device: the lowest of its stack, referenced.
    target: *mut DEVICE_OBJECT,
    callback: Callback,
    context: *mut c_void,
    driver: *mut DRIVER_OBJECT,
    gone: AtomicBool,
    /// The threads that its callback runs in. A leaf.
    threads: SpinLock<Vec<usize>>,
}

impl Registration {
    /// Calls the driver back; its answer, unless the registration was taken back. PASSIVE_LEVEL.
    pub(super) fn call(&self, notification: *mut c_void) -> Option<NTSTATUS> {
        let thread = thread::current().addr();
        self.threads.lock().push(thread);
        // SeqCst: either this call is seen by who unregisters, or the end is seen here.
        let answer = (!self.gone.load(Ordering::SeqCst)).then(|| {
            // SAFETY: the driver's own callback, with its context.
            unsafe { (self.callback)(notification, self.context) }
        });
        let mut threads = self.threads.lock();
        if let Some(index) = threads.iter().position(|&other| other == thread) {
            threads.swap_remove(index);
        }
        answer
    }
}

// SAFETY: what it points to is the driver's, which keeps it until it unregisters.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

/// A leaf.
static REGISTRATIONS: SpinLock<Vec<Arc<Registration>>> = SpinLock::new(Vec::new());

/// Tells those who want to know that an interface was enabled or disabled, from a worker
/// thread.
pub fn interface_changed(class: &GUID, link: &str, enabled: bool) {
    let registrations = REGISTRATIONS.lock();
    let concerned: Vec<_> = registrations
        .iter()
        .filter(|known| known.class == Some(*class))
        .cloned()
        .collect();
    drop(registrations);
    for registration in concerned {
        let (class, link) = (*class, String::from(link));
        worker::queue(Queue::Delayed, move || {
            tell(&registration, class, &link, enabled);
        });
    }
}

/// A callback in these bytes that is registered.
#[must_use]
pub fn calling_into(image: &Range<u64>) -> Option<u64> {
    let registrations = REGISTRATIONS.lock();
    let mut callbacks = registrations
        .iter()
        .map(|known| known.callback as usize as u64);
    callbacks.find(|callback| image.contains(callback))
}

/// The registrations for a device's changes, the oldest first.
pub(super) fn of_target(pdo: *mut DEVICE_OBJECT) -> Vec<Arc<Registration>> {
    let registrations = REGISTRATIONS.lock();
    let of_target = registrations
        .iter()
        .filter(|known| !pdo.is_null() && known.target == pdo);
    of_target.cloned().collect()
}

fn tell(registration: &Registration, class: GUID, link: &str, enabled: bool) {
    let mut units: Vec<u16> = link.encode_utf16().collect();
    let bytes = u16::try_from(units.len() * 2).unwrap_or(!1);
    let mut string = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: units.as_mut_ptr(),
    };
    let mut change = InterfaceChange {
        version: 1,
        size: size_of::<InterfaceChange>() as u16,
        event: if enabled { ARRIVAL } else { REMOVAL },
        class,
        link: &raw mut string,
    };
    // Nobody is asked whether an interface may come or go.
    let _ = registration.call((&raw mut change).cast());
}

/// Takes a registration back; no callback runs any more when it returns, but for one that
/// itself takes it back.
fn unregister(entry: *mut c_void) {
    let mut registrations = REGISTRATIONS.lock();
    let index = registrations
        .iter()
        .position(|known| Arc::as_ptr(known).addr() == entry.addr());
    let Some(index) = index else {
        return;
    };
    let registration = registrations.remove(index);
    drop(registrations);
    registration.gone.store(true, Ordering::SeqCst);
    let own = thread::current().addr();
    let elsewhere = || {
        registration
            .threads
            .lock()
            .iter()
            .any(|&other| other != own)
    };
    while elsewhere() {
        dispatcher::yield_now();
    }
    if !registration.target.is_null() {
        object::dereference(registration.target.cast());
    }
    object::dereference(registration.driver.cast());
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Has a callback called when devices come and go.
    ///
    /// Source: IoRegisterPlugPlayNotification.
    ///
    /// # Safety
    ///
    /// `data` is what the category demands: for interface changes a class's GUID, for a
    /// device's changes an open file; `entry` can be written.
    pub unsafe fn IoRegisterPlugPlayNotification(
        category: i32,
        flags: u32,
        data: *mut c_void,
        driver: *mut DRIVER_OBJECT,
        callback: Callback,
        context: *mut c_void,
        entry: *mut *mut c_void,
    ) -> NTSTATUS {
        if !(1..=3).contains(&category) || (category != 1 && data.is_null()) {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let class = (category == INTERFACE_CHANGE).then(|| unsafe { *data.cast::<GUID>() });
        let (mut file, mut target) = (null_mut(), null_mut());
        if category == TARGET_CHANGE {
            file = data.cast::<FILE_OBJECT>();
            // What no bus driver answers for has no other device behind it.
            target = relations::target_of(file).unwrap_or_else(|| {
                // SAFETY: the caller's promise; the device of an open file exists.
                let lowest = device::lowest(unsafe { (*file).DeviceObject });
                object::reference(lowest.cast());
                lowest
            });
        }
        object::reference(driver.cast());
        let registration = Arc::new(Registration {
            class,
            file,
            target,
            callback,
            context,
            driver,
            gone: AtomicBool::new(false),
            threads: SpinLock::new(Vec::new()),
        });
        // SAFETY: the caller's promise.
        unsafe { entry.write(Arc::as_ptr(&registration).cast_mut().cast()) };
        REGISTRATIONS.lock().push(registration.clone());
        if let Some(class) = class.filter(|_| flags & INCLUDE_EXISTING != 0) {
            for path in interface::enabled_in(&class) {
                let link: Box<str> = path.replacen(r"\\?\", r"\??\", 1).into();
                tell(&registration, class, &link, true);
            }
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes a registration back. The caller holds no lock that its callback takes.
    ///
    /// Source: IoUnregisterPlugPlayNotificationEx.
    ///
    /// # Safety
    ///
    /// The entry is the caller's.
    pub unsafe fn IoUnregisterPlugPlayNotificationEx(entry: *mut c_void) -> NTSTATUS {
        unregister(entry);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As IoUnregisterPlugPlayNotificationEx.
    ///
    /// Source: IoUnregisterPlugPlayNotification.
    ///
    /// # Safety
    ///
    /// The entry is the caller's.
    pub unsafe fn IoUnregisterPlugPlayNotification(entry: *mut c_void) -> NTSTATUS {
        unregister(entry);
        STATUS_SUCCESS
    }
}

/// No registration of a driver is left.
///
/// # Panics
///
/// If there is no driver.
#[must_use]
pub fn count_of(driver: *mut DRIVER_OBJECT) -> usize {
    let registrations = REGISTRATIONS.lock();
    let of_driver = registrations.iter().filter(|known| known.driver == driver);
    assert!(!driver.is_null());
    of_driver.count()
}
