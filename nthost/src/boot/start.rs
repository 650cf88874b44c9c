//! The boot processor's way to the first thread: memory, interrupts, processors, in that order.

use super::processors;
use crate::{
    dma, hal, ke,
    mm::{self, paging::physical, start_info},
    verifier,
};

/// Where the boot processor arrives in 64-bit mode, on the boot stack, with the first 4 GiB
/// mapped at the physical map's base and interrupts off.
///
/// # Safety
///
/// Called once, by the entry code, with the physical address of the loader's start info.
#[unsafe(no_mangle)]
unsafe extern "C" fn boot_main(start_info: u64) -> ! {
    hal::serial::initialize();
    let info = start_info::read(start_info, |address| {
        // SAFETY: what the loader's structures say lies in the first 4 GiB, which the physical
        // map covers from the start, and nobody has written there.
        unsafe { physical(address).read() }
    });
    ke::pcr::initialize_boot_processor();
    ke::trap::initialize_processor();
    mm::cache::initialize_processor();
    mm::phys::initialize(&info);
    mm::heap::initialize();
    mm::paging::initialize(&info);
    hal::acpi::initialize(info.rsdp);
    mm::phys::assign_nodes(&hal::acpi::tables().srat);
    hal::apic::initialize();
    hal::time::calibrate();
    ke::time::read_clock();
    hal::ioapic::initialize();
    hal::pci::initialize();
    dma::iommu::unit::initialize();
    verifier::gate::open();
    ke::thread::initialize_boot_processor();
    ke::time::initialize();
    processors::start_all();
    ke::processor::publish_count();
    log!(
        "boot",
        "{} processors, {} nodes, {} MiB, {} exports",
        ke::pcr::count(),
        mm::phys::node_count(),
        mm::phys::total_bytes() >> 20,
        crate::export::all().len()
    );
    ke::thread::spawn("system", move || crate::system::main(&info));
    ke::thread::idle()
}
