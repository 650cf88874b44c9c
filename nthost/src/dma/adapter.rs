//! Adapters: made by IoGetDmaAdapter, given back by PutDmaAdapter; who waits for map registers.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        dma::{
            DEVICE_DESCRIPTION, DEVICE_DESCRIPTION_VERSION, DEVICE_DESCRIPTION_VERSION1,
            DEVICE_DESCRIPTION_VERSION2, DEVICE_DESCRIPTION_VERSION3, DMA_ADAPTER,
        },
    },
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES},
};

use super::{
    common::CommonBuffer,
    mapping::{self, Mapping, Reach},
    operations,
};
use crate::{
    dma::iommu::domain,
    export::{self, DISPATCH_LEVEL},
    hook::{self, DmaMisuse},
    ke::{irql::Raised, lock::SpinLock},
    mm::PAGE_SIZE,
};

/// The most map registers that an adapter has.
const MAXIMUM_REGISTERS: u32 = 256;
/// How many pages of map registers an adapter keeps after their use, to see whether its device
/// still writes there.
const RETIRED: usize = 32;

/// An adapter, as nthost knows it. Drivers know its beginning.
#[repr(C)]
pub struct Adapter {
    head: DMA_ADAPTER,
    /// What its device may address.
    pub reach: Reach,
    /// How many map registers it has.
    pub registers: u32,
    /// Who made it.
    pub caller: u64,
    state: SpinLock<State>,
}

/// What changes of an adapter. Nothing but the allocators is locked while it is held.
#[derive(Default)]
pub struct State {
    /// Map registers in use.
    used: u32,
    /// Those who wait for map registers, or for the channel.
    waiting: VecDeque<Waiting>,
    /// Somebody lets those go on who wait; who gives something back meanwhile leaves it to them.
    draining: bool,
    /// Something was given back since the last of them went on.
    released: bool,
    /// The channel is allocated.
    pub channel: bool,
    /// The device whose routine is called with the channel right now, by its address.
    pub within: usize,
    /// What goes with the channel when it is freed.
    pub held: Held,
    /// Scatter/gather lists, by their addresses.
    pub lists: BTreeMap<usize, List>,
    /// How many lists there have been.
    pub lists_given: u64,
    /// How many of them are no more.
    pub lists_freed: u64,
    /// Map registers that were allocated by the number, by their base.
    pub bases: BTreeMap<usize, Base>,
    /// Where the next base is.
    pub next_base: usize,
    /// Common buffers, by their addresses.
    pub common: BTreeMap<u64, CommonBuffer>,
    /// Pages of map registers whose transfer is over.
    retired: VecDeque<u64>,
}

/// What a driver was given along with the channel, and did not ask to keep without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// Nothing, or no longer.
    #[default]
    Nothing,
    /// Map registers by the number, by their base.
    Base(usize),
    /// A scatter/gather list that a synchronous call gave, by its address.
    List(usize),
}

/// What is done with what was asked for; `true` says that it is within the call that asked.
pub type Go = Box<dyn FnOnce(&Adapter, bool) -> Result<Outcome, NTSTATUS> + Send>;

/// What became of somebody who got what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is used.
    Done,
    /// It could not be used: it was given back, and waits in front of all others.
    Waits,
}

/// A scatter/gather list that was given out.
pub struct List {
    /// What it describes.
    pub mapping: Mapping,
    /// Its memory, unless it is the driver's.
    pub memory: Option<Box<[u64]>>,
}

// SAFETY: a mapping knows pages by their numbers.
unsafe impl Send for List {}

/// Map registers that were allocated by the number.
pub struct Base {
    /// How many.
    pub count: u32,
    /// The transfers that go through them.
    pub mappings: Vec<Mapping>,
}

/// Somebody who waits: for so many registers, and perhaps for the channel.
pub struct Waiting {
    /// How many map registers.
    pub registers: u32,
    /// The channel too.
    pub channel: bool,
    /// By what it can be taken back.
    pub key: usize,
    /// What is then done, at DISPATCH_LEVEL, with nothing locked.
    pub go: Go,
}

/// The adapters that exist, by their addresses. Taken before an adapter's own lock.
static ADAPTERS: SpinLock<BTreeSet<usize>> = SpinLock::new(BTreeSet::new());

/// All adapters, and who got them.
#[must_use]
pub fn all() -> Vec<(u64, u64)> {
    let adapters = ADAPTERS.lock();
    let adapters = adapters.iter().map(|&address| {
        let adapter = core::ptr::with_exposed_provenance::<Adapter>(address);
        // SAFETY: it is among the adapters as long as it exists.
        (address as u64, unsafe { (*adapter).caller })
    });
    adapters.collect()
}

