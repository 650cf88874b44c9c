//! The plug-and-play manager: one transition at a time.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use nthost_nt::{
    io::{device::DEVICE_OBJECT, pnp::PNP_DEVICE_DONT_DISPLAY_IN_UI},
    po::PowerDeviceD0,
    status::{
        NTSTATUS, STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE, STATUS_NOT_SUPPORTED,
        STATUS_SUCCESS,
    },
};
use nthost_protocol::host::{Device, DeviceState, PnpOperation};

use super::{
    add, detect, eject,
    node::{self, Node},
    pci::{
        self,
        config::{COMMAND, COMMAND_NO_INTX, Config},
        function,
    },
    rebalance, remove, root,
};
use crate::{
    ex::worker::{self, Queue},
    hal::numa,
    io::{interface, unload},
    ke::{once::Once, owned_event::Event},
    transport::console,
};

/// Set while no transition is on its way.
static FREE: Once<Event> = Once::new();

/// The plug-and-play lock: a transition is on its way as long as this lives.
struct Transition;

impl Transition {
    fn begin() -> Self {
        if let Some(free) = FREE.get() {
            free.wait();
        }
        Self
    }
}

impl Drop for Transition {
    fn drop(&mut self) {
        if let Some(free) = FREE.get() {
            free.set();
        }
    }
}

/// Finds the devices of the PCI buses.
pub fn initialize() {
    let free = Event::synchronization();
    free.set();
    FREE.set(free);
    pci::driver::initialize();
    root::initialize();
    for function in function::enumerate() {
        if console::is_console(function.header.vendor, function.header.device) {
            continue;
        }
        // Until it is started it asserts no line: that may be one of a device that is.
        let config = &function.address;
        config.write_command(config.read16(COMMAND) | COMMAND_NO_INTX);
        let numa_node = numa::node_of(function.address.bus);
        let node = Node::add(function, numa_node);
        // Without a device object it cannot be added, and that says why.
        if let Err(status) = pci::driver::create_pdo(node) {
            node.enter(DeviceState::Failed, status);
        }
    }
}

/// The devices that were there at the system's start have been started.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Adds and starts a device of the root bus: with all the others, or later if they have been.
pub fn start_later(node: &'static Node) {
    // Whoever sees it set comes after the loop over all nodes began, with a node in its list or
    // not: it is started once either way.
    if STARTED.load(Ordering::Acquire) {
        later(move || detect::start(node));
    }
}

/// Finds the devices of the root bus that the manifest has drivers for.
pub fn enumerate_root() {
    let _transition = Transition::begin();
    root::enumerate();
}

/// Adds and starts all devices that have a driver.
pub fn start_all() {
    STARTED.store(true, Ordering::Release);
    for node in node::all() {
        let _transition = Transition::begin();
        detect::start(node);
    }
}

/// Has a worker thread do something with the plug-and-play lock. IRQL up to DISPATCH_LEVEL.
pub fn later(work: impl FnOnce() + Send + 'static) {
    worker::queue(Queue::Pnp, move || {
        let _transition = Transition::begin();
        work();
    });
}

/// One transition of one device, as the host asks for it.
#[must_use]
pub fn operate(instance: &str, operation: PnpOperation) -> NTSTATUS {
    let Some(node) = node::find(instance) else {
        return STATUS_NO_SUCH_DEVICE;
    };
    let _transition = Transition::begin();
    match transition(node, operation) {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}

/// Has a device of the PCI bus gone without anybody being told, as when nobody has noticed yet.
#[must_use]
pub fn unplug(instance: &str) -> NTSTATUS {
    let Some(node) = node::find(instance) else {
        return STATUS_NO_SUCH_DEVICE;
    };
    if node.pci().is_none() {
        return STATUS_NOT_SUPPORTED;
    }
    eject::eject(node);
    STATUS_SUCCESS
}

fn transition(node: &'static Node, operation: PnpOperation) -> Result<(), NTSTATUS> {
    use DeviceState as S;
    use PnpOperation as O;
    let state = node.state().state;
    match (operation, state) {
        (O::Start, S::Added | S::Stopped) => add::start(node),
        (O::QueryStop, S::Started) => remove::query_stop(node),
        (O::CancelStop, S::StopPending) => remove::cancel_stop(node),
        (O::Stop, S::StopPending) => remove::stop(node),
        (O::Rebalance, S::Started) => rebalance::rebalance(node),
        (O::QueryRemove, S::Started | S::Added | S::Stopped | S::StopPending) => {
            remove::query_remove(node)
        }
        (O::CancelRemove, S::RemovePending) => remove::cancel_remove(node),
        (O::Remove, S::RemovePending | S::Added | S::Stopped) => {
            remove::remove_asked(node);
            Ok(())
        }
        (
            O::SurpriseRemoval | O::Fail,
            S::Added | S::Started | S::StopPending | S::Stopped | S::RemovePending,
        ) => {
            if operation == O::SurpriseRemoval && node.pci().is_some() {
                eject::eject(node);
                remove::surprise(node);
            } else {
                remove::failed(node);
            }
            Ok(())
        }
        (O::Add, S::NoDriver | S::Removed | S::Failed) => {
            add::add(node)?;
            add::start(node)
        }
        (O::AddDevice, S::NoDriver | S::Removed | S::Failed) => add::add(node),
        _ => Err(STATUS_INVALID_DEVICE_STATE),
    }
}

/// A file of a device was closed: a device that is gone is removed with its last file.
/// PASSIVE_LEVEL.
pub fn file_closed(device: *mut DEVICE_OBJECT) {
    let waiting = || {
        node::all().into_iter().find(|node| {
            let state = node.state();
            state.state == DeviceState::SurpriseRemoved && !state.pdo.is_null()
        })
    };
    if waiting().is_none() || device.is_null() {
        return;
    }
    later(|| {
        for node in node::all().into_iter().rev() {
            remove::remove_if_unused(node);
        }
    });
}

/// All devices, as the host sees them.
#[must_use]
pub fn describe() -> Vec<Device> {
    node::all()
        .into_iter()
        .map(|node| {
            let state = node.state();
            Device {
                instance: node.instance.clone(),
                hardware_ids: node.hardware_ids.clone(),
                service: state.service,
                state: state.state,
                status: state.status,
                resources: state
                    .resources
                    .map_or_else(Vec::new, |resources| resources.lines()),
                node: node.numa_node,
                interfaces: interface::enabled_of(node.pdo()),
                hidden: state.flags & PNP_DEVICE_DONT_DISPLAY_IN_UI != 0,
                power: u8::try_from(state.power - PowerDeviceD0).unwrap_or_default(),
            }
        })
        .collect()
}

/// Unloads a driver. With the plug-and-play lock, so that no device is added meanwhile.
#[must_use]
pub fn unload(service: &str) -> NTSTATUS {
    let _transition = Transition::begin();
    match unload::unload(service) {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}
