//! Connecting a driver's interrupt service routines to its device's line or messages.
//!
//! Sources: IoConnectInterruptEx, IoDisconnectInterruptEx, IoReportInterruptActive,
//! IoReportInterruptInactive, ns-wdm-_io_connect_interrupt_parameters. The device can interrupt from when its first routine
//! is connected and active until its last is not.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{ffi::c_void, ops::Range, sync::atomic::AtomicU64};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        interrupt::{
            CONNECT_FULLY_SPECIFIED, CONNECT_FULLY_SPECIFIED_GROUP, CONNECT_LINE_BASED,
            CONNECT_MESSAGE_BASED, FULLY_SPECIFIED, IO_CONNECT_INTERRUPT_PARAMETERS,
            IO_DISCONNECT_INTERRUPT_PARAMETERS, IO_INTERRUPT_MESSAGE_INFO,
            IO_INTERRUPT_MESSAGE_INFO_ENTRY, KMESSAGE_SERVICE_ROUTINE, KSERVICE_ROUTINE,
            LINE_BASED, Latched, MESSAGE_BASED,
        },
    },
    ke::KSPIN_LOCK,
    status::{
        NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_1, STATUS_NOT_FOUND,
        STATUS_SUCCESS,
    },
};

use super::{interrupt_source as source, verify};
use crate::{
    ke::{
        interrupt::{self, Interrupt, MessageServiceRoutine, Service, ServiceRoutine},
        lock::SpinLock,
    },
    pnp::{
        node::{self, Node},
        resource::{Interrupts, Vector},
    },
};

/// What a driver connected: one interrupt object, or those of all its messages.
#[derive(Debug)]
struct Connection {
    node: &'static Node,
    objects: Vec<*mut Interrupt>,
    /// The message table, for messages.
    table: Option<Box<[u64]>>,
    active: bool,
    caller: usize,
}

// SAFETY: the interrupt objects are the connection's, and stay as long as it.
unsafe impl Send for Connection {}

/// By what the driver got for it: the interrupt object or the message table. Nothing is locked
/// while it is held.
static CONNECTIONS: SpinLock<BTreeMap<usize, Connection>> = SpinLock::new(BTreeMap::new());

/// How to connect.
struct Request {
    context: *mut c_void,
    lock: *mut KSPIN_LOCK,
    synchronize_irql: u8,
}

impl Request {
    /// An interrupt object for a vector, which is not connected yet.
    fn object(&self, vector: u8, irql: u8, service: Service, level: bool) -> *mut Interrupt {
        let object = Box::into_raw(Box::new(Interrupt {
            service,
            context: self.context,
            lock: self.lock,
            own_lock: 0,
            vector,
            synchronize_irql: irql,
            level_sensitive: level,
            count: AtomicU64::new(0),
        }));
        if self.lock.is_null() {
            // SAFETY: just made.
            let own = unsafe { &raw mut (*object).own_lock };
            // SAFETY: as above.
            unsafe { (*object).lock = own };
        }
        object
    }
}

/// The routine of a line as the HAL knows it: the interrupt object is opaque to it.
fn line_service(routine: KSERVICE_ROUTINE) -> Service {
    // SAFETY: both take a pointer to the interrupt object and one to the context.
    Service::Line(unsafe { core::mem::transmute::<KSERVICE_ROUTINE, ServiceRoutine>(routine) })
}

fn message_service(routine: KMESSAGE_SERVICE_ROUTINE, message: u32) -> Service {
    // SAFETY: both take a pointer to the interrupt object, one to the context, and a number.
    let routine =
        unsafe { core::mem::transmute::<KMESSAGE_SERVICE_ROUTINE, MessageServiceRoutine>(routine) };
    Service::Message(routine, message)
}

/// Connects objects and lets the device interrupt; the driver knows the connection by `key`.
fn connect(key: usize, connection: Connection) {
    let node = connection.node;
    for &object in &connection.objects {
        // SAFETY: complete, and kept by the connection.
        unsafe { interrupt::connect(object) };
    }
    count(node, 1);
    CONNECTIONS.lock().insert(key, connection);
    source::enable(node);
}

fn count(node: &Node, change: i32) {
    let pdo = node.pdo();
    if !pdo.is_null() {
        // SAFETY: the device object of a device that is there.
        unsafe { super::device::extension(pdo) }.InterruptCount += change;
    }
}