/// The adapter that a driver passes. Bug check 0xE6 if it is none.
///
/// # Safety
///
/// The adapter stays as long as the result is used: it is the driver's.
pub unsafe fn of<'a>(adapter: *mut DMA_ADAPTER) -> &'a Adapter {
    if adapter.is_null() {
        hook::dma_misuse(DmaMisuse::NoAdapter, [0, 0, 0]);
    } else if !ADAPTERS.lock().contains(&adapter.addr()) {
        hook::dma_misuse(DmaMisuse::ReleasedAdapter, [adapter.addr() as u64, 0, 0]);
    }
    // SAFETY: it exists, as was just seen; the caller's promise.
    unsafe { &*adapter.cast::<Adapter>() }
}

/// Map registers that drivers have in use, of all adapters.
#[must_use]
pub fn registers_in_use() -> u64 {
    // An adapter's lock is taken while this one is held, and never the other way round.
    ADAPTERS
        .lock()
        .iter()
        .map(|&address| {
            let adapter = core::ptr::with_exposed_provenance::<Adapter>(address);
            // SAFETY: it is in the set, and leaves it before it is freed.
            u64::from(unsafe { &*adapter }.state.lock().used)
        })
        .sum()
}

/// How many bytes of address a device has, by its description; `None` if the description makes
/// no sense.
fn highest(description: &DEVICE_DESCRIPTION) -> Option<u64> {
    if description.Version == DEVICE_DESCRIPTION_VERSION3 {
        return match description.DmaAddressWidth {
            0 => None,
            width @ 1..64 => Some((1 << width) - 1),
            _ => Some(u64::MAX),
        };
    }
    Some(if description.Dma64BitAddresses != 0 {
        u64::MAX
    } else if description.Dma32BitAddresses != 0 {
        u32::MAX.into()
    } else {
        0x00ff_ffff
    })
}

/// Makes an adapter for a bus master.
fn make(
    device: *mut DEVICE_OBJECT,
    description: &DEVICE_DESCRIPTION,
    caller: u64,
) -> Option<Box<Adapter>> {
    let operations = match description.Version {
        DEVICE_DESCRIPTION_VERSION | DEVICE_DESCRIPTION_VERSION1 => &operations::VERSION_1,
        DEVICE_DESCRIPTION_VERSION2 => &operations::VERSION_2,
        DEVICE_DESCRIPTION_VERSION3 => &operations::VERSION_3,
        version => {
            hook::dma_misuse(DmaMisuse::UnknownVersion, [version.into(), 0, 0]);
            return None;
        }
    };
    if description.Master == 0 {
        return None;
    }
    // A transfer that begins within a page spans one page more than its bytes need.
    let pages = u64::from(description.MaximumLength).div_ceil(PAGE_SIZE) + 1;
    let registers = u32::try_from(pages)
        .unwrap_or(u32::MAX)
        .min(MAXIMUM_REGISTERS);
    Some(Box::new(Adapter {
        head: DMA_ADAPTER {
            Version: 1,
            Size: size_of::<DMA_ADAPTER>() as u16,
            DmaOperations: &raw const **operations,
        },
        reach: Reach {
            lowest: 0,
            highest: highest(description)?,
            scatter_gather: description.ScatterGather != 0,
            domain: domain::of(device, caller).ok()?,
        },
        registers,
        caller,
        state: SpinLock::new(State {
            next_base: 1,
            ..State::default()
        }),
    }))
}

/// See [`IoGetDmaAdapter`].
///
/// # Safety
///
/// As IoGetDmaAdapter.
pub unsafe fn get(
    device: *mut DEVICE_OBJECT,
    description: *const DEVICE_DESCRIPTION,
    registers: *mut u32,
    caller: u64,
) -> *mut DMA_ADAPTER {
    // SAFETY: the caller's promise.
    let Some(adapter) = make(device, unsafe { &*description }, caller) else {
        return core::ptr::null_mut();
    };
    // SAFETY: the caller's promise.
    unsafe { registers.write(adapter.registers) };
    let adapter = Box::into_raw(adapter);
    ADAPTERS.lock().insert(adapter.expose_provenance());
    adapter.cast()
}

/// PutDmaAdapter.
///
/// # Safety
///
/// As [`of`]; the driver does not use the adapter any more.
pub unsafe extern "win64" fn put(adapter: *mut DMA_ADAPTER) {
    // SAFETY: the driver's adapter.
    let this = unsafe { of(adapter) };
    let state = this.state.lock();
    let address = adapter.addr() as u64;
    let left = [
        (DmaMisuse::CommonBuffersLeft, state.common.len()),
        (DmaMisuse::ChannelLeft, usize::from(state.channel)),
        (DmaMisuse::ListsLeft, state.lists.len()),
        (DmaMisuse::RegistersLeft, state.used as usize),
    ];
    drop(state);
    for (code, count) in left {
        if count > 0 {
            hook::dma_misuse(code, [address, count as u64, 0]);
        }
    }
    this.free_retired();
    ADAPTERS.lock().remove(&adapter.addr());
    // SAFETY: made by `get`, and the driver gives it back.
    drop(unsafe { Box::from_raw(adapter.cast::<Adapter>()) });
}

