//! Each block of registers has one owner.
#![no_std]

use wdm::mmio::Registers;

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// One.
        one: pub block One {
            /// A register.
            First(0x00): u32, read;
        }
        /// Another.
        other: pub block Other {
            /// A register.
            Second(0x04): u32, read;
        }
    }
}

pub fn wrong(registers: &Registers<One>) -> u32 {
    registers.read(Second) //~ E0271
}
