//! Hardware resources: what a device needs and what it was given.

/// Resources that were assigned (ns-wdm-_cm_resource_list). A driver for one device sees one
/// full descriptor.
#[repr(C)]
pub struct CM_RESOURCE_LIST {
    /// How many full descriptors.
    pub Count: u32,
    /// The first of them.
    pub List: [CM_FULL_RESOURCE_DESCRIPTOR; 1],
}

/// The resources on one bus (ns-wdm-_cm_full_resource_descriptor).
#[repr(C)]
pub struct CM_FULL_RESOURCE_DESCRIPTOR {
    /// `INTERFACE_TYPE`.
    pub InterfaceType: i32,
    /// Which bus of this type.
    pub BusNumber: u32,
    /// The resources.
    pub PartialResourceList: CM_PARTIAL_RESOURCE_LIST,
}

/// A list of resources (ns-wdm-_cm_partial_resource_list).
#[repr(C)]
pub struct CM_PARTIAL_RESOURCE_LIST {
    /// 1.
    pub Version: u16,
    /// 1.
    pub Revision: u16,
    /// How many descriptors.
    pub Count: u32,
    /// The first of them.
    pub PartialDescriptors: [CM_PARTIAL_RESOURCE_DESCRIPTOR; 1],
}

/// A resource (ns-wdm-_cm_partial_resource_descriptor). 20 bytes, packed to 4.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
pub struct CM_PARTIAL_RESOURCE_DESCRIPTOR {
    /// `CmResourceType…`.
    pub Type: u8,
    /// `CmResourceShare…`.
    pub ShareDisposition: u8,
    /// By type.
    pub Flags: u16,
    /// By type.
    pub u: CM_PARTIAL_RESOURCE_DESCRIPTOR_u,
}

/// `CM_PARTIAL_RESOURCE_DESCRIPTOR::u`.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
pub union CM_PARTIAL_RESOURCE_DESCRIPTOR_u {
    /// `CmResourceTypePort`.
    pub Port: CM_RANGE,
    /// `CmResourceTypeMemory`.
    pub Memory: CM_RANGE,
    /// `CmResourceTypeInterrupt`.
    pub Interrupt: CM_INTERRUPT,
    /// `CmResourceTypeInterrupt` with `CM_RESOURCE_INTERRUPT_MESSAGE`, raw.
    pub MessageInterruptRaw: CM_MESSAGE_INTERRUPT_RAW,
    /// `CmResourceTypeInterrupt` with `CM_RESOURCE_INTERRUPT_MESSAGE`, translated.
    pub MessageInterruptTranslated: CM_INTERRUPT,
    /// `CmResourceTypeBusNumber`.
    pub BusNumber: CM_BUS_NUMBER,
    /// `CmResourceTypeDevicePrivate`.
    pub DevicePrivate: [u32; 3],
}

/// A range of ports or memory.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
pub struct CM_RANGE {
    /// Where it begins.
    pub Start: i64,
    /// How many bytes.
    pub Length: u32,
}

/// An interrupt.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
pub struct CM_INTERRUPT {
    /// Raw: the bus's level; translated: the DIRQL. (Compiled with `NT_PROCESSOR_GROUPS` a
    /// driver sees two 16-bit fields, level and group.)
    pub Level: u16,
    /// The processor group.
    pub Group: u16,
    /// Raw: the bus's vector; translated: the interrupt vector.
    pub Vector: u32,
    /// The processors of the group.
    pub Affinity: usize,
}

/// A message-signalled interrupt, raw.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
pub struct CM_MESSAGE_INTERRUPT_RAW {
    /// The processor group.
    pub Group: u16,
    /// How many messages.
    pub MessageCount: u16,
    /// The interrupt vector.
    pub Vector: u32,
    /// The processors of the group.
    pub Affinity: usize,
}

/// A range of bus numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CM_BUS_NUMBER {
    /// The first.
    pub Start: u32,
    /// How many.
    pub Length: u32,
    /// Reserved.
    pub Reserved: u32,
}

/// `INTERFACE_TYPE::PCIBus`.
pub const PCI_BUS: i32 = 5;

/// `CmResourceTypePort`.
pub const CmResourceTypePort: u8 = 1;
/// `CmResourceTypeInterrupt`.
pub const CmResourceTypeInterrupt: u8 = 2;
/// `CmResourceTypeMemory`.
pub const CmResourceTypeMemory: u8 = 3;
/// `CmResourceTypeMemoryLarge`.
pub const CmResourceTypeMemoryLarge: u8 = 7;
/// `CmResourceTypeNonArbitrated`: the first of the types that nobody has to find a place for.
pub const CmResourceTypeNonArbitrated: u8 = 128;
/// `CmResourceTypeDevicePrivate`.
pub const CmResourceTypeDevicePrivate: u8 = 129;

