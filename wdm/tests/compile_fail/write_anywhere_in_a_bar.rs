//! That a device may be written to anywhere is a promise, which somebody must make.
#![no_std]

use wdm::{mmio::Whole, pnp::Ports, ports::PortRange};

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {}
    }
}

impl Whole for All {} //~ E0200

pub fn wrong(ports: Ports<'_>) -> Option<PortRange> {
    PortRange::new(ports) //~ E0133
}
