//! Memory of the process for requests that describe a buffer by its address.

use std::{ffi::c_void, ptr::NonNull};

use windows::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree,
};

use super::refused;
use crate::{error::Error, io::UserMemory};

/// An allocation of whole pages.
///
/// # Invariants
///
/// `length` bytes from `start` on are allocated. While a request uses them, the driver may
/// write them, so they are only copied, never borrowed.
pub struct VirtualMemory {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the memory is the process's, and is freed once.
unsafe impl Send for VirtualMemory {}

impl VirtualMemory {
    pub fn new(length: usize) -> Result<Self, Error> {
        // SAFETY: Windows chooses the address.
        let start = unsafe { VirtualAlloc(None, length, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE) };
        NonNull::new(start)
            .map(|start| Self { start, length })
            .ok_or_else(|| refused("allocating memory", &windows::core::Error::from_thread()))
    }

    fn check(&self, length: usize) -> Result<(), Error> {
        if length > self.length {
            let Self { length: there, .. } = self;
            return Err(Error::Usage(format!("{length} bytes of {there}")));
        }
        Ok(())
    }
}

impl UserMemory for VirtualMemory {
    fn address(&self) -> u64 {
        self.start.as_ptr().expose_provenance() as u64
    }

    fn read(&self, length: usize) -> Result<Vec<u8>, Error> {
        self.check(length)?;
        let mut data = vec![0; length];
        let start: *const u8 = self.start.as_ptr().cast();
        // SAFETY: by the invariant, `length` having been checked; the two do not overlap.
        unsafe { start.copy_to_nonoverlapping(data.as_mut_ptr(), length) };
        Ok(data)
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.check(data.len())?;
        let start: *mut u8 = self.start.as_ptr().cast();
        // SAFETY: as for reading.
        unsafe { start.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Ok(())
    }
}

impl Drop for VirtualMemory {
    fn drop(&mut self) {
        // SAFETY: it was allocated, and this is the last use; a whole allocation has length 0.
        let freed = unsafe { VirtualFree(self.start.as_ptr(), 0, MEM_RELEASE) };
        // Memory that cannot be freed is freed with the process.
        drop(freed);
    }
}
