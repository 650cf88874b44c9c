//! Direct memory access: the adapter, and memory mapped for the device.
//!
//! The rule of the kernel this stands for: a device is never told a physical address that the
//! driver found by itself. The DMA adapter makes a list of addresses that the device can reach,
//! copying through buffers of its own where it must, and the driver gives the list back before
//! anybody looks at the memory again. ("Using Scatter/Gather DMA", ns-wdm-_dma_operations.)
//!
//! `KeFlushIoBuffers` is not called for the memory: on x64 caches and DMA are coherent, and it does
//! nothing. ("Flushing Cached Data during DMA Operations".)
//!
//! The IRP of a transfer is inside of what is mapped ([`Mapped`]), and comes out only when it is
//! unmapped: it cannot be completed while the device may still write to its memory.

use core::ptr::NonNull;

use wdk_sys::{
    _INTERFACE_TYPE::PCIBus,
    BOOLEAN, DEVICE_DESCRIPTION, DEVICE_DESCRIPTION_VERSION3, DEVICE_OBJECT, DMA_ADAPTER,
    DMA_OPERATIONS, IRP, MDL, PHYSICAL_ADDRESS, PVOID, SCATTER_GATHER_ELEMENT, SCATTER_GATHER_LIST,
    ntddk::{IoGetDmaAdapter, KeBugCheckEx},
};

use crate::{
    Result, Status,
    device::{DeviceReference, PhysicalDevice},
    irp::{Irp, Pending},
    irql::{self, AtOrBelowDispatch, Dispatch, Limit, Passive, UpToDispatch},
    mdl::{Pages, UserPages},
    pool::{PoolBox, Shared, Tag},
    probe::LockOperation,
};

/// What a bus-master device can do.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// How many bits its DMA addresses have.
    pub address_width: u32,
    /// The most bytes that it moves for one request.
    pub maximum_length: u32,
}

/// A DMA adapter. Dropped at PASSIVE_LEVEL, it is given back.
pub struct Adapter(NonNull<DMA_ADAPTER>);

// SAFETY: the adapter's routines synchronise themselves.
unsafe impl Send for Adapter {}
// SAFETY: likewise.
unsafe impl Sync for Adapter {}

impl Adapter {
    /// Gets the adapter of a PCI device that is a bus master.
    ///
    /// Source: nf-wdm-iogetdmaadapter, ns-wdm-_device_description.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is none, or if it can map fewer pages at once
    /// than a request may need.
    pub fn get(
        physical: PhysicalDevice<'_>,
        description: Description,
        _irql: &Passive,
    ) -> Result<Self> {
        const PAGE_SIZE: u32 = 4096;
        let mut raw_description = DEVICE_DESCRIPTION {
            Version: DEVICE_DESCRIPTION_VERSION3,
            Master: 1,
            ScatterGather: 1,
            InterfaceType: PCIBus,
            MaximumLength: description.maximum_length,
            DmaAddressWidth: description.address_width,
            ..Default::default()
        };
        let mut map_registers = 0;
        // SAFETY: a PDO, at PASSIVE_LEVEL.
        let adapter = unsafe {
            IoGetDmaAdapter(
                physical.as_ptr(),
                &raw mut raw_description,
                &raw mut map_registers,
            )
        };
        let adapter = NonNull::new(adapter)
            .map(Self)
            .ok_or(Status::INSUFFICIENT_RESOURCES)?;
        // A buffer that begins in the middle of a page takes one more.
        let needed = description.maximum_length.div_ceil(PAGE_SIZE) + 1;
        if map_registers < needed {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(adapter)
    }

    fn operations(&self) -> &DMA_OPERATIONS {
        // SAFETY: valid until it is given back.
        let operations = unsafe { (*self.0.as_ptr()).DmaOperations };
        // SAFETY: likewise.
        unsafe { &*operations }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        if let Some(put) = self.operations().PutDmaAdapter {
            // SAFETY: got by `get`, given back once; nothing is mapped by it any more, since all
            // that is mapped owns a share of it.
            unsafe { put(self.0.as_ptr()) };
        }
    }
}

/// Memory that device and driver share for as long as it is allocated. Dropped at PASSIVE_LEVEL, it
/// is given back.
///
/// It is what a driver copies through when a list that the adapter has made leaves the device's
/// reach all the same.
pub struct CommonBuffer {
    adapter: Shared<Adapter>,
    address: NonNull<u8>,
    logical: PHYSICAL_ADDRESS,
    length: u32,
}

// SAFETY: the memory belongs to no thread.
unsafe impl Send for CommonBuffer {}

/// Whether the processor caches common buffers. It may: what moves through one is copied before
/// the device is told, and after the device has said that it is done.
const CACHED: BOOLEAN = 1;

impl CommonBuffer {
    /// Allocates memory that the adapter's device reaches.
    ///
    /// Source: nc-wdm-pallocate_common_buffer.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn allocate(adapter: Shared<Adapter>, length: u32, _irql: &Passive) -> Result<Self> {
        let Some(allocate) = adapter.operations().AllocateCommonBuffer else {
            return Err(Status::NOT_SUPPORTED);
        };
        let mut logical = PHYSICAL_ADDRESS { QuadPart: 0 };
        // SAFETY: at PASSIVE_LEVEL, by an adapter that is not given back.
        let address = unsafe { allocate(adapter.0.as_ptr(), length, &raw mut logical, CACHED) };
        let address = NonNull::new(address.cast()).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        Ok(Self {
            adapter,
            address,
            logical,
            length,
        })
    }

