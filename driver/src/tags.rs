//! The driver's pool tags, one for each kind of allocation, as `!poolused` and Driver Verifier
//! show them.

use wdm::{function::Tags, pool::Tag};

/// What PnP and power need: device interfaces, states, hardware ids.
pub const PNP: Tag = Tag::new(*b"EduP");
// ANCHOR: tags
/// The state of a device, shared by all of its routines.
pub const DEVICE: Tag = Tag::new(*b"EduD");
/// A queue: its cancel-safe queue and what it waits with.
pub const QUEUE: Tag = Tag::new(*b"EduQ");
// ANCHOR_END: tags
/// The timer of a request with a time-out.
pub const TIMEOUT: Tag = Tag::new(*b"EduT");
/// The interrupt and its DPC.
pub const INTERRUPT: Tag = Tag::new(*b"EduI");
/// Mapped registers.
pub const REGISTERS: Tag = Tag::new(*b"EduR");
/// The DMA adapter, and what maps for it.
pub const DMA: Tag = Tag::new(*b"EduM");
/// Where the counters of each processor are.
pub const STATISTICS: Tag = Tag::new(*b"EduS");
/// What watches the device.
pub const WATCHDOG: Tag = Tag::new(*b"EduG");
/// What the frame allocates: the interface of the bus and what idle power-down keeps have tags of
/// their own.
pub const FRAME: Tags = Tags {
    pnp: PNP,
    bus: Tag::new(*b"EduB"),
    idle: Tag::new(*b"EduL"),
    work: WORK,
};
/// Work items.
pub const WORK: Tag = Tag::new(*b"EduW");
