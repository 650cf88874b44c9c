//! What drivers must not do, one at a time: the switch `violation=NAME`. Each ends in a bug check,
//! by which whoever started the machine tells that it was found.

use core::{ptr::null, sync::atomic::AtomicU32};

use nthost_nt::{ke::KSPIN_LOCK, rtl::RTL_BITMAP};
use nthost_protocol::manifest::VerifierOption;

use super::object::{Event, MILLISECOND, Mutex};
use crate::{
    ex::{
        fast_mutex::{
            ExAcquireFastMutex, ExAcquireFastMutexUnsafe, ExReleaseFastMutex,
            KeInitializeGuardedMutex,
        },
        push_lock::{ExAcquirePushLockExclusiveEx, ExReleasePushLockSharedEx},
        spin_lock::{
            ExAcquireSpinLockExclusive, ExAcquireSpinLockShared, ExReleaseSpinLockExclusive,
            ExReleaseSpinLockShared,
        },
    },
    export::{self, DIRQL_MIN, DISPATCH_LEVEL},
    ke::{
        critical_region::{KeEnterCriticalRegion, KeLeaveCriticalRegion},
        debugger::DbgBreakPoint,
        event::KeSetEvent,
        irql,
        ktimer::KeCancelTimer,
        spinlock::{
            KeAcquireSpinLockAtDpcLevel, KeAcquireSpinLockRaiseToDpc, KeInitializeSpinLock,
            KeReleaseSpinLock, KeReleaseSpinLockFromDpcLevel,
        },
        wait_for::{KeDelayExecutionThread, KeWaitForSingleObject},
    },
    mm::pool,
    ob::ZwClose,
    rtl::{bitmap::RtlSetBits, case::RtlDowncaseUnicodeChar},
    verifier::options,
};

