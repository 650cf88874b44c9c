//! Splitting gives the mapping to its registers; the last of them unmaps it.
#![no_std]

use wdm::{irql::Passive, mmio::Mapping, pool::Tag};

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

pub fn wrong(mapping: Mapping<Bar0>, irql: &Passive) -> wdm::Result<u32> {
    let Bar0Registers { all } = Bar0Registers::split(mapping, Tag::new(*b"Test"), irql)?;
    drop(all);
    Ok(all.read(Control)) //~ E0382
}
