//! The device's documentation says what may be written.
#![no_std]

use wdm::mmio::Registers;

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {
            /// A register.
            State(0x00): u32, read;
        }
    }
}

pub fn wrong(registers: &mut Registers<All>) {
    registers.write(State, 1); //~ ERROR: the register `State` cannot be written
}
