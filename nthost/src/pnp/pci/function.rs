//! The functions of the machine's PCI buses.

use alloc::vec::Vec;

use super::{
    config::{Bar, Config, Header, bars},
    ids,
    msi::Capability,
};
use crate::hal::pci::{self, Address};

impl Config for Address {
    fn read(&self, offset: u16) -> u32 {
        u8::try_from(offset).map_or(u32::MAX, |offset| pci::read_u32(*self, offset))
    }

    fn write(&self, offset: u16, value: u32) {
        if let Ok(offset) = u8::try_from(offset) {
            // SAFETY: only registers of the header and of known capabilities are written, for
            // what the driver of the device was given.
            unsafe { pci::write_u32(*self, offset, value) };
        }
    }
}

/// A function that was found.
#[derive(Clone, Debug)]
pub struct Function {
    /// Where it is.
    pub address: Address,
    /// What its header says.
    pub header: Header,
    /// What it decodes.
    pub bars: Vec<Bar>,
    /// How it can send messages.
    pub messages: Option<Capability>,
    /// How it is reached.
    pub way: Way,
}

/// The way from a root bus to a function.
#[derive(Clone, Debug)]
pub struct Way {
    /// The root bus.
    pub root: u8,
    /// The slots of the function and of the bridges above it, from the function up.
    pub slots: Vec<u8>,
}

impl Function {
    /// Looks for a function.
    #[must_use]
    pub fn find(address: Address, above: &Way) -> Option<Self> {
        let header = Header::read(&address)?;
        let bars = bars(&address, &header);
        let messages = Capability::find(&address, &header);
        let mut slots = Vec::from([ids::slot(address.device, address.function)]);
        slots.extend_from_slice(&above.slots);
        let root = above.root;
        Some(Self {
            address,
            header,
            bars,
            messages,
            way: Way { root, slots },
        })
    }

    /// The instance id, unique among the functions.
    #[must_use]
    pub fn instance_id(&self) -> alloc::string::String {
        ids::instance_id(self.way.root, &self.way.slots)
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_present(&self) -> bool {
        Header::read(&self.address).is_some_and(|header| header.vendor == self.header.vendor)
    }
}

/// All functions of all buses: those of the root buses, and those behind their bridges. A bus
/// that no bridge leads to is a root bus.
#[must_use]
pub fn enumerate() -> Vec<Function> {
    let mut found = Vec::new();
    for bus in 0..=u8::MAX {
        let known = found
            .iter()
            .any(|function: &Function| function.address.bus == bus);
        if !known {
            let way = Way {
                root: bus,
                slots: Vec::new(),
            };
            enumerate_bus(bus, &way, &mut found);
        }
    }
    found
}

fn enumerate_bus(bus: u8, above: &Way, found: &mut Vec<Function>) {
    for device in 0..32 {
        let mut functions = 1;
        let mut function = 0;
        while function < functions {
            let address = Address {
                bus,
                device,
                function,
            };
            function += 1;
            let Some(next) = Function::find(address, above) else {
                continue;
            };
            if next.header.multifunction {
                functions = 8;
            }
            let behind = next.header.secondary_bus;
            let way = next.way.clone();
            found.push(next);
            if let Some(behind) = behind.filter(|&behind| behind > bus) {
                enumerate_bus(behind, &way, found);
            }
        }
    }
}
