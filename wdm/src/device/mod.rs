//! Function device objects: their creation, their dispatch routines, their removal.
//!
//! The rules of the kernel this stands for: AddDevice creates the device object, attaches it, sets
//! its flags and clears DO_DEVICE_INITIALIZING last of all, since that keeps requests out until
//! the device object is ready; IRP_MN_REMOVE_DEVICE is passed down, waits for all requests, detaches
//! and deletes. ("Writing an AddDevice Routine", "Handling an IRP_MN_REMOVE_DEVICE
//! Request".)
//!
//! The device extension holds this module's header and behind it the driver's own type, which
//! implements [`Device`]: one driver can have several such types, and each IRP finds its own.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     device::{Device, Fdo},
//!     irp::{Dispatched, Fresh, Irp},
//!     irql::Passive,
//! };
//!
//! /// A routine of any kind of device: has the PnP manager ask again what state the device is in. (What
//! /// most drivers implement is not [`Device`] but `wdm::function::Function`.)
//! fn ask_again<D: Device>(device: &Fdo<D>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
//!     device.physical().invalidate_state(irql);
//!     irp.forward(irql)
//! }
//! ```

mod dispatch;
mod objects;

use core::{cell::UnsafeCell, marker::PhantomData, ops::Deref, ptr::NonNull};

use wdk_sys::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DEVICE_INITIALIZING, DO_DIRECT_IO, DO_POWER_PAGABLE,
    FILE_DEVICE_SECURE_OPEN, FILE_DEVICE_UNKNOWN, IRP, NTSTATUS,
    ntddk::{IoAttachDeviceToDeviceStackSafe, IoCreateDevice, IoDeleteDevice},
};

use crate::{
    Result, Status,
    device_queue::{self, Waiting},
    driver::DriverObject,
    irp::{Dispatched, Fresh, Irp, Pending},
    irql::{Dispatch, Passive},
    pool::Shared,
    presence::Presence,
    raw,
    removelock::{Callback, RemoveLock},
};

pub(crate) use self::dispatch::set_dispatch_routines;
pub use self::objects::{DeviceReference, LowerDevice, PhysicalDevice, PhysicalReference};

/// How the I/O manager passes the buffers of reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// Copied through a system buffer: `DO_BUFFERED_IO`.
    Buffered,
    /// Locked and described by an MDL: `DO_DIRECT_IO`.
    Direct,
}

