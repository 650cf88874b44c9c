//! Which Windows this is.
//!
//! Sources: ns-wdm-_osversioninfoexw, RtlGetVersion.

use nthost_nt::rtl::RTL_OSVERSIONINFOEXW;

/// Windows 10, version 2004.
pub const VERSION: [u32; 3] = [10, 0, 19041];
/// `VER_PLATFORM_WIN32_NT`, `VER_NT_WORKSTATION`.
const PLATFORM_NT: u32 = 2;
const WORKSTATION: u8 = 1;

/// The system's version, in a structure that says to be of this size.
#[must_use]
pub const fn system(size: u32) -> RTL_OSVERSIONINFOEXW {
    let [major, minor, build] = VERSION;
    RTL_OSVERSIONINFOEXW {
        dwOSVersionInfoSize: size,
        dwMajorVersion: major,
        dwMinorVersion: minor,
        dwBuildNumber: build,
        dwPlatformId: PLATFORM_NT,
        szCSDVersion: [0; 128],
        wServicePackMajor: 0,
        wServicePackMinor: 0,
        wSuiteMask: 0,
        wProductType: WORKSTATION,
        wReserved: 0,
    }
}
