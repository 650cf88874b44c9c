//! What a thread is busy with: an identifier that joins the events of several components.
//!
//! Source: EtwActivityIdControl. It is a thread's own, and only that thread reads and writes it.

use core::sync::atomic::{AtomicU64, Ordering};

use nthost_nt::{
    guid::GUID,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use crate::{
    ex::uuid,
    export::DISPATCH_LEVEL,
    hal::time as counter,
    hook,
    ke::{irql, thread, time},
};

/// The codes of EtwActivityIdControl.
const GET: u32 = 1;
const SET: u32 = 2;
const CREATE: u32 = 3;
const GET_SET: u32 = 4;
const CREATE_SET: u32 = 5;

/// Tells identifiers apart that are made at the same time. Relaxed: each change of it is whole.
static MADE: AtomicU64 = AtomicU64::new(0);

fn create() -> GUID {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    uuid::version_1(time::system_time(), number as u16, counter::counter())
}

/// What the thread that runs is busy with; zeros for nothing, and where no thread is meant.
#[must_use]
pub fn current() -> GUID {
    if irql::current() >= DISPATCH_LEVEL {
        return GUID::default();
    }
    // SAFETY: the thread that runs exists, and nobody else uses this field.
    unsafe { (*thread::current()).activity }
}

fn set(id: GUID) {
    // SAFETY: as above.
    unsafe { (*thread::current()).activity = id };
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes an identifier, at any IRQL; or gives, sets or exchanges that of the thread that runs,
    /// below DISPATCH_LEVEL. `STATUS_INVALID_PARAMETER` for other codes.
    ///
    /// Source: EtwActivityIdControl.
    ///
    /// # Safety
    ///
    /// The identifier can be read and written.
    pub unsafe fn EtwActivityIdControl(code: u32, id: *mut GUID) -> NTSTATUS {
        if code != CREATE && irql::current() >= DISPATCH_LEVEL {
            hook::wrong_irql("EtwActivityIdControl", &[code.into(), id as u64]);
        }
        let result = match code {
            GET => Some(current()),
            CREATE => Some(create()),
            SET | GET_SET => {
                let before = current();
                // SAFETY: the caller's promise.
                set(unsafe { id.read() });
                (code == GET_SET).then_some(before)
            }
            CREATE_SET => {
                let before = current();
                set(create());
                Some(before)
            }
            _ => return STATUS_INVALID_PARAMETER,
        };
        if let Some(result) = result {
            // SAFETY: the caller's promise.
            unsafe { id.write(result) };
        }
        STATUS_SUCCESS
    }
}
