//! How a hook is defined.

/// Defines hooks: for each a function that calls what is registered, and one of the same name
/// in [`register`] that registers it.
macro_rules! hooks {
    ($(
        $(#[$meta:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $return:ty)? $default:block
    )*) => {
        $(
            $(#[$meta])*
            #[inline]
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

        /// What upper layers call to be called no more.
        pub mod forget {
            use super::*;

            $(
                /// From here on, this hook does what it does by default.
                pub fn $name() {
                    // Relaxed: whoever still reads the old routine calls it, as a moment before.
                    super::slots::$name.store(core::ptr::null_mut(), Ordering::Relaxed);
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
