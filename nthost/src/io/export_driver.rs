//! Export drivers: kernel-mode DLLs, which are there for what other drivers import from them.
//!
//! An export driver has no driver object. Its `DllInitialize` is called as soon as it is loaded,
//! and its `DllUnload` when the last driver that imports from it is gone; one without both
//! stays.
//!
//! Source: "Creating Export Drivers".

use alloc::{format, string::String, vec::Vec};

use nthost_nt::{
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_SUCCESS},
};
use nthost_protocol::manifest::Role;

use super::driver::{self, SERVICES};
use crate::pe::module::{self, Module};

type Initialize = unsafe extern "win64" fn(*mut UNICODE_STRING) -> NTSTATUS;
type Unload = unsafe extern "win64" fn() -> NTSTATUS;

fn routine(module: &Module, name: &str) -> Option<*const ()> {
    let mut exports = module.exports.iter();
    let (_, address) = exports.find(|(export, _)| export == name)?;
    Some(core::ptr::with_exposed_provenance(*address as usize))
}

/// Calls `DllInitialize`, if there is one. PASSIVE_LEVEL. The path of its service's key is gone
/// when it returns.
#[must_use]
pub fn initialize(service: &str, module: &Module) -> NTSTATUS {
    let Some(address) = routine(module, "DllInitialize") else {
        return STATUS_SUCCESS;
    };
    let mut path: Vec<u16> = format!(r"{SERVICES}\{service}").encode_utf16().collect();
    let bytes = u16::try_from(path.len() * 2).unwrap_or(!1);
    let mut path = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: path.as_mut_ptr(),
    };
    // SAFETY: what an export driver exports under this name has this type.
    let initialize = unsafe { core::mem::transmute::<*const (), Initialize>(address) };
    // SAFETY: the driver's own routine, with the path of its key.
    let status = unsafe { initialize(&raw mut path) };
    log!(
        "driver",
        "DllInitialize of {service} returned {status:#010x}"
    );
    status
}

/// The file names of what a module imports from.
#[must_use]
pub fn libraries(module: &Module) -> Vec<String> {
    let mut libraries: Vec<_> = module
        .imports
        .iter()
        .map(|import| import.library.to_ascii_lowercase())
        .collect();
    libraries.sort_unstable();
    libraries.dedup();
    libraries
}

/// Whether a driver in memory imports from this one.
#[must_use]
pub fn is_imported(module: &Module) -> bool {
    module::all().any(|other| {
        let mut imports = other.imports.iter();
        imports.any(|import| import.library.eq_ignore_ascii_case(&module.name))
    })
}

/// A driver that imported from `libraries` is gone: those that nobody imports from any more are
/// unloaded. PASSIVE_LEVEL.
pub fn unload_unused(libraries: &[String]) {
    for driver in driver::all() {
        let image = &driver.image;
        let named = libraries
            .iter()
            .any(|library| library.eq_ignore_ascii_case(&image.image));
        if !named || image.role != Role::Export {
            continue;
        }
        let Some(module) = driver.module() else {
            continue;
        };
        let counted = routine(module, "DllInitialize").is_some();
        let Some(address) = routine(module, "DllUnload").filter(|_| counted) else {
            continue;
        };
        if is_imported(module) {
            continue;
        }
        // SAFETY: as in `initialize`.
        let unload = unsafe { core::mem::transmute::<*const (), Unload>(address) };
        // SAFETY: the driver's own routine; nobody calls it any more.
        let status = unsafe { unload() };
        log!(
            "driver",
            "DllUnload of {} returned {status:#010x}",
            image.service
        );
        // An export driver may itself import from others.
        driver.finish_unload(module, false);
    }
}
