//! Executive resources: locks that one thread has exclusively, or many have shared.
//!
//! The caller's structure is opaque to drivers, so what is known of a resource lies apart from
//! it, by its address: a resource that was never initialized is found out, and so is one in
//! memory that is freed. A resource that is released is handed on to those who wait, oldest
//! first.
//!
//! Sources: ExInitializeResourceLite, ExAcquireResourceExclusiveLite,
//! ExAcquireResourceSharedLite, ExAcquireSharedStarveExclusive, ExAcquireSharedWaitForExclusive,
//! ExReleaseResourceLite, ExConvertExclusiveToSharedLite, "Introduction to ERESOURCE Routines";
//! bug check 0xC4, subcodes 0x37, 0x38, 0xD0 to 0xD2, 0x1000 and 0x1002; bug check 0xE3.

use alloc::{collections::BTreeMap, vec::Vec};

use nthost_nt::{
    ex::ERESOURCE,
    status::{NTSTATUS, STATUS_SUCCESS},
};

pub(super) use super::resource_state::Politeness;
use super::{
    event,
    resource_state::{State, Waiter},
};
use crate::{
    export, hook,
    ke::{
        bugcheck::{self, code},
        lock::HighLock,
        thread,
    },
};

/// By address. Nothing but the heap is locked while it is held.
static RESOURCES: HighLock<BTreeMap<u64, State>> = HighLock::new(BTreeMap::new());

/// A resource in use within a range of memory, if there is one.
#[must_use]
pub fn within(address: u64, size: u64) -> Option<u64> {
    let resources = RESOURCES.lock();
    let found = resources.range(address..address + size).next();
    found.map(|(&resource, _)| resource)
}

/// A resource is in memory that is freed: it is in use no more.
pub fn forget(resource: u64) {
    RESOURCES.lock().remove(&resource);
}

/// The resources in use, and who made each.
#[must_use]
pub fn all() -> Vec<(u64, u64)> {
    let resources = RESOURCES.lock();
    let all = resources.iter();
    all.map(|(&address, state)| (address, state.caller))
        .collect()
}

pub(super) fn me() -> u64 {
    thread::current() as u64
}

/// Does something with what is known of a resource. One that was never initialized, or was deleted,
/// is a misuse, and otherwise one that nobody has: as on Windows, where it is zeroed memory.
fn with<T>(resource: u64, operation: impl FnOnce(&mut State) -> T) -> T {
    let mut resources = RESOURCES.lock();
    if !resources.contains_key(&resource) {
        drop(resources);
        hook::misuse([0x1002, resource, 0, 0]);
        resources = RESOURCES.lock();
    }
    operation(resources.entry(resource).or_default())
}

fn wake(woken: Vec<*mut Waiter>) {
    for waiter in woken {
        // SAFETY: whoever waits stays until its event is set.
        let event = unsafe { &raw mut (*waiter).event };
        // SAFETY: as above.
        unsafe { event::set(event) };
    }
}

/// Takes a resource, waiting for it or not.
pub(super) fn acquire(resource: u64, exclusive: bool, politeness: Politeness, wait: bool) -> u8 {
    let owner = me();
    let mut waiter = Waiter {
        event: event::new(),
        owner,
        exclusive,
    };
    // SAFETY: it stays where it is until this routine returns.
    unsafe { event::initialize(&raw mut waiter.event) };
    let place = &raw mut waiter;
    let (granted, deadlock) = with(resource, |state| {
        let granted = if exclusive {
            state.try_exclusive(owner)
        } else {
            state.try_shared(owner, politeness)
        };
        let deadlock = !granted && wait && exclusive && state.own(owner).is_some();
        if !granted && wait && !deadlock {
            state.waiters.push_back(place);
        }
        (granted, deadlock)
    });
    if deadlock {
        // It waits for itself to give its shared access back.
        hook::fatal_misuse([0x1000, resource, 0, 0]);
        with(resource, |state| state.waiters.push_back(place));
    }
    if !granted && wait {
        // SAFETY: as above; whoever releases the resource grants it and sets the event.
        unsafe { event::wait(&raw mut waiter.event) };
    }
    u8::from(granted || wait)
}

