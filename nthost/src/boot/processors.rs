//! Starts the other processors, one after the other.
//!
//! Source: Intel SDM volume 3, "MP Initialization Protocol Algorithm"; the documentation's
//! "Processor Groups" for how processors are put into groups.

use core::sync::atomic::{AtomicU32, Ordering};

use super::order;
use crate::{
    hal::{acpi, apic, time},
    ke::{
        group::{self, Place},
        pcr::{self, Pcr},
        thread::{self, STACK_SIZE},
        trap,
    },
    mm::{
        cache,
        paging::{self, physical},
    },
};

/// Where the start code of the other processors is copied to: a page below 1 MiB.
pub const TRAMPOLINE: usize = 0x8000;
/// How long a processor may take to start: ten seconds, for emulators on busy machines.
const PATIENCE_US: u64 = 10_000_000;

unsafe extern "C" {
    static ap_start: u8;
    static ap_end: u8;
    static ap_mailbox: u8;
}

/// What a processor starts with.
#[repr(C)]
struct Mailbox {
    stack: u64,
    pcr: u64,
}

/// The number of the last processor that has started.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Starts them all. They wait for work in their idle threads.
///
/// # Panics
///
/// If there is no memory for their stacks.
pub fn start_all() {
    let tables = acpi::tables();
    let boot_apic = apic::id();
    pcr::describe_boot_processor(boot_apic, tables.srat.node_of_processor(boot_apic));
    let length = &raw const ap_end as usize - &raw const ap_start as usize;
    let target = physical(TRAMPOLINE as u64);
    // SAFETY: the firmware has left the page, and nobody else has it.
    unsafe { target.copy_from_nonoverlapping(&raw const ap_start, length) };
    let node_of = |id| tables.srat.node_of_processor(id);
    let ids = tables.madt.processors.iter().map(|processor| processor.id);
    let others = order::behind_boot_processor(boot_apic, ids, node_of);
    let nodes: alloc::vec::Vec<_> = core::iter::once(boot_apic)
        .chain(others.iter().copied())
        .map(node_of)
        .collect();
    let places = group::assign(&nodes).into_iter().skip(1);
    for ((number, id), place) in (1..).zip(others).zip(places) {
        start(number, id, place);
    }
    paging::forget_identity_map();
}

fn start(number: u32, id: u32, place: Place) {
    let node = acpi::tables().srat.node_of_processor(id);
    let pcr = pcr::create(number, id, node, place);
    let stack = thread::allocate_stack().expect("memory for a processor's stack");
    let offset = &raw const ap_mailbox as usize - &raw const ap_start as usize;
    let mailbox = physical((TRAMPOLINE + offset) as u64).cast::<Mailbox>();
    // SAFETY: within the copied code; no other processor is starting.
    unsafe {
        mailbox.write(Mailbox {
            stack: stack + STACK_SIZE,
            pcr: pcr as u64,
        });
    };
    apic::start_processor(id, (TRAMPOLINE >> 12) as u8);
    let begun = time::microseconds_since_reset();
    // Acquire: pairs with the processor's own store.
    while STARTED.load(Ordering::Acquire) != number {
        let waited = time::microseconds_since_reset() - begun;
        assert!(
            waited <= PATIENCE_US,
            "processor {number} (APIC {id}) does not start"
        );
        core::hint::spin_loop();
    }
}

/// Where a processor arrives in 64-bit mode.
///
/// # Safety
///
/// Called once for each processor, by its start code.
#[unsafe(no_mangle)]
unsafe extern "C" fn processor_main(pcr: *mut Pcr) -> ! {
    pcr::install(pcr);
    trap::initialize_processor();
    cache::initialize_processor();
    apic::initialize();
    let here: u64;
    // SAFETY: reads the stack pointer.
    unsafe { core::arch::asm!("mov {}, rsp", out(reg) here, options(nomem, nostack)) };
    let base = here.next_multiple_of(4096);
    thread::adopt_idle(base - STACK_SIZE, base);
    pcr::register(pcr);
    // Release: the boot processor sees this one registered.
    STARTED.store(pcr::current().number, Ordering::Release);
    thread::idle()
}
