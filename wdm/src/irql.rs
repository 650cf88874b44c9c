//! IRQL as zero-sized values: a proof of the level that code runs at.
//!
//! The rule of the kernel this stands for: every routine has a range of IRQLs at which it may be
//! called, and code that breaks it corrupts or hangs the system, seldom where the mistake is.
//! ("Managing Hardware Priorities".)
//!
//! A token cannot be copied, sent to another thread or made up by safe code: it is handed to a
//! driver's routine by the trampoline that the kernel called, whose IRQL is documented. What
//! raises IRQL takes `&mut` the token of the old level and gives out one of the new: until IRQL
//! is lowered again the old token is borrowed, so nothing that demands it can be called.
//!
//! ```compile_fail
//! fn wrong(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive) {
//!     let guard = lock.acquire(irql);
//!     event.wait(irql); // error: `irql` is borrowed: the thread runs at DISPATCH_LEVEL
//!     drop(guard);
//! }
//! ```

use core::marker::PhantomData;

use wdk_sys::KIRQL;

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

// Exported by the kernel for amd64; the headers declare some of them inline, so that bindings
// made from headers have them or not. Sources: nf-wdm-keraiseirqltodpclevel, nf-wdm-kelowerirql.
unsafe extern "C" {
    fn KeRaiseIrqlToDpcLevel() -> KIRQL;
    fn KeLowerIrql(new_irql: KIRQL);
}

/// IRQL raised to DISPATCH_LEVEL until this is dropped.
#[must_use = "IRQL is lowered again when this is dropped"]
pub struct RaisedIrql<'a> {
    dispatch: Dispatch,
    old: KIRQL,
    _below: PhantomData<&'a mut ()>,
}

/// Raises IRQL to DISPATCH_LEVEL. Where it is that already, nothing changes.
///
/// Source: nf-wdm-keraiseirqltodpclevel.
pub fn raise_to_dispatch<I: AtOrBelowDispatch>(_irql: &mut I) -> RaisedIrql<'_> {
    // SAFETY: the caller's token proves that IRQL is not above DISPATCH_LEVEL.
    let old = unsafe { KeRaiseIrqlToDpcLevel() };
    RaisedIrql {
        // SAFETY: just raised, and `RaisedIrql` borrows the caller's token until it lowers.
        dispatch: unsafe { Dispatch::assume() },
        old,
        _below: PhantomData,
    }
}

impl RaisedIrql<'_> {
    /// The proof of DISPATCH_LEVEL.
    pub fn irql(&mut self) -> &mut Dispatch {
        &mut self.dispatch
    }
}

impl Drop for RaisedIrql<'_> {
    fn drop(&mut self) {
        // SAFETY: the level that `raise_to_dispatch` found; whatever was raised or locked since
        // has borrowed `self` and is gone.
        unsafe { KeLowerIrql(self.old) }
    }
}
