//! The registers of the `edu` device, in the blocks that belong to one owner each.
//!
//! BAR0 has 1 MiB. Registers below 0x80 are 32 bits wide; from 0x80 on they may be 64.
//! The device's DMA buffer is not in the BAR: it is only reached by DMA.

use bitflags::bitflags;

bitflags! {
    /// The status register.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct StatusBits: u32 {
        /// A factorial is being computed. Read only.
        const COMPUTING = 1 << 0;
        /// Interrupt when a factorial is done.
        const INTERRUPT_WHEN_DONE = 1 << 7;
    }

    /// The interrupt status register, and what raises and acknowledges it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct InterruptBits: u32 {
        /// A factorial is done.
        const FACTORIAL = eduwdm_abi::edu::EVENT_FACTORIAL;
        /// A DMA transfer is done.
        const DMA = eduwdm_abi::edu::EVENT_DMA;
        /// All others: whatever a client raised.
        const RAISED = eduwdm_abi::edu::EVENT_USER_MASK;
    }

    /// The DMA command register.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CommandBits: u64 {
        /// Write: start. Read: a transfer is running.
        const START = 1 << 0;
        /// From the device to memory; otherwise from memory to the device.
        const FROM_DEVICE = 1 << 1;
        /// Interrupt when the transfer is done.
        const INTERRUPT_WHEN_DONE = 1 << 2;
    }
}

wdm::register_flags!(StatusBits: u32, InterruptBits: u32, CommandBits: u64);

/// Whether this is what the identification register has on an `edu` device: 0xRRrr00ed. All ones
/// are those of a device that is not there.
pub const fn identifies_edu(register: u32) -> bool {
    register & 0xffff == 0xed
}

/// What any register reads as when the device does not answer: unplugged, or without power.
pub const NO_ANSWER: u32 = u32::MAX;

wdm::registers! {
    /// BAR0.
    pub bar Bar0[0x10_0000] => pub struct Bar0Registers {
        /// What tells that this is the device, and alive.
        identification: pub block IdentificationBlock {
            /// 0xRRrr00ed: RR the major, rr the minor version.
            Identification(0x00): u32, read;
            /// Reads back the inverse of what was written.
            Liveness(0x04): u32, read, write;
        }

        /// The factorial.
        compute: pub block ComputeBlock {
            /// Write n, read n! modulo 2^32 when it is done. Writes while it computes are
            /// ignored.
            Factorial(0x08): u32, read, write;
            /// Whether it computes, and whether it interrupts when done.
            Status(0x20): StatusBits, read, write;
        }

        /// What the ISR needs.
        interrupt: pub block InterruptBlock {
            /// Why the device interrupts.
            InterruptStatus(0x24): InterruptBits, read;
            /// Clears these bits of the status.
            InterruptAcknowledge(0x64): InterruptBits, write;
        }

        /// What makes the device interrupt.
        raise: pub block RaiseBlock {
            /// Adds these bits to the interrupt status.
            InterruptRaise(0x60): InterruptBits, write;
        }

        /// DMA between memory and the device's buffer. Writes while a transfer runs are ignored.
        dma: pub block DmaBlock {
            /// Where from.
            DmaSource(0x80): u64, write_dma;
            /// Where to.
            DmaDestination(0x88): u64, write_dma;
            /// How many bytes.
            DmaCount(0x90): u64, write_dma;
            /// Starts a transfer.
            DmaCommand(0x98): CommandBits, read, write_dma;
        }
    }
}
