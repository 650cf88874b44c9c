//! Device nodes: what the plug-and-play manager knows of each device. They are a tree: a device
//! that a bus driver has reported hangs below the bus.
//!
//! A node stays as long as the system runs, also when its device is gone: who looks at it later
//! sees what became of it.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use nthost_nt::{
    guid::GUID,
    io::{
        device::{DEVICE_OBJECT, DOE_DELETE_PENDING},
        interface::{GUID_BUS_TYPE_INTERNAL, GUID_BUS_TYPE_PCI},
        pnp::CAPABILITY_RAW_DEVICE_OK,
        resource::PCI_BUS,
    },
    status::{NTSTATUS, STATUS_SUCCESS},
};
use nthost_protocol::host::DeviceState;

use super::{
    invalidate::{self, Change},
    pci::{function::Function, ids},
    report::Report,
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
    /// Who found it.
    pub origin: Origin,
    /// The bus whose driver has reported it; none for what nthost itself has found.
    pub parent: Option<&'static Self>,
    /// Its NUMA node, if known.
    pub numa_node: Option<u16>,
    /// What changes.
    state: SpinLock<State>,
}

/// Who found a device.
#[derive(Debug)]
pub enum Origin {
    /// The PCI bus driver.
    Pci(Function),
    /// A driver of a bus.
    Reported(Report),
    /// Nobody: it is a device of the root bus, because its driver says so.
    Root,
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
    /// Another device object was reported for it while this one was in use.
    pub succeeded: bool,
    /// The device object is its driver's own, of a device that it has detected.
    pub foreign: bool,
    /// The devices that were asked with it whether it may be removed, in the order in which they
    /// go, itself among them.
    pub removed_with: Vec<&'static Node>,
    /// The devices that its stack wants to have power before it, besides its bus.
    pub powered_by: Vec<&'static Node>,
    /// What changed while it was on its way to be stopped or removed: it is seen to when the
    /// device is started again.
    pub missed: Vec<Change>,
    /// The target of the last system power request.
    pub system_state: i32,
    /// What its stack last said of itself: `PNP_DEVICE_…`.
    pub flags: usize,
    /// The bus driver's idea of its power state: `DEVICE_POWER_STATE`.
    pub power: i32,
}

// SAFETY: the physical device object is reached through the object manager's rules.
unsafe impl Send for State {}

impl State {
    fn new(pdo: *mut DEVICE_OBJECT) -> SpinLock<Self> {
        SpinLock::new(Self {
            pdo,
            state: DeviceState::NoDriver,
            before_remove: DeviceState::NoDriver,
            status: STATUS_SUCCESS,
            service: String::new(),
            resources: None,
            present: true,
            succeeded: false,
            foreign: false,
            removed_with: Vec::new(),
            powered_by: Vec::new(),
            missed: Vec::new(),
            system_state: nthost_nt::po::PowerSystemWorking,
            flags: 0,
            power: nthost_nt::po::PowerDeviceD3,
        })
    }
}

/// `INTERFACE_TYPE` of a device whose bus driver does not tell it.
const INTERFACE_TYPE_UNDEFINED: i32 = -1;

