//! Callback objects: routines that are called when somebody says so.
//!
//! The name of an object that is not permanent goes with the last handle to it, which
//! ExCreateCallback itself holds for as long as it runs: so only a permanent one is found by
//! others. One that is permanent stays, with its name, whoever gives references back.
//!
//! Sources: ExCreateCallback, ExRegisterCallback, ExUnregisterCallback, ExNotifyCallback,
//! "Callback Objects". The system's own: `\Callback\SetSystemTime` and `\Callback\ProcessorAdd`,
//! of which there is never anything to tell, and `\Callback\PowerState`.

use alloc::{boxed::Box, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    ke::KEVENT,
    ob::{OBJ_PERMANENT, OBJECT_ATTRIBUTES},
    status::{
        NTSTATUS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
        STATUS_UNSUCCESSFUL,
    },
};

use super::{
    namespace::Named,
    object::{self, Kind},
};
use crate::{
    ex::event,
    ke::{
        bugcheck::{self, code},
        lock::SpinLock,
    },
    ob,
};

/// The system's own objects.
const SYSTEM: [&str; 3] = [
    r"\Callback\PowerState",
    r"\Callback\ProcessorAdd",
    r"\Callback\SetSystemTime",
];
/// `PO_CB_SYSTEM_STATE_LOCK`: the system is about to leave the working state, or is back.
const SYSTEM_STATE_LOCK: usize = 3;

/// A driver's routine.
pub type CallbackFunction =
    unsafe extern "win64" fn(context: *mut c_void, argument1: *mut c_void, argument2: *mut c_void);

/// A callback object.
#[derive(Debug)]
pub struct Callback {
    multiple: bool,
}

/// A routine that is to be called.
struct Registration {
    /// Its place in the order of registrations, and what drivers know it by.
    number: usize,
    callback: *mut Callback,
    function: CallbackFunction,
    context: *mut c_void,
    /// How many processors call it at the moment.
    busy: u32,
    /// Whoever takes it back, and waits for those.
    waiter: *mut KEVENT,
}

// SAFETY: objects have a reference for each of their registrations; the context is the driver's.
unsafe impl Send for Registration {}

struct Registrations {
    list: Vec<Registration>,
    next: usize,
}

/// All registrations, in their order. Objects' own lock, and the dispatcher lock, may be taken
/// while it is held.
static REGISTRATIONS: SpinLock<Registrations> = SpinLock::new(Registrations {
    list: Vec::new(),
    next: 1,
});

fn delete(object: *mut c_void) {
    // SAFETY: it was made by `create`, and nobody refers to it any more.
    drop(unsafe { Box::from_raw(object.cast::<Callback>()) });
}

fn create(path: &[u16], multiple: bool, permanent: bool) -> Result<*mut c_void, NTSTATUS> {
    let object: *mut c_void = Box::into_raw(Box::new(Callback { multiple })).cast();
    object::insert(object, Kind::Callback, delete);
    if permanent {
        let named = Named::Object(object.expose_provenance());
        if let Err(status) = ob::insert_name(path, named) {
            object::dereference(object);
            return Err(status);
        }
        // The name's own reference.
        object::reference(object);
    }
    Ok(object)
}

fn open(path: &[u16]) -> Result<*mut c_void, NTSTATUS> {
    let (object, rest) = ob::reference_by_name(path)?;
    if object::kind(object) == Some(Kind::Callback) && rest.is_empty() {
        return Ok(object);
    }
    object::dereference(object);
    Err(STATUS_OBJECT_TYPE_MISMATCH)
}

/// Makes the system's own objects. To be called once.
pub fn initialize() {
    for name in SYSTEM {
        let path: Vec<u16> = name.encode_utf16().collect();
        // Nothing has such a name yet; the reference stays.
        if let Err(status) = create(&path, true, true) {
            log!("ex", "{name}: {status:#010x}");
        }
    }
}

/// Registered routines that lie in this range.
#[must_use]
pub fn calling_into(image: &core::ops::Range<u64>) -> Option<u64> {
    let registrations = REGISTRATIONS.lock();
    let mut found = registrations
        .list
        .iter()
        .filter(|registration| image.contains(&(registration.function as usize as u64)));
    found
        .next()
        .map(|registration| registration.function as usize as u64)
}

fn notify(callback: *mut Callback, argument1: *mut c_void, argument2: *mut c_void) {
    let mut called = 0;
    loop {
        let mut registrations = REGISTRATIONS.lock();
        // One after the other, so that what a routine takes back is not called any more.
        let next = registrations.list.iter_mut().find(|registration| {
            registration.callback == callback
                && registration.number > called
                && registration.waiter.is_null()
        });
        let Some(registration) = next else { return };
        registration.busy += 1;
        called = registration.number;
        let (function, context) = (registration.function, registration.context);
        drop(registrations);
        // SAFETY: the driver's own routine, with what it gave for it.
        unsafe { function(context, argument1, argument2) };
        let mut registrations = REGISTRATIONS.lock();
        let mut list = registrations.list.iter_mut();
        if let Some(registration) = list.find(|registration| registration.number == called) {
            registration.busy -= 1;
            if registration.busy == 0 && !registration.waiter.is_null() {
                // SAFETY: the waiter's event stays until it is set.
                unsafe { event::set(registration.waiter) };
            }
        }
    }
}

