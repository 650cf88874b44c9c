//! The driver of a 16550 UART, QEMU's `pci-serial`, whole and on the safe layer alone: reads, writes,
//! events of the line and of the modem, interrupts, cancel-safe queues, PnP and power.
//!
//! A read ends with what has come, and waits for a byte if none has; a write ends when the UART has taken
//! all of it. There is no flow control.
#![no_std]

mod control;
mod interrupt;
mod port;
mod registers;
mod ring;

use wdm::{
    Result, Status,
    device::PhysicalDevice,
    dpc::Dpc,
    driver::{Driver, DriverObject},
    function::{self, Function, FunctionObject, Start, Tags},
    guid::Guid,
    interrupt::Interrupt,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    pool::{Shared, Tag},
    ports::PortRange,
    unicode::UnicodeString,
};

use crate::{interrupt::Service, port::Port, registers::Uart};

const TAG: Tag = Tag::new(*b"Uart");

/// One UART.
struct Device {
    port: Shared<Port>,
}

impl Function for Device {
    /// GUID_DEVINTERFACE_COMPORT
    const INTERFACE: Guid = Guid::new(
        0x86e0_d1e0,
        0x8089,
        0x11d0,
        [0x9c, 0xe4, 0x08, 0x00, 0x3e, 0x30, 0x1f, 0x73],
    );
    const TAGS: Tags = Tags::all(TAG);
    /// What a start acquires is in the port, where the DPC finds it.
    type Hardware = ();

    fn start(
        &self,
        device: &FunctionObject<Self>,
        start: Start<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        let ports = start.resources.ports().next();
        let ports = ports.ok_or(Status::DEVICE_CONFIGURATION_ERROR)?;
        // SAFETY: a UART uses no memory.
        let ports = unsafe { PortRange::new(ports) };
        let uart = Uart::new(ports.ok_or(Status::DEVICE_CONFIGURATION_ERROR)?)?;
        let dpc = Dpc::new(TAG, self.port.clone(), irql)?;
        let service = Service::new(uart, dpc);
        let interrupt = Interrupt::connect(device.physical(), TAG, service, irql)?;
        self.port.started(interrupt, irql);
        Ok(())
    }

    fn pause(&self, _: &FunctionObject<Self>, (): &mut (), irql: &mut Passive) {
        self.port.hold(irql);
    }

    fn resume(&self, _: &FunctionObject<Self>, (): &mut (), irql: &mut Passive) {
        self.port.resume(irql);
    }

    fn power_down(&self, (): &mut (), irql: &mut Passive) {
        self.port.power_down(irql);
    }

    fn power_up(&self, (): &mut (), irql: &mut Passive) -> Result<()> {
        self.port.power_up(irql);
        Ok(())
    }

    fn stop(&self, (): (), irql: &mut Passive) {
        self.port.stop(irql);
    }

    fn refuse_requests(&self, _: &FunctionObject<Self>, status: Status, irql: &mut Passive) {
        self.port.refuse(status, irql);
    }

    fn cleanup(&self, _: &FunctionObject<Self>, irp: &Irp<Fresh>, irql: &mut Passive) {
        self.port.cancel_of(irp.file_object(), irql);
    }

    fn read(&self, _: &FunctionObject<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        self.port.read(irp, irql)
    }

    fn write(&self, _: &FunctionObject<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        self.port.write(irp, irql)
    }

    fn device_control(
        &self,
        _: &FunctionObject<Self>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        control::dispatch(&self.port, irp, irql)
    }
}

struct ThisDriver;

impl Driver for ThisDriver {
    fn entry(_registry_path: UnicodeString<'_>, _irql: &mut Passive) -> Result<()> {
        Ok(())
    }

    fn add_device(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        let make = |_component, irql: &mut Passive| {
            Ok(Device {
                port: Shared::new(TAG, Port::new(irql)?, irql)?,
            })
        };
        function::add_device(driver, physical, None, make, irql)
    }

    fn unload(_irql: &mut Passive) {}
}

wdm::driver_entry!(ThisDriver);
// 'Uart', as a debugger shows the code.
wdm::panic_handler!(0x5561_7274);
