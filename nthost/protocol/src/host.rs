//! What is done to the machine rather than asked by a process: plug and play, power, faults,
//! and the questions that a test or a demonstration has for the kernel.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    BreakpointRequest, Fault, NtStatus, breakpoint::Stop, fault::FaultState, thread::Thread,
};

/// Something done to the machine. `device` is an instance path, as in [`Device::instance`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostRequest {
    /// Answered by [`HostAnswer::Machine`].
    DescribeMachine,
    /// Answered by [`HostAnswer::Drivers`].
    ListDrivers,
    /// Answered by [`HostAnswer::Devices`].
    ListDevices,
    /// One plug-and-play transition; answered by [`HostAnswer::Status`].
    Pnp {
        /// Which device.
        device: String,
        /// What happens to it.
        operation: PnpOperation,
    },
    /// A device power request; answered by [`HostAnswer::Status`].
    DevicePower {
        /// Which device.
        device: String,
        /// 0 for D0 … 3 for D3.
        state: u8,
    },
    /// A system power transition for all devices; answered by [`HostAnswer::Status`].
    SystemPower {
        /// 0 for working, 3 for sleeping (S3), 5 for shutdown.
        state: u8,
    },
    /// Unloads a driver that has no devices left; answered by [`HostAnswer::Status`].
    UnloadDriver {
        /// Its service name.
        service: String,
    },
    /// Answered by [`HostAnswer::Verifier`].
    VerifierReport,
    /// Takes the events written so far; answered by [`HostAnswer::Events`].
    DrainEvents,
    /// A fault to come; answered by [`HostAnswer::Status`].
    Fault(Fault),
    /// Takes back all faults; answered by [`HostAnswer::Status`].
    ClearFaults,
    /// What has become of the faults; answered by [`HostAnswer::Faults`].
    ListFaults,
    /// Ends the machine with this exit code, once answered.
    Shutdown {
        /// Zero when all is well.
        code: u8,
    },
    /// See [`BreakpointRequest`]; answered by [`HostAnswer::Status`], or [`HostAnswer::Stops`].
    Breakpoint(BreakpointRequest),
    /// Writes to a register of a started device behind its driver's back, as if the device had
    /// something to say of its own; answered by [`HostAnswer::Status`].
    WriteRegister {
        /// Which device.
        device: String,
        /// Which of its base address registers: one for memory.
        bar: u8,
        /// Bytes from the beginning of that, a multiple of 4.
        offset: u32,
        /// What is written, little-endian.
        value: u32,
    },
    /// Answered by [`HostAnswer::Threads`].
    ListThreads,
    /// Has a device gone without anybody being told; answered by [`HostAnswer::Status`].
    Unplug {
        /// Which device.
        device: String,
    },
}

/// A plug-and-play transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PnpOperation {
    /// `IRP_MN_START_DEVICE` with the present resources.
    Start,
    /// `IRP_MN_QUERY_STOP_DEVICE`, and `IRP_MN_CANCEL_STOP_DEVICE` should it fail.
    QueryStop,
    /// `IRP_MN_CANCEL_STOP_DEVICE`.
    CancelStop,
    /// `IRP_MN_STOP_DEVICE`.
    Stop,
    /// The whole rebalance: query-stop, stop, other base addresses, start.
    Rebalance,
    /// `IRP_MN_QUERY_REMOVE_DEVICE`, and `IRP_MN_CANCEL_REMOVE_DEVICE` should it fail.
    QueryRemove,
    /// `IRP_MN_CANCEL_REMOVE_DEVICE`.
    CancelRemove,
    /// `IRP_MN_REMOVE_DEVICE`.
    Remove,
    /// `IRP_MN_SURPRISE_REMOVAL`, and `IRP_MN_REMOVE_DEVICE` when the last handle is closed.
    SurpriseRemoval,
    /// `AddDevice` and start for a device that was removed.
    Add,
    /// `AddDevice` alone, for a device that was removed.
    AddDevice,
    /// As [`Self::SurpriseRemoval`] for a device that is still there: as after its stack has
    /// reported `PNP_DEVICE_FAILED`, or its bus has lost sight of it.
    Fail,
}

