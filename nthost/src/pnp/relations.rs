//! The devices that a driver says are related to its own: the children of a bus, which become
//! device nodes here, and those that have to go or to be powered with a device.
//!
//! Sources: IRP_MN_QUERY_DEVICE_RELATIONS, "Adding a PnP Device to a Running System",
//! "Bug Check 0xCA".

use alloc::vec::Vec;

use nthost_nt::{
    io::{
        device::{DEVICE_OBJECT, DO_BUS_ENUMERATED_DEVICE},
        file::FILE_OBJECT,
        irp::IO_STATUS_BLOCK,
        major::{IRP_MN_DEVICE_ENUMERATED, IRP_MN_QUERY_DEVICE_RELATIONS, IRP_MN_REMOVE_DEVICE},
        pnp::{
            BusRelations, CAPABILITY_UNIQUE_ID, DEVICE_RELATIONS, PowerRelations,
            TargetDeviceRelation,
        },
    },
    status::nt_success,
};
use nthost_protocol::host::DeviceState;

use super::{
    add, id_text,
    invalidate::PNP_DETECTED_FATAL_ERROR,
    keys,
    node::{self, Node},
    remove, report, send,
};
use crate::{
    io::{device, verify},
    ke::bugcheck,
    mm::pool,
    ob::object,
};

/// First parameters of bug check 0xCA.
const DUPLICATE_PDO: u64 = 1;
const DELETED_PDO: u64 = 4;
const NULL_PDO: u64 = 8;

/// Ends the machine for what was answered for a device. No stack leads to who did any more, so that
/// the log says whose device it is.
fn violation(asked: *mut DEVICE_OBJECT, first: u64, rest: [u64; 3]) -> ! {
    // SAFETY: the device was asked, and its stack stays meanwhile.
    let mut device = unsafe { (*asked).AttachedDevice };
    while !device.is_null() {
        log!(
            "verifier",
            "the relations of {:#x} are answered by {}",
            asked.addr(),
            remove::image_of(device)
        );
        // SAFETY: a device of the stack.
        device = unsafe { (*device).AttachedDevice };
    }

    let [second, third, fourth] = rest;
    bugcheck::bugcheck(PNP_DETECTED_FATAL_ERROR, [first, second, third, fourth])
}

/// A device that was reported, with the reference that came with it.
#[derive(Debug)]
pub struct Related(*mut DEVICE_OBJECT);

impl Related {
    /// The device object.
    #[must_use]
    pub const fn device(&self) -> *mut DEVICE_OBJECT {
        self.0
    }

    /// Its reference is the caller's from now on.
    fn keep(self) -> *mut DEVICE_OBJECT {
        let device = self.0;
        core::mem::forget(self);
        device
    }
}

impl Drop for Related {
    fn drop(&mut self) {
        object::dereference(self.0.cast());
    }
}

/// Asks a device's stack for its relations of a type; none if nobody answers. PASSIVE_LEVEL.
pub fn query(node: &Node, kind: i32) -> Option<Vec<Related>> {
    let result = send::send(node, IRP_MN_QUERY_DEVICE_RELATIONS, 0, |parameters| {
        parameters.query_device_relations_mut().Type = kind;
    });
    taken(node.pdo(), result)
}

/// The devices of an answer, whose memory is freed.
fn taken(asked: *mut DEVICE_OBJECT, result: IO_STATUS_BLOCK) -> Option<Vec<Related>> {
    if !nt_success(result.status()) || result.Information == 0 {
        return None;
    }
    let relations: *mut DEVICE_RELATIONS =
        core::ptr::with_exposed_provenance_mut(result.Information);
    // SAFETY: a driver answered with a list.
    let count = unsafe { (*relations).Count };
    // SAFETY: as above.
    let first = unsafe { &raw const (*relations).Objects }.cast::<*mut DEVICE_OBJECT>();
    let devices = (0..count as usize)
        .map(|index| {
            // SAFETY: there are as many as it says, each with a reference.
            let place = unsafe { first.add(index) };
            // SAFETY: as above.
            let device = unsafe { place.read_unaligned() };
            check(asked, device, count, index);
            Related(device)
        })
        .collect();
    pool::free(result.Information as u64, None);
    Some(devices)
}

/// What is reported must be a device object that was not deleted.
fn check(asked: *mut DEVICE_OBJECT, device: *mut DEVICE_OBJECT, count: u32, index: usize) {
    if device.is_null() {
        violation(
            asked,
            NULL_PDO,
            [asked.addr() as u64, count.into(), index as u64],
        );
    }
    if !verify::is_device(device) || node::is_deleted(device) {
        violation(asked, DELETED_PDO, [device.addr() as u64, 0, 0]);
    }
}

