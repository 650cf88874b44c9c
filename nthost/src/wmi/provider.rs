//! Drivers that provide data blocks, and the requests that they get.
//!
//! Sources: IoWMIRegistrationControl, IoWMIDeviceObjectToProviderId, IRP_MN_REGINFO_EX,
//! IRP_MN_ENABLE_EVENTS, IRP_MN_ENABLE_COLLECTION, "Registering as a WMI Data Provider".

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        irp::IO_STATUS_BLOCK,
        major::{
            IRP_MJ_SYSTEM_CONTROL, IRP_MN_DISABLE_COLLECTION, IRP_MN_DISABLE_EVENTS,
            IRP_MN_ENABLE_COLLECTION, IRP_MN_ENABLE_EVENTS, IRP_MN_REGINFO_EX,
        },
    },
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
        STATUS_SUCCESS, STATUS_WMI_GUID_DISCONNECTED, nt_success,
    },
};

use super::{
    consumer,
    reginfo::{self, Block, EVENT_ONLY, EXPENSIVE, TRACED},
    wnode::{Wnode, header},
};
use crate::{
    ex::worker::{self, Queue},
    export::PASSIVE_LEVEL,
    io::{device, request},
    ke::{irql, lock::SpinLock, owned_event::Event},
    ob::object,
    pnp::node,
};

/// `WMIREGISTER` and `WMIUPDATE`.
const REGISTER: usize = 0;
const UPDATE: usize = 1;
/// How large a driver's information about its blocks is at first thought to be.
const INFORMATION: usize = 4096;

/// A block of a provider, and what its driver has been told of who wants it.
#[derive(Debug)]
struct Provided {
    block: Block,
    collecting: bool,
    events: bool,
}

/// A device whose driver provides data.
#[derive(Debug)]
pub struct Provider {
    device: *mut DEVICE_OBJECT,
    id: u32,
    /// Set while no request is on its way to it.
    free: Event,
    gone: AtomicBool,
    /// A leaf.
    blocks: SpinLock<Vec<Provided>>,
}

// SAFETY: the device is referenced as long as the provider is.
unsafe impl Send for Provider {}
// SAFETY: as above.
unsafe impl Sync for Provider {}

impl Drop for Provider {
    fn drop(&mut self) {
        for provided in core::mem::take(&mut *self.blocks.lock()) {
            release(&provided.block);
        }
        object::dereference(self.device.cast());
    }
}

/// A block's reference to the device that its names are made of is given back.
fn release(block: &Block) {
    if block.pdo != 0 {
        object::dereference(core::ptr::with_exposed_provenance_mut(block.pdo as usize));
    }
}

/// All of them. A leaf.
static PROVIDERS: SpinLock<Vec<Arc<Provider>>> = SpinLock::new(Vec::new());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A request for a provider, which is made at PASSIVE_LEVEL whatever the caller's IRQL.
struct Question {
    provider: Arc<Provider>,
    minor: u8,
    path: Path,
    node: Wnode,
}

/// What a request is about.
#[derive(Clone, Copy)]
enum Path {
    Guid(GUID),
    Mode(usize),
}

impl Question {
    fn ask(mut self) -> (NTSTATUS, Wnode) {
        let device = self.provider.device;
        let top = device::highest(device);
        object::reference(top.cast());
        let path = match &mut self.path {
            Path::Guid(guid) => core::ptr::from_mut(guid).cast(),
            Path::Mode(mode) => core::ptr::without_provenance_mut(*mode),
        };
        let (size, buffer) = (self.node.get(header::BUFFER_SIZE), self.node.as_mut_ptr());
        // SAFETY: the stack of a registered device, which stays until it is deregistered; the
        // buffer stays until the request is complete.
        let result = unsafe {
            request::send(top, |irp, location| {
                irp.IoStatus = IO_STATUS_BLOCK::new(STATUS_NOT_SUPPORTED, 0);
                location.MajorFunction = IRP_MJ_SYSTEM_CONTROL;
                location.MinorFunction = self.minor;
                let wmi = location.Parameters.others_mut();
                wmi.Argument1 = device.cast();
                wmi.Argument2 = path;
                wmi.Argument3 = core::ptr::without_provenance_mut(size as usize);
                wmi.Argument4 = buffer.cast();
            })
        };
        object::dereference(top.cast());
        (result.status(), self.node)
    }
}

