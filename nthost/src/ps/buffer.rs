//! The memory of a process, as its system calls use it: buffers that they bring along, and
//! addresses that are taken on trust and found out.

use alloc::vec::Vec;

use nthost_nt::status::{NTSTATUS, STATUS_ACCESS_VIOLATION, STATUS_INSUFFICIENT_RESOURCES};
use nthost_protocol::Buffer;

use crate::mm::{
    PAGE_SIZE,
    address_space::AddressSpace,
    locked,
    paging::{Access, physical},
};

/// Reads the process's memory.
///
/// # Errors
///
/// `STATUS_ACCESS_VIOLATION`.
pub fn read(space: &AddressSpace, address: u64, length: u32) -> Result<Vec<u8>, NTSTATUS> {
    // What is not there is found before there is memory for it.
    check(space, address, length.into(), false)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length as usize)
        .map_err(|_| STATUS_INSUFFICIENT_RESOURCES)?;
    let room = bytes.spare_capacity_mut().as_mut_ptr().cast::<u8>();
    // SAFETY: so much room there is.
    unsafe { copy_from(space, address, room, length as usize)? };
    // SAFETY: so many bytes have been written.
    unsafe { bytes.set_len(length as usize) };
    Ok(bytes)
}

/// Copies from the process's memory. Where it ends before the bytes do, some may have been copied.
///
/// # Errors
///
/// `STATUS_ACCESS_VIOLATION`.
///
/// # Safety
///
/// So many bytes can be written.
pub unsafe fn copy_from(
    space: &AddressSpace,
    address: u64,
    to: *mut u8,
    length: usize,
) -> Result<(), NTSTATUS> {
    let mut done = 0;
    while done < length {
        let at = address + done as u64;
        let count = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(length - done);
        let copy = |frame: u64, _: Access| {
            let from = physical(frame).cast_const();
            // SAFETY: within what the caller lets be written.
            let to = unsafe { to.add(done) };
            // SAFETY: the page is the process's, which keeps it meanwhile; there is room.
            unsafe { to.copy_from_nonoverlapping(from, count) };
        };
        space.with_page(at, copy).ok_or(STATUS_ACCESS_VIOLATION)?;
        done += count;
    }
    Ok(())
}

/// Writes the process's memory: all of it or, unless the process frees some meanwhile, nothing.
///
/// # Errors
///
/// `STATUS_ACCESS_VIOLATION`.
pub fn write(space: &AddressSpace, address: u64, bytes: &[u8]) -> Result<(), NTSTATUS> {
    // One page is looked at when it is written.
    if address % PAGE_SIZE + bytes.len() as u64 > PAGE_SIZE {
        check(space, address, bytes.len() as u64, true)?;
    }
    let mut done = 0;
    while done < bytes.len() {
        let at = address + done as u64;
        let count = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(bytes.len() - done);
        let from = bytes[done..].as_ptr();
        let copy = |frame: u64, access: Access| {
            if !access.contains(Access::WRITE) {
                return false;
            }
            // SAFETY: the page is the process's, which keeps it meanwhile.
            unsafe { physical(frame).copy_from_nonoverlapping(from, count) };
            true
        };
        if space.with_page(at, copy) != Some(true) {
            return Err(STATUS_ACCESS_VIOLATION);
        }
        done += count;
    }
    Ok(())
}

/// Checks that every page of a buffer can be accessed so.
///
/// # Errors
///
/// `STATUS_ACCESS_VIOLATION`.
#[inline]
pub fn check(space: &AddressSpace, address: u64, length: u64, write: bool) -> Result<(), NTSTATUS> {
    if length == 0 {
        return Ok(());
    }
    check_pages(space, address, length, write)
}

fn check_pages(
    space: &AddressSpace,
    address: u64,
    length: u64,
    write: bool,
) -> Result<(), NTSTATUS> {
    let end = address.checked_add(length).ok_or(STATUS_ACCESS_VIOLATION)?;
    let mut page = address & !(PAGE_SIZE - 1);
    while page < end {
        let (_, access) = space.translate(page).ok_or(STATUS_ACCESS_VIOLATION)?;
        if write && !access.contains(Access::WRITE) {
            return Err(STATUS_ACCESS_VIOLATION);
        }
        page += PAGE_SIZE;
    }
    Ok(())
}

/// Frees an allocation of the process; whether there is one at this address.
pub fn free(space: &AddressSpace, address: u64) -> bool {
    let Some(frames) = space.remove(address) else {
        return false;
    };
    for frame in frames {
        // SAFETY: the process has given the page back, and it is mapped nowhere.
        unsafe { locked::free(frame) };
    }
    true
}

/// A buffer argument in the process's memory.
#[derive(Clone, Copy, Debug)]
pub struct UserBuffer {
    /// Where it begins.
    pub address: u64,
    /// How long it claims to be.
    pub length: u32,
    /// It was allocated for the time of the request.
    pub own: bool,
}

impl UserBuffer {
    /// Puts a buffer argument into the process's memory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(space: &AddressSpace, buffer: &Buffer) -> Result<Self, NTSTATUS> {
        let (length, bytes): (u32, &[u8]) = match buffer {
            &Buffer::At { address, length } => {
                return Ok(Self {
                    address,
                    length,
                    own: false,
                });
            }
            Buffer::Data(bytes) => (bytes.len() as u32, bytes),
            Buffer::Length(length) => (*length, &[]),
        };
        if length == 0 {
            return Ok(Self {
                address: 0,
                length: 0,
                own: false,
            });
        }
        let address = space
            .allocate(u64::from(length), Access::WRITE)
            .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let buffer = Self {
            address,
            length,
            own: true,
        };
        write(space, address, bytes)?;
        Ok(buffer)
    }

    /// What the request left in it: so many bytes, if it was allocated for the request.
    pub fn take(&self, space: &AddressSpace, information: u64) -> Vec<u8> {
        if !self.own {
            return Vec::new();
        }
        let count = information.min(u64::from(self.length)) as u32;
        read(space, self.address, count).unwrap_or_default()
    }

    /// Frees it, if it was allocated for the request.
    #[inline]
    pub fn release(&self, space: &AddressSpace) {
        if self.own {
            free(space, self.address);
        }
    }
}
