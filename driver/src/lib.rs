//! `eduwdm.sys`: a reference WDM driver for QEMU's `edu` and `pci-testdev` devices.
//!
//! Where to begin reading: [`driver`] is what the kernel calls first; [`wdm::function`] is what every
//! Plug and Play function driver does, whatever its device; [`edu`] is a device with interrupts,
//! DMA and queues of its own; [`testdev`] one whose queue the system manages. Which of it can run
//! at the same time, and the order of locks, is in [`concurrency`].
//!
//! None of these has `unsafe` code but the registration of the ETW provider: that is in the `wdm`
//! crate, behind types that carry the kernel's rules.
#![no_std]

mod concurrency;
mod driver;
mod edu;
mod parameters;
mod statistics;
mod status;
mod tags;
mod testdev;
mod trace;

wdm::driver_entry!(driver::EduWdm);

// `EDUW` in characters.
wdm::panic_handler!(0x4544_5557);
