//! MmMapIoSpaceEx builds page tables.
#![no_std]

use wdm::{irql::Dispatch, mmio::Mapping, pnp::Memory};

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {
            /// A register.
            Control(0x00): u32, read, write;
        }
    }
}

pub fn wrong(memory: Memory, irql: &mut Dispatch) {
    drop(Mapping::<Bar0>::new(memory, irql)); //~ E0308
}
