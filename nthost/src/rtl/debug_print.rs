//! `DbgPrint` and its kin: the log is the debugger.
//!
//! Sources: DbgPrint, DbgPrintEx, vDbgPrintEx, vDbgPrintExWithPrefix, "Reading and Filtering Debugging
//! Messages". Every message is shown, whatever its component and level.

use super::printf::{Arguments, Width, format_string};
use crate::{
    export::PASSIVE_LEVEL,
    hook,
    ke::{
        bugcheck::{code, is_readable},
        irql,
    },
};
use alloc::string::String;
use nthost_protocol::manifest::VerifierOption;

/// The arguments of a call with a variable number of them: slots of 8 bytes, one after the
/// other (`va_list` on x64).
#[derive(Debug)]
pub struct Slots {
    next: *const u64,
    wide: bool,
}

impl Slots {
    /// The arguments that begin there.
    #[must_use]
    pub const fn new(next: *const u64) -> Self {
        Self { next, wide: false }
    }
}

fn read<T: Copy>(address: u64) -> Option<T> {
    if !is_readable(address) || !is_readable(address.wrapping_add(size_of::<T>() as u64 - 1)) {
        return None;
    }
    let pointer = core::ptr::with_exposed_provenance::<T>(address as usize);
    // SAFETY: it can be read, and any bits are a `T` of the types used here.
    Some(unsafe { pointer.read_unaligned() })
}

impl Arguments for Slots {
    fn takes_wide_text(&mut self) {
        self.wide = true;
    }

    fn next(&mut self) -> u64 {
        // SAFETY: the format of the call promises so many arguments.
        let value = unsafe { self.next.read() };
        // SAFETY: as above.
        self.next = unsafe { self.next.add(1) };
        value
    }

    fn string(&self, address: u64, limit: usize) -> Option<String> {
        let bytes = (0..limit as u64).map_while(|index| read::<u8>(address.wrapping_add(index)));
        is_readable(address).then(|| {
            bytes
                .take_while(|&byte| byte != 0)
                .map(char::from)
                .collect()
        })
    }

    fn wide_string(&self, address: u64, limit: usize) -> Option<String> {
        let units =
            (0..limit as u64).map_while(|index| read::<u16>(address.wrapping_add(2 * index)));
        let units = units.take_while(|&unit| unit != 0);
        is_readable(address).then(|| decode(units))
    }

    fn counted_string(&self, address: u64, wide: bool) -> Option<String> {
        let bytes = u64::from(read::<u16>(address)?);
        let buffer = read::<u64>(address.wrapping_add(8))?;
        if wide {
            let units =
                (0..bytes / 2).map_while(|index| read::<u16>(buffer.wrapping_add(2 * index)));
            return Some(decode(units));
        }
        Some(
            (0..bytes)
                .map_while(|index| read::<u8>(buffer.wrapping_add(index)))
                .map(char::from)
                .collect(),
        )
    }
}

