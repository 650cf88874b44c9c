//! The run-time library's routines for the registry.

use alloc::{string::String, vec::Vec};
use core::{
    ffi::c_void,
    ptr::{null, null_mut},
};

use nthost_nt::{
    rtl::{RTL_QUERY_REGISTRY_TABLE, UNICODE_STRING},
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND,
        STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    },
};

use super::{Outcome, Test, ensure_eq};
use crate::{
    registry::{
        hive::Hive,
        value::{REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_NONE, REG_SZ, Value},
        value_table::RtlQueryRegistryValues,
        values::{
            RtlCheckRegistryKey, RtlCreateRegistryKey, RtlDeleteRegistryValue,
            RtlWriteRegistryValue,
        },
        with,
    },
    rtl::owned::RtlFreeUnicodeString,
};

/// The tests.
pub const TESTS: &[Test] = &[
    ("registry: a key is made below one that is there", keys),
    ("registry: values come to the table's routine", routine),
    (
        "registry: a default stands for a value that is not there",
        defaults,
    ),
    (
        "registry: values are put where the driver wants them",
        direct,
    ),
    (
        "registry: a value of another type, or too long, is not put there",
        refused,
    ),
    (
        "registry: a subkey counts until the table goes back to the top",
        subkeys,
    ),
];

/// `RTL_REGISTRY_SERVICES`.
const SERVICES: u32 = 1;
const SUBKEY: u32 = 0x1;
const TOPKEY: u32 = 0x2;
const REQUIRED: u32 = 0x4;
const NO_VALUE: u32 = 0x8;
const NO_EXPAND: u32 = 0x10;
const DIRECT: u32 = 0x20;
const DELETE: u32 = 0x40;
const TYPE_CHECK: u32 = 0x100;

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The test's key, with values.
fn prepare() -> Vec<u16> {
    let services = r"\Machine\System\CurrentControlSet\Services";
    let path: Vec<u16> = services.encode_utf16().collect();
    // The keys that every system has.
    let _ = with(|hive| hive.create_all(Hive::ROOT, &path, 0));
    let key = wide("Selftest");
    // SAFETY: a path.
    let status = unsafe { RtlCreateRegistryKey(SERVICES, key.as_ptr()) };
    if status != STATUS_SUCCESS {
        log!("selftest", "the key cannot be made: {status:#010x}");
    }
    write("Number", &Value::dword(7));
    write("Text", &Value::string("abc"));
    write("Texts", &Value::strings(["x", "yz"]));
    write(
        "Bytes",
        &Value {
            kind: REG_BINARY,
            data: Vec::from([1, 2, 3, 4, 5, 6]),
        },
    );
    key
}

fn write(name: &str, value: &Value) -> NTSTATUS {
    let (key, name) = (wide("Selftest"), wide(name));
    let (data, length) = (value.data.as_ptr(), value.data.len() as u32);
    // SAFETY: a path, a name and data.
    unsafe {
        RtlWriteRegistryValue(
            SERVICES,
            key.as_ptr(),
            name.as_ptr(),
            value.kind,
            data,
            length,
        )
    }
}

/// An entry, with a name that outlives it.
fn entry(name: Option<&[u16]>, flags: u32, place: *mut c_void) -> RTL_QUERY_REGISTRY_TABLE {
    RTL_QUERY_REGISTRY_TABLE {
        QueryRoutine: (flags & (DIRECT | SUBKEY) == 0 && (name.is_some() || flags != 0))
            .then_some(note),
        Flags: flags,
        Name: name.map_or_else(null, <[u16]>::as_ptr),
        EntryContext: place,
        DefaultType: REG_NONE,
        DefaultData: null(),
        DefaultLength: 0,
    }
}

const END: RTL_QUERY_REGISTRY_TABLE = RTL_QUERY_REGISTRY_TABLE {
    QueryRoutine: None,
    Flags: 0,
    Name: null(),
    EntryContext: null_mut(),
    DefaultType: REG_NONE,
    DefaultData: null(),
    DefaultLength: 0,
};

/// What the routine was called with, in words.
type Notes = Vec<String>;

unsafe extern "win64" fn note(
    name: *const u16,
    kind: u32,
    data: *mut c_void,
    length: u32,
    context: *mut c_void,
    entry_context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the test's own.
    let notes = unsafe { &mut *context.cast::<Notes>() };
    // SAFETY: a name, or null.
    let name = unsafe { crate::rtl::string::terminated(name) };
    let data = if data.is_null() {
        &[]
    } else {
        // SAFETY: there is so much data.
        unsafe { core::slice::from_raw_parts(data.cast::<u8>(), length as usize) }
    };
    let name = String::from_utf16_lossy(&name);
    notes.push(alloc::format!("{name} {kind} {data:02x?}"));
    if entry_context.is_null() {
        STATUS_SUCCESS
    } else {
        STATUS_UNSUCCESSFUL
    }
}