impl Provider {
    /// Sends a request that is about a block and waits for the answer. IRQL up to APC_LEVEL.
    pub fn ask(self: &Arc<Self>, minor: u8, node: Wnode) -> (NTSTATUS, Wnode) {
        let path = Path::Guid(node.guid());
        let provider = self.clone();
        let question = Question {
            provider,
            minor,
            path,
            node,
        };
        self.alone(question)
    }

    /// Asks, with no other request on its way.
    fn alone(&self, question: Question) -> (NTSTATUS, Wnode) {
        self.free.wait();
        if self.gone.load(Ordering::Acquire) {
            self.free.set();
            return (STATUS_WMI_GUID_DISCONNECTED, question.node);
        }
        let answer = if irql::current() == PASSIVE_LEVEL {
            question.ask()
        } else {
            let place = Arc::new((Event::notification(), SpinLock::new(None)));
            let theirs = place.clone();
            worker::queue(Queue::Delayed, move || {
                let answer = question.ask();
                *theirs.1.lock() = Some(answer);
                theirs.0.set();
            });
            place.0.wait();
            let answer = place.1.lock().take();
            answer.unwrap_or_else(|| unreachable!("the worker has answered"))
        };
        self.free.set();
        answer
    }

    /// Asks the driver for its blocks. PASSIVE_LEVEL.
    fn query(self: &Arc<Self>, mode: usize) {
        let mut size = INFORMATION;
        loop {
            let mut node = Wnode::new(size, GUID::from_bytes([0; 16]), 0);
            // No header of a block: the driver writes all of it.
            node.put(0, &[0; header::SIZE]);
            node.set(header::BUFFER_SIZE, size as u32);
            let question = Question {
                provider: self.clone(),
                minor: IRP_MN_REGINFO_EX,
                path: Path::Mode(mode),
                node,
            };
            let (status, node) = self.alone(question);
            let needed = node.get(0) as usize;
            if status == STATUS_BUFFER_TOO_SMALL && needed > size {
                size = needed;
                continue;
            }
            if !nt_success(status) {
                let name = device::name(self.device);
                log!("wmi", "{name} says nothing of its blocks: {:#010x}", status);
                return;
            }
            self.learn(&node);
            return;
        }
    }

    /// The driver has said which blocks it has.
    fn learn(self: &Arc<Self>, info: &Wnode) {
        let path_of =
            |pdo: u64| node::instance_of(core::ptr::with_exposed_provenance_mut(pdo as usize));
        let said = reginfo::blocks(info, path_of);
        let guids: Vec<_> = said.iter().map(|block| block.guid).collect();
        let mut known = self.blocks.lock();
        let before = core::mem::take(&mut *known);
        let mut blocks: Vec<_> = before
            .iter()
            .map(|provided| provided.block.clone())
            .collect();
        reginfo::update(&mut blocks, said);
        known.extend(blocks.into_iter().map(|block| {
            let old = before.iter().find(|old| old.block.guid == block.guid);
            let (collecting, events) =
                old.map_or((false, false), |old| (old.collecting, old.events));
            Provided {
                block,
                collecting,
                events,
            }
        }));
        drop(known);
        // What was said again or removed came with a reference each time.
        for old in before.iter().filter(|old| guids.contains(&old.block.guid)) {
            release(&old.block);
        }
        for guid in guids {
            self.settle(guid);
        }
    }

    /// A block of it.
    #[must_use]
    pub fn block(&self, guid: GUID) -> Option<Block> {
        let blocks = self.blocks.lock();
        let found = blocks.iter().find(|provided| provided.block.guid == guid);
        found.map(|provided| provided.block.clone())
    }

    /// Tells the driver who wants a block, if that is not what it was told last.
    fn settle(self: &Arc<Self>, guid: GUID) {
        let Some(block) = self
            .block(guid)
            .filter(|_| !self.gone.load(Ordering::Acquire))
        else {
            return;
        };
        let (data, events) = consumer::wants(guid);
        let collecting = data && block.flags & (EXPENSIVE | EVENT_ONLY) == EXPENSIVE;
        let change = |now: bool, field: fn(&mut Provided) -> &mut bool| {
            let mut blocks = self.blocks.lock();
            let found = blocks
                .iter_mut()
                .find(|provided| provided.block.guid == guid);
            found.is_some_and(|provided| core::mem::replace(field(provided), now) != now)
        };
        let mut requests = Vec::new();
        if change(collecting, |provided| &mut provided.collecting) {
            let minors = [IRP_MN_DISABLE_COLLECTION, IRP_MN_ENABLE_COLLECTION];
            requests.push(minors[usize::from(collecting)]);
        }
        if change(events, |provided| &mut provided.events) {
            let minors = [IRP_MN_DISABLE_EVENTS, IRP_MN_ENABLE_EVENTS];
            requests.push(minors[usize::from(events)]);
        }
        for minor in requests {
            let (status, _) = self.ask(minor, Wnode::new(header::SIZE, guid, 0));
            if !nt_success(status) {
                log!("wmi", "request {minor} about {guid}: {status:#010x}");
            }
        }
    }
}