/// The node of a physical device object with resources.
fn started(
    pdo: *mut DEVICE_OBJECT,
    caller: usize,
) -> Result<(&'static Node, Interrupts), NTSTATUS> {
    let Some(node) = node::of(pdo) else {
        verify::io_violation(verify::NOT_A_PDO, caller, 0, pdo.addr());
        return Err(STATUS_INVALID_PARAMETER);
    };
    let resources = node.state().resources.ok_or(STATUS_NOT_FOUND)?;
    Ok((node, resources.interrupts))
}

fn connect_line(
    node: &'static Node,
    vector: Vector,
    routine: KSERVICE_ROUTINE,
    request: &Request,
    level: bool,
    caller: usize,
) -> *mut Interrupt {
    let irql = vector.irql().max(request.synchronize_irql);
    let object = request.object(vector.vector, irql, line_service(routine), level);
    let connection = Connection {
        node,
        objects: Vec::from([object]),
        table: None,
        active: true,
        caller,
    };
    connect(object.expose_provenance(), connection);
    object
}

/// `CONNECT_LINE_BASED`.
fn line_based(parameters: &LINE_BASED, caller: usize) -> Result<(), NTSTATUS> {
    // SAFETY: the caller's variable, which holds none on failure.
    unsafe { parameters.InterruptObject.write(core::ptr::null_mut()) };
    let routine = parameters.ServiceRoutine.ok_or(STATUS_INVALID_PARAMETER)?;
    let (node, interrupts) = started(parameters.PhysicalDeviceObject, caller)?;
    let request = Request {
        context: parameters.ServiceContext,
        lock: parameters.SpinLock,
        synchronize_irql: parameters.SynchronizeIrql,
    };
    let Interrupts::Line { vector, .. } = interrupts else {
        return Err(STATUS_NOT_FOUND);
    };
    let object = connect_line(node, vector, routine, &request, true, caller);
    // SAFETY: the caller's variable.
    unsafe { parameters.InterruptObject.write(object.cast()) };
    Ok(())
}

