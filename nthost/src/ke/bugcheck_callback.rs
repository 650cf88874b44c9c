//! Routines that drivers want to be called at a bug check, to bring their devices to rest.
//!
//! Sources: KeRegisterBugCheckCallback, KeRegisterBugCheckReasonCallback,
//! nc-wdm-kbugcheck_callback_routine, "Writing a Bug Check Callback Routine", "Writing a Bug Check
//! Reason Callback Routine", ns-wdm-_kbugcheck_secondary_dump_data. nthost writes no crash dump. Of
//! the callbacks that add to one, those for secondary data are called all the same, and the
//! characters of what they give are told; the others are registered, and never called.

use core::{
    ffi::c_void,
    fmt,
    ops::Range,
    sync::atomic::{AtomicU8, Ordering},
};

use alloc::vec::Vec;

use nthost_nt::ke::{
    KBUGCHECK_CALLBACK_RECORD, KBUGCHECK_CALLBACK_ROUTINE, KBUGCHECK_REASON_CALLBACK_RECORD,
    KBUGCHECK_SECONDARY_DUMP_DATA,
};

use super::lock::HighLock;

/// `KBUGCHECK_BUFFER_DUMP_STATE`.
const EMPTY: u8 = 0;
const INSERTED: u8 = 1;
const STARTED: u8 = 2;
const FINISHED: u8 = 3;
/// `KbCallbackSecondaryDumpData`, the first of the reasons that there are, and
/// `KbCallbackTriageDumpData`, the last.
const FIRST_REASON: i32 = 2;
const LAST_REASON: i32 = 7;

/// The routine of a record with a reason (nc-wdm-kbugcheck_reason_callback_routine).
type ReasonRoutine = unsafe extern "win64" fn(
    reason: i32,
    record: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    data: *mut c_void,
    length: u32,
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Plain(*mut KBUGCHECK_CALLBACK_RECORD),
    Reason(*mut KBUGCHECK_REASON_CALLBACK_RECORD),
}

// SAFETY: the records are used under the lock alone, or when no other processor runs.
unsafe impl Send for Record {}

/// Protects the registrations, the latest last.
static RECORDS: HighLock<Vec<Record>> = HighLock::new(Vec::new());

/// # Safety
///
/// It is a record's state.
unsafe fn state<'a>(field: *mut u8) -> &'a AtomicU8 {
    // SAFETY: the caller's promise.
    unsafe { AtomicU8::from_ptr(field) }
}

fn insert(record: Record, state: &AtomicU8) -> bool {
    let mut records = RECORDS.lock();
    // Relaxed: the lock orders it. A record that is in use, or was not initialized, is refused.
    if state.load(Ordering::Relaxed) != EMPTY {
        return false;
    }
    state.store(INSERTED, Ordering::Relaxed);
    records.push(record);
    true
}

fn remove(record: Record, state: &AtomicU8) -> bool {
    let mut records = RECORDS.lock();
    let Some(index) = records.iter().position(|other| *other == record) else {
        return false;
    };
    records.remove(index);
    state.store(EMPTY, Ordering::Relaxed);
    true
}

/// Registrations that lie in these bytes: a driver that is unloaded must have taken them back.
#[must_use]
pub fn registered_in(image: &Range<u64>) -> Option<u64> {
    let records = RECORDS.lock();
    let addresses = records.iter().map(|record| match record {
        Record::Plain(record) => *record as u64,
        Record::Reason(record) => *record as u64,
    });
    addresses.into_iter().find(|found| image.contains(found))
}

/// Calls the routines, the latest first. The other processors have stopped, and interrupts are
/// off; a routine that faults is not called again.
pub fn run(port: &mut impl fmt::Write) {
    // A processor may have been stopped with the lock: what it protects is only read from here.
    let records = core::mem::take(&mut *RECORDS.lock());
    for record in records.into_iter().rev() {
        let record = match record {
            Record::Plain(record) => record,
            Record::Reason(record) => {
                // SAFETY: a registered record exists.
                unsafe { tell_dump_data(record, port) };
                continue;
            }
        };
        // SAFETY: a registered record exists.
        let fields = unsafe { &mut *record };
        fields.State = STARTED;
        if let Some(routine) = fields.CallbackRoutine {
            // SAFETY: the driver's routine, with what it registered.
            unsafe { routine(fields.Buffer, fields.Length) };
        }
        fields.State = FINISHED;
    }
}

/// How much a driver may add to a dump.
const MAXIMUM_ALLOWED: u32 = 0x1_0000;

