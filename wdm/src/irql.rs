//! IRQL as zero-sized values: a proof of the level that code runs at.
//!
//! The rule of the kernel this stands for: every routine has a range of IRQLs at which it may be
//! called, and code that breaks it corrupts or hangs the system, seldom where the mistake is.
//! ("Managing Hardware Priorities".)
//!
//! A token cannot be copied, sent to another thread or made up by safe code: it is handed to a
//! driver's routine by the trampoline that the kernel called, whose IRQL is documented. What
//! raises IRQL takes `&mut` the token of the old level and gives out one of the new: until IRQL
//! is lowered again the old token is borrowed, so nothing that demands it can be called. What
//! raises IRQL for itself alone, and calls nobody meanwhile, shares the token (`&`).
//!
//! A guard that is forgotten (`mem::forget`) leaves IRQL raised and gives the old token back: no
//! type can refuse that. What waits looks at IRQL itself, and stops the system.
//!
//! ```compile_fail,E0499
//! # use wdm::{event::Event, irql::Passive, spinlock::SpinLock};
//! fn wrong(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive) {
//!     let guard = lock.acquire(irql);
//!     event.wait(irql); // error: `irql` is borrowed: the thread runs at DISPATCH_LEVEL
//!     drop(guard);
//! }
//! ```
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     event::Event,
//!     irql::{self, Passive},
//!     spinlock::SpinLock,
//! };
//!
//! fn right(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive) {
//!     drop(lock.acquire(irql));
//!     event.wait(irql);
//!     irql::raise_to_dispatch(irql, |irql| drop(lock.acquire_at_dpc_level(irql)));
//! }
//! ```

use core::marker::PhantomData;

use wdk_sys::{KIRQL, ntddk::KeBugCheckEx};

use crate::constants::DISPATCH_LEVEL;

mod sealed {
    pub trait Sealed {}
}

/// A proof of an IRQL. Implemented by the tokens of this module and nothing else.
pub trait Irql: sealed::Sealed {}

/// Levels at or below DISPATCH_LEVEL.
#[diagnostic::on_unimplemented(
    message = "this may be called at IRQL <= DISPATCH_LEVEL only, not at the level of `{Self}`",
    label = "called above DISPATCH_LEVEL",
    note = "leave it to a DPC: queue one from the ISR"
)]
pub trait AtOrBelowDispatch: Irql {}

/// Levels at or below APC_LEVEL, where a thread may wait and touch pageable memory.
#[diagnostic::on_unimplemented(
    message = "this may be called at IRQL <= APC_LEVEL only, not at the level of `{Self}`",
    label = "may wait or touch pageable memory: not allowed here",
    note = "leave it to a work item, which runs at PASSIVE_LEVEL"
)]
pub trait AtOrBelowApc: AtOrBelowDispatch {}

/// Keeps a token in the thread, or rather on the processor, that it was made for.
type NotSend = PhantomData<*mut ()>;

macro_rules! levels {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(NotSend);

        impl $name {
            /// Asserts the level.
            ///
            /// # Safety
            ///
            /// The code that holds the token runs at this level for as long as it holds it.
            #[must_use]
            pub const unsafe fn assume() -> Self {
                Self(PhantomData)
            }
        }

        impl sealed::Sealed for $name {}
        impl Irql for $name {}
    )*};
}

levels! {
    /// PASSIVE_LEVEL: an ordinary thread. It may wait, and may be preempted and moved.
    Passive;
    /// APC_LEVEL: a thread that no APC interrupts.
    Apc;
    /// Some level from PASSIVE_LEVEL to DISPATCH_LEVEL: it is not known which, so that only
    /// what is allowed at each of them may be done.
    UpToDispatch;
    /// DISPATCH_LEVEL: a DPC, or the holder of a spin lock. No waiting, no pageable memory.
    Dispatch;
    /// The level of a device's interrupt: its ISR, or the holder of its interrupt spin lock.
    Dirql;
}

impl AtOrBelowDispatch for Passive {}
impl AtOrBelowDispatch for Apc {}
impl AtOrBelowDispatch for UpToDispatch {}
impl AtOrBelowDispatch for Dispatch {}
impl AtOrBelowApc for Passive {}
impl AtOrBelowApc for Apc {}

const _: () = assert!(size_of::<Passive>() == 0, "a proof costs nothing");

// What amd64's kernel exports. Header sets make one or the other inline, so that bindings made
// from them have it or not; `KeRaiseIrqlToDpcLevel` is inline over the first in the WDK's, and
// its import library does not have it. Sources: nf-wdm-keraiseirql, nf-wdm-kelowerirql.
unsafe extern "C" {
    fn KfRaiseIrql(new_irql: KIRQL) -> KIRQL;
    fn KeLowerIrql(new_irql: KIRQL);
}

// ANCHOR: raise
/// Runs `act` with IRQL raised to DISPATCH_LEVEL. Where it is that already, nothing changes.
///
/// Source: nf-wdm-keraiseirqltodpclevel.
pub fn raise_to_dispatch<I: AtOrBelowDispatch, T>(
    _irql: &mut I,
    act: impl FnOnce(&mut Dispatch) -> T,
) -> T {
    // SAFETY: the caller's token proves that IRQL is not above DISPATCH_LEVEL.
    let old = unsafe { KfRaiseIrql(DISPATCH_LEVEL) };
    // SAFETY: just raised, and the caller's token is borrowed until it is lowered.
    let mut dispatch = unsafe { Dispatch::assume() };
    let done = act(&mut dispatch);
    // SAFETY: the level from before. Whatever `act` raised or locked has borrowed its token, and is
    // gone or was forgotten.
    unsafe { KeLowerIrql(old) };
    done
}
// ANCHOR_END: raise

/// The most that IRQL may be for something that no token can be demanded for: what a `Drop` does,
/// or what a guard that was forgotten may have left behind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// PASSIVE_LEVEL.
    Passive = 0,
    /// APC_LEVEL.
    Apc = 1,
}

/// Stops the system with bug check IRQL_UNEXPECTED_VALUE if IRQL is higher. The first parameter
/// holds the level that it is and the one that was expected, the second is the object that this is
/// about.
///
/// It costs the read of a register, and is for what is seldom done.
///
/// Source: "Bug Check 0xC8: IRQL_UNEXPECTED_VALUE".
pub(crate) fn expect_at_most<T>(limit: Limit, object: *const T) {
    const IRQL_UNEXPECTED_VALUE: u32 = 0xc8;
    // Not one of those that the kernel tells its own places by.
    const PLACE: u64 = 0x57;
    let current = current();
    let limit = limit as u64;
    if current > limit {
        let object = object.addr() as u64;
        // SAFETY: callable at any IRQL; it does not return.
        unsafe {
            KeBugCheckEx(
                IRQL_UNEXPECTED_VALUE,
                current << 16 | limit << 8 | PLACE,
                object,
                0,
                0,
            )
        };
    }
}

/// `KeGetCurrentIrql`, which is inline in the headers for amd64: the task priority.
#[cfg(not(miri))]
fn current() -> u64 {
    let level: u64;
    // SAFETY: reads a register that the kernel keeps IRQL in.
    unsafe {
        core::arch::asm!("mov {}, cr8", out(reg) level, options(nomem, nostack, preserves_flags));
    }
    level
}

/// As an interpreter of tests has it.
#[cfg(miri)]
fn current() -> u64 {
    unsafe extern "C" {
        fn KeGetCurrentIrql() -> KIRQL;
    }
    // SAFETY: callable at any IRQL.
    unsafe { KeGetCurrentIrql() }.into()
}
