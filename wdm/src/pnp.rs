//! Plug and Play: minor functions, and the resources that a device is started with.
//!
//! The rule of the kernel this stands for: IRP_MN_START_DEVICE carries the resources twice, raw
//! as the bus sees them and translated as the processor does; a driver uses the translated ones.
//! ("Hardware Resources", IRP_MN_START_DEVICE.)
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     irp::{Fresh, Irp},
//!     pnp::Minor,
//! };
//!
//! /// How many bytes of memory IRP_MN_START_DEVICE brings.
//! fn memory(irp: &Irp<Fresh>) -> Option<u64> {
//!     match Minor::of(irp) {
//!         Minor::StartDevice => {
//!             let resources = irp.resources()?;
//!             Some(resources.memory().map(|memory| memory.length()).sum())
//!         }
//!         _ => None,
//!     }
//! }
//! ```

use core::marker::PhantomData;

use wdk_sys::{
    CM_PARTIAL_RESOURCE_DESCRIPTOR, CM_RESOURCE_INTERRUPT_MESSAGE, CM_RESOURCE_LIST,
    CM_RESOURCE_MEMORY_LARGE_40, CM_RESOURCE_MEMORY_LARGE_48, CM_RESOURCE_MEMORY_LARGE_64,
    DEVICE_REGISTRY_PROPERTY::DevicePropertyHardwareID, IRP_MJ_PNP, IRP_MN_CANCEL_REMOVE_DEVICE,
    IRP_MN_CANCEL_STOP_DEVICE, IRP_MN_QUERY_CAPABILITIES, IRP_MN_QUERY_PNP_DEVICE_STATE,
    IRP_MN_QUERY_REMOVE_DEVICE, IRP_MN_QUERY_STOP_DEVICE, IRP_MN_START_DEVICE, IRP_MN_STOP_DEVICE,
    IRP_MN_SURPRISE_REMOVAL, PNP_DEVICE_FAILED, ntddk::IoGetDeviceProperty,
};

use crate::{
    Result, Status,
    constants::{
        RESOURCE_TYPE_INTERRUPT, RESOURCE_TYPE_MEMORY, RESOURCE_TYPE_MEMORY_LARGE,
        RESOURCE_TYPE_PORT,
    },
    device::PhysicalDevice,
    irp::{Fresh, Irp, State},
    irql::Passive,
    pool::{PoolBox, Tag},
};

/// What IRP_MJ_PNP asks for. IRP_MN_REMOVE_DEVICE is not among them; see
/// [`Device::remove`](crate::device::Device::remove).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minor {
    /// IRP_MN_START_DEVICE.
    StartDevice,
    /// IRP_MN_QUERY_STOP_DEVICE.
    QueryStopDevice,
    /// IRP_MN_CANCEL_STOP_DEVICE.
    CancelStopDevice,
    /// IRP_MN_STOP_DEVICE.
    StopDevice,
    /// IRP_MN_QUERY_REMOVE_DEVICE.
    QueryRemoveDevice,
    /// IRP_MN_CANCEL_REMOVE_DEVICE.
    CancelRemoveDevice,
    /// IRP_MN_SURPRISE_REMOVAL.
    SurpriseRemoval,
    /// IRP_MN_QUERY_CAPABILITIES.
    QueryCapabilities,
    /// IRP_MN_QUERY_PNP_DEVICE_STATE.
    QueryPnpDeviceState,
    /// Any other: a function driver passes it down as it is.
    Other(u8),
}

impl Minor {
    /// What an IRP_MJ_PNP asks for.
    #[must_use]
    pub fn of<S: State>(irp: &Irp<S>) -> Self {
        match u32::from(irp.minor()) {
            IRP_MN_START_DEVICE => Self::StartDevice,
            IRP_MN_QUERY_STOP_DEVICE => Self::QueryStopDevice,
            IRP_MN_CANCEL_STOP_DEVICE => Self::CancelStopDevice,
            IRP_MN_STOP_DEVICE => Self::StopDevice,
            IRP_MN_QUERY_REMOVE_DEVICE => Self::QueryRemoveDevice,
            IRP_MN_CANCEL_REMOVE_DEVICE => Self::CancelRemoveDevice,
            IRP_MN_SURPRISE_REMOVAL => Self::SurpriseRemoval,
            IRP_MN_QUERY_CAPABILITIES => Self::QueryCapabilities,
            IRP_MN_QUERY_PNP_DEVICE_STATE => Self::QueryPnpDeviceState,
            _ => Self::Other(irp.minor()),
        }
    }
}