/// Frees a page that nobody should have written meanwhile.
fn release_retired(page: u64) {
    if let Err(at) = mapping::check_retired(page) {
        hook::dma_misuse(DmaMisuse::Overrun, [3, at, 0]);
    }
    mapping::free(&[page]);
}

impl Adapter {
    /// What changes of it.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock())
    }

    /// Takes map registers, and the channel if that is asked for, and then goes on: at once, or
    /// when there are enough. `wait` says that it may come later.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if the adapter does not have as many at all, or not now
    /// and it may not come later; what is done at once ends with its own.
    pub fn acquire(&self, request: Waiting, wait: bool) -> Result<(), NTSTATUS> {
        if request.registers > self.registers {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let _raised = Raised::to(DISPATCH_LEVEL);
        let mut state = self.state.lock();
        if state.waiting.is_empty() && state.take(&request, self.registers) {
            drop(state);
            (request.go)(self, true).map(|_| ())
        } else if wait {
            state.waiting.push_back(request);
            drop(state);
            // Who waits for memory that others have given back is told by nobody else.
            self.drain();
            Ok(())
        } else {
            Err(STATUS_INSUFFICIENT_RESOURCES)
        }
    }

    /// Whether somebody waits under this key.
    pub fn is_waiting(&self, key: usize) -> bool {
        let state = self.state.lock();
        state.waiting.iter().any(|waiting| waiting.key == key)
    }

    /// Takes back who waits under this key; whether anybody did.
    pub fn cancel(&self, key: usize) -> bool {
        let mut state = self.state.lock();
        let index = state.waiting.iter().position(|waiting| waiting.key == key);
        index
            .and_then(|index| state.waiting.remove(index))
            .is_some()
    }

    /// Gives map registers back, and the channel, and lets those go on who waited for them.
    pub fn release(&self, registers: u32, channel: bool) {
        let _raised = Raised::to(DISPATCH_LEVEL);
        {
            let mut state = self.state.lock();
            state.used -= registers.min(state.used);
            if channel {
                state.channel = false;
                state.held = Held::Nothing;
            }
            state.released = true;
        }
        self.drain();
    }

    /// Lets those go on who wait and for whom there is enough. Their routines give back in turn:
    /// that is seen here, and not one level deeper, where a long queue would use up the stack.
    /// DISPATCH_LEVEL.
    fn drain(&self) {
        let mut state = self.state.lock();
        if state.draining {
            return;
        }
        state.draining = true;
        while let Some(next) = state.waiting.pop_front() {
            if !state.take(&next, self.registers) {
                state.waiting.push_front(next);
                break;
            }
            state.released = false;
            drop(state);
            // Nobody is there any more to be told what it ended with: it succeeds, or waits on.
            let late = (next.go)(self, false);
            state = self.state.lock();
            // What it lacked is not there before somebody gives something back.
            if late == Ok(Outcome::Waits) && !state.released {
                break;
            }
        }
        state.draining = false;
    }

    /// Frees the pages of map registers whose use is over.
    pub fn free_retired(&self) {
        let retired = core::mem::take(&mut self.state.lock().retired);
        for page in retired {
            release_retired(page);
        }
    }

    /// Ends a mapping that was flushed. Its registers stay counted.
    pub fn end(&self, mapping: Mapping) {
        let pages = mapping.end();
        let mut evicted = Vec::new();
        let mut state = self.state.lock();
        for page in pages {
            mapping::retire(page);
            state.retired.push_back(page);
            if state.retired.len() > RETIRED {
                evicted.extend(state.retired.pop_front());
            }
        }
        drop(state);
        for page in evicted {
            release_retired(page);
        }
    }
}

impl State {
    /// Somebody who had what was asked for could not use it, and waits in front of all others
    /// for what is still in use to be given back. `within` its call, that fails if nothing is.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn wait(&mut self, waiting: Waiting, within: bool) -> Result<Outcome, NTSTATUS> {
        self.used -= waiting.registers.min(self.used);
        self.channel &= !waiting.channel;
        if within && self.used == 0 {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        self.waiting.push_front(waiting);
        Ok(Outcome::Waits)
    }

    /// Takes what is asked for, if it is there.
    fn take(&mut self, request: &Waiting, registers: u32) -> bool {
        if self.used + request.registers > registers || request.channel && self.channel {
            return false;
        }
        self.used += request.registers;
        self.channel |= request.channel;
        true
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: core::ptr::null_mut();
    /// Makes an adapter for a bus master, and says how many map registers it has; null for a
    /// device that is none, or a description that makes no sense.
    ///
    /// Source: IoGetDmaAdapter.
    ///
    /// # Safety
    ///
    /// `description` is one, `registers` can be written.
    pub unsafe fn IoGetDmaAdapter(
        device: *mut DEVICE_OBJECT,
        description: *const DEVICE_DESCRIPTION,
        registers: *mut u32,
    ) -> *mut DMA_ADAPTER {
        // SAFETY: the caller's promise.
        unsafe { get(device, description, registers, export::caller()) }
    }
}
