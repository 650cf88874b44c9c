//! Software tracing (WPP): messages that a provider writes to a session by its handle. There is
//! one session, which takes everything; its name is `nthost`.
//!
//! Sources: WmiTraceMessage, WmiTraceMessageVa, WmiQueryTraceInformation,
//! TRACE_INFORMATION_CLASS.

use alloc::vec::Vec;

use nthost_nt::{
    guid::GUID,
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_HANDLE, STATUS_INVALID_INFO_CLASS,
        STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_MIX, STATUS_MORE_ENTRIES,
        STATUS_NO_MEMORY, STATUS_NOT_FOUND, STATUS_SUCCESS,
    },
};

use super::provider::{self, Message};
use crate::{
    hook,
    ke::{process, thread},
    ob::units,
};

/// The session's number.
const LOGGER: u16 = 1;
/// How much it takes: `TRACE_LEVEL_VERBOSE`.
const LEVEL: u32 = 5;
/// What it takes: everything.
const FLAGS: u32 = u32::MAX;
/// Its handle: the number, the level and the flags.
const HANDLE: u64 = LOGGER as u64 | (LEVEL as u64) << 16 | (FLAGS as u64) << 32;
/// The most bytes of a message, with its header: a buffer of the session.
const BUFFER: usize = 65536 - 48;

/// `TRACE_MESSAGE_GUID`, which must be set.
const WITH_GUID: u32 = 0x02;
/// `TRACE_MESSAGE_PERFORMANCE_TIMESTAMP`, which must not.
const OBSOLETE: u32 = 0x10;
/// `TRACE_MESSAGE_SYSTEMINFO`: the process and the thread are told.
const WITH_IDS: u32 = 0x20;

/// Whether a handle means the session.
const fn is_session(handle: u64) -> bool {
    handle as u16 == LOGGER
}

/// # Safety
///
/// The list is of pairs, a pointer and its length, and ends with a null pointer.
unsafe fn write(
    handle: u64,
    flags: u32,
    class: *const GUID,
    number: u16,
    mut list: *const u64,
) -> NTSTATUS {
    if !is_session(handle) {
        return STATUS_INVALID_HANDLE;
    }
    if flags & WITH_GUID == 0 || flags & OBSOLETE != 0 || class.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    let mut data = Vec::new();
    loop {
        // SAFETY: the caller's promise.
        let [address, length] = unsafe { list.cast::<[u64; 2]>().read() };
        if address == 0 {
            break;
        }
        // The length is an ULONG: what is above it in its slot is nobody's.
        let length = length as u32 as usize;
        if data.len() + length > BUFFER {
            return STATUS_NO_MEMORY;
        }
        let piece = core::ptr::with_exposed_provenance::<u8>(address as usize);
        // SAFETY: the caller's promise.
        data.extend_from_slice(unsafe { core::slice::from_raw_parts(piece, length) });
        // SAFETY: the list goes on behind a pair.
        list = unsafe { list.add(2) };
    }
    let ids = (flags & WITH_IDS != 0).then(|| {
        let process = hook::process_id(process::current());
        // SAFETY: the thread that runs exists.
        (process, unsafe { (*thread::current()).id })
    });
    // SAFETY: the caller's promise.
    let class = unsafe { class.read() };
    provider::write_message(class, Message { number, ids }, data);
    STATUS_SUCCESS
}

unsafe extern "win64" fn write_list(
    handle: u64,
    flags: u32,
    class: *const GUID,
    number: u16,
    list: *const u64,
) -> NTSTATUS {
    // SAFETY: the caller of the exported routine promises it.
    unsafe { write(handle, flags, class, number, list) }
}

naked! {
    /// Writes a message to a session: pairs of a pointer and a length follow, and a null pointer.
    /// Any IRQL. `STATUS_INVALID_HANDLE`, `STATUS_NO_MEMORY` for too long a message.
    ///
    /// Source: WmiTraceMessage.
    ///
    /// # Safety
    ///
    /// They do, and what they lead to can be read.
    #[allow(non_snake_case, reason = "the kernel's own name")]
    #[must_use]
    pub unsafe extern "win64" fn WmiTraceMessage(
        handle: u64,
        flags: u32,
        class: *const GUID,
        number: u16
    ) -> i32 {
        frame!(begin),
        // The list begins behind the room for the first four arguments, which stay where they are.
        "lea rax, [rsp + 40]",
        frame!(push),
        "sub rsp, 48",
        "mov [rsp + 32], rax",
        "call {write}",
        "add rsp, 48",
        frame!(pop),
        "ret",
        frame!(end),
        write = sym write_list,
    }
}
nt_export_data!(WmiTraceMessage = WmiTraceMessage);

