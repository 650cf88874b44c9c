//! A register that is described by hand is aligned to its width, too.
//@compile-flags: --emit=obj
#![no_std]

use wdm::mmio::{Readable, Register, Registers};

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {}
    }
}

pub struct Askew;

impl Register for Askew {
    type Block = All;
    type Value = u32;
    const OFFSET: usize = 0x2;
}

impl Readable for Askew {}

pub fn wrong(registers: &Registers<All>) -> u32 {
    registers.read(Askew)
}

//@error-in-other-file: the register is not aligned to its width