/// `CmResourceShareDeviceExclusive`.
pub const CmResourceShareDeviceExclusive: u8 = 1;
/// `CmResourceShareShared`.
pub const CmResourceShareShared: u8 = 3;

/// Memory that is read and written.
pub const CM_RESOURCE_MEMORY_READ_WRITE: u16 = 0x0000;
/// Memory that may be read ahead.
pub const CM_RESOURCE_MEMORY_PREFETCHABLE: u16 = 0x0004;
/// The memory BAR is a 64-bit one.
pub const CM_RESOURCE_MEMORY_BAR: u16 = 0x0080;
/// A port of the processor's I/O space.
pub const CM_RESOURCE_PORT_IO: u16 = 0x0001;
/// The device decodes 16 bits of the address.
pub const CM_RESOURCE_PORT_16_BIT_DECODE: u16 = 0x0010;
/// The device decodes what its window covers.
pub const CM_RESOURCE_PORT_POSITIVE_DECODE: u16 = 0x0020;
/// The port range is a BAR.
pub const CM_RESOURCE_PORT_BAR: u16 = 0x0100;
/// The interrupt stays asserted until it is acknowledged.
pub const CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE: u16 = 0x0000;
/// The interrupt is an edge.
pub const CM_RESOURCE_INTERRUPT_LATCHED: u16 = 0x0001;
/// The interrupt is a message.
pub const CM_RESOURCE_INTERRUPT_MESSAGE: u16 = 0x0002;
/// The token of a message in a raw descriptor.
pub const CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN: u32 = u32::MAX - 1;

/// What a device could do with (ns-wdm-_io_resource_requirements_list).
#[repr(C)]
pub struct IO_RESOURCE_REQUIREMENTS_LIST {
    /// Bytes of the whole.
    pub ListSize: u32,
    /// `INTERFACE_TYPE`.
    pub InterfaceType: i32,
    /// Which bus.
    pub BusNumber: u32,
    /// Which slot.
    pub SlotNumber: u32,
    /// Reserved.
    pub Reserved: [u32; 3],
    /// How many alternatives follow.
    pub AlternativeLists: u32,
    /// The first.
    pub List: [IO_RESOURCE_LIST; 1],
}

/// One alternative (ns-wdm-_io_resource_list).
#[repr(C)]
pub struct IO_RESOURCE_LIST {
    /// 1.
    pub Version: u16,
    /// 1.
    pub Revision: u16,
    /// How many descriptors.
    pub Count: u32,
    /// The first.
    pub Descriptors: [IO_RESOURCE_DESCRIPTOR; 1],
}

/// One resource that is needed (ns-wdm-_io_resource_descriptor).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IO_RESOURCE_DESCRIPTOR {
    /// `IO_RESOURCE_…`.
    pub Option: u8,
    /// `CmResourceType…`.
    pub Type: u8,
    /// `CmResourceShare…`.
    pub ShareDisposition: u8,
    /// Unused.
    pub Spare1: u8,
    /// By type.
    pub Flags: u16,
    /// Unused.
    pub Spare2: u16,
    /// By type.
    pub u: IO_RESOURCE_DESCRIPTOR_u,
}

/// `IO_RESOURCE_DESCRIPTOR::u`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IO_RESOURCE_DESCRIPTOR_u {
    /// Ports or memory.
    pub Range: IO_RANGE,
    /// An interrupt.
    pub Interrupt: IO_INTERRUPT,
}

/// Ports or memory that are needed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IO_RANGE {
    /// How many bytes.
    pub Length: u32,
    /// The alignment of its first byte.
    pub Alignment: u32,
    /// The lowest address.
    pub MinimumAddress: i64,
    /// The highest address.
    pub MaximumAddress: i64,
}

/// An interrupt that is needed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IO_INTERRUPT {
    /// The lowest vector.
    pub MinimumVector: u32,
    /// The highest vector.
    pub MaximumVector: u32,
    /// `IRQ_DEVICE_POLICY`.
    pub AffinityPolicy: u16,
    /// The processor group.
    pub Group: u16,
    /// `IRQ_PRIORITY`.
    pub PriorityPolicy: i32,
    /// The processors of the group.
    pub TargetedProcessors: usize,
}

/// `IO_RESOURCE_DESCRIPTOR::Option`: an alternative to the descriptor before it.
pub const IO_RESOURCE_ALTERNATIVE: u8 = 0x08;
