//! Which image an address is in, and which calls led to a place.
//!
//! Sources: the declaration of RtlWalkFrameChain, and RtlCaptureStackBackTrace, which tells the
//! same; RtlPcToFileHeader of the Win32 API.

use core::{ffi::c_void, ptr::null_mut};

use super::stack::RtlCaptureStackBackTrace;
use crate::pe::module;

/// `RTL_WALK_USER_MODE_STACK`: of which there is none.
const USER_MODE: u32 = 1;

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The return addresses on the stack, from the caller's frame on; how many were found. None of
    /// user mode, whose code does not exist.
    ///
    /// Source: RtlWalkFrameChain.
    ///
    /// # Safety
    ///
    /// The array has so many places.
    pub unsafe fn RtlWalkFrameChain(callers: *mut *mut c_void, count: u32, flags: u32) -> u32 {
        if flags & USER_MODE != 0 {
            return 0;
        }
        // SAFETY: the caller's promise.
        u32::from(unsafe { RtlCaptureStackBackTrace(0, count, callers, null_mut()) })
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Where the image begins that an address is in; NULL if it is in none.
    ///
    /// Source: RtlPcToFileHeader.
    ///
    /// # Safety
    ///
    /// `base` can be written.
    pub unsafe fn RtlPcToFileHeader(pc: *const c_void, base: *mut *mut c_void) -> *mut c_void {
        let image = module::find(pc as u64).map_or(null_mut(), |module| {
            core::ptr::with_exposed_provenance_mut(module.base as usize)
        });
        // SAFETY: the caller's promise.
        unsafe { base.write(image) };
        image
    }
}
