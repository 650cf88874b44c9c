//! Interrupts: an ISR, the data that it shares, and the lock that protects them.
//!
//! The rule of the kernel this stands for: an ISR runs at DIRQL with its interrupt spin lock
//! held; code that shares data or registers with it takes that lock
//! (`KeAcquireInterruptSpinLock`), which raises IRQL to the same level. A driver that can have
//! messages asks for them and names a fallback for a line. ("Registering an ISR", "Using the
//! CONNECT_MESSAGE_BASED Version of IoConnectInterruptEx".)
//!
//! The shared data is owned by the [`Interrupt`]: the ISR gets it by `&mut`, others by an
//! [`InterruptGuard`], so it cannot be reached without the lock. It is complete before the
//! interrupt is connected, since the ISR may run before `IoConnectInterruptEx` returns.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     device::PhysicalDevice,
//!     interrupt::{Claim, Interrupt, InterruptService},
//!     irql::{Dirql, Dispatch, Passive},
//!     pool::Tag,
//!     ports::PortRange,
//! };
//!
//! /// What the ISR shares with the rest of the driver: the ports, and what it has read.
//! struct Service {
//!     ports: PortRange,
//!     seen: u8,
//! }
//!
//! impl InterruptService for Service {
//!     fn service(&mut self, _irql: &mut Dirql) -> Claim {
//!         match self.ports.read_u8(0) {
//!             Some(0) | None => Claim::NotOurs,
//!             Some(cause) => {
//!                 self.seen |= cause;
//!                 Claim::Ours
//!             }
//!         }
//!     }
//! }
//!
//! fn connect(
//!     physical: PhysicalDevice<'_>,
//!     ports: PortRange,
//!     irql: &mut Passive,
//! ) -> Result<Interrupt<Service>> {
//!     let service = Service { ports, seen: 0 };
//!     Interrupt::connect(physical, Tag::new(*b"Exam"), service, irql)
//! }
//!
//! /// A DPC takes what the ISR has left, with the ISR kept out.
//! fn take(interrupt: &Interrupt<Service>, irql: &mut Dispatch) -> u8 {
//!     core::mem::take(&mut interrupt.acquire(irql).seen)
//! }
//! ```

use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use wdk_sys::{
    BOOLEAN, CONNECT_LINE_BASED, CONNECT_MESSAGE_BASED, IO_CONNECT_INTERRUPT_PARAMETERS,
    IO_DISCONNECT_INTERRUPT_PARAMETERS, IO_INTERRUPT_MESSAGE_INFO,
    IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS, KIRQL, KSPIN_LOCK, PKINTERRUPT, PVOID, ULONG,
    ntddk::{
        IoConnectInterruptEx, IoDisconnectInterruptEx, IoReportInterruptActive,
        IoReportInterruptInactive, KeAcquireInterruptSpinLock, KeReleaseInterruptSpinLock,
    },
};

use crate::{
    Result, Status,
    device::PhysicalDevice,
    irql::{self, AtOrBelowDispatch, Dirql, Limit, Passive},
    object::KernelCell,
    pool::{PoolBox, Tag},
};

/// Whether an interrupt was this device's. A line is shared: the kernel asks each ISR in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The device had raised it, and it was dealt with.
    Ours,
    /// The device had not raised it; nothing was touched.
    NotOurs,
}

/// What an ISR shares with the rest of the driver, and the ISR itself. It borrows nothing: an
/// interrupt that is forgotten stays connected.
pub trait InterruptService: Send + 'static {
    /// The interrupt service routine: stops the device from interrupting, saves what only can be
    /// read now, queues a DPC for the rest.
    fn service(&mut self, irql: &mut Dirql) -> Claim;

    /// As [`Self::service`], for a device that sends several messages and is served by which it was:
    /// its number, from zero on. A line and a single message are message 0.
    ///
    /// Source: nc-wdm-kmessage_service_routine.
    fn service_message(&mut self, message: u32, irql: &mut Dirql) -> Claim {
        _ = message;
        self.service(irql)
    }
}

/// How the device interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By a line, shared with other devices.
    LineBased,
    /// By messages of its own.
    MessageSignaled {
        /// How many messages are connected.
        messages: u32,
    },
}

/// A connected interrupt. It ends at PASSIVE_LEVEL ([`Self::close`], or dropped): then its ISR has
/// returned, on every processor, and does not run again. Dropped above, it stops the system.
pub struct Interrupt<S: InterruptService> {
    connection: Connection,
    shared: PoolBox<SharedWithIsr<S>>,
}