/// A name, and what is done.
type Violation = (&'static str, unsafe fn());

/// What can be done.
const VIOLATIONS: &[Violation] = &[
    ("0x32", release_spin_lock_below),
    ("0x33", acquire_fast_mutex_above),
    ("0x34", release_fast_mutex_below),
    ("0x39", acquire_fast_mutex_unsafe),
    ("0x3b", wait_at_dispatch_level),
    ("0x3b-delay", delay_at_dispatch_level),
    ("0x3e", leave_no_region),
    ("0x40", acquire_at_dpc_level_below),
    ("0x41", release_from_dpc_level_below),
    ("0x42", acquire_spin_lock_above),
    ("0x80", set_event_above),
    ("0xea", push_lock_with_apcs),
    ("0x1007", release_free_push_lock),
    ("0x20011", cancel_timer_above),
    ("0x2001f", close_at_dispatch_level),
    ("0x20023", string_at_dispatch_level),
    ("0x0f", writer_twice),
    ("0x10", release_free_spin_lock),
    ("0x1001", lock_in_two_orders),
    ("0x1001-mutex", mutexes_in_two_orders),
    ("0x1003", release_in_wrong_order),
    ("0xcd-over", write_behind_pool),
    ("0xcd-under", write_before_pool),
    ("0xc1-over", overrun_found_later),
    ("0xc1-under", underrun_found_later),
    ("0xc2-twice", freed_twice),
    ("0xc2-tag", freed_with_another_tag),
    ("0x19", header_written),
    ("0x7e", break_without_debugger),
    ("0x139", set_bits_beyond),
];

/// Does what the name says; comes back only if nobody finds it.
pub fn run(name: &str) {
    let found = VIOLATIONS.iter().find(|(other, _)| *other == name);
    if let Some((_, violation)) = found {
        // SAFETY: what follows is a bug check.
        unsafe { violation() };
        log!("selftest", "FAILED {name}: nobody found it");
    } else {
        log!("selftest", "FAILED {name}: there is no such violation");
    }
}

const ABOVE: u8 = DIRQL_MIN;

/// A routine's checked entry, which a driver's import of it would be bound to. By its name: routines
/// that do the same may lie at the same address.
fn checked<F: Copy>(name: &str, routine: F) -> F {
    const { assert!(size_of::<F>() == size_of::<*const ()>()) };
    let mut exports = export::all().iter();
    let found = exports.find(|export| export.name == name && !export.checked.is_null());
    let Some(export) = found else {
        log!("selftest", "FAILED {name} has no checked entry");
        return routine;
    };
    // SAFETY: a pointer to a function, as callers say, of the size of a pointer; an entry is called
    // as its routine is.
    unsafe { core::mem::transmute_copy::<*const (), F>(&export.checked) }
}

/// The checked entry of a routine of this type.
macro_rules! checked {
    ($routine:ident as $type:ty) => {
        checked(stringify!($routine), $routine as $type)
    };
}

unsafe fn lock() -> KSPIN_LOCK {
    let mut lock = 0;
    // SAFETY: memory for a lock.
    unsafe { KeInitializeSpinLock(&raw mut lock) };
    lock
}

unsafe fn release_spin_lock_below() {
    // SAFETY: no preconditions.
    let mut lock = unsafe { lock() };
    // SAFETY: an initialized lock.
    let before = unsafe { KeAcquireSpinLockRaiseToDpc(&raw mut lock) };
    irql::set(before);
    // SAFETY: the wrong of this test.
    unsafe { checked!(KeReleaseSpinLock as unsafe extern "win64" fn(_, _))(&raw mut lock, before) };
}

unsafe fn acquire_fast_mutex_above() {
    // SAFETY: a mutex has no bytes that are not allowed to be zero.
    let mut mutex = unsafe { core::mem::zeroed() };
    // SAFETY: memory for a mutex.
    unsafe { KeInitializeGuardedMutex(&raw mut mutex) };
    irql::set(DISPATCH_LEVEL);
    // SAFETY: the wrong of this test.
    unsafe { checked!(ExAcquireFastMutex as unsafe extern "win64" fn(_))(&raw mut mutex) };
}

unsafe fn release_fast_mutex_below() {
    // SAFETY: a mutex has no bytes that are not allowed to be zero.
    let mut mutex = unsafe { core::mem::zeroed() };
    // SAFETY: memory for a mutex.
    unsafe { KeInitializeGuardedMutex(&raw mut mutex) };
    // SAFETY: an initialized mutex.
    unsafe { ExAcquireFastMutex(&raw mut mutex) };
    irql::set(0);
    // SAFETY: the wrong of this test.
    unsafe { checked!(ExReleaseFastMutex as unsafe extern "win64" fn(_))(&raw mut mutex) };
}

unsafe fn acquire_fast_mutex_unsafe() {
    // SAFETY: a mutex has no bytes that are not allowed to be zero.
    let mut mutex = unsafe { core::mem::zeroed() };
    // SAFETY: memory for a mutex.
    unsafe { KeInitializeGuardedMutex(&raw mut mutex) };
    // SAFETY: the wrong of this test.
    unsafe { checked!(ExAcquireFastMutexUnsafe as unsafe extern "win64" fn(_))(&raw mut mutex) };
}

unsafe fn wait_at_dispatch_level() {
    let event = Event::notification();
    irql::set(DISPATCH_LEVEL);
    // SAFETY: the wrong of this test.
    unsafe {
        checked!(KeWaitForSingleObject as unsafe extern "win64" fn(_, i32, i8, u8, _) -> _)(
            event.get().cast(),
            0,
            0,
            0,
            null(),
        )
    };
}

unsafe fn delay_at_dispatch_level() {
    irql::set(DISPATCH_LEVEL);
    let time = -MILLISECOND;
    // SAFETY: the wrong of this test.
    unsafe {
        checked!(KeDelayExecutionThread as unsafe extern "win64" fn(i8, u8, _) -> _)(
            0,
            0,
            &raw const time,
        )
    };
}

unsafe fn leave_no_region() {
    // SAFETY: the region is left at once.
    unsafe { KeEnterCriticalRegion() };
    // SAFETY: it was entered just now.
    unsafe { KeLeaveCriticalRegion() };
    // SAFETY: the wrong of this test.
    unsafe { KeLeaveCriticalRegion() };
}

unsafe fn acquire_at_dpc_level_below() {
    // SAFETY: no preconditions.
    let mut lock = unsafe { lock() };
    // SAFETY: the wrong of this test.
    unsafe { checked!(KeAcquireSpinLockAtDpcLevel as unsafe extern "win64" fn(_))(&raw mut lock) };
}

unsafe fn release_from_dpc_level_below() {
    // SAFETY: no preconditions.
    let mut lock = unsafe { lock() };
    // SAFETY: an initialized lock.
    let before = unsafe { KeAcquireSpinLockRaiseToDpc(&raw mut lock) };
    irql::set(before);
    let release = checked!(KeReleaseSpinLockFromDpcLevel as unsafe extern "win64" fn(_));
    // SAFETY: the wrong of this test.
    unsafe { release(&raw mut lock) };
}

unsafe fn acquire_spin_lock_above() {
    // SAFETY: no preconditions.
    let mut lock = unsafe { lock() };
    irql::set(ABOVE);
    // SAFETY: the wrong of this test.
    unsafe {
        checked!(KeAcquireSpinLockRaiseToDpc as unsafe extern "win64" fn(_) -> _)(&raw mut lock)
    };
}

unsafe fn set_event_above() {
    let event = Event::notification();
    irql::set(ABOVE);
    let set = checked!(KeSetEvent as unsafe extern "win64" fn(_, i32, u8) -> _);
    // SAFETY: the wrong of this test.
    unsafe { set(event.get(), 0, 0) };
}

unsafe fn push_lock_with_apcs() {
    let mut lock = 0_usize;
    let acquire = checked!(ExAcquirePushLockExclusiveEx as unsafe extern "win64" fn(_, u32));
    // SAFETY: the wrong of this test.
    unsafe { acquire(&raw mut lock, 0) };
}

unsafe fn release_free_push_lock() {
    let mut lock = 0;
    // SAFETY: the machine ends within the region.
    unsafe { KeEnterCriticalRegion() };
    // SAFETY: the wrong of this test.
    unsafe { ExReleasePushLockSharedEx(&raw mut lock, 0) };
}

unsafe fn cancel_timer_above() {
    let timer = super::object::Timer::timer(false);
    irql::set(ABOVE);
    // SAFETY: the wrong of this test.
    unsafe { checked!(KeCancelTimer as unsafe extern "win64" fn(_) -> _)(timer.get()) };
}

unsafe fn close_at_dispatch_level() {
    irql::set(DISPATCH_LEVEL);
    // SAFETY: the wrong of this test.
    unsafe { checked!(ZwClose as unsafe extern "win64" fn(u64) -> _)(4) };
}

unsafe fn string_at_dispatch_level() {
    irql::set(DISPATCH_LEVEL);
    // SAFETY: the wrong of this test.
    unsafe { checked!(RtlDowncaseUnicodeChar as unsafe extern "win64" fn(u16) -> _)(0x41) };
}

unsafe fn writer_twice() {
    let mut lock = 0;
    // SAFETY: a lock that is zero.
    unsafe { ExAcquireSpinLockExclusive(&raw mut lock) };
    // SAFETY: the wrong of this test.
    unsafe { ExAcquireSpinLockExclusive(&raw mut lock) };
}

unsafe fn release_free_spin_lock() {
    let mut lock = 0;
    irql::set(DISPATCH_LEVEL);
    // SAFETY: the wrong of this test.
    unsafe { ExReleaseSpinLockShared(&raw mut lock, 0) };
}

/// Two locks that are on nobody's stack: those are not watched.
static LOCKS: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// Takes one lock as a writer and another as a reader.
fn take(first: &AtomicU32, second: &AtomicU32) -> [u8; 2] {
    // SAFETY: a lock that is zero.
    let outer = unsafe { ExAcquireSpinLockExclusive(first.as_ptr()) };
    // SAFETY: as above.
    let inner = unsafe { ExAcquireSpinLockShared(second.as_ptr()) };
    [outer, inner]
}

unsafe fn lock_in_two_orders() {
    let [first, second] = &LOCKS;
    let [outer, inner] = take(first, second);
    // SAFETY: it was taken so.
    unsafe { ExReleaseSpinLockShared(second.as_ptr(), inner) };
    // SAFETY: as above.
    unsafe { ExReleaseSpinLockExclusive(first.as_ptr(), outer) };
    // The wrong of this test.
    take(second, first);
}

unsafe fn mutexes_in_two_orders() {
    let (first, second) = (Mutex::mutex(), Mutex::mutex());
    first.wait(None);
    second.wait(None);
    // Again, and in any order of release: nothing is wrong with that.
    first.wait(None);
    first.release();
    first.release();
    second.release();
    second.wait(None);
    // The wrong of this test.
    first.wait(None);
}

unsafe fn release_in_wrong_order() {
    let [first, second] = &LOCKS;
    let [outer, _] = take(first, second);
    // SAFETY: the wrong of this test.
    unsafe { ExReleaseSpinLockExclusive(first.as_ptr(), outer) };
}

unsafe fn break_without_debugger() {
    // SAFETY: the wrong of this test.
    unsafe { DbgBreakPoint() };
}

unsafe fn set_bits_beyond() {
    let mut words = [0_u32; 2];
    let mut bitmap = RTL_BITMAP {
        SizeOfBitMap: 40,
        Buffer: words.as_mut_ptr(),
    };
    // SAFETY: the wrong of this test.
    unsafe { RtlSetBits(&raw mut bitmap, 39, 2) };
}

/// Pool of 48 bytes, whose start or end is where a page starts or ends; and where it begins.
fn pool(underrun: bool) -> *mut u8 {
    let options = [
        VerifierOption::SpecialPool,
        VerifierOption::SpecialPoolUnderrun,
    ];
    options::set(&options[..=usize::from(underrun)]);
    // A multiple of the alignment: it ends where the page ends.
    let address = pool::allocate(pool::flags::NON_PAGED, 48, 0, 0);
    pool::pointer(address).cast()
}

fn write_at(start: *mut u8, offset: isize) {
    let place = start.wrapping_offset(offset);
    // SAFETY: the wrong of these tests, or within the page.
    unsafe { place.write_volatile(1) };
}

unsafe fn write_behind_pool() {
    write_at(pool(false), 48);
}

unsafe fn write_before_pool() {
    write_at(pool(true), -1);
}

/// Ordinary pool of 48 bytes; and where it begins.
fn ordinary_pool() -> *mut u8 {
    options::set(&[]);
    let address = pool::allocate(pool::flags::NON_PAGED, 48, 1, 0);
    pool::pointer(address).cast()
}

unsafe fn freed_twice() {
    let start = ordinary_pool();
    pool::free(start as u64, None);
    pool::free(start as u64, None);
}

unsafe fn freed_with_another_tag() {
    pool::free(ordinary_pool() as u64, Some(2));
}

unsafe fn header_written() {
    let start = ordinary_pool();
    for offset in -16..0 {
        write_at(start, offset);
    }
    pool::free(start as u64, None);
}

unsafe fn overrun_found_later() {
    let start = pool(true);
    write_at(start, 48);
    pool::free(start as u64, None);
}

unsafe fn underrun_found_later() {
    let start = pool(false);
    write_at(start, -1);
    pool::free(start as u64, None);
}