/// The answer to a [`HostRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAnswer {
    /// How it ended.
    Status(NtStatus),
    /// Processors, nodes and memory.
    Machine(Machine),
    /// The loaded drivers.
    Drivers(Vec<Driver>),
    /// The device nodes.
    Devices(Vec<Device>),
    /// What the verifier found and what is still allocated.
    Verifier(Verifier),
    /// The events, oldest first, one line each.
    Events(Vec<String>),
    /// The processors that are stopped at breakpoints.
    Stops(Vec<Stop>),
    /// The threads, by their ids.
    Threads(Vec<Thread>),
    /// The faults since they were last taken back, in the order in which they were added.
    Faults(Vec<FaultState>),
}

/// Processors, nodes and memory, as nthost found them in the firmware's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// One for each processor, in the order of their indices.
    pub processors: Vec<Processor>,
    /// One for each NUMA node.
    pub nodes: Vec<Node>,
    /// Microseconds from the machine's reset to the first driver's entry, by the TSC.
    pub boot_us: u64,
    /// Kernel routines that drivers can import.
    pub exports: u32,
    /// Bytes of memory that nobody uses at this moment.
    pub free: u64,
}

/// A processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processor {
    /// Its local APIC's id.
    pub apic_id: u32,
    /// Its group and its number there.
    pub group: u16,
    /// See [`Self::group`].
    pub number: u8,
    /// Its node.
    pub node: u16,
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number.
    pub number: u16,
    /// Bytes of memory on it.
    pub memory: u64,
}

/// A loaded driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// The service's name.
    pub service: String,
    /// Where the image lies, and its size.
    pub base: u64,
    /// See [`Self::base`].
    pub size: u32,
    /// How many routines it imports.
    pub imports: u32,
    /// What `DriverEntry` returned, or why the image was refused.
    pub status: NtStatus,
    /// Why it was refused, in words; empty otherwise.
    pub fault: String,
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The instance path, such as `PCI\VEN_1234&DEV_11E8&…\0&10`.
    pub instance: String,
    /// Most specific first.
    pub hardware_ids: Vec<String>,
    /// The service of its function driver; empty if none matches.
    pub service: String,
    /// Where its life stands.
    pub state: DeviceState,
    /// The status that brought it there, for a failed start.
    pub status: NtStatus,
    /// Memory, ports and interrupts, one line each, as they were given to the driver.
    pub resources: Vec<String>,
    /// Its NUMA node, if known.
    pub node: Option<u16>,
    /// Paths of its enabled interfaces.
    pub interfaces: Vec<String>,
    /// Its stack has said that it is not to be shown to users.
    pub hidden: bool,
    /// Its power, as its bus has it: 0 for D0 to 3 for D3.
    pub power: u8,
}

/// Where a device's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceState {
    /// No driver matches it.
    NoDriver,
    /// `AddDevice` succeeded.
    Added,
    /// Started.
    Started,
    /// `IRP_MN_QUERY_STOP_DEVICE` succeeded.
    StopPending,
    /// Stopped.
    Stopped,
    /// `IRP_MN_QUERY_REMOVE_DEVICE` succeeded.
    RemovePending,
    /// Gone, with handles still open.
    SurpriseRemoved,
    /// Removed.
    Removed,
    /// `AddDevice` or the start failed.
    Failed,
}

/// What the verifier knows: all zero but `checks` when a driver has left nothing behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// Calls checked.
    pub checks: u64,
    /// Pool allocations not freed, and their bytes.
    pub pool_allocations: u64,
    /// See [`Self::pool_allocations`].
    pub pool_bytes: u64,
    /// IRPs not completed.
    pub irps: u64,
    /// Spin locks held.
    pub locks: u64,
    /// Interrupts connected.
    pub interrupts: u64,
    /// Pages allocated for MDLs and as contiguous memory, not freed.
    pub pages: u64,
    /// Pages locked by a driver and not unlocked.
    pub locked_pages: u64,
    /// Map registers in use.
    pub map_registers: u64,
    /// Ranges of I/O space and of MDLs mapped and not unmapped.
    pub mappings: u64,
    /// Device objects, symbolic links and interfaces not deleted.
    pub objects: u64,
    /// One line for each of the above, with its tag and the caller's address.
    pub details: Vec<String>,
}