/// A kind of device that a driver handles: its dispatch routines.
///
/// All are called at PASSIVE_LEVEL: the devices of this crate are not in a paging path and are
/// created with DO_POWER_PAGABLE. ("Dispatch Routines and IRQLs".) While a routine runs, the
/// device's remove lock is held, whatever becomes of the IRP.
///
/// It is `Send`, too: the thread that removes a device is not the one that added it.
pub trait Device: Send + Sync + Sized + 'static {
    /// IRP_MJ_CREATE: a handle is being opened.
    fn create(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_CLEANUP: the last handle of a file object was closed; its requests must end.
    fn cleanup(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_CLOSE: the file object is going away; none of its requests is left.
    fn close(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_READ.
    fn read(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_WRITE.
    fn write(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_DEVICE_CONTROL.
    fn device_control(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_POWER.
    fn power(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// IRP_MJ_PNP, all but IRP_MN_REMOVE_DEVICE.
    fn pnp(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched;
    /// StartIo, for a kind of device whose requests the system queues; see
    /// [`crate::device_queue`]. It is not entered again before it has returned.
    const START_IO: Option<StartIo<Self>> = None;

    /// IRP_MN_REMOVE_DEVICE: ends all requests and gives back the hardware. Afterwards the IRP
    /// is passed down and the device deleted, when the last request is done.
    fn remove(device: &Fdo<Self>, irql: &mut Passive);
}

/// A StartIo routine.
pub type StartIo<D> = fn(&Fdo<D>, Irp<Pending>, &mut Dispatch);

/// A function device object whose extension holds a `D`.
#[repr(transparent)]
pub struct Fdo<D> {
    object: UnsafeCell<DEVICE_OBJECT>,
    _extension: PhantomData<D>,
}

/// What every device extension begins with.
#[repr(C)]
struct Header {
    /// Held by each IRP and by each dispatch routine.
    remove_lock: RemoveLock,
    /// Held by each other routine that was given an IRP.
    callbacks: RemoveLock,
    /// Asked by routines that were given none.
    presence: Shared<Presence>,
    /// For StartIo.
    waiting: Waiting,
    dispatch: unsafe fn(NonNull<DEVICE_OBJECT>, Irp<Fresh>) -> NTSTATUS,
    start_io: unsafe fn(NonNull<DEVICE_OBJECT>, NonNull<IRP>),
    /// The device below. Written once, by what attaches the device, before the first IRP comes.
    lower: UnsafeCell<*mut DEVICE_OBJECT>,
    physical: NonNull<DEVICE_OBJECT>,
}

impl Header {
    const fn lower(&self) -> NonNull<DEVICE_OBJECT> {
        // SAFETY: not written any more once the device is attached.
        let lower = unsafe { *self.lower.get() };
        // SAFETY: it is attached to a device: who calls has been given an IRP, or was created.
        unsafe { NonNull::new_unchecked(lower) }
    }
}

#[repr(C)]
struct Extension<D> {
    header: Header,
    device: D,
}

/// A device object that is deleted unless its creation is finished.
struct Created(NonNull<DEVICE_OBJECT>);

impl Created {
    fn new(driver: &DriverObject, extension_bytes: usize) -> Result<Self> {
        let extension_bytes = u32::try_from(extension_bytes).map_err(|_| Status::UNSUCCESSFUL)?;
        let mut object = core::ptr::null_mut();
        // SAFETY: at PASSIVE_LEVEL, as `Fdo::create` is. The object needs no name: clients find
        // it by its interface, and FILE_DEVICE_SECURE_OPEN applies its security to every open.
        let status = unsafe {
            IoCreateDevice(
                driver.as_ptr(),
                extension_bytes,
                core::ptr::null_mut(),
                FILE_DEVICE_UNKNOWN,
                FILE_DEVICE_SECURE_OPEN,
                0,
                &raw mut object,
            )
        };
        Status::check(status)?;
        NonNull::new(object)
            .map(Self)
            .ok_or(Status::INSUFFICIENT_RESOURCES)
    }

    const fn into_raw(self) -> NonNull<DEVICE_OBJECT> {
        let object = self.0;
        core::mem::forget(self);
        object
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        // SAFETY: created by `new`, and attached to nothing.
        unsafe { IoDeleteDevice(self.0.as_ptr()) };
    }
}

impl<D: Device> Fdo<D> {
    /// AddDevice for a device of this kind: makes what the extension holds, creates the device
    /// object, attaches it above `physical` and lets requests in.
    ///
    /// Source: nf-wdm-iocreatedevice, nf-wdm-ioattachdevicetodevicestacksafe.
    ///
    /// # Errors
    ///
    /// Those of `make` and of the kernel's routines; nothing is left behind.
    pub fn create(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        io: Io,
        make: impl FnOnce(&mut Passive) -> Result<D>,
        irql: &mut Passive,
    ) -> Result<()> {
        const {
            assert!(
                align_of::<Extension<D>>() <= 16,
                "a device extension is aligned as pool is"
            );
        }
        let device = make(irql)?;
        let presence = Presence::new(irql)?;
        let object = Created::new(driver, size_of::<Extension<D>>())?;
        let header = Header {
            remove_lock: RemoveLock::uninitialized(),
            callbacks: RemoveLock::uninitialized(),
            presence,
            waiting: Waiting::uninitialized(),
            dispatch: dispatch::dispatch_to::<D>,
            start_io: device_queue::start_io::<D>,
            lower: UnsafeCell::new(core::ptr::null_mut()),
            physical: physical.0,
        };
        // SAFETY: the extension was made for this type.
        let extension = unsafe { extension::<D>(object.0) };
        // SAFETY: nobody sees the extension before the device is attached.
        unsafe { extension.write(Extension { header, device }) };
        // SAFETY: just written.
        let header = unsafe { &(*extension.as_ptr()).header };
        // SAFETY: in the device extension, where it stays.
        unsafe { header.remove_lock.initialize() };
        // SAFETY: likewise.
        unsafe { header.callbacks.initialize() };
        // SAFETY: likewise.
        unsafe { header.waiting.initialize() };
        if D::START_IO.is_some() {
            // SAFETY: ours, at PASSIVE_LEVEL.
            unsafe { device_queue::set_attributes(object.0) };
        }
        // SAFETY: nobody else looks at the flags yet.
        let flags = unsafe { &mut (*object.0.as_ptr()).Flags };
        *flags |= DO_POWER_PAGABLE
            | match io {
                Io::Buffered => DO_BUFFERED_IO,
                Io::Direct => DO_DIRECT_IO,
            };
        // Everything is in its place: once it is attached, the drivers of the stack may send it
        // IRPs, though nobody can open it yet. What is below is written before that.
        // SAFETY: a device object of ours, not attached yet, at PASSIVE_LEVEL.
        let attached = unsafe {
            IoAttachDeviceToDeviceStackSafe(
                object.0.as_ptr(),
                physical.as_ptr(),
                header.lower.get(),
            )
        };
        if let Err(status) = Status::check(attached) {
            // SAFETY: written above; nobody has seen it, and nobody will.
            unsafe { extension.drop_in_place() };
            return Err(status);
        }
        let object = object.into_raw();
        // ANCHOR: initializing
        // SAFETY: this driver's device object.
        let flags = unsafe { &mut (*object.as_ptr()).Flags };
        // Last of all: from here on it can be opened.
        *flags &= !DO_DEVICE_INITIALIZING;
        // ANCHOR_END: initializing
        Ok(())
    }

    /// The device below: where IRPs are passed to.
    pub fn lower(&self) -> LowerDevice<'_> {
        LowerDevice(self.header().lower(), PhantomData)
    }

    /// The physical device object.
    pub fn physical(&self) -> PhysicalDevice<'_> {
        PhysicalDevice(self.header().physical, PhantomData)
    }

    /// The device object, for a kernel routine that takes it. It stays for as long as this does.
    pub const fn as_ptr(&self) -> *mut DEVICE_OBJECT {
        self.object.get()
    }

    /// The IRPs that wait for StartIo.
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.header().waiting
    }

    /// References the device object, for a routine that takes it later.
    ///
    /// Source: nf-wdm-obreferenceobject.
    pub fn reference(&self) -> DeviceReference {
        // SAFETY: an address inside of `self` is not null.
        let object = unsafe { NonNull::new_unchecked(self.object.get()) };
        // SAFETY: it is borrowed.
        unsafe { DeviceReference::new(object) }
    }

    /// What is asked, by those who are given nothing that keeps the device, whether it is there.
    pub(crate) fn presence(&self) -> Shared<Presence> {
        self.header().presence.clone()
    }

    fn header(&self) -> &Header {
        // SAFETY: an address inside of `self` is not null.
        let object = unsafe { NonNull::new_unchecked(self.object.get()) };
        // SAFETY: a device object of this crate, not deleted while it is borrowed.
        unsafe { header(object) }
    }
}

impl<D> Deref for Fdo<D> {
    type Target = D;

    fn deref(&self) -> &D {
        // SAFETY: an address inside of `self` is not null.
        let object = unsafe { NonNull::new_unchecked(self.object.get()) };
        // SAFETY: made by `create` for this type, and not deleted while it is borrowed.
        let extension = unsafe { extension::<D>(object) };
        // SAFETY: initialised before the first request, and shared from then on.
        unsafe { &(*extension.as_ptr()).device }
    }
}

/// # Safety
///
/// The device object is one of [`Fdo<D>`]'s, or being made into one.
unsafe fn extension<D>(object: NonNull<DEVICE_OBJECT>) -> NonNull<Extension<D>> {
    // SAFETY: valid by contract; the field does not change during the object's life.
    let extension = unsafe { (*object.as_ptr()).DeviceExtension };
    // SAFETY: the I/O manager allocated it along with the object.
    unsafe { NonNull::new_unchecked(extension.cast()) }
}

/// # Safety
///
/// The device object is one of this crate's, and not deleted for as long as the header is used.
unsafe fn header<'a>(object: NonNull<DEVICE_OBJECT>) -> &'a Header {
    // SAFETY: valid by contract, and every extension begins with its header (`repr(C)`).
    let extension = unsafe { extension::<()>(object) };
    // SAFETY: initialised before the first request.
    unsafe { &(*extension.as_ptr()).header }
}

/// The remove lock of the device whose stack location is the IRP's current one.
///
/// # Safety
///
/// The IRP is owned by this driver and holds that lock, which keeps the device there until it is
/// released.
#[must_use]
pub unsafe fn remove_lock_of<'a>(irp: NonNull<IRP>) -> &'a RemoveLock {
    // SAFETY: by contract.
    let header = unsafe { header_of(irp) };
    &header.remove_lock
}

/// The device below that of the IRP.
///
/// # Safety
///
/// As [`remove_lock_of`].
#[must_use]
pub unsafe fn lower_of<'a>(irp: NonNull<IRP>) -> LowerDevice<'a> {
    // SAFETY: by contract.
    let header = unsafe { header_of(irp) };
    LowerDevice(header.lower(), PhantomData)
}

/// Keeps the IRP's device for as long as a routine runs that was given the IRP, and may complete
/// it, without being a dispatch routine.
///
/// # Safety
///
/// As [`remove_lock_of`].
pub unsafe fn callback_for<'a>(irp: NonNull<IRP>) -> Callback<'a> {
    // SAFETY: by contract.
    let header = unsafe { header_of(irp) };
    // SAFETY: by contract.
    unsafe { header.callbacks.callback(irp) }
}

/// # Safety
///
/// As [`remove_lock_of`].
unsafe fn header_of<'a>(irp: NonNull<IRP>) -> &'a Header {
    // SAFETY: by contract.
    let object = unsafe { raw::device_object(irp) };
    // SAFETY: one of this crate's, and kept by its remove lock.
    unsafe { header(object) }
}
