//! Callback objects, and timers that the system allocates.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    ptr::{from_ref, null, null_mut},
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{
    ex::EXT_DELETE_PARAMETERS,
    ke::KTIMER,
    ob::{OBJ_PERMANENT, OBJECT_ATTRIBUTES},
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_UNSUCCESSFUL,
    },
};

use super::{Outcome, Test, ensure, ensure_eq, object::MILLISECOND};
use crate::{
    ex::timer::{ExAllocateTimer, ExCancelTimer, ExDeleteTimer, ExSetTimer},
    export::DISPATCH_LEVEL,
    ke::{dpc::KeIsExecutingDpc, irql, wait_for::KeWaitForSingleObject},
    ob::{
        callback::{
            Callback, ExCreateCallback, ExNotifyCallback, ExRegisterCallback, ExUnregisterCallback,
        },
        object,
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "callback: routines are called in the order of their registrations",
        order,
    ),
    (
        "callback: one routine alone, unless several are allowed",
        one,
    ),
    (
        "callback: a routine that another takes back is not called",
        taken_back_within,
    ),
    (
        "callback: only a permanent object is found by its name",
        names,
    ),
    ("ex timer: it signals, and calls at DISPATCH_LEVEL", expires),
    ("ex timer: one that is taken back does neither", taken_back),
    ("ex timer: a periodic one goes on", periodic),
    (
        "ex timer: one that is deleted stays for a last call, and says when it is gone",
        deleted_when_due,
    ),
    (
        "ex timer: a deletion that waits comes after the callback",
        deleted_in_the_end,
    ),
];

fn create(
    name: Option<&str>,
    attributes: u32,
    make: bool,
    multiple: bool,
) -> (NTSTATUS, *mut Callback) {
    let mut units: Vec<u16> = name.unwrap_or("").encode_utf16().collect();
    let bytes = 2 * units.len() as u16;
    let name = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: units.as_mut_ptr(),
    };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: 0,
        ObjectName: &raw const name,
        Attributes: attributes,
        SecurityDescriptor: null(),
        SecurityQualityOfService: null(),
    };
    let mut object = null_mut();
    let (make, multiple) = (u8::from(make), u8::from(multiple));
    // SAFETY: the test's own.
    let status =
        unsafe { ExCreateCallback(&raw mut object, &raw const attributes, make, multiple) };
    (status, object.cast())
}

fn register(
    callback: *mut Callback,
    function: unsafe extern "win64" fn(*mut c_void, *mut c_void, *mut c_void),
    context: *mut c_void,
) -> *mut c_void {
    // SAFETY: the object is the test's, and so is the routine.
    unsafe { ExRegisterCallback(callback, function, context) }
}

fn unregister(registration: *mut c_void) {
    // SAFETY: it came from `register`.
    unsafe { ExUnregisterCallback(registration) };
}

fn notify(callback: *mut Callback, argument1: *mut c_void) {
    // SAFETY: the object is the test's.
    unsafe { ExNotifyCallback(callback, argument1, null_mut()) };
}

/// Notes its context, a digit, behind those before.
unsafe extern "win64" fn digit(context: *mut c_void, digits: *mut c_void, _argument2: *mut c_void) {
    // SAFETY: the test's own.
    let digits = unsafe { &*digits.cast::<AtomicU32>() };
    let before = digits.load(Ordering::Relaxed);
    digits.store(before * 10 + context.addr() as u32, Ordering::Relaxed);
}

/// Takes back the registration that its context holds.
unsafe extern "win64" fn take_back(
    context: *mut c_void,
    _digits: *mut c_void,
    _second: *mut c_void,
) {
    // SAFETY: the test's own.
    unregister(unsafe { context.cast::<*mut c_void>().read() });
}

fn number(value: usize) -> *mut c_void {
    core::ptr::without_provenance_mut(value)
}

fn pointer<T>(value: &T) -> *mut c_void {
    from_ref(value).cast_mut().cast()
}

fn order() -> Outcome {
    let (status, callback) = create(Some(r"\Callback\Order"), 0, true, true);
    ensure_eq!(status, STATUS_SUCCESS);
    let registrations = [1, 2, 3].map(|value| register(callback, digit, number(value)));
    let digits = AtomicU32::new(0);
    let before = irql::raise(DISPATCH_LEVEL);
    notify(callback, pointer(&digits));
    irql::set(before);
    ensure_eq!(digits.load(Ordering::Relaxed), 123);
    unregister(registrations[1]);
    notify(callback, pointer(&digits));
    ensure_eq!(digits.load(Ordering::Relaxed), 12313);
    unregister(registrations[0]);
    unregister(registrations[2]);
    ensure_eq!(object::references(callback.cast()), 1);
    object::dereference(callback.cast());
    Ok(())
}