    /// Frees it.
    pub fn close(self, _irql: &mut Passive) {}

    /// Its address, as the device must be told.
    #[must_use]
    pub fn logical_address(&self) -> u64 {
        // SAFETY: every bit pattern of the union is a number.
        unsafe { self.logical.QuadPart }.cast_unsigned()
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }
}

impl Drop for CommonBuffer {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.address.as_ptr());
        if let Some(free) = self.adapter.operations().FreeCommonBuffer {
            // SAFETY: allocated by this adapter with this length, and freed once; the device does
            // not use it any more. At PASSIVE_LEVEL, as checked.
            unsafe {
                free(
                    self.adapter.0.as_ptr(),
                    self.length,
                    self.logical,
                    self.address.as_ptr().cast(),
                    CACHED,
                );
            };
        }
    }
}

/// The memory of a request, locked, and the request itself.
pub struct TransferMemory {
    irp: Irp<Pending>,
    source: Source,
}

enum Source {
    /// The MDL that the I/O manager made for the IRP.
    Direct(DirectMdl),
    /// A buffer that the client named, locked by the driver.
    User(UserPages),
    /// The driver's own pages.
    Pages(Shared<Pages>),
}

struct DirectMdl(NonNull<MDL>);

// SAFETY: the I/O manager's MDL belongs to the IRP, which may be sent.
unsafe impl Send for DirectMdl {}

impl TransferMemory {
    /// The memory of a read or write with direct I/O.
    ///
    /// # Errors
    ///
    /// The IRP, if it has no MDL.
    pub fn direct(irp: Irp<Pending>) -> core::result::Result<Self, Irp<Pending>> {
        match irp.mdl() {
            Some(mdl) => Ok(Self {
                irp,
                source: Source::Direct(DirectMdl(mdl)),
            }),
            None => Err(irp),
        }
    }

    /// Pages that the client named in its request.
    #[must_use]
    pub const fn user(irp: Irp<Pending>, pages: UserPages) -> Self {
        Self {
            irp,
            source: Source::User(pages),
        }
    }

    /// Pages of the driver's own.
    #[must_use]
    pub const fn pages(irp: Irp<Pending>, pages: Shared<Pages>) -> Self {
        Self {
            irp,
            source: Source::Pages(pages),
        }
    }