/// `CONNECT_FULLY_SPECIFIED`: the vector must be one of the device's.
pub(super) fn fully_specified(parameters: &FULLY_SPECIFIED, caller: usize) -> Result<(), NTSTATUS> {
    // SAFETY: the caller's variable, which holds none on failure.
    unsafe { parameters.InterruptObject.write(core::ptr::null_mut()) };
    let routine = parameters.ServiceRoutine.ok_or(STATUS_INVALID_PARAMETER)?;
    let (node, interrupts) = started(parameters.PhysicalDeviceObject, caller)?;
    let vectors = match &interrupts {
        Interrupts::None => return Err(STATUS_NOT_FOUND),
        Interrupts::Line { vector, .. } => core::slice::from_ref(vector),
        Interrupts::Messages(vectors) => vectors.as_slice(),
    };
    let named = |vector: &&Vector| u32::from(vector.vector) == parameters.Vector;
    let vector = *vectors.iter().find(named).ok_or(STATUS_INVALID_PARAMETER)?;
    if parameters.Irql != vector.irql() || parameters.SynchronizeIrql < parameters.Irql {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let request = Request {
        context: parameters.ServiceContext,
        lock: parameters.SpinLock,
        synchronize_irql: parameters.SynchronizeIrql,
    };
    let level = parameters.InterruptMode != Latched;
    let object = connect_line(node, vector, routine, &request, level, caller);
    // SAFETY: the caller's variable.
    unsafe { parameters.InterruptObject.write(object.cast()) };
    Ok(())
}

/// `CONNECT_MESSAGE_BASED`: all messages, or the line with the fallback routine; which of the
/// two it was.
fn message_based(parameters: &MESSAGE_BASED, caller: usize) -> Result<u32, NTSTATUS> {
    let (node, interrupts) = started(parameters.PhysicalDeviceObject, caller)?;
    let request = Request {
        context: parameters.ServiceContext,
        lock: parameters.SpinLock,
        synchronize_irql: parameters.SynchronizeIrql,
    };
    let (answer, version) = match interrupts {
        Interrupts::None => return Err(STATUS_NOT_FOUND),
        Interrupts::Line { vector, .. } => {
            let routine = parameters.FallBackServiceRoutine.ok_or(STATUS_NOT_FOUND)?;
            let object = connect_line(node, vector, routine, &request, true, caller);
            (object.cast::<c_void>(), CONNECT_LINE_BASED)
        }
        Interrupts::Messages(vectors) => {
            let routine = parameters
                .MessageServiceRoutine
                .ok_or(STATUS_INVALID_PARAMETER)?;
            let table = connect_messages(node, &vectors, routine, &request, caller);
            (table.cast(), CONNECT_MESSAGE_BASED)
        }
    };
    // SAFETY: the caller's variable.
    unsafe { parameters.ConnectionContext.write(answer) };
    Ok(version)
}

fn connect_messages(
    node: &'static Node,
    vectors: &[Vector],
    routine: KMESSAGE_SERVICE_ROUTINE,
    request: &Request,
    caller: usize,
) -> *mut IO_INTERRUPT_MESSAGE_INFO {
    let highest = vectors
        .iter()
        .map(|vector| vector.irql())
        .max()
        .unwrap_or(0);
    let irql = highest.max(request.synchronize_irql);
    let objects: Vec<_> = (0_u32..)
        .zip(vectors)
        .map(|(index, vector)| {
            request.object(vector.vector, irql, message_service(routine, index), false)
        })
        .collect();
    // The table's head is 8 bytes, aligned as its entries.
    let entry = size_of::<IO_INTERRUPT_MESSAGE_INFO_ENTRY>();
    let mut table = vec_of_words(8 + vectors.len() * entry);
    let info: *mut IO_INTERRUPT_MESSAGE_INFO = table.as_mut_ptr().cast();
    // SAFETY: within the table.
    unsafe { (*info).UnifiedIrql = irql };
    // SAFETY: as above.
    unsafe { (*info).MessageCount = vectors.len() as u32 };
    // SAFETY: as above.
    let first = unsafe { &raw mut (*info).MessageInfo }.cast::<IO_INTERRUPT_MESSAGE_INFO_ENTRY>();
    for (index, (vector, &object)) in vectors.iter().zip(&objects).enumerate() {
        let (address, data) = interrupt::message(vector.vector, vector.affinity.target);
        let description = IO_INTERRUPT_MESSAGE_INFO_ENTRY {
            MessageAddress: address.cast_signed(),
            TargetProcessorSet: vector.affinity.mask as usize,
            InterruptObject: object.cast(),
            MessageData: data,
            Vector: vector.vector.into(),
            Irql: vector.irql(),
            Mode: Latched,
            Polarity: 0,
        };
        // SAFETY: the table has as many entries as there are vectors.
        let place = unsafe { first.add(index) };
        // SAFETY: as above.
        unsafe { place.write(description) };
    }
    let connection = Connection {
        node,
        objects,
        table: Some(table),
        active: true,
        caller,
    };
    connect(info.expose_provenance(), connection);
    info
}

fn vec_of_words(bytes: usize) -> Box<[u64]> {
    core::iter::repeat_n(0, bytes.div_ceil(8)).collect()
}

/// Disconnects what the driver knows by this address; whether there is such a connection.
pub(super) fn disconnect(context: *mut c_void) -> bool {
    let Some(connection) = CONNECTIONS.lock().remove(&context.addr()) else {
        return false;
    };
    let node = connection.node;
    quiet_if_last(node);
    for &object in &connection.objects {
        if connection.active {
            // SAFETY: it is connected.
            unsafe { interrupt::disconnect(object) };
        }
        // SAFETY: nobody calls it any more; made by `Request::object`.
        drop(unsafe { Box::from_raw(object) });
    }
    count(node, -1);
    drop(connection.table);
    true
}

/// The device no longer interrupts, unless another active connection of its is left.
fn quiet_if_last(node: &'static Node) {
    let connections = CONNECTIONS.lock();
    let mut others = connections.values();
    let busy = others.any(|other| core::ptr::eq(other.node, node) && other.active);
    drop(connections);
    if !busy {
        source::disable(node);
    }
}

/// Makes a connection active or inactive.
fn set_active(context: *mut c_void, active: bool) {
    let mut connections = CONNECTIONS.lock();
    let Some(connection) = connections.get_mut(&context.addr()) else {
        return;
    };
    if connection.active == active {
        return;
    }
    connection.active = active;
    let node = connection.node;
    let objects = connection.objects.clone();
    drop(connections);
    if !active {
        quiet_if_last(node);
    }
    for &object in &objects {
        if active {
            // SAFETY: it was connected, and is kept by the connection.
            unsafe { interrupt::connect(object) };
        } else {
            // SAFETY: it is connected.
            unsafe { interrupt::disconnect(object) };
        }
    }
    if active {
        source::enable(node);
    }
}

/// The first interrupt that was connected from a range of code and still is: what the driver got
/// for it, and from where.
#[must_use]
pub fn connected_from(code: &Range<u64>) -> Option<(u64, u64)> {
    let connections = CONNECTIONS.lock();
    let mut all = connections.iter();
    let (key, connection) = all.find(|(_, one)| code.contains(&(one.caller as u64)))?;
    Some((*key as u64, connection.caller as u64))
}

/// What is connected: a line for each.
#[must_use]
pub fn connected() -> Vec<(usize, &'static str)> {
    let connections = CONNECTIONS.lock();
    connections
        .values()
        .map(|connection| (connection.caller, &*connection.node.instance))
        .collect()
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Connects a driver's routines to its device's interrupts.
    ///
    /// Source: IoConnectInterruptEx.
    ///
    /// # Safety
    ///
    /// The parameters are those of their version.
    pub unsafe fn IoConnectInterruptEx(parameters: *mut IO_CONNECT_INTERRUPT_PARAMETERS) -> NTSTATUS {
        let caller = verify::caller();
        // SAFETY: the caller's promise.
        let parameters = unsafe { &mut *parameters };
        let connected = match parameters.Version {
            CONNECT_FULLY_SPECIFIED | CONNECT_FULLY_SPECIFIED_GROUP => {
                // SAFETY: the version says that it is this one.
                fully_specified(unsafe { &parameters.u.FullySpecified }, caller)
            }
            CONNECT_LINE_BASED => {
                // SAFETY: as above.
                line_based(unsafe { &parameters.u.LineBased }, caller)
            }
            CONNECT_MESSAGE_BASED => {
                // SAFETY: as above.
                match message_based(unsafe { &parameters.u.MessageBased }, caller) {
                    Ok(version) => {
                        parameters.Version = version;
                        Ok(())
                    }
                    Err(status) => Err(status),
                }
            }
            _ => {
                parameters.Version = CONNECT_FULLY_SPECIFIED_GROUP;
                Err(STATUS_INVALID_PARAMETER_1)
            }
        };
        match connected {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Disconnects what IoConnectInterruptEx connected. When it returns, the routines do not
    /// run.
    ///
    /// Source: IoDisconnectInterruptEx.
    ///
    /// # Safety
    ///
    /// The parameters hold what IoConnectInterruptEx gave.
    pub unsafe fn IoDisconnectInterruptEx(parameters: *mut IO_DISCONNECT_INTERRUPT_PARAMETERS) {
        // SAFETY: the caller's promise.
        let context = unsafe { (*parameters).ConnectionContext };
        if !disconnect(context) {
            verify::io_violation(verify::UNKNOWN, verify::caller(), context.addr(), 0);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The driver is ready for its device's interrupts again.
    ///
    /// Source: IoReportInterruptActive.
    ///
    /// # Safety
    ///
    /// The parameters hold what IoConnectInterruptEx gave.
    pub unsafe fn IoReportInterruptActive(parameters: *mut IO_DISCONNECT_INTERRUPT_PARAMETERS) {
        // SAFETY: the caller's promise.
        set_active(unsafe { (*parameters).ConnectionContext }, true);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The driver does not want its device's interrupts for a while. When it returns, the
    /// routines do not run.
    ///
    /// Source: IoReportInterruptInactive.
    ///
    /// # Safety
    ///
    /// As IoReportInterruptActive.
    pub unsafe fn IoReportInterruptInactive(parameters: *mut IO_DISCONNECT_INTERRUPT_PARAMETERS) {
        // SAFETY: the caller's promise.
        set_active(unsafe { (*parameters).ConnectionContext }, false);
    }
}