/// The system is about to leave the working state, or is back in it.
pub fn notify_power_state(working: bool) {
    let path: Vec<u16> = SYSTEM[0].encode_utf16().collect();
    if let Ok(object) = open(&path) {
        let argument1 = core::ptr::without_provenance_mut(SYSTEM_STATE_LOCK);
        let argument2 = core::ptr::without_provenance_mut(usize::from(working));
        notify(object.cast(), argument1, argument2);
        object::dereference(object);
    }
}

fn unregister(number: usize) {
    let mut event = event::new();
    // SAFETY: it stays where it is until this routine returns.
    unsafe { event::initialize(&raw mut event) };
    let mut registrations = REGISTRATIONS.lock();
    let mut list = registrations.list.iter();
    let Some(index) = list.position(|registration| registration.number == number) else {
        drop(registrations);
        log!("verifier", "{number:#x} is no registration of a callback");
        let parameters = [5, number as u64, 0, 0];
        bugcheck::bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, parameters)
    };
    if registrations.list[index].busy != 0 {
        registrations.list[index].waiter = &raw mut event;
        drop(registrations);
        // SAFETY: it is initialized, and set by whoever calls the routine last.
        unsafe { event::wait(&raw mut event) };
        registrations = REGISTRATIONS.lock();
    }
    let mut list = registrations.list.iter();
    if let Some(index) = list.position(|registration| registration.number == number) {
        let registration = registrations.list.remove(index);
        drop(registrations);
        object::dereference(registration.callback.cast());
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a callback object, or makes it if there is none and that is asked for. It comes
    /// with a reference. STATUS_UNSUCCESSFUL without a name.
    ///
    /// Source: ExCreateCallback.
    ///
    /// # Safety
    ///
    /// The object can be written; the attributes are such.
    pub unsafe fn ExCreateCallback(
        object: *mut *mut c_void,
        attributes: *const OBJECT_ATTRIBUTES,
        make: u8,
        multiple: u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = unsafe { &*attributes };
        // SAFETY: the caller's promise.
        let Some(path) = (unsafe { ob::units(attributes.ObjectName) }) else {
            return STATUS_UNSUCCESSFUL;
        };
        let permanent = attributes.Attributes & OBJ_PERMANENT != 0;
        let found = match open(&path) {
            Err(STATUS_OBJECT_NAME_NOT_FOUND) if make != 0 => {
                create(&path, multiple != 0, permanent)
            }
            found => found,
        };
        match found {
            Ok(found) => {
                // SAFETY: the caller's promise.
                unsafe { object.write(found) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: core::ptr::null_mut();
    /// Registers a routine, in the order of registrations; NULL if the object takes one alone,
    /// and has it.
    ///
    /// Source: ExRegisterCallback.
    ///
    /// # Safety
    ///
    /// The object is referenced; the routine may be called so until ExUnregisterCallback.
    pub unsafe fn ExRegisterCallback(
        callback: *mut Callback,
        function: CallbackFunction,
        context: *mut c_void,
    ) -> *mut c_void {
        // The registration's reference; ends in a bug check if it is no object.
        object::reference(callback.cast());
        // SAFETY: the caller's promise.
        let multiple = unsafe { (*callback).multiple };
        let mut registrations = REGISTRATIONS.lock();
        let taken = registrations.list.iter().any(|other| other.callback == callback);
        if taken && !multiple {
            drop(registrations);
            object::dereference(callback.cast());
            return core::ptr::null_mut();
        }
        let number = registrations.next;
        registrations.next += 1;
        registrations.list.push(Registration {
            number,
            callback,
            function,
            context,
            busy: 0,
            waiter: core::ptr::null_mut(),
        });
        core::ptr::without_provenance_mut(number)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a registration back, and waits until its routine runs nowhere.
    ///
    /// Source: ExUnregisterCallback.
    ///
    /// # Safety
    ///
    /// It came from ExRegisterCallback.
    pub unsafe fn ExUnregisterCallback(registration: *mut c_void) {
        unregister(registration.addr());
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Calls an object's routines, at the caller's IRQL, in the order of their registrations.
    ///
    /// Source: ExNotifyCallback.
    ///
    /// # Safety
    ///
    /// The object is referenced, and its routines understand the arguments.
    pub unsafe fn ExNotifyCallback(
        callback: *mut Callback,
        argument1: *mut c_void,
        argument2: *mut c_void,
    ) {
        notify(callback, argument1, argument2);
    }
}
