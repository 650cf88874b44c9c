//! Finding routines by name.
//!
//! Source: MmGetSystemRoutineAddress.

use core::ffi::c_void;

use nthost_nt::rtl::UNICODE_STRING;

use super::string;
use crate::{export, pe::module};

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The address of an exported routine or variable; NULL if there is none of this name.
    ///
    /// Source: MmGetSystemRoutineAddress.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn MmGetSystemRoutineAddress(name: *const UNICODE_STRING) -> *mut c_void {
        // SAFETY: the caller's promise.
        let name = unsafe { string::units(name) };
        let found = export::all().iter().find(|export| {
            export.name.encode_utf16().eq(name.iter().copied())
        });
        // The driver gets the entry that its imports are bound to.
        let checked = module::find(export::caller()).is_some_and(module::Module::is_checked);
        found.map_or(core::ptr::null_mut(), |export| export.entry(checked).cast_mut().cast())
    }
}