/// All of them, a bus before the devices that its driver has reported. A leaf.
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
    #[must_use]
    pub fn add(function: Function, numa_node: Option<u16>) -> &'static Self {
        let header = &function.header;
        let instance = alloc::format!(r"{}\{}", ids::device_id(header), function.instance_id());
        let (hardware_ids, compatible_ids) =
            (ids::hardware_ids(header), ids::compatible_ids(header));
        Self::insert(Self {
            instance,
            hardware_ids,
            compatible_ids,
            origin: Origin::Pci(function),
            parent: None,
            numa_node,
            state: State::new(core::ptr::null_mut()),
        })
    }

    /// Makes the node of a device that a bus driver has reported, with the reference to its
    /// physical device object that came with the report. A node of that instance that has no
    /// device object any more is replaced.
    pub fn add_reported(
        parent: &'static Self,
        instance: String,
        pdo: *mut DEVICE_OBJECT,
        report: Report,
    ) -> &'static Self {
        Self::insert(Self {
            instance,
            hardware_ids: report.hardware_ids.clone(),
            compatible_ids: report.compatible_ids.clone(),
            origin: Origin::Reported(report),
            parent: Some(parent),
            numa_node: parent.numa_node,
            state: State::new(pdo),
        })
    }

    /// Makes the node of a device of the root bus, without a device object yet.
    #[must_use]
    pub fn add_root(
        instance: String,
        hardware_ids: Vec<String>,
        compatible_ids: Vec<String>,
    ) -> &'static Self {
        Self::insert(Self {
            instance,
            hardware_ids,
            compatible_ids,
            origin: Origin::Root,
            parent: None,
            numa_node: None,
            state: State::new(core::ptr::null_mut()),
        })
    }

    /// Makes the node of a device of the root bus that its driver, a service, has detected: it
    /// counts as started from the beginning, so that nobody starts it.
    #[must_use]
    pub fn add_detected(
        instance: String,
        hardware_ids: Vec<String>,
        compatible_ids: Vec<String>,
        service: &str,
        pdo: *mut DEVICE_OBJECT,
    ) -> &'static Self {
        let node = Self {
            instance,
            hardware_ids,
            compatible_ids,
            origin: Origin::Root,
            parent: None,
            numa_node: None,
            state: State::new(pdo),
        };
        node.update(|state| state.service = service.into());
        node.enter(DeviceState::Started, STATUS_SUCCESS);
        Self::insert(node)
    }

    fn insert(node: Self) -> &'static Self {
        let node: &'static Self = Box::leak(Box::new(node));
        let mut nodes = NODES.lock();
        nodes.retain(|known| !known.instance.eq_ignore_ascii_case(&node.instance));
        nodes.push(node);
        node
    }

    /// Its function on the PCI bus, if it is there.
    #[must_use]
    pub const fn pci(&self) -> Option<&Function> {
        match &self.origin {
            Origin::Pci(function) => Some(function),
            Origin::Reported(_) | Origin::Root => None,
        }
    }

    /// Its function on the PCI bus: for the driver of that bus.
    ///
    /// # Panics
    ///
    /// If it is not on that bus.
    #[must_use]
    pub const fn function(&self) -> &Function {
        self.pci().expect("a device of the PCI bus")
    }

    /// What its bus driver has said of it, if that is not nthost's own.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match &self.origin {
            Origin::Pci(_) | Origin::Root => None,
            Origin::Reported(report) => Some(report),
        }
    }

    /// What it is, for people, as its bus driver tells it: no INF says more here.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        match &self.origin {
            Origin::Pci(_) => Some(format!("PCI device {}", self.instance)),
            Origin::Reported(report) => report.description.clone(),
            // Nobody has said anything of it.
            Origin::Root => None,
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        match &self.origin {
            Origin::Pci(function) => {
                let address = function.address;
                Some(format!(
                    "PCI bus {}, device {}, function {}",
                    address.bus, address.device, address.function
                ))
            }
            Origin::Reported(report) => report.location.clone(),
            Origin::Root => None,
        }
    }

    /// Its bus: the type, the `INTERFACE_TYPE`, the number.
    #[must_use]
    pub fn bus(&self) -> (GUID, i32, u32) {
        match &self.origin {
            Origin::Pci(function) => (GUID_BUS_TYPE_PCI, PCI_BUS, function.address.bus.into()),
            Origin::Reported(report) => {
                let unknown = (
                    GUID::from_bytes([0; 16]),
                    INTERFACE_TYPE_UNDEFINED,
                    u32::MAX,
                );
                report.bus.unwrap_or(unknown)
            }
            // `Internal`, the one of its kind.
            Origin::Root => (GUID_BUS_TYPE_INTERNAL, 0, 0),
        }
    }

    /// Where it is on its bus.
    #[must_use]
    pub fn address(&self) -> u32 {
        match &self.origin {
            Origin::Pci(function) => {
                let address = function.address;
                u32::from(address.device) << 16 | u32::from(address.function)
            }
            Origin::Reported(report) => report.address,
            Origin::Root => u32::MAX,
        }
    }

    /// Whether it can be used without a function driver.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        let flags = self.report().map_or(0, |report| report.capabilities);
        flags & CAPABILITY_RAW_DEVICE_OK != 0
    }

    /// The name of its enumerator.
    #[must_use]
    pub fn enumerator(&self) -> &str {
        self.instance.split('\\').next().unwrap_or_default()
    }

    /// How far it is from the root of the tree.
    #[must_use]
    pub fn depth(&self) -> usize {
        core::iter::successors(Some(self), |node| node.parent).count()
    }

    /// The devices that its bus driver has reported, and that have device objects.
    #[must_use]
    pub fn children(&self) -> Vec<&'static Self> {
        let is_child = |node: &&'static Self| {
            node.parent
                .is_some_and(|parent| core::ptr::eq(parent, self))
                && !node.pdo().is_null()
        };
        all().into_iter().filter(is_child).collect()
    }

    /// The device and what is below it in the tree, a bus behind the devices on it: the order in
    /// which they go.
    #[must_use]
    pub fn leaves_first(&'static self) -> Vec<&'static Self> {
        let mut all: Vec<_> = self
            .children()
            .into_iter()
            .flat_map(Self::leaves_first)
            .collect();
        all.push(self);
        all
    }

    /// Takes the node from a physical device object that is no longer its own; it is null from
    /// now on.
    pub fn take_pdo(&self) -> *mut DEVICE_OBJECT {
        self.update(|state| {
            state.present = false;
            core::mem::replace(&mut state.pdo, core::ptr::null_mut())
        })
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

    /// The device came to this state, with this status. What changed while it could not be asked
    /// is asked for later. PASSIVE_LEVEL, with the plug-and-play lock held.
    pub fn enter(&self, state: DeviceState, status: NTSTATUS) {
        let missed = self.update(|fields| {
            fields.state = state;
            fields.status = status;
            if state == DeviceState::Started {
                core::mem::take(&mut fields.missed)
            } else {
                Vec::new()
            }
        });
        log!("pnp", "{}: {state:?}", self.instance);
        for change in missed {
            invalidate::changed(self.pdo(), change);
        }
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
