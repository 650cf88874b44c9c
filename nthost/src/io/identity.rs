//! What drivers ask about the system and about who makes a request.
//!
//! Sources: IoIsWdmVersionAvailable, IoIs32bitProcess, IoGetFileObjectGenericMapping.

use nthost_nt::io::{
    create::{FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE},
    irp::IRP,
};

/// The version of WDM: that of Windows Vista and everything since.
const WDM: (u8, u8) = (6, 0);

/// What the generic rights stand for (ns-wdm-_generic_mapping).
#[repr(C)]
struct GenericMapping {
    read: u32,
    write: u32,
    execute: u32,
    all: u32,
}

static OF_FILES: GenericMapping = GenericMapping {
    read: FILE_GENERIC_READ,
    write: FILE_GENERIC_WRITE,
    execute: FILE_GENERIC_EXECUTE,
    all: FILE_ALL_ACCESS,
};

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether the system has this version of WDM, or a later one.
    ///
    /// Source: IoIsWdmVersionAvailable.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoIsWdmVersionAvailable(major: u8, minor: u8) -> u8 {
        ((major, minor) <= WDM).into()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a request comes from a 32-bit process: there are none here.
    ///
    /// Source: IoIs32bitProcess.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoIs32bitProcess(_irp: *const IRP) -> u8 {
        0
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// What the generic rights stand for on files; it stays as it is.
    ///
    /// Source: IoGetFileObjectGenericMapping.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetFileObjectGenericMapping() -> *const u32 {
        (&raw const OF_FILES).cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_up_to_the_systems_own_are_available() {
        for (version, available) in [
            ((1, 0), 1),
            ((1, 0x30), 1),
            ((6, 0), 1),
            ((6, 1), 0),
            ((7, 0), 0),
        ] {
            // SAFETY: none is needed.
            let answer = unsafe { IoIsWdmVersionAvailable(version.0, version.1) };
            assert_eq!(answer, available, "{version:?}");
        }
    }
}