struct SharedWithIsr<S: InterruptService> {
    service: UnsafeCell<S>,
    /// The interrupt spin lock: one for all messages, since they share one `service`.
    lock: KernelCell<KSPIN_LOCK>,
}

/// What `IoConnectInterruptEx` gave, which `IoDisconnectInterruptEx` takes.
enum Connection {
    Line(PKINTERRUPT),
    Messages(NonNull<IO_INTERRUPT_MESSAGE_INFO>),
}

// SAFETY: the kernel's interrupt objects belong to no thread.
unsafe impl Send for Connection {}
// SAFETY: likewise.
unsafe impl Sync for Connection {}
// SAFETY: the interrupt spin lock lets one processor at a time reach `service`.
unsafe impl<S: InterruptService> Sync for SharedWithIsr<S> {}

impl<S: InterruptService> Interrupt<S> {
    /// Connects the device's messages, or its line where it has none.
    ///
    /// Source: nf-iointex-wdmlibioconnectinterruptex, ns-wdm-_io_connect_interrupt_parameters.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, or that of `IoConnectInterruptEx`. `service` is dropped.
    pub fn connect(
        physical: PhysicalDevice<'_>,
        tag: Tag,
        service: S,
        irql: &mut Passive,
    ) -> Result<Self> {
        let shared = PoolBox::new(
            tag,
            SharedWithIsr {
                service: UnsafeCell::new(service),
                // What `KeInitializeSpinLock` stores, which is inline in the headers for amd64.
                lock: KernelCell::new(0),
            },
            irql,
        )?;
        let mut context: PVOID = core::ptr::null_mut();
        let mut parameters = IO_CONNECT_INTERRUPT_PARAMETERS {
            Version: CONNECT_MESSAGE_BASED,
            ..Default::default()
        };
        // SAFETY: the member that belongs to the version just set; all of it is plain data.
        let message_based = unsafe { &mut parameters.__bindgen_anon_1.MessageBased };
        message_based.PhysicalDeviceObject = physical.as_ptr();
        message_based.ConnectionContext.Generic = &raw mut context;
        message_based.MessageServiceRoutine = Some(message_service_routine::<S>);
        message_based.FallBackServiceRoutine = Some(service_routine::<S>);
        message_based.ServiceContext = shared.as_ptr().cast();
        message_based.SpinLock = shared.lock.get();
        // No level of its own: the system uses the highest of the device's interrupts.
        message_based.SynchronizeIrql = 0;
        message_based.FloatingSave = 0;
        // SAFETY: at PASSIVE_LEVEL; `shared` stays in place until the interrupt is disconnected.
        let status = unsafe { IoConnectInterruptEx(&raw mut parameters) };
        Status::check(status)?;
        let connection = if parameters.Version == CONNECT_MESSAGE_BASED {
            NonNull::new(context.cast()).map(Connection::Messages)
        } else {
            NonNull::new(context).map(|line| Connection::Line(line.as_ptr().cast()))
        };
        Ok(Self {
            connection: connection.ok_or(Status::INTERNAL_ERROR)?,
            shared,
        })
    }

    /// Disconnects it, and drops what it shares with its ISR.
    pub fn close(self, _irql: &mut Passive) {}

    /// How the device interrupts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.connection {
            Connection::Line(_) => Kind::LineBased,
            Connection::Messages(table) => {
                // SAFETY: valid while the interrupt is connected.
                let table = unsafe { table.as_ref() };
                Kind::MessageSignaled {
                    messages: table.MessageCount,
                }
            }
        }
    }

    // ANCHOR: acquire
    /// Keeps the ISR out, on every processor: raises IRQL to its level and takes its spin lock.
    ///
    /// Source: nf-wdm-keacquireinterruptspinlock.
    pub fn acquire<'a, I: AtOrBelowDispatch>(&'a self, _irql: &'a mut I) -> InterruptGuard<'a, S> {
        let object = self.object();
        // SAFETY: connected; the token proves that IRQL is below DIRQL.
        let old = unsafe { KeAcquireInterruptSpinLock(object) };
        InterruptGuard {
            interrupt: self,
            old,
            // SAFETY: the lock is held, so IRQL is DIRQL until the guard is dropped.
            dirql: unsafe { Dirql::assume() },
        }
    }
    // ANCHOR_END: acquire

    /// Tells the kernel that the device will interrupt, or will not until it is told again: while
    /// the device has no power its interrupt may be turned off.
    ///
    /// Source: nf-wdm-ioreportinterruptactive, nf-wdm-ioreportinterruptinactive.
    pub fn set_active<I: AtOrBelowDispatch>(&self, active: bool, _irql: &I) {
        let mut parameters = IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS::default();
        match self.connection {
            Connection::Line(object) => {
                parameters.Version = CONNECT_LINE_BASED;
                parameters.ConnectionContext.InterruptObject = object;
            }
            Connection::Messages(table) => {
                parameters.Version = CONNECT_MESSAGE_BASED;
                parameters.ConnectionContext.InterruptMessageTable = table.as_ptr();
            }
        }
        if active {
            // SAFETY: connected; at IRQL <= DISPATCH_LEVEL.
            unsafe { IoReportInterruptActive(&raw mut parameters) };
        } else {
            // SAFETY: likewise.
            unsafe { IoReportInterruptInactive(&raw mut parameters) };
        }
    }

    /// One of the interrupt objects, for a kernel routine that takes it: all have the same spin lock.
    #[must_use]
    pub fn as_ptr(&self) -> PKINTERRUPT {
        self.object()
    }

    /// One of the interrupt objects.
    fn object(&self) -> PKINTERRUPT {
        match self.connection {
            Connection::Line(object) => object,
            Connection::Messages(table) => {
                // SAFETY: valid while connected; a connected table has at least one entry.
                unsafe { table.as_ref() }.MessageInfo[0].InterruptObject
            }
        }
    }
}