/// Somebody wants a block, or does not want it any more: its providers are told. PASSIVE_LEVEL.
pub fn settle(guid: GUID) {
    for provider in of(guid) {
        provider.settle(guid);
    }
}

/// The providers of a block, the oldest first.
pub fn of(guid: GUID) -> Vec<Arc<Provider>> {
    let mut providers = PROVIDERS.lock().clone();
    providers.retain(|provider| provider.block(guid).is_some());
    providers
}

/// The providers of a block that can be queried.
pub fn of_data(guid: GUID) -> Vec<(Arc<Provider>, Block)> {
    let with_block = |provider: Arc<Provider>| {
        let block = provider.block(guid)?;
        (block.flags & (EVENT_ONLY | TRACED) == 0).then_some((provider, block))
    };
    of(guid).into_iter().filter_map(with_block).collect()
}

/// The provider of this id.
pub fn of_id(id: u32) -> Option<Arc<Provider>> {
    let providers = PROVIDERS.lock();
    providers.iter().find(|provider| provider.id == id).cloned()
}

fn of_device(device: *mut DEVICE_OBJECT) -> Option<Arc<Provider>> {
    let providers = PROVIDERS.lock();
    providers
        .iter()
        .find(|provider| provider.device == device)
        .cloned()
}

/// A device provides data from now on. Its driver is asked for its blocks by a system thread.
fn register(device: *mut DEVICE_OBJECT) {
    object::reference(device.cast());
    let free = Event::synchronization();
    free.set();
    let provider = Arc::new(Provider {
        device,
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        free,
        gone: AtomicBool::new(false),
        blocks: SpinLock::new(Vec::new()),
    });
    PROVIDERS.lock().push(provider.clone());
    query_later(provider, REGISTER);
}

fn query_later(provider: Arc<Provider>, mode: usize) {
    worker::queue(Queue::Delayed, move || {
        if !provider.gone.load(Ordering::Acquire) {
            provider.query(mode);
        }
    });
}

/// A device provides no data any more; no request is on its way to it when this returns.
fn deregister(provider: &Arc<Provider>) {
    PROVIDERS
        .lock()
        .retain(|known| !Arc::ptr_eq(known, provider));
    provider.gone.store(true, Ordering::Release);
    provider.free.wait();
    provider.free.set();
}

/// The id of a device's provider; 0 if it is none.
pub fn id_of(device: *mut DEVICE_OBJECT) -> u32 {
    of_device(device).map_or(0, |provider| provider.id)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Registers a device as a provider of data (1), takes that back (2), does both (3), or has
    /// its driver asked again for its blocks (4). The driver is asked by a system thread. When a
    /// registration was taken back, no request is on its way any more.
    ///
    /// Source: IoWMIRegistrationControl.
    ///
    /// # Safety
    ///
    /// `device` is a device object of the caller's.
    pub unsafe fn IoWMIRegistrationControl(device: *mut DEVICE_OBJECT, action: u32) -> NTSTATUS {
        const REGISTER: u32 = 1;
        const DEREGISTER: u32 = 2;
        const REREGISTER: u32 = 3;
        const UPDATE_GUIDS: u32 = 4;
        let known = of_device(device);
        match (action, known) {
            (REGISTER, None) => register(device),
            (DEREGISTER, Some(provider)) => deregister(&provider),
            (REREGISTER, Some(provider)) => {
                deregister(&provider);
                register(device);
            }
            (UPDATE_GUIDS, Some(provider)) => query_later(provider, UPDATE),
            _ => return STATUS_INVALID_PARAMETER,
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The id under which a device's driver sends events; 0 for a device that is not registered.
    ///
    /// Source: IoWMIDeviceObjectToProviderId.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoWMIDeviceObjectToProviderId(device: *mut DEVICE_OBJECT) -> u32 {
        id_of(device)
    }
}
