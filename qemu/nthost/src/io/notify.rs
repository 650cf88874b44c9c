//! Plug-and-play notification: drivers that want to hear of devices other than their own.
//!
//! Sources: IoRegisterPlugPlayNotification, IoUnregisterPlugPlayNotificationEx,
//! nc-wdm-driver_notification_callback_routine. Simplified: the events are those of device
//! interface classes; registrations for a target device or the hardware profile are accepted
//! as the reference says and hear of nothing, for nothing of the kind happens here.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use nthost_nt::{
    guid::GUID,
    io::driver::DRIVER_OBJECT,
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::interface;
use crate::{
    ex::worker::{self, Queue},
    ke::{dispatcher, lock::SpinLock},
    ob::object,
};

/// A driver's callback.
pub type Callback =
    unsafe extern "win64" fn(notification: *mut c_void, context: *mut c_void) -> NTSTATUS;

/// `EventCategoryDeviceInterfaceChange`.
const INTERFACE_CHANGE: i32 = 2;
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
struct Registration {
    category: i32,
    class: Option<GUID>,
    callback: Callback,
    context: *mut c_void,
    driver: *mut DRIVER_OBJECT,
    gone: AtomicBool,
    running: AtomicU32,
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
        .filter(|known| known.category == INTERFACE_CHANGE && known.class == Some(*class))
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

fn tell(registration: &Registration, class: GUID, link: &str, enabled: bool) {
    // SeqCst: either this call is seen by who unregisters, or the end is seen here.
    registration.running.fetch_add(1, Ordering::SeqCst);
    if !registration.gone.load(Ordering::SeqCst) {
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
        // SAFETY: the driver's own callback, with its context.
        unsafe { (registration.callback)((&raw mut change).cast(), registration.context) };
    }
    registration.running.fetch_sub(1, Ordering::SeqCst);
}

/// Takes a registration back; no callback runs any more when it returns.
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
    while registration.running.load(Ordering::SeqCst) > 0 {
        dispatcher::yield_now();
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
    /// `data` is what the category demands: for interface changes a class's GUID; `entry` can
    /// be written.
    pub unsafe fn IoRegisterPlugPlayNotification(
        category: i32,
        flags: u32,
        data: *const GUID,
        driver: *mut DRIVER_OBJECT,
        callback: Callback,
        context: *mut c_void,
        entry: *mut *mut c_void,
    ) -> NTSTATUS {
        if !(1..=3).contains(&category) {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let class = (category == INTERFACE_CHANGE).then(|| unsafe { *data });
        object::reference(driver.cast());
        let registration = Arc::new(Registration {
            category,
            class,
            callback,
            context,
            driver,
            gone: AtomicBool::new(false),
            running: AtomicU32::new(0),
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
#[must_use]
pub fn count_of(driver: *mut DRIVER_OBJECT) -> usize {
    let registrations = REGISTRATIONS.lock();
    let of_driver = registrations.iter().filter(|known| known.driver == driver);
    debug_assert!(!driver.is_null());
    of_driver.count()
}
