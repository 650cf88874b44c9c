//! Formatted output into buffers. Floating-point numbers are not formatted: kernel drivers have
//! none.
//!
//! IRQL: as the other routines, but PASSIVE_LEVEL for what makes bytes of UTF-16 or the other way;
//! the checks leave that to the driver, who knows its format.

use alloc::{string::String, vec::Vec};

use super::{
    Unit, part,
    write::{Rule, plan},
};
use crate::rtl::{
    debug_print::Slots,
    printf::{Width, format_string},
};

/// Writes a text as its rule says.
///
/// # Safety
///
/// The buffer is as large as the rule says.
unsafe fn deliver<U: Unit>(buffer: *mut U, text: &[U], rule: Rule) -> i32 {
    if buffer.is_null() {
        return -1;
    }
    let (count, ended, result) = plan(text.len(), rule);
    // SAFETY: the caller's promise.
    unsafe { buffer.copy_from(text.as_ptr(), count) };
    if ended {
        // SAFETY: the caller's promise.
        let end = unsafe { buffer.add(count) };
        // SAFETY: as above.
        unsafe { end.write(U::from(0)) };
    }
    result
}

/// The longest format that is looked at.
const LONGEST: usize = 1 << 20;

/// Formats bytes.
///
/// # Safety
///
/// The buffer is as large as the rule says; the format ends in a NUL, and its arguments are there.
unsafe fn narrow(buffer: *mut u8, rule: Rule, format: *const u8, arguments: *const u64) -> i32 {
    // SAFETY: the caller's promise.
    let format = unsafe { part(format, LONGEST) };
    let format: String = format.iter().copied().map(char::from).collect();
    let text = format_string(&format, Width::Narrow, &mut Slots::new(arguments));
    let text: Vec<u8> = text
        .chars()
        .map(|char| u8::try_from(char).unwrap_or(b'?'))
        .collect();
    // SAFETY: the caller's promise.
    unsafe { deliver(buffer, &text, rule) }
}

/// Formats UTF-16.
///
/// # Safety
///
/// As [`narrow`].
unsafe fn wide(buffer: *mut u16, rule: Rule, format: *const u16, arguments: *const u64) -> i32 {
    // SAFETY: the caller's promise.
    let format = unsafe { part(format, LONGEST) };
    let format = String::from_utf16_lossy(format);
    let text = format_string(&format, Width::Wide, &mut Slots::new(arguments));
    let text: Vec<u16> = text.encode_utf16().collect();
    // SAFETY: the caller's promise.
    unsafe { deliver(buffer, &text, rule) }
}

/// Defines routines that take their arguments as a list, and those that take them in the call: the
/// latter hand the list to the former. The first four arguments of a call are put where the caller
/// left room for them, beside the others.
macro_rules! formats {
    ($(
        $(#[$meta:meta])*
        $name:ident $list:ident $with:ident $unit:ident ($($argument:ident),*) = $rule:expr,
        [$($home:literal),*], $next:literal, $put:literal;
    )*) => { $(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// As C's routine of this name.
        pub unsafe extern "win64" fn $list(
            buffer: *mut $unit,
            $($argument: usize,)*
            format: *const $unit,
            arguments: *const u64,
        ) -> i32 {
            // SAFETY: the caller's promise, as C has it.
            unsafe { $with(buffer, $rule, format, arguments) }
        }
        $crate::nt_export_data!($list = $list);

        naked! {
            $(#[$meta])*
            ///
            /// # Safety
            ///
            /// As C's routine of this name.
            pub unsafe extern "win64" fn $name(
                buffer: *mut $unit,
                $($argument: usize,)*
                format: *const $unit,
            ) -> i32 {
                frame!(begin),
                $($home,)*
                frame!(push),
                "sub rsp, 48",
                concat!("lea rax, [rbp + ", $next, "]"),
                $put,
                "call {list}",
                "add rsp, 48",
                frame!(pop),
                "ret",
                frame!(end),
                list = sym $list,
            }
        }
        $crate::nt_export_data!($name = $name);
    )* };
}

formats! {
    /// Formats into a buffer that is large enough.
    sprintf vsprintf narrow u8 () = Rule::Whole,
        ["mov [rsp + 24], r8", "mov [rsp + 32], r9"], "32", "mov r8, rax";
    /// Formats into a buffer that is large enough.
    swprintf _vswprintf wide u16 () = Rule::Whole,
        ["mov [rsp + 24], r8", "mov [rsp + 32], r9"], "32", "mov r8, rax";
    /// Formats so many units.
    _snprintf _vsnprintf narrow u8 (count) = Rule::Part(count),
        ["mov [rsp + 32], r9"], "40", "mov r9, rax";
    /// Formats so many units.
    _snwprintf _vsnwprintf wide u16 (count) = Rule::Part(count),
        ["mov [rsp + 32], r9"], "40", "mov r9, rax";
    /// Formats into a buffer of so many units.
    sprintf_s vsprintf_s narrow u8 (size) = Rule::Checked(size),
        ["mov [rsp + 32], r9"], "40", "mov r9, rax";
    /// Formats into a buffer of so many units.
    swprintf_s vswprintf_s wide u16 (size) = Rule::Checked(size),
        ["mov [rsp + 32], r9"], "40", "mov r9, rax";
    /// Formats so many units into a buffer of so many.
    _snprintf_s _vsnprintf_s narrow u8 (size, count) = Rule::CheckedPart(size, count),
        [], "48", "mov [rsp + 32], rax";
    /// Formats so many units into a buffer of so many.
    _snwprintf_s _vsnwprintf_s wide u16 (size, count) = Rule::CheckedPart(size, count),
        [], "48", "mov [rsp + 32], rax";
}

// C's routine of before it had a count has two names.
nt_export_data!(_swprintf = swprintf);
