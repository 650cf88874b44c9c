//! The virtio console on the PCI bus.
//!
//! The device is nthost's own: drivers are not offered it. It interrupts by a message, if it has
//! any, and otherwise not at all.

use alloc::{boxed::Box, vec::Vec};
use core::ptr::NonNull;

use virtio_drivers::{
    BufferDirection, Hal, PhysAddr,
    device::console::VirtIOConsole,
    transport::pci::{
        PciTransport,
        bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot},
    },
};

use super::message;
use crate::{
    hal::pci::{self, Address},
    mm::{
        PAGE_SIZE,
        paging::{self, Access, physical},
        phys::{self, Request},
    },
};

/// The vendor of virtio devices.
const VENDOR: u16 = 0x1af4;
/// A console, and a console of the time before version 1.
const DEVICES: [u16; 2] = [0x1043, 0x1003];
/// What is sent at a time: the console's driver shares one buffer with the device.
const CHUNK: usize = 4096;

/// Whether a function is the console: it is not for drivers.
#[must_use]
pub fn is_console(vendor: u16, device: u16) -> bool {
    vendor == VENDOR && DEVICES.contains(&device)
}

struct Pages;

// SAFETY: the memory is physical pages of nthost's own, seen through the physical map; what is
// shared lies there too, and the device sees physical addresses as they are.
unsafe impl Hal for Pages {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let address = phys::allocate(&Request::any(pages as u64)).unwrap_or(0);
        assert!(address != 0, "memory for the console's queues");
        let memory = physical(address);
        // SAFETY: the pages were just allocated.
        unsafe { memory.write_bytes(0, pages * PAGE_SIZE as usize) };
        (address, NonNull::new(memory).unwrap_or(NonNull::dangling()))
    }

    unsafe fn dma_dealloc(address: PhysAddr, _memory: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { phys::free(address, pages as u64) };
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        let first = address / PAGE_SIZE;
        let count = (address + size as u64).div_ceil(PAGE_SIZE) - first;
        let frames = (0..count as usize).map(|index| (first + index as u64) * PAGE_SIZE);
        // SAFETY: the device's registers, by the caller's promise.
        let base = unsafe { paging::map_range(frames, Access::WRITE | Access::UNCACHED) };
        let at = base.map_or(core::ptr::null_mut(), |base| {
            core::ptr::with_exposed_provenance_mut((base + address % PAGE_SIZE) as usize)
        });
        NonNull::new(at).expect("room for the console's registers")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        let address = buffer.cast::<u8>().as_ptr() as u64;
        paging::translate(address).map_or(0, |(physical, _)| physical)
    }

    unsafe fn unshare(_address: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}

/// Configuration space, for the crate.
struct Configuration;

const fn address(function: DeviceFunction) -> Address {
    Address {
        bus: function.bus,
        device: function.device,
        function: function.function,
    }
}

impl ConfigurationAccess for Configuration {
    fn read_word(&self, function: DeviceFunction, offset: u8) -> u32 {
        pci::read_u32(address(function), offset)
    }

    fn write_word(&mut self, function: DeviceFunction, offset: u8, value: u32) {
        // SAFETY: the console's own registers.
        unsafe { pci::write_u32(address(function), offset, value) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// The console.
pub struct Console {
    device: VirtIOConsole<Pages, PciTransport>,
    /// In the heap, and so in the physical map, one page behind the other.
    buffer: Box<[u8; CHUNK]>,
    interrupts: bool,
}

/// Finds the console on any bus.
///
/// # Errors
///
/// If there is none, or it does not work.
pub fn find() -> Result<Console, &'static str> {
    let mut root = PciRoot::new(Configuration);
    for bus in 0..=255 {
        for device in 0..32 {
            let function = DeviceFunction {
                bus,
                device,
                function: 0,
            };
            let id = pci::read_u32(address(function), 0);
            if !is_console(id as u16, (id >> 16) as u16) {
                continue;
            }
            // Nobody acknowledges its line, so it must not assert one that a driver's device
            // shares.
            let command = Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE;
            root.set_command(function, command);
            let read = |offset| pci::read_u32(address(function), offset);
            let registers = message::find(&mut root, read, function);
            let transport = PciTransport::new::<Pages, _>(&mut root, function)
                .map_err(|_| "the console's registers make no sense")?;
            let device = VirtIOConsole::new(transport).map_err(|_| "the console does not start")?;
            let write = |offset, value| {
                // SAFETY: the console's own registers.
                unsafe { pci::write_u32(address(function), offset, value) };
            };
            let interrupts = registers.is_some_and(|registers| registers.enable(read, write));
            if !interrupts {
                log!("transport", "the console has no interrupt: it is polled");
            }
            return Ok(Console {
                device,
                buffer: Box::new([0; CHUNK]),
                interrupts,
            });
        }
    }
    Err("there is no virtio console")
}

impl Console {
    /// Whether the console's thread is woken when something arrives.
    #[must_use]
    pub const fn interrupts(&self) -> bool {
        self.interrupts
    }

    /// Sends bytes; returns when the device has taken them.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        for chunk in bytes.chunks(CHUNK) {
            let buffer = &mut self.buffer[..chunk.len()];
            buffer.copy_from_slice(chunk);
            self.device
                .send_bytes(buffer)
                .map_err(|_| "the console cannot send")?;
        }
        Ok(())
    }

    /// What has arrived; nothing, if nothing has.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn receive(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut bytes = Vec::new();
        while bytes.len() < 64 << 10 {
            match self.device.recv(true) {
                Ok(Some(byte)) => bytes.push(byte),
                Ok(None) => break,
                Err(_) => return Err("the console cannot receive"),
            }
        }
        Ok(bytes)
    }
}
