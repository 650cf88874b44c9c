//! What makes the device use memory is not written as other registers are: only the
//! caller knows what memory that is.
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
    registers.write(Source, 0x1000); //~ ERROR: cannot be written
}
