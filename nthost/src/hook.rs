//! Where a lower layer calls one above it: by a name of this list, behind which the upper layer
//! puts its own routine when the system starts. Until it does, or in a kernel without it, the
//! default is what happens.
//!
//! A hook is called with no lock held that its registrant might want, unless its text says more.

use core::{
    fmt,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Defines hooks: for each a function that calls what is registered, and one of the same name
/// in [`register`] that registers it.
macro_rules! hooks {
    ($(
        $(#[$meta:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $return:ty)? $default:block
    )*) => {
        $(
            $(#[$meta])*
            pub fn $name($($argument: $type),*) $(-> $return)? {
                // Acquire: what the registrant set up before is seen.
                let registered = slots::$name.load(Ordering::Acquire);
                if registered.is_null() {
                    return $default;
                }
                // SAFETY: `register` puts nothing but this type there.
                let registered = unsafe {
                    core::mem::transmute::<*mut (), fn($($type),*) $(-> $return)?>(registered)
                };
                registered($($argument),*)
            }
        )*

        /// What upper layers call to be called.
        pub mod register {
            use super::*;

            $(
                /// Registers what this hook calls.
                pub fn $name(routine: fn($($type),*) $(-> $return)?) {
                    // Release: as above.
                    super::slots::$name.store(routine as *mut (), Ordering::Release);
                }
            )*
        }

        #[expect(non_upper_case_globals, reason = "they have their hooks' names")]
        mod slots {
            use super::AtomicPtr;

            $(pub(super) static $name: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());)*
        }
    };
}

hooks! {
    /// What else a bug check tells, of the processor that stopped the system. All others have
    /// stopped. Any IRQL.
    fn bugcheck_report(port: &mut dyn fmt::Write, processor: u32) {
        let _ = (port, processor);
    }
}
