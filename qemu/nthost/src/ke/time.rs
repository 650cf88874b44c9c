//! Interrupt time and system time, in units of 100 ns, and the page through which user mode and
//! inlined code read them.
//!
//! Sources: KeQueryInterruptTime, KeQuerySystemTime; `KUSER_SHARED_DATA` in the driver headers.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    hal::time as counter,
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
/// The system time at the machine's reset. There is no clock to read it from: 2024-01-01.
const SYSTEM_TIME_AT_RESET: u64 = 133_485_408_000_000_000;

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
    SYSTEM_TIME_AT_RESET + interrupt_time()
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
    // SAFETY: the address is reserved for this page.
    unsafe { paging::map(SHARED_DATA, frame, Access::empty()) }.expect("the page's own address");
    // Release: whoever writes to the page finds it cleared.
    PAGE.store(frame, Ordering::Release);
    write(TICK_COUNT_MULTIPLIER, 0x0fa0_0000);
    update();
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
    write_time(SYSTEM_TIME, SYSTEM_TIME_AT_RESET + now);
    write_time(TICK_COUNT, now / TICK);
}
