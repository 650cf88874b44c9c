//! The end of the system for a driver that has found itself wrong, and what a crash dump tells of
//! the driver.
//!
//! The rules of the kernel this stands for: a driver that must not run on ends the system by
//! `KeBugCheckEx`, with a code and parameters that lead to it and to nobody else; what it adds to
//! the crash dump it has ready, since its callback runs at HIGH_LEVEL with all other processors
//! stopped: it takes no lock, allocates nothing and touches nothing pageable. ("Writing a Bug Check
//! Reason Callback Routine", nf-wdm-keregisterbugcheckreasoncallback,
//! ns-wdm-_kbugcheck_secondary_dump_data.)
//!
//! The data is what the driver has noted last, and where it panicked. In a debugger, `.enumtag`
//! shows it under [`DUMP_DATA`].
//!
//! # Example
//!
//! ```
//! use wdm::{bugcheck, irql::Passive};
//!
//! // 'Serl', as a debugger shows the code of the bug check that a panic ends in.
//! wdm::panic_handler!(0x5365_726c);
//!
//! fn loaded(irql: &mut Passive) {
//!     // Without memory for it there is no data in a crash dump, and all else works.
//!     let registered = bugcheck::register(irql);
//!     bugcheck::note("registered", registered.into());
//! }
//! ```

use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use wdk_sys::{
    _KBUGCHECK_CALLBACK_REASON::KbCallbackSecondaryDumpData,
    GUID, KBUGCHECK_CALLBACK_REASON, KBUGCHECK_REASON_CALLBACK_RECORD,
    KBUGCHECK_SECONDARY_DUMP_DATA, PVOID, ULONG,
    ntddk::{KeBugCheckEx, KeDeregisterBugCheckReasonCallback, KeRegisterBugCheckReasonCallback},
};

use crate::{
    constants::SECONDARY_DUMP_DATA_SIZE, irql::Passive, object::KernelCell, time::Instant,
};

/// What the data in the dump is known by: {c2a1d4b6-7e0f-4a55-9a3e-5b0b6edd0001}.
pub const DUMP_DATA: GUID = GUID {
    Data1: 0xc2a1_d4b6,
    Data2: 0x7e0f,
    Data3: 0x4a55,
    Data4: [0x9a, 0x3e, 0x5b, 0x0b, 0x6e, 0xdd, 0x00, 0x01],
};

/// How many notes are kept.
const NOTES: usize = 32;
/// Words of eight characters that a name may have.
const WORDS: usize = 6;

/// Something that the driver did.
#[repr(C)]
struct Note {
    /// When, by the performance counter; zero where there is none.
    time: AtomicU64,
    /// A number that goes with it: a status, most often.
    value: AtomicU64,
    /// What, in characters.
    what: [AtomicU64; WORDS],
}

/// All that the dump is told, as it lies in it.
#[repr(C)]
struct Data {
    /// `Wdm1`.
    signature: AtomicU32,
    /// The line of the panic; zero without one.
    line: AtomicU32,
    /// Its file, the end of its path.
    file: [AtomicU64; 2 * WORDS],
    /// How many notes there have been: the last is before this one's place, in a ring.
    count: AtomicU64,
    notes: [Note; NOTES],
}

// Everything in it is atomic and resident: in the image's data. Relaxed throughout: it orders
// nothing, and a dump that was taken in the middle of a note has half of it.
static DATA: Data = Data {
    signature: AtomicU32::new(u32::from_le_bytes(*b"Wdm1")),
    line: AtomicU32::new(0),
    file: [const { AtomicU64::new(0) }; 2 * WORDS],
    count: AtomicU64::new(0),
    notes: [const {
        Note {
            time: AtomicU64::new(0),
            value: AtomicU64::new(0),
            what: [const { AtomicU64::new(0) }; WORDS],
        }
    }; NOTES],
};

/// The length of [`DATA`].
const DATA_LENGTH: ULONG = {
    assert!(
        size_of::<Data>() <= 4096,
        "the kernel has room for a page at least"
    );
    #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
    let length = size_of::<Data>() as ULONG;
    length
};

/// The registration. `KeInitializeCallbackRecord` leaves it empty, which is zero.
// SAFETY: plain data, of which all zeros is the empty state.
static RECORD: KernelCell<KBUGCHECK_REASON_CALLBACK_RECORD> =
    KernelCell::new(unsafe { core::mem::zeroed() });

