//! Routines that are assembly from their first instruction to their last.
//!
//! The attribute that makes them so was spelled differently before Rust 1.88. Debian's compiler,
//! which builds nthost where rustup can download nothing, is older; its build sets
//! `cfg(naked_attribute_is_unstable)`.

/// Lines of a naked function that describe its frame, as the compiler does those of others, so that
/// exceptions leave it and stack walks go past it: `begin`, first of all; `push`, which makes a
/// frame of the frame pointer; `pop`, which undoes that; `end`, last of all. The older compiler
/// begins and ends each description by itself.
macro_rules! frame {
    (push) => {
        "push rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        mov rbp, rsp
        .cfi_def_cfa_register rbp"
    };
    (pop) => {
        "pop rbp
        .cfi_def_cfa rsp, 8"
    };
    ($edge:ident) => {
        frame_edge!($edge)
    };
}

#[cfg(not(naked_attribute_is_unstable))]
macro_rules! frame_edge {
    (begin) => {
        ".cfi_startproc"
    };
    (end) => {
        ".cfi_endproc"
    };
}

#[cfg(naked_attribute_is_unstable)]
macro_rules! frame_edge {
    ($edge:ident) => {
        ""
    };
}

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
