//! Where the user's addresses end and the system's begin: variables that drivers read.
//!
//! Sources: the headers' MM_HIGHEST_USER_ADDRESS, MM_USER_PROBE_ADDRESS and
//! MM_SYSTEM_RANGE_START.

use super::address_space::USER_PROBE_ADDRESS;

/// `MmUserProbeAddress`.
static USER_PROBE: u64 = USER_PROBE_ADDRESS;
/// `MmHighestUserAddress`: the last byte before.
static HIGHEST_USER: u64 = USER_PROBE_ADDRESS - 1;
/// `MmSystemRangeStart`.
static SYSTEM_START: u64 = 0xffff_8000_0000_0000;

#[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
const _: () = {
    nt_export_data!(MmUserProbeAddress = (&raw const USER_PROBE).cast::<()>());
    nt_export_data!(MmHighestUserAddress = (&raw const HIGHEST_USER).cast::<()>());
    nt_export_data!(MmSystemRangeStart = (&raw const SYSTEM_START).cast::<()>());
};
