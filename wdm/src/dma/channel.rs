//! Mapping a request's memory for a device, one request at a time.
//!
//! The rule of the kernel this stands for: the adapter gives a list for the device,
//! now or later, and gets it back when the device is done; until then nothing of it is touched.
//! ("Using the GetScatterGatherList Method", nc-wdm-pget_scatter_gather_list.)

use core::ptr::NonNull;

use wdk_sys::{
    BOOLEAN, DEVICE_OBJECT, IRP, PVOID, SCATTER_GATHER_ELEMENT, SCATTER_GATHER_LIST,
    ntddk::KeBugCheckEx,
};

use super::{Adapter, TransferMemory};
use crate::{
    Result, Status,
    device::DeviceReference,
    irp::{Irp, Pending},
    irql::{self, AtOrBelowDispatch, Dispatch, UpToDispatch},
    pool::{PoolBox, Shared, Tag},
};

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From memory to the device.
    ToDevice,
    /// From the device to memory.
    FromDevice,
}

impl Direction {
    const fn write_to_device(self) -> BOOLEAN {
        match self {
            Self::ToDevice => 1,
            Self::FromDevice => 0,
        }
    }
}

/// Gets memory that has been mapped. It borrows nothing: the adapter may call it much later.
pub trait ListControl: Send + Sync + Sized + 'static {
    /// The `AdapterListControl` routine: the memory is mapped. It may be called before
    /// [`Channel::map`] returns, or later and on any processor.
    fn mapped(&self, mapped: Mapped<Self>, irql: &mut Dispatch);
}

/// What is needed to map one request at a time, allocated once. It is inside of [`Mapped`] while
/// something is mapped.
pub struct Channel<C: ListControl>(PoolBox<ChannelState<C>>);

struct ChannelState<C: ListControl> {
    /// Its own pool tag, for when it comes back from the adapter as a pointer.
    tag: Tag,
    adapter: Shared<Adapter>,
    device: DeviceReference,
    context: Shared<C>,
    direction: Direction,
    /// While the adapter works on it.
    memory: Option<TransferMemory>,
}

/// A request that could not be mapped.
#[must_use = "the request must be completed"]
pub struct NotMapped<C: ListControl> {
    /// The channel, for the next request.
    pub channel: Channel<C>,
    /// The request and its memory.
    pub memory: TransferMemory,
    /// Why.
    pub status: Status,
}

impl<C: ListControl> Channel<C> {
    /// A channel that reports to `context`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(
        tag: Tag,
        adapter: Shared<Adapter>,
        device: DeviceReference,
        context: Shared<C>,
        irql: &I,
    ) -> Result<Self> {
        PoolBox::new(
            tag,
            ChannelState {
                tag,
                adapter,
                device,
                context,
                direction: Direction::ToDevice,
                memory: None,
            },
            irql,
        )
        .map(Self)
    }

    /// Has the first `length` bytes of the memory mapped for the device, and
    /// [`ListControl::mapped`] called when it is: at once, or when the adapter has resources.
    ///
    /// Source: nc-wdm-pget_scatter_gather_list.
    ///
    /// # Errors
    ///
    /// [`NotMapped`] with the status of `GetScatterGatherList`; `STATUS_INVALID_PARAMETER` if the
    /// memory has fewer bytes, or was locked to be read and the transfer would write it.
    pub fn map(
        mut self,
        memory: TransferMemory,
        length: u32,
        direction: Direction,
        _irql: &Dispatch,
    ) -> core::result::Result<(), NotMapped<C>> {
        let Some(get) = self.0.adapter.operations().GetScatterGatherList else {
            return Err(NotMapped {
                channel: self,
                memory,
                status: Status::NOT_SUPPORTED,
            });
        };
        let mdl = memory.mdl();
        // SAFETY: valid while the memory is locked.
        let bytes = unsafe { crate::mdl::byte_count(mdl) };
        if length as usize > bytes || !memory.allows(direction) {
            return Err(NotMapped {
                channel: self,
                memory,
                status: Status::INVALID_PARAMETER,
            });
        }
        // SAFETY: valid while the memory is locked.
        let start = unsafe { crate::mdl::virtual_address(mdl) };
        self.0.direction = direction;
        self.0.memory = Some(memory);
        let adapter = self.0.adapter.0;
        let device = self.0.device.as_ptr();
        // From here on the routine owns the channel: it may run before `get` returns.
        let context = self.0.into_raw();
        // SAFETY: at DISPATCH_LEVEL; the MDL is locked, and stays so with the memory, which is
        // in the channel.
        let status = unsafe {
            get(
                adapter.as_ptr(),
                device,
                mdl.as_ptr(),
                start,
                length,
                Some(list_control::<C>),
                context.cast(),
                direction.write_to_device(),
            )
        };
        let Err(status) = Status::check(status) else {
            return Ok(());
        };
        // SAFETY: given up above, and on failure the routine is not called.
        let mut channel = unsafe { Self::from_raw(context) };
        let memory = channel.0.memory.take();
        // It was put there above.
        memory.map_or(Ok(()), |memory| {
            Err(NotMapped {
                channel,
                memory,
                status,
            })
        })
    }
}

