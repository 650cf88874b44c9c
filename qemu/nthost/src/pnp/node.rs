//! Device nodes: what the plug-and-play manager knows of each device.
//!
//! A node stays as long as the system runs, also when its device is gone: who looks at it later
//! sees what became of it.

use alloc::{boxed::Box, string::String, vec::Vec};

use nthost_nt::{
    io::device::{DEVICE_OBJECT, DOE_DELETE_PENDING},
    status::{NTSTATUS, STATUS_SUCCESS},
};
use nthost_protocol::host::DeviceState;

use super::{
    pci::{function::Function, ids},
    resource::Resources,
};
use crate::{io::device::extension, ke::lock::SpinLock};

/// A device.
#[derive(Debug)]
pub struct Node {
    /// Its instance path.
    pub instance: String,
    /// Most specific first.
    pub hardware_ids: Vec<String>,
    /// Most specific first; less so than the hardware ids.
    pub compatible_ids: Vec<String>,
    /// Its function on the PCI bus.
    pub function: Function,
    /// Its NUMA node, if known.
    pub numa_node: Option<u16>,
    /// What changes.
    state: SpinLock<State>,
}

/// What changes of a device.
#[derive(Clone, Debug)]
pub struct State {
    /// The physical device object; null once it is deleted.
    pub pdo: *mut DEVICE_OBJECT,
    /// Where its life stands.
    pub state: DeviceState,
    /// Where it stood when its removal was asked about.
    pub before_remove: DeviceState,
    /// The status that brought it there.
    pub status: NTSTATUS,
    /// The service of its function driver; empty if none matches.
    pub service: String,
    /// What it has been assigned, from its start to its stop.
    pub resources: Option<Resources>,
    /// The device is there.
    pub present: bool,
    /// What its stack last said of itself: `PNP_DEVICE_…`.
    pub flags: usize,
    /// The bus driver's idea of its power state: `DEVICE_POWER_STATE`.
    pub power: i32,
}

// SAFETY: the physical device object is reached through the object manager's rules.
unsafe impl Send for State {}

/// All of them. A leaf.
static NODES: SpinLock<Vec<&'static Node>> = SpinLock::new(Vec::new());

/// All devices.
#[must_use]
pub fn all() -> Vec<&'static Node> {
    NODES.lock().clone()
}

/// The device of this instance path.
#[must_use]
pub fn find(instance: &str) -> Option<&'static Node> {
    let nodes = NODES.lock();
    let found = nodes
        .iter()
        .find(|node| node.instance.eq_ignore_ascii_case(instance));
    found.copied()
}

/// The node of a physical device object; none for any other device object.
#[must_use]
pub fn of(pdo: *mut DEVICE_OBJECT) -> Option<&'static Node> {
    if !crate::io::verify::is_device(pdo) {
        return None;
    }
    // SAFETY: it is a device object.
    let node = unsafe { extension(pdo) }.DeviceNode;
    // SAFETY: null, or a node, which stays.
    unsafe { node.cast::<Node>().as_ref() }
}

impl Node {
    /// Makes the node of a function that was found.
    pub fn add(function: Function, numa_node: Option<u16>) -> &'static Self {
        let header = &function.header;
        let instance = alloc::format!(r"{}\{}", ids::device_id(header), function.instance_id());
        let node = Box::leak(Box::new(Self {
            instance,
            hardware_ids: ids::hardware_ids(header),
            compatible_ids: ids::compatible_ids(header),
            function,
            numa_node,
            state: SpinLock::new(State {
                pdo: core::ptr::null_mut(),
                state: DeviceState::NoDriver,
                before_remove: DeviceState::NoDriver,
                status: STATUS_SUCCESS,
                service: String::new(),
                resources: None,
                present: true,
                flags: 0,
                power: nthost_nt::po::PowerDeviceD3,
            }),
        }));
        NODES.lock().push(node);
        node
    }

    /// A copy of what changes.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Changes what changes. IRQL up to DISPATCH_LEVEL.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    /// The physical device object; null once it is deleted.
    #[must_use]
    pub fn pdo(&self) -> *mut DEVICE_OBJECT {
        self.state.lock().pdo
    }

    /// The device came to this state, with this status.
    pub fn enter(&self, state: DeviceState, status: NTSTATUS) {
        self.update(|fields| {
            fields.state = state;
            fields.status = status;
        });
        log!("pnp", "{}: {state:?}", self.instance);
    }

    /// Whether the stack has devices above the physical one.
    #[must_use]
    pub fn has_stack(&self) -> bool {
        let pdo = self.pdo();
        // SAFETY: the physical device object, if there is one, exists.
        !pdo.is_null() && unsafe { !(*pdo).AttachedDevice.is_null() }
    }

    /// The devices of the stack, from the one above the physical device up.
    #[must_use]
    pub fn stack(&self) -> Vec<*mut DEVICE_OBJECT> {
        let mut devices = Vec::new();
        let mut device = self.pdo();
        while !device.is_null() {
            // SAFETY: a device of a stack that only this manager's caller changes.
            device = unsafe { (*device).AttachedDevice };
            if !device.is_null() {
                devices.push(device);
            }
        }
        devices
    }
}

/// Whether a device object was deleted and only stays for its references.
#[must_use]
pub fn is_deleted(device: *mut DEVICE_OBJECT) -> bool {
    // SAFETY: the caller has a reference to it.
    unsafe { extension(device) }.ExtensionFlags & DOE_DELETE_PENDING != 0
}

/// The instance path of a physical device object's device.
#[must_use]
pub fn instance_of(pdo: *mut DEVICE_OBJECT) -> Option<String> {
    of(pdo).map(|node| node.instance.clone())
}
