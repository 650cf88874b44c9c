//! Pages of a process that are locked when it ends: the driver that locked them has forgotten them,
//! or has kept them longer than the request that they came with.
//!
//! Source: bug check 0x76 (PROCESS_HAS_LOCKED_PAGES), which every build has; with "Pool Tracking" of
//! Driver Verifier, which tells who locked what, bug check 0xCB
//! (DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS).

use core::ffi::c_void;

use nthost_protocol::manifest::VerifierOption;

use crate::{
    hook,
    ke::bugcheck::{self, code},
    mm::{
        account::{self, Kind},
        address_space::AddressSpace,
    },
    pe::module::module_of,
};

/// The process of this address space ends: its requests are over, and its handles are closed.
/// PASSIVE_LEVEL.
pub fn check(space: &AddressSpace, process: *mut c_void) {
    let space = core::ptr::from_ref(space).addr();
    let mut pages = 0;
    for (mdl, held) in account::all(Kind::LockedPages) {
        if held.space != space {
            continue;
        }
        pages += held.count;
        let (module, offset) = module_of(held.caller);
        log!(
            "verifier",
            "{} pages of a process that ends are locked by MDL {mdl:#x}, from {module}+{offset:#x}",
            held.count
        );
        // Parameter 1: who locked them. 2: who called it, which nobody knows. 3: the MDL. 4: how
        // many pages.
        let parameters = [held.caller, 0, mdl, held.count];
        hook::violation(
            VerifierOption::PoolTracking,
            code::DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS,
            parameters,
        );
    }
    if pages != 0 && !hook::watches(VerifierOption::PoolTracking) {
        let parameters = [0, process as u64, pages, 0];
        bugcheck::bugcheck(code::PROCESS_HAS_LOCKED_PAGES, parameters);
    }
}