/// Has a callback for secondary dump data add its own, and tells what that says in characters.
///
/// # Safety
///
/// A registered record.
unsafe fn tell_dump_data(
    record: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    port: &mut impl fmt::Write,
) {
    // SAFETY: the caller's promise.
    let fields = unsafe { &*record };
    if fields.Reason != FIRST_REASON || fields.CallbackRoutine.is_null() {
        return;
    }
    // SAFETY: what was registered for this reason is such a routine.
    let routine: ReasonRoutine = unsafe { core::mem::transmute(fields.CallbackRoutine) };
    let mut data = KBUGCHECK_SECONDARY_DUMP_DATA {
        MaximumAllowed: MAXIMUM_ALLOWED,
        ..KBUGCHECK_SECONDARY_DUMP_DATA::default()
    };
    let length = size_of::<KBUGCHECK_SECONDARY_DUMP_DATA>() as u32;
    // SAFETY: the driver's routine, with what its reason brings.
    unsafe { routine(FIRST_REASON, record, (&raw mut data).cast(), length) };
    let count = data.OutBufferLength.min(MAXIMUM_ALLOWED) as usize;
    if data.OutBuffer.is_null() || count == 0 {
        return;
    }
    // SAFETY: the driver says so.
    let bytes = unsafe { core::slice::from_raw_parts(data.OutBuffer.cast::<u8>(), count) };
    let _ = write!(port, "secondary dump data {}, {count} bytes:", data.Guid);
    let texts = bytes.split(|byte| !(b' '..=b'~').contains(byte));
    for text in texts.filter(|text| text.len() >= 4) {
        let _ = write!(port, " {}", core::str::from_utf8(text).unwrap_or_default());
    }
    let _ = writeln!(port);
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Registers a routine; FALSE if the record is in use, or was not initialized.
    ///
    /// Source: KeRegisterBugCheckCallback.
    ///
    /// # Safety
    ///
    /// The record and the buffer stay until the registration is taken back.
    pub unsafe fn KeRegisterBugCheckCallback(
        record: *mut KBUGCHECK_CALLBACK_RECORD,
        routine: KBUGCHECK_CALLBACK_ROUTINE,
        buffer: *mut c_void,
        length: u32,
        component: *const u8,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let field = unsafe { &raw mut (*record).State };
        // SAFETY: likewise.
        let state = unsafe { state(field) };
        if state.load(Ordering::Relaxed) != EMPTY {
            return 0;
        }
        // SAFETY: the caller's promise.
        let fields = unsafe { &mut *record };
        fields.CallbackRoutine = Some(routine);
        fields.Buffer = buffer;
        fields.Length = length;
        fields.Component = component;
        fields.Checksum = (routine as usize)
            .wrapping_add(buffer as usize)
            .wrapping_add(length as usize)
            .wrapping_add(component as usize);
        u8::from(insert(Record::Plain(record), state))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes a registration back; FALSE if there is none.
    ///
    /// Source: KeDeregisterBugCheckCallback.
    ///
    /// # Safety
    ///
    /// It is a record.
    pub unsafe fn KeDeregisterBugCheckCallback(record: *mut KBUGCHECK_CALLBACK_RECORD) -> u8 {
        // SAFETY: the caller's promise.
        let field = unsafe { &raw mut (*record).State };
        // SAFETY: likewise.
        let state = unsafe { state(field) };
        u8::from(remove(Record::Plain(record), state))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Registers a routine for a crash dump, which nthost does not write; FALSE if the record is
    /// in use, or was not initialized, or if there is no such reason.
    ///
    /// Source: KeRegisterBugCheckReasonCallback.
    ///
    /// # Safety
    ///
    /// The record stays until the registration is taken back.
    pub unsafe fn KeRegisterBugCheckReasonCallback(
        record: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
        routine: *mut c_void,
        reason: i32,
        component: *const u8,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let field = unsafe { &raw mut (*record).State };
        // SAFETY: likewise.
        let state = unsafe { state(field) };
        let known = (FIRST_REASON..=LAST_REASON).contains(&reason);
        if !known || state.load(Ordering::Relaxed) != EMPTY {
            return 0;
        }
        // SAFETY: the caller's promise.
        let fields = unsafe { &mut *record };
        fields.CallbackRoutine = routine;
        fields.Component = component;
        fields.Reason = reason;
        fields.Checksum = (routine as usize)
            .wrapping_add(reason as usize)
            .wrapping_add(component as usize);
        u8::from(insert(Record::Reason(record), state))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes a registration back; FALSE if there is none.
    ///
    /// Source: KeDeregisterBugCheckReasonCallback.
    ///
    /// # Safety
    ///
    /// It is a record.
    pub unsafe fn KeDeregisterBugCheckReasonCallback(
        record: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let field = unsafe { &raw mut (*record).State };
        // SAFETY: likewise.
        let state = unsafe { state(field) };
        u8::from(remove(Record::Reason(record), state))
    }
}
