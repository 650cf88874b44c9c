//! Interrupt objects: which routines serve a vector, at which IRQL, under which spin lock.
//!
//! A vector's class (its upper four bits) is its IRQL. A line may be shared: its routines are
//! asked in turn, for a level-triggered line until one says that its device was it, for a
//! latched one all of them.
//!
//! Sources: IoConnectInterruptEx, "Registering an ISR", KeAcquireInterruptSpinLock.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{irql, lock::HighLock, once::Once, pcr, spinlock, watchdog};
use crate::{
    driver_routine::{self, Kind},
    export::{DIRQL_MAX, DIRQL_MIN},
    hal::{apic, ioapic},
    hook,
};

/// The routine of a line (nc-wdm-kservice_routine).
pub type ServiceRoutine =
    unsafe extern "win64" fn(interrupt: *mut c_void, context: *mut c_void) -> u8;
/// The routine of a message (nc-wdm-kmessage_service_routine).
pub type MessageServiceRoutine =
    unsafe extern "win64" fn(interrupt: *mut c_void, context: *mut c_void, message: u32) -> u8;

/// What is called when the interrupt comes.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// A line's routine.
    Line(ServiceRoutine),
    /// A message's routine, and the message's number.
    Message(MessageServiceRoutine, u32),
}

/// An interrupt object: what drivers know as `KINTERRUPT`. It does not move while connected.
#[derive(Debug)]
#[repr(C)]
pub struct Interrupt {
    /// What is called.
    pub service: Service,
    /// With what.
    pub context: *mut c_void,
    /// The spin lock that is held meanwhile: the caller's, or the object's own.
    pub lock: *mut usize,
    /// The object's own lock.
    pub own_lock: usize,
    /// The vector.
    pub vector: u8,
    /// The IRQL at which the routine runs.
    pub synchronize_irql: u8,
    /// The line is level-triggered.
    pub level_sensitive: bool,
    /// How often it was served.
    pub count: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InterruptPointer(*mut Interrupt);

// SAFETY: interrupt objects are reached through the vector's lock.
unsafe impl Send for InterruptPointer {}

/// By vector: who serves it.
static VECTORS: [HighLock<Vec<InterruptPointer>>; 256] = [const { HighLock::new(Vec::new()) }; 256];
/// By vector: a spin word that is held by the processor that runs its routines.
static SERVING: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];
/// Protects which vectors are given out: a bit each.
static ALLOCATED: HighLock<[u64; 4]> = HighLock::new([0; 4]);
/// Interrupts that nobody claimed.
static UNCLAIMED: AtomicU64 = AtomicU64::new(0);

/// Gives out a vector for a device: the highest free IRQL first, as sharing one costs nothing
/// but order.
#[must_use]
pub fn allocate_vector() -> Option<u8> {
    let mut allocated = ALLOCATED.lock();
    // By slot first, so that devices are spread over the IRQLs.
    for slot in 0..16 {
        for level in (DIRQL_MIN..=DIRQL_MAX).rev() {
            let vector = level << 4 | slot;
            let word = &mut allocated[usize::from(vector / 64)];
            if *word & (1 << (vector % 64)) == 0 {
                *word |= 1 << (vector % 64);
                return Some(vector);
            }
        }
    }
    None
}

/// The vector of nthost's own device, and what is called when its interrupt comes.
static OWN: Once<(u8, fn())> = Once::new();

/// Gives out a vector for nthost's own device, of which there is one. The routine runs at the
/// vector's IRQL, without any lock.
pub fn connect_own(routine: fn()) -> Option<u8> {
    let vector = allocate_vector()?;
    OWN.set((vector, routine));
    Some(vector)
}

/// Takes a vector back.
pub fn free_vector(vector: u8) {
    ALLOCATED.lock()[usize::from(vector / 64)] &= !(1 << (vector % 64));
}

/// The address and data of the message that interrupts a processor with a vector: fixed
/// delivery, physical destination (Intel SDM volume 3, "Message Signalled Interrupts").
#[must_use]
pub fn message(vector: u8, processor: u32) -> (u64, u32) {
    (
        0xfee0_0000 | u64::from(pcr::of(processor).apic_id) << 12,
        u32::from(vector),
    )
}

/// Sends a line to a processor as a vector.
#[must_use]
pub fn route_line(line: u32, vector: u8, processor: u32, level_sensitive: bool) -> bool {
    ioapic::route(line, vector, pcr::of(processor).apic_id, level_sensitive)
}

/// Masks a line.
pub fn mask_line(line: u32) {
    ioapic::mask(line);
}