/// Gives a resource back once.
fn release(resource: u64, owner: u64) {
    let woken = with(resource, |state| {
        let own = state.own(owner)?;
        own.count -= 1;
        if own.count == 0 {
            state.owners.retain(|other| other.id != owner);
        }
        if state.owners.is_empty() {
            state.exclusive = false;
        }
        Some(state.hand_on())
    });
    match woken {
        Some(woken) => wake(woken),
        None => bugcheck::bugcheck(code::RESOURCE_NOT_OWNED, [resource, owner, 0, 0]),
    }
}

fn leave_critical_region() {
    // SAFETY: the thread that runs; only it changes the field.
    unsafe { (*thread::current()).kernel_apc_disable += 1 };
}

pub(super) fn enter_critical_region() {
    // SAFETY: the thread that runs; only it changes the field.
    unsafe { (*thread::current()).kernel_apc_disable -= 1 };
}

/// Puts a pointer in the place of the thread that runs.
fn set_owner(resource: *mut ERESOURCE, owner: u64) {
    let found = with(resource as u64, |state| {
        state.own(me()).map(|own| own.id = owner).is_some()
    });
    if !found {
        bugcheck::bugcheck(code::RESOURCE_NOT_OWNED, [resource as u64, me(), 0, 0]);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a free resource.
    ///
    /// Source: ExInitializeResourceLite.
    ///
    /// # Safety
    ///
    /// It is nonpaged memory for a resource.
    pub unsafe fn ExInitializeResourceLite(resource: *mut ERESOURCE) -> NTSTATUS {
        let caller = export::caller();
        let address = resource as u64;
        if !address.is_multiple_of(8) {
            hook::misuse([0x3d, 0, 0, address]);
        }
        let state = State { caller, ..State::default() };
        if RESOURCES.lock().insert(address, state).is_some() {
            hook::misuse([0xd0, address, 0, 0]);
        }
        // SAFETY: the caller's promise.
        unsafe { resource.write_bytes(0, 1) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a resource out of the system's knowledge; its memory may be freed then.
    ///
    /// Source: ExDeleteResourceLite.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn ExDeleteResourceLite(resource: *mut ERESOURCE) -> NTSTATUS {
        if RESOURCES.lock().remove(&(resource as u64)).is_none() {
            hook::misuse([0xd1, resource as u64, 0, 0]);
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a resource free again that was used before.
    ///
    /// Source: ExReinitializeResourceLite.
    ///
    /// # Safety
    ///
    /// Nobody has it or waits for it.
    pub unsafe fn ExReinitializeResourceLite(resource: *mut ERESOURCE) -> NTSTATUS {
        with(resource as u64, |state| {
            state.owners.clear();
            state.exclusive = false;
        });
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a resource exclusively; FALSE if that means to wait, and the caller would not.
    ///
    /// Source: ExAcquireResourceExclusiveLite.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExAcquireResourceExclusiveLite(resource: *mut ERESOURCE, wait: u8) -> u8 {
        acquire(resource as u64, true, Politeness::Normal, wait != 0)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a resource shared; FALSE if that means to wait, and the caller would not.
    ///
    /// Source: ExAcquireResourceSharedLite.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExAcquireResourceSharedLite(resource: *mut ERESOURCE, wait: u8) -> u8 {
        acquire(resource as u64, false, Politeness::Normal, wait != 0)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a resource shared, before those who wait for exclusive access.
    ///
    /// Source: ExAcquireSharedStarveExclusive.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExAcquireSharedStarveExclusive(resource: *mut ERESOURCE, wait: u8) -> u8 {
        acquire(resource as u64, false, Politeness::Starve, wait != 0)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a resource shared, after those who wait for exclusive access.
    ///
    /// Source: ExAcquireSharedWaitForExclusive.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExAcquireSharedWaitForExclusive(resource: *mut ERESOURCE, wait: u8) -> u8 {
        acquire(resource as u64, false, Politeness::Wait, wait != 0)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// KeEnterCriticalRegion and ExAcquireResourceExclusiveLite in one; gives the thread.
    ///
    /// Source: ExEnterCriticalRegionAndAcquireResourceExclusive.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExEnterCriticalRegionAndAcquireResourceExclusive(
        resource: *mut ERESOURCE,
    ) -> u64 {
        enter_critical_region();
        acquire(resource as u64, true, Politeness::Normal, true);
        me()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives a resource of the calling thread's back once; one that is not its own ends in bug
    /// check 0xE3.
    ///
    /// Source: ExReleaseResourceLite.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExReleaseResourceLite(resource: *mut ERESOURCE) {
        release(resource as u64, me());
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives a resource of a thread's, or of an owner pointer's, back once.
    ///
    /// Source: ExReleaseResourceForThreadLite.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExReleaseResourceForThreadLite(resource: *mut ERESOURCE, owner: u64) {
        release(resource as u64, owner);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// ExReleaseResourceLite and KeLeaveCriticalRegion in one.
    ///
    /// Source: ExReleaseResourceAndLeaveCriticalRegion.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExReleaseResourceAndLeaveCriticalRegion(resource: *mut ERESOURCE) {
        release(resource as u64, me());
        leave_critical_region();
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes exclusive access shared, and lets those in who wait for shared access.
    ///
    /// Source: ExConvertExclusiveToSharedLite.
    ///
    /// # Safety
    ///
    /// The calling thread has exclusive access.
    pub unsafe fn ExConvertExclusiveToSharedLite(resource: *mut ERESOURCE) {
        let woken = with(resource as u64, |state| {
            let mine = state.exclusive && state.own(me()).is_some();
            mine.then(|| {
                state.exclusive = false;
                state.hand_on()
            })
        });
        match woken {
            Some(woken) => wake(woken),
            None => bugcheck::bugcheck(code::RESOURCE_NOT_OWNED, [resource as u64, me(), 0, 0]),
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Puts a pointer of the caller's, whose low two bits are set, in the place of the thread
    /// that has the resource.
    ///
    /// Source: ExSetResourceOwnerPointer.
    ///
    /// # Safety
    ///
    /// The calling thread has the resource.
    pub unsafe fn ExSetResourceOwnerPointer(resource: *mut ERESOURCE, owner: u64) {
        set_owner(resource, owner);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ExSetResourceOwnerPointer. That the pointer is a thread's would let the kernel make that
    /// more urgent, which nthost does for nobody who has a resource.
    ///
    /// Source: ExSetResourceOwnerPointerEx.
    ///
    /// # Safety
    ///
    /// The calling thread has the resource.
    pub unsafe fn ExSetResourceOwnerPointerEx(
        resource: *mut ERESOURCE,
        owner: u64,
        _flags: u32,
    ) {
        set_owner(resource, owner);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether the calling thread has the resource exclusively.
    ///
    /// Source: ExIsResourceAcquiredExclusiveLite.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExIsResourceAcquiredExclusiveLite(resource: *mut ERESOURCE) -> u8 {
        with(resource as u64, |state| u8::from(state.exclusive && state.own(me()).is_some()))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How often the calling thread has the resource, shared or exclusively.
    ///
    /// Source: ExIsResourceAcquiredSharedLite.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExIsResourceAcquiredSharedLite(resource: *mut ERESOURCE) -> u32 {
        with(resource as u64, |state| state.own(me()).map_or(0, |own| own.count))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How many threads wait for exclusive access.
    ///
    /// Source: ExGetExclusiveWaiterCount.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExGetExclusiveWaiterCount(resource: *mut ERESOURCE) -> u32 {
        with(resource as u64, |state| state.waiting(true) as u32)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How many threads wait for shared access.
    ///
    /// Source: ExGetSharedWaiterCount.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExGetSharedWaiterCount(resource: *mut ERESOURCE) -> u32 {
        with(resource as u64, |state| state.waiting(false) as u32)
    }
}