/// Stores characters in words, as many as fit.
fn store(words: &[AtomicU64], text: &[u8]) {
    let mut rest = text;
    for word in words {
        let (now, later) = rest.split_at_checked(8).unwrap_or((rest, &[]));
        let mut characters = [0; 8];
        for (to, from) in characters.iter_mut().zip(now) {
            *to = *from;
        }
        word.store(u64::from_le_bytes(characters), Ordering::Relaxed);
        rest = later;
    }
}

/// Notes something for a dump, with a number that goes with it. At any IRQL.
pub fn note(what: &str, value: u64) {
    let index = DATA.count.fetch_add(1, Ordering::Relaxed);
    let index = usize::try_from(index).unwrap_or(0) % NOTES;
    if let Some(note) = DATA.notes.get(index) {
        note.time.store(Instant::now().ticks(), Ordering::Relaxed);
        note.value.store(value, Ordering::Relaxed);
        store(&note.what, what.as_bytes());
    }
}

/// Has what was noted added to crash dumps. Whether it will be. To be taken back by
/// [`deregister`] before the image goes.
///
/// Source: nf-wdm-keregisterbugcheckreasoncallback.
pub fn register(_irql: &mut Passive) -> bool {
    static COMPONENT: [u8; 8] = *b"wdm\0\0\0\0\0";
    // SAFETY: the record and the name are in the image, which stays until it is taken back; the
    // routine is one for this reason.
    let registered = unsafe {
        KeRegisterBugCheckReasonCallback(
            RECORD.get(),
            Some(secondary_dump_data),
            KbCallbackSecondaryDumpData,
            COMPONENT.as_ptr().cast_mut(),
        )
    };
    registered != 0
}

/// Takes it back.
///
/// Source: nf-wdm-kederegisterbugcheckreasoncallback.
pub fn deregister(_irql: &mut Passive) {
    // SAFETY: a record, registered or not.
    let _ = unsafe { KeDeregisterBugCheckReasonCallback(RECORD.get()) };
}

/// Ends the system for a panic. The parameters are where the file's name is in the image, its
/// length, the line and the column. The message is left out: it would bring all of the language's
/// formatting into the image.
///
/// Source: nf-wdm-kebugcheckex.
pub fn panic(code: u32, info: &PanicInfo<'_>) -> ! {
    let (file, line, column) = info
        .location()
        .map_or(("", 0, 0), |at| (at.file(), at.line(), at.column()));
    DATA.line.store(line, Ordering::Relaxed);
    // The end of a path tells more than its beginning.
    let room = DATA.file.len() * 8;
    let start = file.len().saturating_sub(room);
    store(&DATA.file, file.as_bytes().get(start..).unwrap_or_default());
    let name = file.as_ptr() as u64;
    // SAFETY: callable at any IRQL; it does not return.
    unsafe { KeBugCheckEx(code, name, file.len() as u64, line.into(), column.into()) }
}

/// Defines the image's panic handler: a panic is a bug check with this code, of the driver's own, so
/// that a dump leads here and to no other driver's crash. A driver that found itself wrong must not
/// run on. See [`bugcheck::panic`](crate::bugcheck::panic) for the parameters.
#[macro_export]
macro_rules! panic_handler {
    ($code:expr) => {
        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::bugcheck::panic($code, info)
        }
    };
}

/// `KBUGCHECK_REASON_CALLBACK_ROUTINE`, for secondary dump data.
unsafe extern "C" fn secondary_dump_data(
    _reason: KBUGCHECK_CALLBACK_REASON,
    _record: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    data: PVOID,
    length: ULONG,
) {
    if length < SECONDARY_DUMP_DATA_SIZE {
        return;
    }
    // SAFETY: what the kernel passes for this reason.
    let dump = unsafe { &mut *data.cast::<KBUGCHECK_SECONDARY_DUMP_DATA>() };
    if dump.MaximumAllowed < DATA_LENGTH {
        return;
    }
    dump.Guid = DUMP_DATA;
    dump.OutBuffer = (&raw const DATA).cast_mut().cast();
    dump.OutBufferLength = DATA_LENGTH;
}
