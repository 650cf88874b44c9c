//! Work items: what a DPC leaves to a thread at PASSIVE_LEVEL.
//!
//! The rule of the kernel this stands for: a work item that is queued must not be queued again.
//! It is taken off the queue before its routine is called, from when on it may be.
//! ("System Worker Threads", nf-wdm-ioqueueworkitem.)
//!
//! A second request while one is queued is folded into it: one call does for both.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     device::DeviceReference,
//!     irql::{Dispatch, Passive},
//!     pool::Tag,
//!     time,
//!     workitem::{WorkItem, WorkRoutine},
//! };
//!
//! /// What takes too long for a DPC.
//! struct Reset;
//!
//! impl WorkRoutine for Reset {
//!     fn work(&self, irql: &mut Passive) {
//!         time::delay(100, irql);
//!     }
//! }
//!
//! fn make(device: DeviceReference, irql: &Passive) -> Result<WorkItem<Reset>> {
//!     WorkItem::new(Tag::new(*b"Exam"), device, Reset, irql)
//! }
//!
//! /// In a DPC.
//! fn failed(reset: &WorkItem<Reset>, irql: &mut Dispatch) -> bool {
//!     reset.queue(irql)
//! }
//! ```

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use wdk_sys::{
    _IO_WORKITEM,
    _WORK_QUEUE_TYPE::DelayedWorkQueue,
    DEVICE_OBJECT, IRP, PVOID,
    ntddk::{IoAllocateWorkItem, IoFreeWorkItem, IoQueueWorkItem},
};

use crate::{
    Result, Status,
    device::{self, Device, DeviceReference, Fdo},
    irp::{Irp, Pending},
    irql::{AtOrBelowDispatch, Passive},
    pool::{Shared, Tag},
    presence::Presence,
};

/// What a work item does. It borrows nothing: the call may come when the item has been dropped.
pub trait WorkRoutine: Send + Sync + 'static {
    /// The routine, in a system thread. All that was asked for before the call began is its
    /// concern; what is asked for during the call brings another.
    fn work(&self, irql: &mut Passive);
}

/// A work item. It may be dropped while it is queued: the call still comes.
pub struct WorkItem<C: WorkRoutine>(Shared<State<C>>);

struct State<C: WorkRoutine> {
    item: NonNull<_IO_WORKITEM>,
    queued: AtomicBool,
    context: C,
    /// The I/O manager references the device while the item is queued; this is for before.
    _device: DeviceReference,
}

// SAFETY: the kernel synchronises access to the work item.
unsafe impl<C: WorkRoutine> Send for State<C> {}
// SAFETY: likewise.
unsafe impl<C: WorkRoutine> Sync for State<C> {}

impl<C: WorkRoutine> WorkItem<C> {
    /// A work item for this device.
    ///
    /// Source: nf-wdm-ioallocateworkitem.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(
        tag: Tag,
        device: DeviceReference,
        context: C,
        irql: &I,
    ) -> Result<Self> {
        // SAFETY: a device object of this driver.
        let item = unsafe { IoAllocateWorkItem(device.as_ptr()) };
        let item = NonNull::new(item).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        let state = State {
            item,
            queued: AtomicBool::new(false),
            context,
            _device: device,
        };
        // If this fails the state is dropped, which frees the item.
        Shared::new(tag, state, irql).map(Self)
    }

    /// What it works on.
    #[must_use]
    pub fn context(&self) -> &C {
        &self.0.context
    }

    // ANCHOR: queue
    /// Has the routine called soon. Returns whether the item was not queued already.
    ///
    /// Source: nf-wdm-ioqueueworkitem.
    pub fn queue<I: AtOrBelowDispatch>(&self, _irql: &I) -> bool {
        // Release: the call sees what was done before it was asked for. Acquire: and not before
        // the last call has begun.
        if self.0.queued.swap(true, Ordering::AcqRel) {
            return false;
        }
        let context = self.0.clone().into_raw();
        // SAFETY: not queued: the flag was clear, and the caller that sets it queues. The context is an
        // owner of its own, which the routine drops.
        unsafe {
            IoQueueWorkItem(
                self.0.item.as_ptr(),
                Some(work_item::<C>),
                DelayedWorkQueue,
                context,
            );
        }
        true
    }
    // ANCHOR_END: queue
}

impl<C: WorkRoutine> Drop for State<C> {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and not queued: a queued item is an owner.
        unsafe { IoFreeWorkItem(self.item.as_ptr()) };
    }
}

unsafe extern "C" fn work_item<C: WorkRoutine>(_device: *mut DEVICE_OBJECT, context: PVOID) {
    // SAFETY: given up by `queue` for this one call.
    let state = unsafe { Shared::<State<C>>::from_raw(context) };
    // From here on the item can be queued again. Acquire: pairs with `queue`.
    state.queued.swap(false, Ordering::AcqRel);
    // SAFETY: work items run at PASSIVE_LEVEL.
    let irql = &mut unsafe { Passive::assume() };
    state.context.work(irql);
}

/// What is done for a device at PASSIVE_LEVEL.
pub type DeviceRoutine<D> = fn(&Fdo<D>, &mut Passive);

