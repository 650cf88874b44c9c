//! Memory descriptor lists.

use core::ffi::c_void;

/// A memory descriptor list (ns-wdm-_mdl); the numbers of its pages follow it.
#[repr(C)]
pub struct MDL {
    /// The next of a chain.
    pub Next: *mut Self,
    /// Bytes of this structure with its page numbers.
    pub Size: i16,
    /// `MDL_…`.
    pub MdlFlags: i16,
    /// The memory manager's.
    pub AllocationProcessorNumber: u16,
    /// Unused.
    pub Reserved: u16,
    /// The process to which the virtual address belongs.
    pub Process: *mut c_void,
    /// The address of the mapping in system space.
    pub MappedSystemVa: *mut c_void,
    /// The virtual address, rounded down to its page.
    pub StartVa: *mut c_void,
    /// How many bytes.
    pub ByteCount: u32,
    /// Where in the first page they begin.
    pub ByteOffset: u32,
}
