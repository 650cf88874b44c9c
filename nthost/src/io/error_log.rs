//! The error log: what drivers report of their devices' errors, in nthost's own log.
//!
//! Sources: IoAllocateErrorLogEntry, IoWriteErrorLogEntry, IoFreeErrorLogEntry. An entry is a
//! line; NT's log has a thread of its own, to which entries are queued, because it is a file.

use alloc::{collections::BTreeMap, format, string::String};
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::io::device::DEVICE_OBJECT;

use super::{
    device,
    error_text::{self, MAXIMUM_SIZE, PACKET_SIZE},
};
use crate::{
    export,
    ke::lock::SpinLock,
    mm::pool::{self, flags},
    ob::{
        self,
        object::{self, Kind},
    },
};

/// The tag of entries.
const TAG: u32 = u32::from_le_bytes(*b"IoEr");

/// An entry that was allocated: what it is about, which it keeps, and its length.
#[derive(Clone, Copy)]
struct Entry {
    object: usize,
    size: usize,
}

/// The entries that were allocated, by their addresses. A leaf.
static ENTRIES: SpinLock<BTreeMap<usize, Entry>> = SpinLock::new(BTreeMap::new());

/// The object that an entry is about, in words.
fn source(object: *mut c_void) -> String {
    let name = |object: usize| ob::name_of(object).unwrap_or_default();
    if object::kind(object) != Some(Kind::Device) {
        return name(object.addr());
    }
    let device: *mut DEVICE_OBJECT = object.cast();
    // SAFETY: the entry keeps its device.
    let driver = name(unsafe { (*device).DriverObject }.addr());
    let device = device::name(device);
    if device.is_empty() {
        format!("a device of {driver}")
    } else {
        format!("{device} of {driver}")
    }
}

/// Frees an entry; gives what was known of it.
fn take(packet: *mut c_void) -> Option<Entry> {
    ENTRIES.lock().remove(&packet.addr())
}

fn release(packet: *mut c_void, entry: Option<Entry>) {
    // What is no entry is a bad pointer like any other, and ends as one.
    pool::free(packet as u64, Some(TAG));
    if let Some(entry) = entry {
        object::dereference(core::ptr::with_exposed_provenance_mut(entry.object));
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: null_mut();
    /// Makes an entry about a device or a driver, zeroed, for the caller to fill in. NULL if it
    /// is shorter than its fixed part or longer than ERROR_LOG_MAXIMUM_SIZE, or memory is short.
    ///
    /// Source: IoAllocateErrorLogEntry.
    ///
    /// # Safety
    ///
    /// The object exists.
    pub unsafe fn IoAllocateErrorLogEntry(object: *mut c_void, size: u8) -> *mut c_void {
        let caller = export::caller();
        let size = usize::from(size);
        let known = matches!(object::kind(object), Some(Kind::Device | Kind::Driver));
        if !known || !(PACKET_SIZE..=MAXIMUM_SIZE).contains(&size) {
            return null_mut();
        }
        let Some(memory) = pool::allocate(flags::NON_PAGED, size as u64, TAG, caller) else {
            return null_mut();
        };
        let packet = core::ptr::with_exposed_provenance_mut::<u8>(memory as usize);
        // SAFETY: memory of this size that was just allocated.
        unsafe { packet.write_bytes(0, size) };
        object::reference(object);
        let entry = Entry { object: object.expose_provenance(), size };
        ENTRIES.lock().insert(packet.addr(), entry);
        packet.cast()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Writes an entry to the log, and frees it.
    ///
    /// Source: IoWriteErrorLogEntry.
    ///
    /// # Safety
    ///
    /// The entry is the caller's.
    pub unsafe fn IoWriteErrorLogEntry(packet: *mut c_void) {
        let entry = take(packet);
        if let Some(entry) = entry {
            // SAFETY: an entry of this size, which its driver has filled in.
            let bytes = unsafe { core::slice::from_raw_parts(packet.cast::<u8>(), entry.size) };
            let source = source(core::ptr::with_exposed_provenance_mut(entry.object));
            log!("error log", "{source}: {}", error_text::describe(bytes));
        }
        release(packet, entry);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees an entry that is not going to be written.
    ///
    /// Source: IoFreeErrorLogEntry.
    ///
    /// # Safety
    ///
    /// The entry is the caller's.
    pub unsafe fn IoFreeErrorLogEntry(packet: *mut c_void) {
        release(packet, take(packet));
    }
}
