//! The interface of a device's bus: the device's configuration space.
//!
//! The rule of the kernel this stands for: a function driver reaches configuration space through
//! the bus driver, by IRP_MN_READ_CONFIG or by the routines of `BUS_INTERFACE_STANDARD`, and gives
//! the interface back when it is done. ("Accessing Device Configuration Space",
//! ns-wdm-_bus_interface_standard.)
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result, Status,
//!     bus::{BusInterface, Identity},
//!     irql::Passive,
//! };
//!
//! /// Whether what answers is what was found at the start.
//! fn is_same(bus: &BusInterface, found: &Identity, irql: &Passive) -> Result<()> {
//!     if bus.identity(irql)? == *found {
//!         bus.set_bus_master(true, irql)
//!     } else {
//!         Err(Status::NO_SUCH_DEVICE)
//!     }
//! }
//! ```

use core::ptr::NonNull;

use wdk_sys::{
    BUS_INTERFACE_STANDARD, IO_STATUS_BLOCK, IRP_MJ_PNP, PVOID, STATUS_NOT_SUPPORTED,
    STATUS_PENDING,
    ntddk::{IoBuildSynchronousFsdRequest, IofCallDriver},
};

use crate::{
    Result, Status,
    constants::{BUS_INTERFACE_SIZE, IRP_MJ_PNP_CODE, IRP_MN_QUERY_INTERFACE_CODE},
    device::LowerDevice,
    event::Event,
    guid::Guid,
    irql::{self, Limit, Passive},
    pool::Tag,
    raw,
};

/// `GUID_BUS_INTERFACE_STANDARD`.
static BUS_INTERFACE: Guid = Guid::new(
    0x496b_8280,
    0x6f25,
    0x11d0,
    [0xbe, 0xaf, 0x08, 0x00, 0x2b, 0xe2, 0x09, 0x2f],
);

/// `PCI_WHICHSPACE_CONFIG`.
const CONFIGURATION: u32 = wdk_sys::PCI_WHICHSPACE_CONFIG;

/// Where a function's configuration space has what. (PCI Local Bus Specification, 6.1.)
mod register {
    /// Vendor and device.
    pub const IDS: u32 = 0x00;
    /// The command register.
    pub const COMMAND: u32 = 0x04;
    /// Revision and class.
    pub const REVISION: u32 = 0x08;
    /// Subsystem vendor and subsystem.
    pub const SUBSYSTEM: u32 = 0x2c;
}

/// The function may read and write memory by itself, and send messages.
const BUS_MASTER: u16 = 1 << 2;

/// Which device a function is: vendor, device, revision, class and subsystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity([u32; 3]);

/// The interface of the bus of a PCI device. Dropped at PASSIVE_LEVEL, it is given back.
pub struct BusInterface(BUS_INTERFACE_STANDARD);

// SAFETY: the bus driver's routines belong to no thread, and synchronise themselves.
unsafe impl Send for BusInterface {}
// SAFETY: likewise.
unsafe impl Sync for BusInterface {}

impl BusInterface {
    /// Asks the drivers below for it.
    ///
    /// Source: IRP_MN_QUERY_INTERFACE, nf-wdm-iobuildsynchronousfsdrequest.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, and those of the drivers below: `STATUS_NOT_SUPPORTED` if
    /// the bus has none.
    pub fn query(lower: LowerDevice<'_>, tag: Tag, irql: &mut Passive) -> Result<Self> {
        let event = Event::new(tag, false, irql)?;
        let mut io_status = IO_STATUS_BLOCK::default();
        // SAFETY: at PASSIVE_LEVEL, in a thread that waits for it; event and status block outlive
        // the request. The I/O manager frees the IRP.
        let irp = unsafe {
            IoBuildSynchronousFsdRequest(
                IRP_MJ_PNP,
                lower.as_ptr(),
                core::ptr::null_mut(),
                0,
                core::ptr::null_mut(),
                event.as_ptr(),
                &raw mut io_status,
            )
        };
        let irp = NonNull::new(irp).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        let mut interface = BUS_INTERFACE_STANDARD::default();
        // What nobody answers keeps this.
        // SAFETY: not sent yet.
        unsafe { raw::set_io_status(irp, STATUS_NOT_SUPPORTED, 0) };
        // SAFETY: not sent yet, with a location for the device below.
        let location = unsafe { raw::next_stack_location(irp) };
        // SAFETY: it is this driver's until the IRP is sent.
        let location = unsafe { &mut *location };
        location.MajorFunction = IRP_MJ_PNP_CODE;
        location.MinorFunction = IRP_MN_QUERY_INTERFACE_CODE;
        // SAFETY: the active member for this minor function; all of it is plain data.
        let query = unsafe { &mut location.Parameters.QueryInterface };
        query.InterfaceType = BUS_INTERFACE.as_ptr();
        query.Size = BUS_INTERFACE_SIZE;
        query.Version = 1;
        query.Interface = (&raw mut interface).cast();
        query.InterfaceSpecificData = core::ptr::null_mut();
        // SAFETY: set up above; given up with this call.
        let mut status = unsafe { IofCallDriver(lower.as_ptr(), irp.as_ptr()) };
        if status == STATUS_PENDING {
            event.wait(irql);
            // SAFETY: every bit pattern of the union is a status.
            status = unsafe { io_status.__bindgen_anon_1.Status };
        }
        Status::check(status)?;
        // It came with a reference.
        Ok(Self(interface))
    }

