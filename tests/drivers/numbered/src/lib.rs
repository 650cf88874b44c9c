//! A driver without a device that imports a routine from the export driver `sequence`, and says which
//! numbers it gets.
//!
//! Source: "Creating Export Drivers".
#![no_std]

use wdm::{
    Result, Status,
    device::PhysicalDevice,
    driver::{Driver, DriverObject},
    irql::Passive,
    unicode::UnicodeString,
    wdk_sys::ntddk::DbgPrint,
};

// ANCHOR: imports
// The import names the image as it is called on disk. The compiler makes the import library.
#[link(name = "sequence.sys", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "system" {
    safe fn SequenceNext() -> u32;
}
// ANCHOR_END: imports

fn say() {
    let number = SequenceNext();
    // SAFETY: the format takes one number.
    unsafe { DbgPrint(c"numbered: number %u\n".as_ptr(), number) };
}

struct Numbered;

impl Driver for Numbered {
    fn entry(_registry_path: UnicodeString<'_>, _irql: &mut Passive) -> Result<()> {
        say();
        Ok(())
    }

    fn add_device(
        _driver: &DriverObject,
        _physical: PhysicalDevice<'_>,
        _irql: &mut Passive,
    ) -> Result<()> {
        Err(Status::NO_SUCH_DEVICE)
    }

    fn unload(_irql: &mut Passive) {
        say();
    }
}

wdm::driver_entry!(Numbered);

wdm::panic_handler!(0x5345_5155);
