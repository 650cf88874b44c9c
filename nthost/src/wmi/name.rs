//! Names and numbers for instances.
//!
//! Sources: IoWMISuggestInstanceName, IoWMIAllocateInstanceIds.

use alloc::{collections::BTreeMap, format, string::String};

use nthost_nt::{
    guid::GUID,
    io::device::DEVICE_OBJECT,
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use crate::{
    io::{interface, verify},
    ke::lock::SpinLock,
    mm::pool::{self, flags},
    pnp::node,
};

/// The first number that nobody has, by block. A leaf.
static NEXT: SpinLock<BTreeMap<[u8; 16], u32>> = SpinLock::new(BTreeMap::new());

/// The tag of the names.
const TAG: u32 = u32::from_le_bytes(*b"Wmis");

/// A name for a device: what it is called, or else where it is.
fn name_of(pdo: *mut DEVICE_OBJECT) -> Option<String> {
    let node = node::of(pdo)?;
    let description = node.report().and_then(|report| report.description.clone());
    Some(description.unwrap_or_else(|| node.instance.clone()))
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Suggests a name for the instances of a device or an interface, or of both combined. Its
    /// memory is the caller's to free, with ExFreePool.
    ///
    /// Source: IoWMISuggestInstanceName.
    ///
    /// # Safety
    ///
    /// The device is null or a physical device object, the link null or a string; `name` can be
    /// written.
    pub unsafe fn IoWMISuggestInstanceName(
        pdo: *mut DEVICE_OBJECT,
        link: *const UNICODE_STRING,
        combine: u8,
        name: *mut UNICODE_STRING,
    ) -> NTSTATUS {
        let device = if pdo.is_null() { None } else { name_of(pdo) };
        // SAFETY: the caller's promise.
        let link = (!link.is_null()).then(|| unsafe { interface::text(link) });
        let text = match (combine != 0, device, link) {
            (true, Some(device), Some(link)) => format!("{device}({link})"),
            (false, Some(only), None) | (false, None, Some(only)) => only,
            _ => return STATUS_INVALID_PARAMETER,
        };
        let caller = verify::caller() as u64;
        let units: alloc::vec::Vec<u16> = text.encode_utf16().collect();
        let bytes = units.len() * 2;
        let Some(memory) = pool::allocate(flags::PAGED, bytes as u64, TAG, caller) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        let buffer: *mut u16 = core::ptr::with_exposed_provenance_mut(memory as usize);
        // SAFETY: just allocated, and as large.
        unsafe { buffer.copy_from_nonoverlapping(units.as_ptr(), units.len()) };
        let string = UNICODE_STRING {
            Length: bytes as u16,
            MaximumLength: bytes as u16,
            Buffer: buffer,
        };
        // SAFETY: the caller's promise.
        unsafe { name.write(string) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Gives numbers for instances of a block that nobody else gets.
    ///
    /// Source: IoWMIAllocateInstanceIds.
    ///
    /// # Safety
    ///
    /// `guid` is one; `first` can be written.
    pub unsafe fn IoWMIAllocateInstanceIds(
        guid: *const GUID,
        count: u32,
        first: *mut u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let guid = unsafe { guid.read_unaligned() };
        let mut all = NEXT.lock();
        let next = all.entry(guid.to_bytes()).or_insert(0);
        let number = *next;
        let Some(behind) = number.checked_add(count) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        *next = behind;
        drop(all);
        // SAFETY: the caller's promise.
        unsafe { first.write(number) };
        STATUS_SUCCESS
    }
}