impl<C: ListControl> Channel<C> {
    /// # Safety
    ///
    /// The pointer was given up by [`Self::map`], and is taken back once.
    unsafe fn from_raw(state: *mut ChannelState<C>) -> Self {
        // SAFETY: valid by contract.
        let tag = unsafe { (*state).tag };
        // SAFETY: by contract, and allocated with this tag.
        Self(unsafe { PoolBox::from_raw(state, tag) })
    }
}

/// `AdapterListControl`.
unsafe extern "C" fn list_control<C: ListControl>(
    _device: *mut DEVICE_OBJECT,
    _irp: *mut IRP,
    list: *mut SCATTER_GATHER_LIST,
    context: PVOID,
) {
    // SAFETY: given up by `map` for this one call.
    let mut channel = unsafe { Channel::<C>::from_raw(context.cast()) };
    // Both are there whenever this is called.
    if let (Some(memory), Some(list)) = (channel.0.memory.take(), NonNull::new(list)) {
        // SAFETY: called at DISPATCH_LEVEL.
        let irql = &mut unsafe { Dispatch::assume() };
        let context = channel.0.context.clone();
        let list = List {
            adapter: channel.0.adapter.clone(),
            direction: channel.0.direction,
            elements: list,
        };
        context.mapped(
            Mapped {
                kept: Kept,
                list,
                memory,
                channel,
            },
            irql,
        );
    }
}

/// A scatter/gather list, given back on drop.
struct List {
    adapter: Shared<Adapter>,
    direction: Direction,
    elements: NonNull<SCATTER_GATHER_LIST>,
}

// SAFETY: the list belongs to no thread.
unsafe impl Send for List {}

impl Drop for List {
    fn drop(&mut self) {
        let Some(put) = self.adapter.operations().PutScatterGatherList else {
            return;
        };
        let adapter = self.adapter.0.as_ptr();
        let list = self.elements.as_ptr();
        let direction = self.direction.write_to_device();
        // SAFETY: what is mapped is only used and dropped at IRQL <= DISPATCH_LEVEL.
        let mut irql = unsafe { UpToDispatch::assume() };
        irql::raise_to_dispatch(&mut irql, |_| {
            // SAFETY: from this adapter, given back once, at DISPATCH_LEVEL. The device is done
            // with the memory: that is the contract of `Mapped`.
            unsafe { put(adapter, list, direction) };
        });
    }
}

/// Memory mapped for the device.
///
/// It must be kept until the device is done with the memory, or has been reset: the IRP in it
/// can be completed only by [`Self::unmap`]. One that is dropped stops the system, since the device
/// may be at it, and what its memory is used for next would be overwritten.
pub struct Mapped<C: ListControl> {
    kept: Kept,
    // In this order: the list is given back before the memory is unlocked.
    list: List,
    memory: TransferMemory,
    channel: Channel<C>,
}

/// Dropped with what must not be dropped.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        const DRIVER_VIOLATION: u32 = 0x121;
        // Tells it from what others stop the system with by the same code.
        const MAPPED_MEMORY_DROPPED: u64 = 0x5744_4d01;
        // SAFETY: callable at any IRQL; it does not return.
        unsafe { KeBugCheckEx(DRIVER_VIOLATION, MAPPED_MEMORY_DROPPED, 0, 0, 0) };
    }
}

impl<C: ListControl> Mapped<C> {
    /// An element of the list: its address, as the device must be told, and its length.
    #[must_use]
    pub fn element(&self, index: usize) -> Option<(u64, u32)> {
        let list = self.list.elements.as_ptr();
        // SAFETY: valid until it is given back.
        let count = unsafe { (*list).NumberOfElements };
        if index >= count as usize {
            return None;
        }
        // SAFETY: only an address is formed. Not by the array's own type, which has one element.
        let elements = unsafe { &raw const (*list).Elements }.cast::<SCATTER_GATHER_ELEMENT>();
        let element = elements.wrapping_add(index);
        // SAFETY: the list has this many, one behind the other.
        let element = unsafe { &*element };
        // SAFETY: every bit pattern of the union is a number.
        let address = unsafe { element.Address.QuadPart };
        Some((address.cast_unsigned(), element.Length))
    }

    /// The request.
    #[must_use = "to look at the request changes nothing"]
    pub const fn irp(&self) -> &Irp<Pending> {
        self.memory.irp()
    }

    /// The device is done: gives the list back, after which the memory holds what the device
    /// wrote, and then the request and the channel.
    #[must_use]
    pub fn unmap(self, _irql: &Dispatch) -> (TransferMemory, Channel<C>) {
        let Self {
            kept,
            list,
            memory,
            channel,
        } = self;
        core::mem::forget(kept);
        drop(list);
        (memory, channel)
    }
}