impl<S: InterruptService> Drop for Interrupt<S> {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.shared.as_ptr());
        let mut parameters = IO_DISCONNECT_INTERRUPT_PARAMETERS::default();
        match self.connection {
            Connection::Line(object) => {
                parameters.Version = CONNECT_LINE_BASED;
                parameters.ConnectionContext.InterruptObject = object;
            }
            Connection::Messages(table) => {
                parameters.Version = CONNECT_MESSAGE_BASED;
                parameters.ConnectionContext.InterruptMessageTable = table.as_ptr();
            }
        }
        // SAFETY: connected once, disconnected once; at PASSIVE_LEVEL, as checked.
        unsafe { IoDisconnectInterruptEx(&raw mut parameters) };
    }
}

/// The interrupt spin lock, held: access to what the ISR shares, and the proof of DIRQL.
#[must_use = "the lock is released when the guard is dropped"]
pub struct InterruptGuard<'a, S: InterruptService> {
    interrupt: &'a Interrupt<S>,
    old: KIRQL,
    dirql: Dirql,
}

impl<S: InterruptService> InterruptGuard<'_, S> {
    /// What is shared, and the proof of DIRQL to use while working on it.
    pub fn parts(&mut self) -> (&mut S, &mut Dirql) {
        // SAFETY: the lock keeps the ISR and others out, and `&mut self` makes this the only
        // reference.
        let service = unsafe { &mut *self.interrupt.shared.service.get() };
        (service, &mut self.dirql)
    }
}

impl<S: InterruptService> Deref for InterruptGuard<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: the lock keeps the ISR and others out.
        unsafe { &*self.interrupt.shared.service.get() }
    }
}

impl<S: InterruptService> DerefMut for InterruptGuard<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        self.parts().0
    }
}

impl<S: InterruptService> Drop for InterruptGuard<'_, S> {
    fn drop(&mut self) {
        // SAFETY: acquired by `acquire`, which found this level.
        unsafe { KeReleaseInterruptSpinLock(self.interrupt.object(), self.old) };
    }
}

/// `InterruptMessageService`.
unsafe extern "C" fn message_service_routine<S: InterruptService>(
    _interrupt: PKINTERRUPT,
    context: PVOID,
    message: ULONG,
) -> BOOLEAN {
    // SAFETY: called by the kernel as the other is.
    unsafe { serve::<S>(context, message) }
}

/// `InterruptService`.
unsafe extern "C" fn service_routine<S: InterruptService>(
    _interrupt: PKINTERRUPT,
    context: PVOID,
) -> BOOLEAN {
    // SAFETY: called by the kernel as an ISR.
    unsafe { serve::<S>(context, 0) }
}

/// # Safety
///
/// Called in an ISR that was connected with this context.
unsafe fn serve<S: InterruptService>(context: PVOID, message: u32) -> BOOLEAN {
    // SAFETY: what `connect` passed, in pool until the interrupt is disconnected.
    let shared = unsafe { &*context.cast::<SharedWithIsr<S>>() };
    // SAFETY: the kernel calls an ISR with the interrupt spin lock held.
    let service = unsafe { &mut *shared.service.get() };
    // SAFETY: and at DIRQL.
    let irql = &mut unsafe { Dirql::assume() };
    BOOLEAN::from(service.service_message(message, irql) == Claim::Ours)
}