fn query(key: &[u16], entries: &[RTL_QUERY_REGISTRY_TABLE]) -> (NTSTATUS, Notes) {
    let mut table = entries.to_vec();
    table.push(END);
    let mut notes = Notes::new();
    let context = (&raw mut notes).cast();
    // SAFETY: a path and a table.
    let status = unsafe {
        RtlQueryRegistryValues(
            SERVICES,
            key.as_ptr(),
            table.as_mut_ptr(),
            context,
            null_mut(),
        )
    };
    (status, notes)
}

fn keys() -> Outcome {
    let key = prepare();
    // SAFETY: a path.
    let status = unsafe { RtlCheckRegistryKey(SERVICES, key.as_ptr()) };
    ensure_eq!(status, STATUS_SUCCESS);
    let deep = wide(r"Selftest\A\B");
    // SAFETY: a path.
    let status = unsafe { RtlCreateRegistryKey(SERVICES, deep.as_ptr()) };
    ensure_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    let shallow = wide(r"Selftest\A");
    // SAFETY: a path.
    let status = unsafe { RtlCreateRegistryKey(SERVICES, shallow.as_ptr()) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: a path.
    let status = unsafe { RtlCreateRegistryKey(SERVICES, deep.as_ptr()) };
    ensure_eq!(status, STATUS_SUCCESS);
    let absolute = wide(r"\Registry\Machine\System\CurrentControlSet\Services\Selftest\a\b");
    // SAFETY: a path.
    let status = unsafe { RtlCheckRegistryKey(0, absolute.as_ptr()) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: a path.
    let status = unsafe { RtlCheckRegistryKey(99, absolute.as_ptr()) };
    ensure_eq!(status, STATUS_INVALID_PARAMETER);
    let name = wide("Number");
    let delete = || {
        // SAFETY: a path and a name.
        unsafe { RtlDeleteRegistryValue(SERVICES, key.as_ptr(), name.as_ptr()) }
    };
    ensure_eq!(delete(), STATUS_SUCCESS);
    ensure_eq!(delete(), STATUS_OBJECT_NAME_NOT_FOUND);
    Ok(())
}

fn routine() -> Outcome {
    let key = prepare();
    let (number, texts) = (wide("Number"), wide("Texts"));
    let (status, notes) = query(
        &key,
        &[
            entry(Some(&number), 0, null_mut()),
            entry(Some(&texts), 0, null_mut()),
            entry(Some(&texts), NO_EXPAND, null_mut()),
            entry(None, NO_VALUE, null_mut()),
        ],
    );
    ensure_eq!(status, STATUS_SUCCESS);
    let expected = [
        "Number 4 [07, 00, 00, 00]",
        "Texts 1 [78, 00, 00, 00]",
        "Texts 1 [79, 00, 7a, 00, 00, 00]",
        "Texts 7 [78, 00, 00, 00, 79, 00, 7a, 00, 00, 00, 00, 00]",
        " 0 []",
    ];
    ensure_eq!(notes, expected);
    let (status, notes) = query(&key, &[entry(None, NO_EXPAND, null_mut())]);
    ensure_eq!((status, notes.len()), (STATUS_SUCCESS, 4));
    let fails = core::ptr::dangling_mut();
    let entries = [
        entry(Some(&number), 0, fails),
        entry(Some(&texts), 0, null_mut()),
    ];
    let (status, notes) = query(&key, &entries);
    ensure_eq!((status, notes.len()), (STATUS_UNSUCCESSFUL, 1));
    let (status, notes) = query(&key, &[entry(Some(&number), DELETE, null_mut())]);
    ensure_eq!((status, notes.len()), (STATUS_SUCCESS, 1));
    let (status, notes) = query(&key, &[entry(Some(&number), REQUIRED, null_mut())]);
    ensure_eq!((status, notes.len()), (STATUS_OBJECT_NAME_NOT_FOUND, 0));
    Ok(())
}

fn defaults() -> Outcome {
    let key = prepare();
    let missing = wide("Missing");
    let (text, texts) = (wide("d"), wide("e\0f\0"));
    let with_default = |kind, data: &[u16]| RTL_QUERY_REGISTRY_TABLE {
        DefaultType: kind,
        DefaultData: data.as_ptr().cast(),
        ..entry(Some(&missing), NO_EXPAND, null_mut())
    };
    let entries = [
        entry(Some(&missing), 0, null_mut()),
        with_default(REG_SZ, &text),
        with_default(REG_MULTI_SZ, &texts),
    ];
    let (status, notes) = query(&key, &entries);
    ensure_eq!(status, STATUS_SUCCESS);
    let expected = [
        "Missing 1 [64, 00, 00, 00]",
        "Missing 7 [65, 00, 00, 00, 66, 00, 00, 00, 00, 00]",
    ];
    ensure_eq!(notes, expected);
    Ok(())
}

/// An entry that puts a value of this type into the driver's memory.
fn put(name: &[u16], kind: u32, place: *mut c_void) -> RTL_QUERY_REGISTRY_TABLE {
    RTL_QUERY_REGISTRY_TABLE {
        DefaultType: kind << 24,
        ..entry(Some(name), DIRECT | TYPE_CHECK | NO_EXPAND, place)
    }
}

fn direct() -> Outcome {
    let key = prepare();
    let (number_name, text_name) = (wide("Number"), wide("Text"));
    let (bytes_name, list_name) = (wide("Bytes"), wide("Texts"));
    let mut number = 0_u32;
    let mut text = UNICODE_STRING {
        Length: 0,
        MaximumLength: 0,
        Buffer: null_mut(),
    };
    let mut units = [0x5555_u16; 6];
    let mut texts = UNICODE_STRING {
        Length: 0,
        MaximumLength: 12,
        Buffer: units.as_mut_ptr(),
    };
    // As large as is said: with a length and a type before the data, and without.
    let mut whole = [14, 0, 0, 0_u32];
    let mut bare = [(-6_i32).cast_unsigned(), 0];
    let (status, _) = query(
        &key,
        &[
            put(&number_name, REG_DWORD, (&raw mut number).cast()),
            put(&text_name, REG_SZ, (&raw mut text).cast()),
            put(&list_name, REG_MULTI_SZ, (&raw mut texts).cast()),
            put(&bytes_name, REG_BINARY, (&raw mut whole).cast()),
            put(&bytes_name, REG_BINARY, (&raw mut bare).cast()),
        ],
    );
    // SAFETY: the string that was filled.
    let own = unsafe { crate::rtl::string::units(&raw const text) }.to_vec();
    let maximum = text.MaximumLength;
    // SAFETY: its buffer was allocated, or there is none.
    unsafe { RtlFreeUnicodeString(&raw mut text) };
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(number, 7);
    ensure_eq!((&own[..], maximum), (&wide("abc")[..3], 8));
    ensure_eq!((&units[..], texts.Length), (&wide("x\0yz\0")[..], 10));
    ensure_eq!(whole, [6, REG_BINARY, 0x0403_0201, 0x0605]);
    ensure_eq!(bare, [0x0403_0201, 0x0605]);
    Ok(())
}

fn refused() -> Outcome {
    let key = prepare();
    let (number_name, text_name, bytes_name) = (wide("Number"), wide("Text"), wide("Bytes"));
    let mut number = 0_u32;
    let place = (&raw mut number).cast();
    let wrong_type = query(&key, &[put(&text_name, REG_DWORD, place)]).0;
    ensure_eq!(wrong_type, STATUS_OBJECT_TYPE_MISMATCH);
    let mut units = [0x5555_u16; 3];
    let mut text = UNICODE_STRING {
        Length: 0,
        MaximumLength: 6,
        Buffer: units.as_mut_ptr(),
    };
    let too_long = query(&key, &[put(&text_name, REG_SZ, (&raw mut text).cast())]).0;
    ensure_eq!((too_long, units), (STATUS_BUFFER_TOO_SMALL, [0x5555; 3]));
    let mut bytes = [13, 0, 0, 0_u32];
    let too_long = query(
        &key,
        &[put(&bytes_name, REG_BINARY, (&raw mut bytes).cast())],
    )
    .0;
    ensure_eq!((too_long, bytes[1]), (STATUS_BUFFER_TOO_SMALL, 0));
    let nameless = query(
        &key,
        &[RTL_QUERY_REGISTRY_TABLE {
            QueryRoutine: Some(note),
            Flags: DIRECT,
            ..END
        }],
    );
    ensure_eq!(nameless.0, STATUS_INVALID_PARAMETER);
    let no_routine = RTL_QUERY_REGISTRY_TABLE {
        QueryRoutine: None,
        ..entry(Some(&number_name), 0, null_mut())
    };
    ensure_eq!(query(&key, &[no_routine]).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(number, 0);
    Ok(())
}

fn subkeys() -> Outcome {
    let key = prepare();
    let (below, name, number) = (wide("Below"), wide("Inner"), wide("Number"));
    let path = wide(r"Selftest\Below");
    let value = 9_u32.to_le_bytes();
    // SAFETY: a path, a name and data; the key is made.
    let status = unsafe {
        RtlWriteRegistryValue(
            SERVICES,
            path.as_ptr(),
            name.as_ptr(),
            REG_DWORD,
            value.as_ptr(),
            4,
        )
    };
    ensure_eq!(status, STATUS_SUCCESS);
    let (status, notes) = query(
        &key,
        &[
            entry(Some(&below), SUBKEY, null_mut()),
            entry(Some(&name), 0, null_mut()),
            entry(Some(&number), 0, null_mut()),
            entry(Some(&number), TOPKEY, null_mut()),
        ],
    );
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(
        notes,
        ["Inner 4 [09, 00, 00, 00]", "Number 4 [07, 00, 00, 00]"]
    );
    let nowhere = wide("Nowhere");
    let (status, _) = query(&key, &[entry(Some(&nowhere), SUBKEY, null_mut())]);
    ensure_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    Ok(())
}