impl Irp<Fresh> {
    /// Tells the PnP manager, by an IRP_MN_QUERY_PNP_DEVICE_STATE, that the device has failed: it
    /// is removed as one that was pulled out. The flags of others stay. Any other IRP is left as
    /// it is.
    ///
    /// Source: IRP_MN_QUERY_PNP_DEVICE_STATE.
    pub fn report_failed_device(&mut self) {
        if u32::from(self.major()) == IRP_MJ_PNP && Minor::of(self) == Minor::QueryPnpDeviceState {
            let state = self.information() | PNP_DEVICE_FAILED as usize;
            self.set_information(state);
        }
    }
}

/// A range of memory that the PnP manager has assigned. Nobody else can make one up, since it may
/// be mapped; and it does not live longer than the IRP_MN_START_DEVICE that assigned it,
/// since it may be another device's after a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory<'a> {
    start: u64,
    length: u64,
    _irp: PhantomData<&'a ()>,
}

impl Memory<'_> {
    /// Its first physical address.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }
}

/// A range of I/O ports that the PnP manager has assigned. Nobody else can make one up, since it
/// may be written to; and it lives no longer than a [`Memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports<'a> {
    start: u64,
    length: u32,
    _irp: PhantomData<&'a ()>,
}

impl Ports<'_> {
    /// The first port.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// How many.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }
}

/// An interrupt line or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptResource {
    /// Its DIRQL.
    pub level: u16,
    /// The group of the processors that it is sent to.
    pub group: u16,
    /// The vector.
    pub vector: u32,
    /// The processors that it is sent to.
    pub affinity: u64,
    /// Whether it is a message.
    pub message: bool,
}

/// A hardware resource, as the processor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// Memory.
    Memory(Memory<'a>),
    /// I/O ports.
    Ports(Ports<'a>),
    /// An interrupt.
    Interrupt(InterruptResource),
    /// What drivers of PCI devices need not know, such as the device's private data.
    Other,
}

/// The translated resources of IRP_MN_START_DEVICE.
#[derive(Clone, Copy)]
pub struct Resources<'a> {
    descriptors: &'a [CM_PARTIAL_RESOURCE_DESCRIPTOR],
}

impl<S: State> Irp<S> {
    /// The translated resources, if this is IRP_MN_START_DEVICE. A device without any has an
    /// empty list.
    #[must_use]
    pub fn resources(&self) -> Option<Resources<'_>> {
        let is_start =
            u32::from(self.major()) == IRP_MJ_PNP && u32::from(self.minor()) == IRP_MN_START_DEVICE;
        if !is_start {
            return None;
        }
        // SAFETY: the active member for this minor function.
        let parameters = unsafe { &self.stack_location().Parameters.StartDevice };
        let list: *const CM_RESOURCE_LIST = parameters.AllocatedResourcesTranslated;
        if list.is_null() {
            return Some(Resources { descriptors: &[] });
        }
        // The descriptors are more than the one that the structure's array has, so the way to
        // them is the list's own pointer.
        // SAFETY: the PnP manager's list, valid while the IRP is; only addresses are formed.
        let partial = unsafe { &raw const (*list).List[0].PartialResourceList };
        // SAFETY: likewise.
        let first = unsafe { &raw const (*partial).PartialDescriptors }.cast();
        // SAFETY: valid; a list has at least one full descriptor.
        let count = unsafe { (*partial).Count } as usize;
        // SAFETY: the full descriptor of a PCI device, which is the only one, has `Count` partial
        // descriptors, one behind the other.
        let descriptors = unsafe { core::slice::from_raw_parts(first, count) };
        Some(Resources { descriptors })
    }
}

impl<'a> Resources<'a> {
    /// All of them, in the order of the bus: for PCI, BARs come in theirs.
    pub fn iter(self) -> impl Iterator<Item = Resource<'a>> + use<'a> {
        self.descriptors.iter().map(translate)
    }

    /// The ranges of memory.
    pub fn memory(self) -> impl Iterator<Item = Memory<'a>> + use<'a> {
        self.iter().filter_map(|resource| match resource {
            Resource::Memory(memory) => Some(memory),
            _ => None,
        })
    }