    /// The request.
    #[must_use = "to look at the request changes nothing"]
    pub const fn irp(&self) -> &Irp<Pending> {
        &self.irp
    }

    /// Copies the first `length` bytes to a buffer that the device reaches. Nothing may be mapped.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if either is shorter; `STATUS_INSUFFICIENT_RESOURCES` if the
    /// memory cannot be mapped for the processor.
    pub fn copy_to(&self, buffer: &mut CommonBuffer, length: u32, irql: &Dispatch) -> Result<()> {
        let memory = self.address(buffer, length, irql)?;
        copy(memory, buffer.address, length);
        Ok(())
    }

    /// Copies the first `length` bytes of a buffer that the device has written. Nothing may be
    /// mapped.
    ///
    /// # Errors
    ///
    /// As [`Self::copy_to`].
    pub fn copy_from(&mut self, buffer: &CommonBuffer, length: u32, irql: &Dispatch) -> Result<()> {
        if !self.allows(Direction::FromDevice) {
            return Err(Status::INVALID_PARAMETER);
        }
        let memory = self.address(buffer, length, irql)?;
        copy(buffer.address, memory, length);
        Ok(())
    }

    /// Where the processor reaches it, if it and the buffer have so many bytes.
    fn address(&self, buffer: &CommonBuffer, length: u32, _irql: &Dispatch) -> Result<NonNull<u8>> {
        let mdl = self.mdl();
        // SAFETY: valid while the memory is locked.
        let bytes = unsafe { crate::mdl::byte_count(mdl) };
        if length as usize > bytes || length > buffer.length {
            return Err(Status::INVALID_PARAMETER);
        }
        // SAFETY: locked, at DISPATCH_LEVEL; whoever has the request maps it alone.
        unsafe { crate::mdl::system_address(mdl) }
    }

    /// Unlocks what the driver locked, and gives the request back to be completed. If the memory was
    /// the request's own, `moved` is recorded, which the client is told then, but no more than there
    /// is: only whoever told the device knows how many bytes that has moved.
    pub fn into_irp(self, moved: u32) -> Irp<Pending> {
        let Self { mut irp, source } = self;
        if let Source::Direct(DirectMdl(mdl)) = &source {
            // SAFETY: the I/O manager's, and the IRP has not been completed.
            let room = unsafe { crate::mdl::byte_count(*mdl) };
            irp.set_information(room.min(moved as usize));
        }
        drop(source);
        irp
    }

    /// Whether bytes may go this way: memory that was locked for the device to read is not to be
    /// written. The I/O manager locks for the opposite of what its request is called: what a read
    /// reads is written to memory.
    fn allows(&self, direction: Direction) -> bool {
        let writable = match &self.source {
            Source::Direct(_) => self.irp.direct_memory_is_writable(),
            Source::User(pages) => pages.operation() == LockOperation::Write,
            Source::Pages(_) => true,
        };
        writable || direction == Direction::ToDevice
    }

    fn mdl(&self) -> NonNull<MDL> {
        match &self.source {
            Source::Direct(mdl) => mdl.0,
            Source::User(pages) => pages.mdl(),
            Source::Pages(pages) => pages.mdl(),
        }
    }
}

/// Copies byte by byte, as volatile: a client may change its memory meanwhile.
fn copy(from: NonNull<u8>, to: NonNull<u8>, length: u32) {
    for index in 0..length as usize {
        // SAFETY: the callers have looked at both lengths.
        let from = unsafe { from.add(index) };
        // SAFETY: as above.
        let to = unsafe { to.add(index) };
        // SAFETY: within the first memory, which is mapped.
        let byte = unsafe { from.read_volatile() };
        // SAFETY: within the second, likewise.
        unsafe { to.write_volatile(byte) };
    }
}

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
    /// memory has fewer bytes, or was locked to be read and is to be written.
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
