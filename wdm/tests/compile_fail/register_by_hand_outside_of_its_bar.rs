//! A register that is described by hand lies within its BAR, too.
//@compile-flags: --emit=obj
#![no_std]

use wdm::mmio::{Register, Registers, Writable};

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {}
    }
}

pub struct Beyond;

impl Register for Beyond {
    type Block = All;
    type Value = u32;
    const OFFSET: usize = 0x10;
}

impl Writable for Beyond {}

pub fn wrong(registers: &mut Registers<All>) {
    registers.write(Beyond, 1);
}

//@error-in-other-file: the register lies outside of its BAR