/// The interrupt line of a function on the root bus of a Q35 machine: its I/O APIC pin.
///
/// The chip set's documentation and the emulator agree: devices 0 to 24 are wired to PIRQE to
/// PIRQH (pins 20 to 23), turning with the device's number. A device behind bridges counts with
/// the pin that its root-bus ancestor shows (PCI-to-PCI Bridge Architecture, 9.1).
#[must_use]
pub const fn line_of(device: u8, pin: u8) -> u32 {
    20 + ((device + pin) % 4) as u32
}

/// Connects an interrupt object to its vector.
///
/// # Safety
///
/// The object is complete, and stays until [`disconnect`].
pub unsafe fn connect(interrupt: *mut Interrupt) {
    // SAFETY: the caller's promise.
    let vector = unsafe { (*interrupt).vector };
    VECTORS[usize::from(vector)]
        .lock()
        .push(InterruptPointer(interrupt));
}

/// Disconnects an interrupt object. When it returns, its routine does not run on any processor,
/// and will not. PASSIVE_LEVEL.
///
/// # Safety
///
/// The object was connected.
pub unsafe fn disconnect(interrupt: *mut Interrupt) {
    // SAFETY: the caller's promise.
    let vector = usize::from(unsafe { (*interrupt).vector });
    VECTORS[vector].lock().retain(|other| other.0 != interrupt);
    // Acquire: what the routine did last is seen.
    while SERVING[vector].load(Ordering::Acquire) != 0 {
        core::hint::spin_loop();
    }
}

/// Runs the object's routine under its lock, at its IRQL. The caller's IRQL is not above it.
///
/// # Safety
///
/// The object is connected.
pub unsafe fn call(interrupt: *mut Interrupt) -> bool {
    // SAFETY: the caller's promise.
    let object = unsafe { &*interrupt };
    let before = irql::current();
    irql::set(object.synchronize_irql.max(before));
    // SAFETY: the lock that the object was connected with.
    unsafe { spinlock::acquire(object.lock) };
    let running = watchdog::Routine::begin();
    let claimed = match object.service {
        Service::Line(routine) => {
            driver_routine::call(Kind::Interrupt, routine as usize, interrupt.addr(), || {
                // SAFETY: the driver's routine, with what it was registered with.
                unsafe { routine(interrupt.cast(), object.context) }
            })
        }
        Service::Message(routine, message) => {
            driver_routine::call(Kind::Interrupt, routine as usize, interrupt.addr(), || {
                // SAFETY: the driver's routine, with what it was registered with.
                unsafe { routine(interrupt.cast(), object.context, message) }
            })
        }
    };
    drop(running);
    // SAFETY: it was taken above.
    unsafe { spinlock::release(object.lock) };
    irql::set(before);
    object.count.fetch_add(1, Ordering::Relaxed);
    claimed != 0
}

/// A device's interrupt: asks the routines of its vector. The IRQL is the vector's class.
pub fn dispatch(vector: u8) {
    if let Some((own, routine)) = OWN.get()
        && *own == vector
    {
        return routine();
    }
    let index = usize::from(vector);
    let mut claimed = false;
    hook::interrupt(vector);
    // The count keeps `disconnect` waiting; the list itself may change between two routines.
    SERVING[index].fetch_add(1, Ordering::AcqRel);
    let mut position = 0;
    loop {
        let next = VECTORS[index].lock().get(position).copied();
        let Some(InterruptPointer(interrupt)) = next else {
            break;
        };
        // SAFETY: it is connected, and disconnecting waits for us.
        let level_sensitive = unsafe { (*interrupt).level_sensitive };
        // SAFETY: as above.
        let routine = match unsafe { (*interrupt).service } {
            Service::Line(routine) => routine as usize,
            Service::Message(routine, _) => routine as usize,
        };
        if hook::interrupt_lost(routine as u64) {
            claimed = true;
        } else {
            // SAFETY: as above.
            claimed |= unsafe { call(interrupt) };
        }
        if claimed && level_sensitive {
            break;
        }
        position += 1;
    }
    // Release: pairs with `disconnect`.
    SERVING[index].fetch_sub(1, Ordering::Release);
    if !claimed {
        UNCLAIMED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Interrupts that nobody claimed.
#[must_use]
pub fn unclaimed() -> u64 {
    UNCLAIMED.load(Ordering::Relaxed)
}

/// Interrupts this processor as a device would, for tests.
pub fn simulate(vector: u8) {
    apic::interrupt_self(vector);
}

/// How many interrupt objects are connected.
#[must_use]
pub fn connected() -> usize {
    VECTORS.iter().map(|vector| vector.lock().len()).sum()
}