    /// The ranges of ports.
    pub fn ports(self) -> impl Iterator<Item = Ports<'a>> + use<'a> {
        self.iter().filter_map(|resource| match resource {
            Resource::Ports(ports) => Some(ports),
            _ => None,
        })
    }

    /// The interrupts.
    pub fn interrupts(self) -> impl Iterator<Item = InterruptResource> + use<'a> {
        self.iter().filter_map(|resource| match resource {
            Resource::Interrupt(interrupt) => Some(interrupt),
            _ => None,
        })
    }
}

/// Source: ns-wdm-_cm_partial_resource_descriptor.
fn translate(descriptor: &CM_PARTIAL_RESOURCE_DESCRIPTOR) -> Resource<'_> {
    match descriptor.Type {
        RESOURCE_TYPE_MEMORY | RESOURCE_TYPE_MEMORY_LARGE => {
            // SAFETY: the active member for these types: a start and a length in units that the
            // flags tell.
            let memory = unsafe { &descriptor.u.Memory };
            let flags = u32::from(descriptor.Flags);
            let shift = if descriptor.Type == RESOURCE_TYPE_MEMORY {
                0
            } else if flags & CM_RESOURCE_MEMORY_LARGE_40 != 0 {
                8
            } else if flags & CM_RESOURCE_MEMORY_LARGE_48 != 0 {
                16
            } else if flags & CM_RESOURCE_MEMORY_LARGE_64 != 0 {
                32
            } else {
                return Resource::Other;
            };
            Resource::Memory(Memory {
                // SAFETY: every bit pattern of the union is a number.
                start: unsafe { memory.Start.QuadPart }.cast_unsigned(),
                length: u64::from(memory.Length) << shift,
                _irp: PhantomData,
            })
        }
        RESOURCE_TYPE_PORT => {
            // SAFETY: the active member for this type.
            let port = unsafe { &descriptor.u.Port };
            Resource::Ports(Ports {
                // SAFETY: every bit pattern of the union is a number.
                start: unsafe { port.Start.QuadPart }.cast_unsigned(),
                length: port.Length,
                _irp: PhantomData,
            })
        }
        RESOURCE_TYPE_INTERRUPT => {
            // A translated message has the same fields in the same places as a line.
            // SAFETY: the active member for this type.
            let interrupt = unsafe { &descriptor.u.Interrupt };
            let level: u32 = interrupt.Level;
            let message = u32::from(descriptor.Flags) & CM_RESOURCE_INTERRUPT_MESSAGE != 0;
            // Systems with processor groups put the group in the upper half of the level.
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
            let low = level as u16;
            Resource::Interrupt(InterruptResource {
                level: low,
                group: (level >> 16) as u16,
                vector: interrupt.Vector,
                affinity: interrupt.Affinity,
                message,
            })
        }
        _ => Resource::Other,
    }
}

/// The hardware ids of a device, as its bus reported them.
pub struct HardwareIds {
    /// The property: strings that end in a NUL each, and a NUL behind the last.
    characters: PoolBox<[u16]>,
}

impl HardwareIds {
    /// Asks for them.
    ///
    /// Source: nf-wdm-iogetdeviceproperty.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, and those of `IoGetDeviceProperty`.
    pub fn of(physical: PhysicalDevice<'_>, tag: Tag, irql: &mut Passive) -> Result<Self> {
        // A PCI function has half a dozen ids of at most 50 characters each.
        const CAPACITY: usize = 1024;
        const BYTES: u32 = 2 * 1024;
        let mut characters = PoolBox::slice(tag, CAPACITY, |_| 0_u16, irql)?;
        let mut length = 0;
        // SAFETY: a PDO, at PASSIVE_LEVEL; the buffer has the length that is said.
        let status = unsafe {
            IoGetDeviceProperty(
                physical.as_ptr(),
                DevicePropertyHardwareID,
                BYTES,
                characters.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        Status::check(status)?;
        Ok(Self { characters })
    }

    /// Whether one of them begins with this, in capital or small letters.
    #[must_use]
    pub fn any_starts_with(&self, prefix: &[u16]) -> bool {
        const fn capital(character: u16) -> u16 {
            match character {
                0x61..=0x7a => character - 0x20,
                _ => character,
            }
        }
        self.characters
            .split(|&character| character == 0)
            .any(|id| {
                id.len() >= prefix.len()
                    && id
                        .iter()
                        .zip(prefix)
                        .all(|(&a, &b)| capital(a) == capital(b))
            })
    }
}
