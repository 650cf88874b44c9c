//! What the mistakes in `compile_fail` should have been: all of it compiles.
#![no_std]

use wdm::{
    Status,
    csq::{Csq, Request},
    dma::{ListControl, Mapped, TransferMemory},
    dpc::DeferredRoutine,
    event::Event,
    interrupt::InterruptService,
    irp::{Dispatched, Fresh, Irp, Pending},
    irql::{Dirql, Dispatch, Passive, UpToDispatch, raise_to_dispatch},
    mutex::Mutex,
    spinlock::SpinLock,
    workitem::WorkRoutine,
};

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {
            /// A register.
            Control(0x00): u32, read, write;
        }
    }
}

pub fn wait_without_locks(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive) -> u32 {
    let value = *lock.acquire(irql);
    event.wait(irql);
    value
}

pub fn change_what_a_mutex_protects(mutex: &Mutex<u32>, irql: &mut Passive) {
    *mutex.acquire(irql) += 1;
}

pub fn release_in_order(first: &SpinLock<u32>, second: &SpinLock<u32>, irql: &mut Passive) -> u32 {
    let mut outer = first.acquire(irql);
    let (value, irql) = outer.parts();
    let inner = second.acquire_at_dpc_level(irql);
    *value + *inner
}

pub fn set_from_anywhere_up_to_dispatch(event: &Event, irql: &mut UpToDispatch) {
    event.set(irql);
}

pub fn queue<R: Request>(
    queue: &Csq<R>,
    irp: Irp<Fresh>,
    request: R,
    irql: &mut Passive,
) -> Dispatched {
    match queue.insert(irp, request, irql) {
        Ok(dispatched) => dispatched,
        Err(refused) => {
            refused.irp.complete(refused.status, irql);
            refused.dispatched
        }
    }
}

pub fn complete_what_was_removed<R: Request>(queue: &Csq<R>, irql: &mut Dispatch) {
    if let Some((irp, _)) = queue.remove_next(irql) {
        irp.complete(Status::SUCCESS, irql);
    }
}

pub fn pass_down(irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
    irp.forward(irql)
}

pub fn complete_after_the_drivers_below(
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    irp.forward_synchronously(irql).complete_as_is(irql)
}

pub fn raise_and_lower(irp: Irp<Pending>, irql: &mut Passive) {
    raise_to_dispatch(irql, |irql| irp.complete(Status::SUCCESS, irql));
}

pub fn use_registers(registers: &mut Bar0Registers, _irql: &mut Dirql) -> u32 {
    registers.all.write(Control, 1);
    registers.all.read(Control)
}

pub fn unmap<C: ListControl>(mapped: Mapped<C>, irql: &mut Dispatch) -> TransferMemory {
    mapped.unmap(irql).0
}

/// Nobody knows how much later the kernel calls these: so none of them borrows anything.
pub fn what_the_kernel_calls_later_borrows_nothing<
    W: WorkRoutine,
    D: DeferredRoutine,
    I: InterruptService,
    L: ListControl,
    R: Request,
>() {
    fn borrows_nothing<T: 'static>() {}
    borrows_nothing::<W>();
    borrows_nothing::<D>();
    borrows_nothing::<I>();
    borrows_nothing::<L>();
    borrows_nothing::<R>();
    borrows_nothing::<R::Context>();
}
