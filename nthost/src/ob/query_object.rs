//! What a handle's object tells: its counts, its name, its type.
//!
//! Sources: ZwQueryObject, ns-ntifs-public_object_basic_information,
//! ns-ntifs-__public_object_type_information.

use alloc::vec::Vec;
use core::ffi::c_void;

use nthost_nt::status::{
    NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS, STATUS_SUCCESS,
};

use super::{
    handle::Entry,
    object::{self, Kind},
    query, reference_handle,
};

/// `ObjectBasicInformation`, `ObjectNameInformation`, `ObjectTypeInformation`.
const BASIC: i32 = 0;
const NAME: i32 = 1;
const TYPE: i32 = 2;
/// Bytes of `PUBLIC_OBJECT_BASIC_INFORMATION`.
const BASIC_LENGTH: usize = 56;
/// Bytes that follow the name in `PUBLIC_OBJECT_TYPE_INFORMATION`.
const TYPE_RESERVED: usize = 88;

/// The name of a type of objects.
const fn type_name(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Device) => "Device",
        Some(Kind::Driver) => "Driver",
        Some(Kind::File) => "File",
        Some(Kind::Thread) => "Thread",
        Some(Kind::Process) => "Process",
        Some(Kind::Event) => "Event",
        Some(Kind::Directory) => "Directory",
        Some(Kind::SymbolicLink) => "SymbolicLink",
        Some(Kind::Key) => "Key",
        Some(Kind::Callback) => "Callback",
        Some(Kind::Section) => "Section",
        Some(Kind::Token) => "Token",
        Some(Kind::Timer) => "Timer",
        Some(Kind::WmiGuid) => "WmiGuid",
        None => "",
    }
}

/// A `UNICODE_STRING` at `base`, so many reserved bytes, and its text with a NUL.
fn string(text: &[u16], reserved: usize, base: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = size_of_val(text) as u16;
    let (maximum, place) = if text.is_empty() {
        (0, 0)
    } else {
        (length + 2, base + 16 + reserved as u64)
    };
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&maximum.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&place.to_le_bytes());
    bytes.resize(16 + reserved, 0);
    if !text.is_empty() {
        let units = text.iter().copied().chain([0]);
        bytes.extend(units.flat_map(u16::to_le_bytes));
    }
    bytes
}

fn tell(entry: &Entry, asked: i32, base: u64) -> Result<Vec<u8>, NTSTATUS> {
    match asked {
        BASIC => {
            let (handles, references) = object::counts(entry.object);
            // One reference is this routine's.
            let words = [
                0,
                entry.access,
                handles,
                (references as u32).saturating_sub(1),
            ];
            let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
            bytes.resize(BASIC_LENGTH, 0);
            Ok(bytes)
        }
        NAME => Ok(string(&query::name(entry.object), 0, base)),
        TYPE => {
            let name: Vec<u16> = type_name(object::kind(entry.object))
                .encode_utf16()
                .collect();
            Ok(string(&name, TYPE_RESERVED, base))
        }
        _ => Err(STATUS_INVALID_INFO_CLASS),
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of the object that a handle stands for, and how many bytes that takes.
    /// STATUS_INFO_LENGTH_MISMATCH if there are fewer, STATUS_INVALID_INFO_CLASS.
    ///
    /// Source: ZwQueryObject.
    ///
    /// # Safety
    ///
    /// There are so many bytes; `needed` is null or can be written.
    pub unsafe fn ZwQueryObject(
        handle: u64,
        class: i32,
        information: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let entry = match reference_handle(handle, None, 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        let told = tell(&entry, class, information as u64);
        object::dereference(entry.object);
        let bytes = match told {
            Ok(bytes) => bytes,
            Err(status) => return status,
        };
        if !needed.is_null() {
            // SAFETY: the caller's promise.
            unsafe { needed.write(bytes.len() as u32) };
        }
        if bytes.len() > length as usize {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        // SAFETY: there is room.
        unsafe { information.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
        STATUS_SUCCESS
    }
}