/// What a [`WorkItem`] does for a device, unless that has been removed meanwhile.
pub struct DeviceWork<D: Device> {
    device: DeviceReference,
    presence: Shared<Presence>,
    routine: DeviceRoutine<D>,
}

impl<D: Device> DeviceWork<D> {
    /// This routine for this device.
    pub fn new(device: &Fdo<D>, routine: DeviceRoutine<D>) -> Self {
        Self {
            device: device.reference(),
            presence: device.presence(),
            routine,
        }
    }
}

impl<D: Device> WorkRoutine for DeviceWork<D> {
    fn work(&self, irql: &mut Passive) {
        let Some(_present) = self.presence.enter() else {
            return;
        };
        // SAFETY: of this kind, as `new` was given it, and it stays for now.
        let device: &Fdo<D> = unsafe { &*self.device.as_ptr().cast() };
        (self.routine)(device, irql);
    }
}

/// What is done for an IRP at PASSIVE_LEVEL.
pub type IrpRoutine<D> = fn(&Fdo<D>, Irp<Pending>, &mut Passive);

/// A work item that goes on with an IRP in a system thread, one at a time. It is allocated
/// beforehand, so that going on cannot fail for want of memory.
pub struct IrpWorkItem<D: Device>(Shared<IrpState<D>>);

struct IrpState<D: Device> {
    item: NonNull<_IO_WORKITEM>,
    /// The IRP that the queued item is for.
    irp: AtomicPtr<IRP>,
    routine: IrpRoutine<D>,
    device: DeviceReference,
}

// SAFETY: the kernel synchronises access to the work item.
unsafe impl<D: Device> Send for IrpState<D> {}
// SAFETY: likewise.
unsafe impl<D: Device> Sync for IrpState<D> {}

impl<D: Device> IrpWorkItem<D> {
    /// A work item for this device.
    ///
    /// Source: nf-wdm-ioallocateworkitem.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(
        tag: Tag,
        device: &Fdo<D>,
        routine: IrpRoutine<D>,
        irql: &I,
    ) -> Result<Self> {
        let device = device.reference();
        // SAFETY: a device object of this driver.
        let item = unsafe { IoAllocateWorkItem(device.as_ptr()) };
        let state = IrpState {
            item: NonNull::new(item).ok_or(Status::INSUFFICIENT_RESOURCES)?,
            irp: AtomicPtr::new(core::ptr::null_mut()),
            routine,
            device,
        };
        Shared::new(tag, state, irql).map(Self)
    }

    /// Has the routine called with the IRP, whose remove lock keeps the device until then.
    ///
    /// Source: nf-wdm-ioqueueworkitem.
    ///
    /// # Errors
    ///
    /// The IRP, if another one is waiting for its call, or if it is another device's.
    pub fn queue<I: AtOrBelowDispatch>(
        &self,
        irp: Irp<Pending>,
        _irql: &I,
    ) -> core::result::Result<(), Irp<Pending>> {
        if !irp.is_of(self.0.device.as_ptr()) {
            return Err(irp);
        }
        let raw = irp.into_raw();
        // AcqRel: the call sees the IRP as it is now; and the last call has begun.
        let free = self.0.irp.compare_exchange(
            core::ptr::null_mut(),
            raw.as_ptr(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if free.is_err() {
            // SAFETY: given up just above, and nobody took it.
            return Err(unsafe { Irp::from_raw(raw) });
        }
        let context = self.0.clone().into_raw();
        // SAFETY: not queued: there was no IRP. The context is an owner of its own, which the
        // routine drops.
        unsafe {
            IoQueueWorkItem(
                self.0.item.as_ptr(),
                Some(irp_work_item::<D>),
                DelayedWorkQueue,
                context,
            );
        }
        Ok(())
    }
}

impl<D: Device> Drop for IrpState<D> {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and not queued: a queued item is an owner.
        unsafe { IoFreeWorkItem(self.item.as_ptr()) };
    }
}

unsafe extern "C" fn irp_work_item<D: Device>(device: *mut DEVICE_OBJECT, context: PVOID) {
    // SAFETY: given up by `queue` for this one call.
    let state = unsafe { Shared::<IrpState<D>>::from_raw(context) };
    // Acquire: pairs with `queue`.
    let irp = state.irp.swap(core::ptr::null_mut(), Ordering::AcqRel);
    let Some(irp) = NonNull::new(irp) else {
        return;
    };
    let routine = state.routine;
    // From here on only the IRP keeps the device.
    drop(state);
    // The routine may complete the IRP and go on with the device.
    // SAFETY: given up by `queue`, so it is this driver's.
    let _callback = unsafe { device::callback_for(irp) };
    // SAFETY: the I/O manager passes the device of the work item, which is of this kind, and the
    // IRP's, as `queue` has checked.
    let device: &Fdo<D> = unsafe { &*device.cast() };
    // SAFETY: given up by `queue`, taken once; it was marked pending before.
    let irp = unsafe { Irp::from_raw(irp) };
    // SAFETY: work items run at PASSIVE_LEVEL.
    let irql = &mut unsafe { Passive::assume() };
    routine(device, irp, irql);
}
