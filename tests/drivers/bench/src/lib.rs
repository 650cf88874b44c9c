//! A client of `eduwdm` in the kernel, which measures what requests cost there: without a process,
//! a system call or the way from the host.
//!
//! Its device is of software alone. [`eduwdm_abi::bench::RUN`] has threads make requests of the first
//! `edu` device, each with so many outstanding ([`worker`]), and answers with what they took.
//!
//! The rules of the kernel this stands for: a driver that makes its own IRPs allocates them for the
//! device's stack, gets each back in a completion routine that returns
//! STATUS_MORE_PROCESSING_REQUIRED, and keeps the file object by which it found the device for as
//! long as it uses that. ("Creating IRPs for Lower-Level Drivers", nf-wdm-iogetdeviceobjectpointer.)
#![no_std]

mod run;
mod slot;
mod target;
mod worker;

use eduwdm_abi::bench::{self, RunInput};
use eduwdm_logic::request::{self, Refusal};
use wdm::{
    Result, Status,
    device::PhysicalDevice,
    driver::{Driver, DriverObject},
    function::{self, Function, FunctionObject, Start, Tags},
    guid::Guid,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    pool::Tag,
    unicode::UnicodeString,
};
use zerocopy::IntoBytes;

/// What all of the driver's allocations are tagged with.
const TAG: Tag = Tag::new(*b"Bnch");

struct Device;

impl Function for Device {
    const INTERFACE: Guid = Guid::new(
        bench::INTERFACE.data1,
        bench::INTERFACE.data2,
        bench::INTERFACE.data3,
        bench::INTERFACE.data4,
    );
    const TAGS: Tags = Tags::all(TAG);
    type Hardware = ();

    fn start(&self, _: &FunctionObject<Self>, _: Start<'_>, _: &mut Passive) -> Result<()> {
        Ok(())
    }

    fn device_control(
        &self,
        _: &FunctionObject<Self>,
        mut irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        let Some(control) = irp.device_control().filter(|it| it.code == bench::RUN) else {
            return irp.complete(Status::INVALID_DEVICE_REQUEST, irql);
        };
        let room = size_of::<bench::RunOutput>();
        let input = request::input::<RunInput>(irp.input(), control.output_length, room);
        let answered = input.map_err(status_of).and_then(|input| {
            let output = run::run(&input, irql)?;
            irp.write_output(output.as_bytes())
        });
        irp.complete(Status::of(answered), irql)
    }
}

const fn status_of(refusal: Refusal) -> Status {
    match refusal {
        Refusal::BufferTooSmall => Status::BUFFER_TOO_SMALL,
        Refusal::InvalidBufferSize => Status::INVALID_BUFFER_SIZE,
        Refusal::RevisionMismatch => Status::REVISION_MISMATCH,
        Refusal::InfoLengthMismatch => Status::INFO_LENGTH_MISMATCH,
        Refusal::InvalidParameter => Status::INVALID_PARAMETER,
    }
}

struct Bench;

impl Driver for Bench {
    fn entry(_registry_path: UnicodeString<'_>, _irql: &mut Passive) -> Result<()> {
        Ok(())
    }

    fn add_device(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        function::add_device(driver, physical, None, |_, _| Ok(Device), irql)
    }

    fn unload(_irql: &mut Passive) {}
}

wdm::driver_entry!(Bench);
wdm::panic_handler!(0xb0);