/// What is asked of the session.
enum Answer {
    Number(u32),
    Handle,
}

/// A structure's field that is not aligned to it.
unsafe fn read<T: Copy>(from: *const u8, offset: usize) -> Option<T> {
    if from.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let field = unsafe { from.add(offset) };
    // SAFETY: the caller's promise.
    Some(unsafe { field.cast::<T>().read_unaligned() })
}

/// What a class of information is about the session that the input names.
///
/// # Safety
///
/// The input is null or what the class demands.
unsafe fn answer(class: i32, input: *const u8) -> Result<Answer, NTSTATUS> {
    // `HistoricalContext` of WNODE_HEADER.
    let by_handle = |answer| {
        // SAFETY: the caller's promise.
        let handle = unsafe { read::<u64>(input, 8) }.ok_or(STATUS_INVALID_PARAMETER_MIX)?;
        if is_session(handle) {
            Ok(answer)
        } else {
            Err(STATUS_INVALID_HANDLE)
        }
    };
    let by_number = |answer| {
        // SAFETY: the caller's promise.
        let number = unsafe { read::<u32>(input, 0) }.ok_or(STATUS_INVALID_PARAMETER_MIX)?;
        // Zero means the kernel's own session, which does not run.
        if number == LOGGER.into() {
            Ok(answer)
        } else {
            Err(STATUS_INVALID_HANDLE)
        }
    };
    match class {
        // TraceIdClass.
        0 => by_handle(Answer::Number(LOGGER.into())),
        // TraceHandleClass.
        1 => by_number(Answer::Handle),
        // TraceEnableFlagsClass.
        2 => by_handle(Answer::Number(FLAGS)),
        // TraceEnableLevelClass.
        3 => by_handle(Answer::Number(LEVEL)),
        // GlobalLoggerHandleClass.
        4 => Err(STATUS_NOT_FOUND),
        // TraceHandleByNameClass.
        7 => {
            if input.is_null() {
                return Err(STATUS_INVALID_PARAMETER_MIX);
            }
            // SAFETY: the caller's promise.
            let name = unsafe { units(input.cast::<UNICODE_STRING>()) }.unwrap_or_default();
            if name.iter().copied().eq("nthost".encode_utf16()) {
                Ok(Answer::Handle)
            } else {
                Err(STATUS_INVALID_PARAMETER)
            }
        }
        // LoggerEventsLostClass.
        8 => by_number(Answer::Number(provider::counts().0)),
        // LoggerEventsLoggedClass.
        10 => by_number(Answer::Number(provider::counts().1)),
        _ => Err(STATUS_INVALID_INFO_CLASS),
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// As WmiTraceMessage, with a list of what follows.
    ///
    /// Source: WmiTraceMessageVa.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn WmiTraceMessageVa(
        handle: u64,
        flags: u32,
        class: *const GUID,
        number: u16,
        list: *const u64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { write(handle, flags, class, number, list) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Tells something of the session: see TRACE_INFORMATION_CLASS.
    ///
    /// Source: WmiQueryTraceInformation.
    ///
    /// # Safety
    ///
    /// There are as many bytes as said; the input is null or what the class demands.
    pub unsafe fn WmiQueryTraceInformation(
        class: i32,
        to: *mut u8,
        length: u32,
        required: *mut u32,
        input: *const u8,
    ) -> NTSTATUS {
        /// `AllLoggerHandlesClass`.
        const ALL: i32 = 6;
        let answer = if class == ALL {
            Ok(Answer::Handle)
        } else {
            // SAFETY: the caller's promise.
            unsafe { answer(class, input) }
        };
        let (bytes, size) = match answer {
            Ok(Answer::Number(number)) => (u64::from(number).to_le_bytes(), 4),
            Ok(Answer::Handle) => (HANDLE.to_le_bytes(), 8),
            Err(status) => return status,
        };
        if !required.is_null() {
            // SAFETY: the caller's promise.
            unsafe { required.write(size) };
        }
        if class == ALL && length < size {
            return STATUS_MORE_ENTRIES;
        }
        if to.is_null() || length < size || class != ALL && length != size {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        // SAFETY: there are as many bytes.
        unsafe { to.copy_from(bytes.as_ptr(), size as usize) };
        STATUS_SUCCESS
    }
}
