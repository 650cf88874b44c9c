//! Code that starts a device that uses memory must promise that the memory is mapped for it.
#![no_std]

use wdm::mmio::Registers;

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {
            /// Where from.
            Source(0x0): u64, write_dma;
            /// Starts it.
            Command(0x8): u32, read, write_dma;
        }
    }
}

pub fn wrong(registers: &mut Registers<All>) {
    registers.write_dma(Command, 1); //~ E0133
}
