//! What the page that is shared with user mode says of the system, apart from the time: that is
//! [`super::time`]'s.
//!
//! Source: `KUSER_SHARED_DATA` in the driver headers, by which drivers inline what others ask a
//! routine for: the version is RtlGetVersion's, the features are ExIsProcessorFeaturePresent's.

use super::{processor_feature, version};
use crate::mm::{PAGE_SIZE, paging::physical, phys};

/// Offsets in the page.
mod at {
    pub const SYSTEM_ROOT: u64 = 0x30;
    pub const BUILD_NUMBER: u64 = 0x260;
    pub const PRODUCT_TYPE: u64 = 0x264;
    pub const PRODUCT_TYPE_IS_VALID: u64 = 0x268;
    pub const ARCHITECTURE: u64 = 0x26a;
    pub const MAJOR_VERSION: u64 = 0x26c;
    pub const MINOR_VERSION: u64 = 0x270;
    pub const PROCESSOR_FEATURES: u64 = 0x274;
    pub const SUITE_MASK: u64 = 0x2d0;
    pub const PHYSICAL_PAGES: u64 = 0x2e8;
    pub const PROCESSORS: u64 = 0x3c0;
    pub const GROUPS: u64 = 0x3c4;
}

/// `PROCESSOR_ARCHITECTURE_AMD64`.
const AMD64: u16 = 9;
/// How many features there are room for (`PROCESSOR_FEATURE_MAX`).
const FEATURES: u32 = 64;
/// Where a system of this kind has its files.
const SYSTEM_ROOT: &str = r"C:\Windows";

fn put<T>(page: u64, offset: u64, value: T) {
    // SAFETY: within the page, which is the caller's, at a field of this type.
    unsafe { physical(page + offset).cast::<T>().write(value) };
}

/// Fills a page, which is zeroed and the caller's.
pub fn fill(page: u64) {
    let version = version::system(0);
    for (unit, offset) in SYSTEM_ROOT.encode_utf16().zip((0..).step_by(2)) {
        put(page, at::SYSTEM_ROOT + offset, unit);
    }
    put(page, at::BUILD_NUMBER, version.dwBuildNumber);
    put(page, at::PRODUCT_TYPE, u32::from(version.wProductType));
    put(page, at::PRODUCT_TYPE_IS_VALID, 1_u8);
    put(page, at::ARCHITECTURE, AMD64);
    put(page, at::MAJOR_VERSION, version.dwMajorVersion);
    put(page, at::MINOR_VERSION, version.dwMinorVersion);
    for feature in 0..FEATURES {
        let present = u8::from(processor_feature::has(feature));
        put(page, at::PROCESSOR_FEATURES + u64::from(feature), present);
    }
    put(page, at::SUITE_MASK, u32::from(version.wSuiteMask));
    let pages = phys::total_bytes() / PAGE_SIZE;
    put(page, at::PHYSICAL_PAGES, pages as u32);
}

/// Says how many processors there are, in how many groups, to the page.
pub fn set_processors(page: u64, processors: u32, groups: u8) {
    put(page, at::PROCESSORS, processors);
    put(page, at::GROUPS, groups);
}
