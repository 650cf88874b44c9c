//! Routines that are assembly from their first instruction to their last.
//!
//! The attribute that makes them so was spelled differently before Rust 1.88. Debian's compiler,
//! which builds nthost where rustup can download nothing, is older; its build sets
//! `cfg(naked_attribute_is_unstable)`.

/// Defines a naked function, whose body is what `naked_asm!` takes.
macro_rules! naked {
    (
        $(#[$meta:meta])*
        $visibility:vis unsafe extern $abi:literal fn $name:ident(
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $return:ty)? { $($code:tt)* }
    ) => {
        $(#[$meta])*
        #[cfg(not(naked_attribute_is_unstable))]
        #[unsafe(naked)]
        $visibility unsafe extern $abi fn $name($($argument: $type),*) $(-> $return)? {
            core::arch::naked_asm!($($code)*)
        }

        $(#[$meta])*
        #[cfg(naked_attribute_is_unstable)]
        #[naked]
        $visibility unsafe extern $abi fn $name($($argument: $type),*) $(-> $return)? {
            // SAFETY: the function's contract is that of its code.
            unsafe { core::arch::naked_asm!($($code)*) }
        }
    };
}