fn decode(units: impl Iterator<Item = u16>) -> String {
    char::decode_utf16(units)
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Formats a call's arguments.
///
/// # Safety
///
/// `format` is a C string, `arguments` has what it asks for.
#[must_use]
pub unsafe fn format_call(format: *const u8, arguments: *const u64) -> String {
    let mut slots = Slots::new(arguments);
    let format = slots.string(format as u64, 4096).unwrap_or_default();
    format_string(&format, Width::Narrow, &mut slots)
}

/// UTF-16 text is printed above PASSIVE_LEVEL: bug check 0xC4, subcode 0x20023.
fn wide_text() {
    const RULE: &core::ffi::CStr = c"IrqlIoRtlZwPassive";
    if hook::watches(VerifierOption::DdiCompliance) {
        log!(
            "verifier",
            "UTF-16 text is printed at IRQL {}; DbgPrint takes it at PASSIVE_LEVEL",
            irql::current()
        );
    }
    let parameters = [0x2_0023, RULE.as_ptr() as u64, 0, 0];
    let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
    hook::violation(VerifierOption::DdiCompliance, code, parameters);
}

/// As [`format_call`], for the debugger. The tables that turn UTF-16 into what is printed are
/// pageable: the conversions that take it are for PASSIVE_LEVEL (the page of DbgPrint).
unsafe fn format_message(format: *const u8, arguments: *const u64) -> String {
    let mut slots = Slots::new(arguments);
    let format = slots.string(format as u64, 4096).unwrap_or_default();
    let text = format_string(&format, Width::Narrow, &mut slots);
    if slots.wide && irql::current() > PASSIVE_LEVEL {
        wide_text();
    }
    text
}

unsafe extern "win64" fn print(format: *const u8, arguments: *const u64) -> i32 {
    // SAFETY: the caller of the exported routine promises it.
    let text = unsafe { format_message(format, arguments) };
    for line in text.lines() {
        log!("dbgprint", "{line}");
    }
    0
}

naked! {
    /// Prints to the debugger. IRQL up to DIRQL (the documentation's rule for DbgPrint).
    ///
    /// # Safety
    ///
    /// `format` is a C string whose arguments follow.
    #[allow(non_snake_case, reason = "the kernel's own name")]
    #[must_use]
    pub unsafe extern "win64" fn DbgPrint(format: *const u8) -> i32 {
        frame!(begin),
        // The first four arguments are put where the caller left room for them, beside the others.
        "mov [rsp + 8], rcx",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], r8",
        "mov [rsp + 32], r9",
        frame!(push),
        "lea rdx, [rsp + 24]",
        "sub rsp, 32",
        "call {print}",
        "add rsp, 32",
        frame!(pop),
        "ret",
        frame!(end),
        print = sym print,
    }
}
nt_export_data!(DbgPrint = DbgPrint);

naked! {
    /// As [`DbgPrint`], with a component and a level before the format.
    ///
    /// # Safety
    ///
    /// As [`DbgPrint`].
    #[allow(non_snake_case, reason = "the kernel's own name")]
    #[must_use]
    pub unsafe extern "win64" fn DbgPrintEx(component: u32, level: u32, format: *const u8) -> i32 {
        frame!(begin),
        "mov [rsp + 32], r9",
        frame!(push),
        "mov rcx, r8",
        "lea rdx, [rsp + 40]",
        "sub rsp, 32",
        "call {print}",
        "add rsp, 32",
        frame!(pop),
        "ret",
        frame!(end),
        print = sym print,
    }
}
nt_export_data!(DbgPrintEx = DbgPrintEx);

nt_export! {
    irql: PASSIVE_LEVEL..=DIRQL_MAX;
    /// Prints a formatted text to the debugger.
    ///
    /// Source: vDbgPrintEx.
    ///
    /// # Safety
    ///
    /// `format` is a C string, `arguments` is a list of what the format asks for.
    pub unsafe fn vDbgPrintEx(
        _component: u32,
        _level: u32,
        format: *const u8,
        arguments: *const u64,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { print(format, arguments) }.cast_unsigned()
    }

    irql: PASSIVE_LEVEL..=DIRQL_MAX;
    /// Prints a prefix and a formatted text to the debugger.
    ///
    /// Source: vDbgPrintExWithPrefix.
    ///
    /// # Safety
    ///
    /// `prefix` and `format` are C strings, `arguments` is a list of what the format asks for.
    pub unsafe fn vDbgPrintExWithPrefix(
        prefix: *const u8,
        _component: u32,
        _level: u32,
        format: *const u8,
        arguments: *const u64,
    ) -> u32 {
        // SAFETY: the caller's promise.
        let text = unsafe { format_message(format, arguments) };
        let prefix = Slots::new(arguments).string(prefix as u64, 512).unwrap_or_default();
        log!("dbgprint", "{prefix}{}", text.trim_end());
        0
    }
}
