//! Registers are written by who owns them, one at a time.
#![no_std]

use wdm::mmio::Registers;

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {
            /// A register.
            Control(0x00): u32, write;
        }
    }
}

pub fn wrong(registers: &Registers<All>) {
    registers.write(Control, 1); //~ E0596
}