    /// Which device this is now.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_REMOVED` if the bus does not reach it.
    pub fn identity(&self, irql: &Passive) -> Result<Identity> {
        let mut words = [0; 3];
        for (word, offset) in
            words
                .iter_mut()
                .zip([register::IDS, register::REVISION, register::SUBSYSTEM])
        {
            let mut bytes = [0; 4];
            self.read(offset, &mut bytes, irql)?;
            *word = u32::from_le_bytes(bytes);
        }
        Ok(Identity(words))
    }

    /// Lets the device move data and send messages by itself, or keeps it from that, whatever it
    /// is at: when this returns, nothing of it reaches memory any more. To be called by one thread
    /// at a time.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_REMOVED` if the bus does not reach it, or it does not take it.
    pub fn set_bus_master(&self, on: bool, irql: &Passive) -> Result<()> {
        let mut bytes = [0; 2];
        self.read(register::COMMAND, &mut bytes, irql)?;
        let command = u16::from_le_bytes(bytes);
        let wanted = if on {
            command | BUS_MASTER
        } else {
            command & !BUS_MASTER
        };
        self.write(register::COMMAND, &wanted.to_le_bytes(), irql)?;
        // A write to configuration space is not posted, but for a device that is gone.
        self.read(register::COMMAND, &mut bytes, irql)?;
        if u16::from_le_bytes(bytes) & BUS_MASTER == wanted & BUS_MASTER {
            Ok(())
        } else {
            Err(Status::DEVICE_REMOVED)
        }
    }

    /// Gives it back.
    pub fn close(self, _irql: &mut Passive) {}

    fn read(&self, offset: u32, bytes: &mut [u8], _irql: &Passive) -> Result<()> {
        let Some(get) = self.0.GetBusData else {
            return Err(Status::NOT_SUPPORTED);
        };
        let (start, length) = (bytes.as_mut_ptr().cast(), length_of(bytes)?);
        // SAFETY: the bus driver's routine with its context; the buffer has so many bytes.
        let read = unsafe { get(self.0.Context, CONFIGURATION, start, offset, length) };
        all(read, length)
    }

    fn write(&self, offset: u32, bytes: &[u8], _irql: &Passive) -> Result<()> {
        let Some(set) = self.0.SetBusData else {
            return Err(Status::NOT_SUPPORTED);
        };
        let length = length_of(bytes)?;
        let start: PVOID = bytes.as_ptr().cast_mut().cast();
        // SAFETY: the bus driver's routine with its context, which only reads the buffer.
        let written = unsafe { set(self.0.Context, CONFIGURATION, start, offset, length) };
        all(written, length)
    }
}

fn length_of(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| Status::INVALID_PARAMETER)
}

const fn all(count: u32, length: u32) -> Result<()> {
    if count == length {
        Ok(())
    } else {
        Err(Status::DEVICE_REMOVED)
    }
}

impl Drop for BusInterface {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.0.Context);
        if let Some(dereference) = self.0.InterfaceDereference {
            // SAFETY: the bus driver's routine with its context, for the reference that came with
            // the interface; at PASSIVE_LEVEL, as checked.
            unsafe { dereference(self.0.Context) };
        }
    }
}