fn one() -> Outcome {
    let (status, callback) = create(Some(r"\Callback\One"), 0, true, false);
    ensure_eq!(status, STATUS_SUCCESS);
    let first = register(callback, digit, number(1));
    ensure!(!first.is_null(), "the first is refused");
    let second = register(callback, digit, number(2));
    ensure!(second.is_null(), "a second is registered");
    unregister(first);
    let third = register(callback, digit, number(3));
    ensure!(!third.is_null(), "the place is not free again");
    unregister(third);
    object::dereference(callback.cast());
    ensure_eq!(object::kind(callback.cast()), None);
    Ok(())
}

fn taken_back_within() -> Outcome {
    let (status, callback) = create(Some(r"\Callback\Within"), 0, true, true);
    ensure_eq!(status, STATUS_SUCCESS);
    let mut second: *mut c_void = null_mut();
    let first = register(callback, take_back, (&raw mut second).cast());
    second = register(callback, digit, number(2));
    let third = register(callback, digit, number(3));
    let digits = AtomicU32::new(0);
    notify(callback, pointer(&digits));
    ensure_eq!(digits.load(Ordering::Relaxed), 3);
    ensure!(!second.is_null(), "it was not registered");
    unregister(first);
    unregister(third);
    object::dereference(callback.cast());
    Ok(())
}

fn names() -> Outcome {
    ensure_eq!(create(None, 0, true, true).0, STATUS_UNSUCCESSFUL);
    let name = Some(r"\Callback\Names");
    ensure_eq!(create(name, 0, false, true).0, STATUS_OBJECT_NAME_NOT_FOUND);
    let (status, temporary) = create(name, 0, true, true);
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(create(name, 0, false, true).0, STATUS_OBJECT_NAME_NOT_FOUND);
    let (status, permanent) = create(name, OBJ_PERMANENT, true, true);
    ensure_eq!(status, STATUS_SUCCESS);
    ensure!(permanent != temporary, "it was opened by its name");
    let (status, found) = create(name, 0, false, true);
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(found, permanent);
    object::dereference(temporary.cast());
    object::dereference(permanent.cast());
    object::dereference(permanent.cast());
    ensure_eq!(create(name, 0, false, true).0, STATUS_SUCCESS);
    let (status, system) = create(Some(r"\Callback\PowerState"), 0, false, true);
    ensure_eq!(status, STATUS_SUCCESS);
    object::dereference(system.cast());
    Ok(())
}

/// What a timer's callback saw.
#[derive(Default)]
struct Seen {
    calls: AtomicU32,
    level: AtomicU32,
    in_dpc: AtomicU32,
    deleted: AtomicU32,
    stall: AtomicU32,
}

unsafe extern "win64" fn due(_timer: *mut KTIMER, context: *mut c_void) {
    // SAFETY: the test's own.
    let seen = unsafe { &*context.cast::<Seen>() };
    crate::hal::time::stall(seen.stall.load(Ordering::Relaxed).into());
    seen.level.store(irql::current().into(), Ordering::Relaxed);
    // SAFETY: it has no preconditions.
    let in_dpc = unsafe { KeIsExecutingDpc() };
    seen.in_dpc.store(in_dpc, Ordering::Relaxed);
    // Release: who sees the call sees what it saw.
    seen.calls.fetch_add(1, Ordering::Release);
}

unsafe extern "win64" fn gone(context: *mut c_void) {
    // SAFETY: the test's own.
    let seen = unsafe { &*context.cast::<Seen>() };
    let calls = seen.calls.load(Ordering::Acquire);
    seen.deleted.store(1 + calls, Ordering::Release);
}

fn allocate(seen: &Seen) -> *mut KTIMER {
    // SAFETY: the test waits for the callback.
    unsafe { ExAllocateTimer(Some(due), pointer(seen), 0) }
}

fn set(timer: *mut KTIMER, milliseconds: i64, period: i64) -> bool {
    // SAFETY: the test's timer.
    unsafe {
        ExSetTimer(
            timer,
            -milliseconds * MILLISECOND,
            period * MILLISECOND,
            null(),
        ) != 0
    }
}

fn cancel(timer: *mut KTIMER) -> bool {
    // SAFETY: the test's timer.
    unsafe { ExCancelTimer(timer, null_mut()) != 0 }
}

