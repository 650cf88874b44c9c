//! Interrupt time and system time, in units of 100 ns, and the page through which user mode and
//! inlined code read them.
//!
//! Sources: KeQueryInterruptTime, KeQuerySystemTime; `KUSER_SHARED_DATA` in the driver headers.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{calendar, shared_data};
use crate::{
    hal::{cmos, time as counter},
    mm::{
        paging::{self, Access, physical},
        phys::{self, Request},
    },
};

/// Where the page is, in every address space.
pub const SHARED_DATA: u64 = 0xffff_f780_0000_0000;
/// Offsets in the page.
const TICK_COUNT_MULTIPLIER: u64 = 0x4;
const INTERRUPT_TIME: u64 = 0x8;
const SYSTEM_TIME: u64 = 0x14;
const TICK_COUNT: u64 = 0x320;
/// Units of 100 ns in a tick of the tick count (15.625 ms), as on NT.
pub const TICK: u64 = 156_250;
/// System time without a clock: 2024-01-01, for it is some time.
const NO_CLOCK: u64 = 133_485_408_000_000_000;

/// The system time at the machine's reset. Written once, before other processors run.
static SYSTEM_TIME_AT_RESET: AtomicU64 = AtomicU64::new(NO_CLOCK);

/// The physical address of the page, once it is there.
static PAGE: AtomicU64 = AtomicU64::new(0);

/// Units of 100 ns since the machine's reset. Any IRQL.
#[must_use]
pub fn interrupt_time() -> u64 {
    counter::interrupt_time()
}

/// Units of 100 ns since 1601. Any IRQL.
#[must_use]
pub fn system_time() -> u64 {
    // Relaxed: written before other processors run.
    SYSTEM_TIME_AT_RESET.load(Ordering::Relaxed) + interrupt_time()
}

/// Sets the system time by the machine's clock, which is taken to be Greenwich's: to the second
/// below, since the clock says no more.
pub fn read_clock() {
    let date = cmos::now();
    if let Some(time) = date.and_then(|date| calendar::from_fields(&date)) {
        let at_reset = time.cast_unsigned().saturating_sub(interrupt_time());
        SYSTEM_TIME_AT_RESET.store(at_reset, Ordering::Relaxed);
    }
    match date {
        Some(date) => log!(
            "boot",
            "the clock says {:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            date.Year,
            date.Month,
            date.Day,
            date.Hour,
            date.Minute,
            date.Second
        ),
        None => log!("boot", "there is no clock"),
    }
}

/// Maps the page.
///
/// # Panics
///
/// If there is no memory for it.
pub fn initialize() {
    let frame = phys::allocate(&Request::any(1)).expect("memory for the shared page");
    // SAFETY: the page was just allocated, and is in the physical map.
    unsafe { physical(frame).write_bytes(0, 4096) };
    shared_data::fill(frame);
    // SAFETY: the address is reserved for this page.
    unsafe { paging::map(SHARED_DATA, frame, Access::empty()) }.expect("the page's own address");
    // Release: whoever writes to the page finds it cleared.
    PAGE.store(frame, Ordering::Release);
    write(TICK_COUNT_MULTIPLIER, 0x0fa0_0000);
    update();
}

/// Says in the page how many processors there are, in how many groups.
pub fn publish_processors(processors: u32, groups: u8) {
    let page = PAGE.load(Ordering::Acquire);
    if page != 0 {
        shared_data::set_processors(page, processors, groups);
    }
}

fn write(offset: u64, value: u32) {
    let page = PAGE.load(Ordering::Acquire);
    if page != 0 {
        let field = physical(page + offset).cast::<u32>();
        // SAFETY: the page is ours; readers expect it to change.
        unsafe { field.write_volatile(value) };
    }
}

/// Writes a `KSYSTEM_TIME` so that a reader on another processor can tell a torn read: second
/// high part first, then low, then first high part.
fn write_time(offset: u64, value: u64) {
    write(offset + 8, (value >> 32) as u32);
    write(offset, value as u32);
    write(offset + 4, (value >> 32) as u32);
}

/// Brings the page up to date: at each tick of the clock.
pub fn update() {
    let now = interrupt_time();
    write_time(INTERRUPT_TIME, now);
    let at_reset = SYSTEM_TIME_AT_RESET.load(Ordering::Relaxed);
    write_time(SYSTEM_TIME, at_reset + now);
    write_time(TICK_COUNT, now / TICK);
}