/// A device, what is below it in the tree, and what has to go with any of them as their stacks
/// say for relations of these types: those farther from the root first, the order in which they
/// go. PASSIVE_LEVEL, with the plug-and-play lock held.
pub fn going_with(node: &'static Node, kinds: &[i32]) -> Vec<&'static Node> {
    const DELETED_RELATION: u64 = 0xb;
    let mut all: Vec<&'static Node> = Vec::new();
    let mut open = Vec::from([node]);
    while let Some(next) = open.pop() {
        if all.iter().any(|known| core::ptr::eq(*known, next)) {
            continue;
        }
        all.push(next);
        open.extend(next.children());
        for &kind in kinds {
            for related in query(next, kind).into_iter().flatten() {
                let pdo = related.device();
                match node::of(pdo).filter(|node| node.pdo() == pdo) {
                    Some(node) => open.push(node),
                    None => violation(
                        next.pdo(),
                        DELETED_RELATION,
                        [pdo.addr() as u64, kind as u64, 0],
                    ),
                }
            }
        }
    }
    // Of those equally far, the first found is the one that was asked for.
    all.reverse();
    all.sort_by_key(|node| core::cmp::Reverse(node.depth()));
    all
}

/// Asks a device's stack which devices are to have power before it. PASSIVE_LEVEL, with the
/// plug-and-play lock held.
pub fn query_power(node: &'static Node) {
    let related = query(node, PowerRelations).unwrap_or_default();
    let nodes = related
        .iter()
        .filter_map(|related| node::of(related.device()))
        .collect();
    node.update(|state| state.powered_by = nodes);
}

/// The device that a file is about: its stack is asked for it, which may be on top of others.
/// With a reference; none if nobody knows. PASSIVE_LEVEL.
pub fn target_of(file: *mut FILE_OBJECT) -> Option<*mut DEVICE_OBJECT> {
    // SAFETY: the caller's open file, whose device exists.
    let device = unsafe { (*file).DeviceObject };
    let result = send::to_file(device, file, IRP_MN_QUERY_DEVICE_RELATIONS, |parameters| {
        parameters.query_device_relations_mut().Type = TargetDeviceRelation;
    });
    let [target] = <[Related; 1]>::try_from(taken(device, result)?).ok()?;
    Some(target.keep())
}

/// Asks a bus's stack for the devices that are there: nodes are made for those that are new, and
/// their drivers started; those that are gone are removed. PASSIVE_LEVEL, with the
/// plug-and-play lock held.
pub fn enumerate(bus: &'static Node) {
    let Some(present) = query(bus, BusRelations) else {
        return;
    };
    for child in bus.children() {
        let pdo = child.pdo();
        if !present.iter().any(|related| related.device() == pdo) {
            gone(child);
        }
    }
    let mut new = Vec::new();
    for related in present {
        let known = node::of(related.device()).filter(|node| node.pdo() == related.device());
        if known.is_none()
            && let Some(child) = adopt(bus, related)
        {
            new.push(child);
        }
    }
    for child in new {
        if add::add(child).is_ok() {
            // The node says how it ended.
            let _ = add::start(child);
        }
    }
}

/// A device that its bus does not report any more.
fn gone(child: &'static Node) {
    log!("pnp", "{} is gone from its bus", child.instance);
    let state = child.state().state;
    if state == DeviceState::SurpriseRemoved {
        child.update(|fields| fields.present = false);
        return;
    }
    if (child.has_stack() || child.is_raw()) && remove::is_told(state) {
        remove::surprise(child);
        return;
    }
    // Nobody but its bus driver has to be told, also of one that failed or was removed before.
    send::simple(child, IRP_MN_REMOVE_DEVICE);
    remove::release_resources(child);
    child.enter(DeviceState::Removed, nthost_nt::status::STATUS_SUCCESS);
    remove::delete(child);
}

/// Makes the node of a device that is reported for the first time.
fn adopt(bus: &'static Node, related: Related) -> Option<&'static Node> {
    let pdo = related.device();
    let report = match report::query(pdo) {
        Ok(report) => report,
        Err(status) => {
            log!(
                "pnp",
                "{} reports a device without an id: {status:#010x}",
                bus.instance
            );
            return None;
        }
    };
    let instance = if report.capabilities & CAPABILITY_UNIQUE_ID != 0 {
        report.instance_id.clone()
    } else {
        id_text::made_unique(&bus.instance, bus.depth(), &report.instance_id)
    };
    let instance = alloc::format!(r"{}\{instance}", report.device_id);
    if let Some(known) = node::find(&instance)
        && !known.pdo().is_null()
    {
        if known.state().present {
            let known = known.pdo().addr() as u64;
            violation(bus.pdo(), DUPLICATE_PDO, [pdo.addr() as u64, known, 0]);
        }
        // Its predecessor is still in use: the bus is asked again when that is gone.
        known.update(|fields| fields.succeeded = true);
        return None;
    }
    // SAFETY: the reference keeps it.
    unsafe { (*pdo).Flags |= DO_BUS_ENUMERATED_DEVICE };
    let child = Node::add_reported(bus, instance, related.keep(), report);
    // SAFETY: as above; a node stays.
    unsafe { device::extension(pdo) }.DeviceNode = core::ptr::from_ref(child).cast_mut().cast();
    log!("pnp", "{} is new on {}", child.instance, bus.instance);
    if let Err(status) = keys::write_device(child, None) {
        child.enter(DeviceState::Failed, status);
    }
    send::simple(child, IRP_MN_DEVICE_ENUMERATED);
    Some(child)
}