fn delete(timer: *mut KTIMER, cancel: bool, wait: bool, seen: &Seen) -> bool {
    let parameters = EXT_DELETE_PARAMETERS {
        Version: 0,
        Reserved: 0,
        DeleteCallback: Some(gone),
        DeleteContext: pointer(seen),
    };
    let (cancel, wait) = (u8::from(cancel), u8::from(wait));
    // SAFETY: the test's timer.
    unsafe { ExDeleteTimer(timer, cancel, wait, &raw const parameters) != 0 }
}

fn wait(timer: *mut KTIMER, milliseconds: i64) -> NTSTATUS {
    let timeout = -milliseconds * MILLISECOND;
    // SAFETY: the test's timer, which begins as a timer does.
    unsafe { KeWaitForSingleObject(timer.cast(), 0, 0, 0, &raw const timeout) }
}

fn wait_for(count: &AtomicU32, least: u32) {
    while count.load(Ordering::Acquire) < least {
        crate::ke::dispatcher::yield_now();
    }
}

fn expires() -> Outcome {
    let seen = Seen::default();
    let timer = allocate(&seen);
    ensure!(!timer.is_null(), "there is no memory");
    ensure!(!set(timer, 2, 0), "a new timer is set");
    ensure_eq!(wait(timer, 10_000), STATUS_SUCCESS);
    wait_for(&seen.calls, 1);
    ensure_eq!(
        seen.level.load(Ordering::Relaxed),
        u32::from(DISPATCH_LEVEL)
    );
    ensure_eq!(seen.in_dpc.load(Ordering::Relaxed), 1);
    ensure_eq!(wait(timer, 0), STATUS_TIMEOUT);
    ensure!(!cancel(timer), "it is still set");
    ensure!(!delete(timer, true, true, &seen), "it was taken back");
    ensure_eq!(seen.deleted.load(Ordering::Acquire), 2);
    Ok(())
}

fn taken_back() -> Outcome {
    let seen = Seen::default();
    let timer = allocate(&seen);
    set(timer, 2, 0);
    let canceled = cancel(timer);
    ensure_eq!(wait(timer, 8) == STATUS_TIMEOUT, canceled);
    ensure!(!cancel(timer), "it is set still");
    set(timer, 60_000, 0);
    ensure!(set(timer, 60_000, 0), "it was not set");
    ensure!(delete(timer, true, true, &seen), "it was not taken back");
    ensure_eq!(seen.calls.load(Ordering::Acquire), u32::from(!canceled));
    ensure_eq!(
        seen.deleted.load(Ordering::Acquire),
        1 + u32::from(!canceled)
    );
    Ok(())
}

fn periodic() -> Outcome {
    let seen = Seen::default();
    let timer = allocate(&seen);
    set(timer, 1, 2);
    for _ in 0..3 {
        ensure_eq!(wait(timer, 10_000), STATUS_SUCCESS);
    }
    ensure!(
        delete(timer, true, true, &seen),
        "a periodic timer is not set"
    );
    let calls = seen.calls.load(Ordering::Acquire);
    ensure!(calls >= 3, "{calls} calls");
    ensure_eq!(seen.deleted.load(Ordering::Acquire), calls + 1);
    crate::hal::time::stall(6_000);
    ensure_eq!(seen.calls.load(Ordering::Acquire), calls);
    Ok(())
}

fn deleted_when_due() -> Outcome {
    let seen = Seen::default();
    let timer = allocate(&seen);
    set(timer, 3, 1);
    ensure!(!delete(timer, false, false, &seen), "it was taken back");
    wait_for(&seen.deleted, 1);
    // One call, though the timer is periodic, and the last word behind it.
    ensure_eq!(seen.deleted.load(Ordering::Acquire), 2);
    ensure_eq!(seen.calls.load(Ordering::Acquire), 1);
    Ok(())
}

fn deleted_in_the_end() -> Outcome {
    for round in 0..20 {
        let seen = Seen::default();
        seen.stall.store(300, Ordering::Relaxed);
        let timer = allocate(&seen);
        set(timer, 1, 0);
        // Around the time at which it is due.
        crate::hal::time::stall(900 + 40 * round);
        let canceled = delete(timer, true, true, &seen);
        let calls = u32::from(!canceled);
        ensure_eq!(seen.deleted.load(Ordering::Acquire), 1 + calls);
        ensure_eq!(seen.calls.load(Ordering::Acquire), calls);
    }
    Ok(())
}
