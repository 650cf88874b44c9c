//! The contract between `eduwdm.sys` and its clients: device interfaces, IOCTL codes and the
//! `repr(C)` structures that travel in their buffers.
//!
//! Both sides compile this crate, so neither can drift from the other. Three rules hold for
//! every structure:
//!
//! - it begins with a [`Header`] that carries its size and version, which the driver checks
//!   before it looks at anything else;
//! - it has no padding (`zerocopy` refuses to derive otherwise), so no kernel memory leaks
//!   through a gap between fields;
//! - every bit pattern is a valid value of it. What the bits may *mean* is checked by the
//!   driver, and each refusal has its documented `NTSTATUS`.
#![no_std]

pub mod bench;
pub mod edu;
pub mod header;
pub mod ioctl;
pub mod statistics;
pub mod testdev;
pub mod topology;

pub use header::{Header, HeaderError, VERSION};
pub use ioctl::{Access, Ioctl, Method};

/// A device interface class: a driver registers instances of it, clients look them up by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceClass {
    /// `Data1` of the GUID.
    pub data1: u32,
    /// `Data2` of the GUID.
    pub data2: u16,
    /// `Data3` of the GUID.
    pub data3: u16,
    /// `Data4` of the GUID.
    pub data4: [u8; 8],
}

/// The interface of an `edu` device: {5e1b7f0c-2f0a-4d0e-9a44-6b1c5a3de811}.
pub const EDU_INTERFACE: InterfaceClass = InterfaceClass {
    data1: 0x5e1b_7f0c,
    data2: 0x2f0a,
    data3: 0x4d0e,
    data4: [0x9a, 0x44, 0x6b, 0x1c, 0x5a, 0x3d, 0xe8, 0x11],
};

/// The interface of a `pci-testdev` device: {c0a6f1d2-7c53-4b8e-8d1f-20f3b6a70005}.
pub const TESTDEV_INTERFACE: InterfaceClass = InterfaceClass {
    data1: 0xc0a6_f1d2,
    data2: 0x7c53,
    data3: 0x4b8e,
    data4: [0x8d, 0x1f, 0x20, 0xf3, 0xb6, 0xa7, 0x00, 0x05],
};
