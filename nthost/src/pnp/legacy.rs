//! What drivers asked of buses before plug and play told them.
//!
//! Sources: HalTranslateBusAddress, HalGetInterruptVector. The buses' addresses are the processor's,
//! and a line has a vector while a device has it.

use nthost_nt::io::resource::PCI_BUS;

use super::assign;

/// `Internal`, `Isa`: the other kinds of buses that a machine has.
const INTERNAL: i32 = 0;
const ISA: i32 = 1;

/// Whether the machine has such a bus.
const fn is_bus(interface: i32, bus: u32) -> bool {
    match interface {
        INTERNAL | ISA => bus == 0,
        PCI_BUS => bus <= u8::MAX as u32,
        _ => false,
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The processor's address for a bus's; FALSE for a bus that is not there. Memory stays memory,
    /// and ports ports.
    ///
    /// Source: HalTranslateBusAddress.
    ///
    /// # Safety
    ///
    /// The space can be read, the address written.
    pub unsafe fn HalTranslateBusAddress(
        interface: i32,
        bus: u32,
        address: u64,
        _space: *mut u32,
        translated: *mut u64,
    ) -> u8 {
        if !is_bus(interface, bus) {
            return 0;
        }
        // SAFETY: the caller's promise.
        unsafe { translated.write_unaligned(address) };
        1
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The vector of a bus's interrupt line, with its IRQL and the processors that take it; zero for
    /// a line that no device has.
    ///
    /// Source: HalGetInterruptVector.
    ///
    /// # Safety
    ///
    /// The results can be written.
    pub unsafe fn HalGetInterruptVector(
        interface: i32,
        bus: u32,
        level: u32,
        _vector: u32,
        irql: *mut u8,
        affinity: *mut usize,
    ) -> u32 {
        let known = assign::vector_of_line(level).filter(|_| is_bus(interface, bus));
        let Some(known) = known else { return 0 };
        // SAFETY: the caller's promise.
        unsafe { irql.write(known.irql()) };
        // SAFETY: the caller's promise.
        unsafe { affinity.write(known.affinity.mask as usize) };
        known.vector.into()
    }
}
