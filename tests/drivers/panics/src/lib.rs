//! A driver that finds itself wrong: it panics when it is loaded, and its crash dump tells of it.
#![no_std]

use wdm::{
    Result, Status, bugcheck,
    device::PhysicalDevice,
    driver::{Driver, DriverObject},
    irql::Passive,
    unicode::UnicodeString,
};

/// This driver's own bug check.
const BUGCHECK: u32 = 0x5041_4e43;

struct Panics;

impl Driver for Panics {
    fn entry(_registry_path: UnicodeString<'_>, irql: &mut Passive) -> Result<()> {
        if !bugcheck::register(irql) {
            return Err(Status::UNSUCCESSFUL);
        }
        bugcheck::note("it was loaded", 7);
        bugcheck::note("it is about to end", 8);
        panic!("for the test") // the panic
    }

    fn add_device(
        _driver: &DriverObject,
        _physical: PhysicalDevice<'_>,
        _irql: &mut Passive,
    ) -> Result<()> {
        Err(Status::NO_SUCH_DEVICE)
    }

    fn unload(irql: &mut Passive) {
        bugcheck::deregister(irql);
    }
}

wdm::driver_entry!(Panics);

wdm::panic_handler!(BUGCHECK);
