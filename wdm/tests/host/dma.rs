//! DMA: memory is mapped in the directions that it was locked for, and comes back whole.

use std::sync::{Mutex, atomic::Ordering};

use wdk_sys::{IRP_MJ_READ, IRP_MJ_WRITE, MDL, STATUS_PENDING, STATUS_SUCCESS};
use wdm::{
    Status,
    dma::{
        Adapter, Channel, Description, Direction, ListControl, Mapped, NotMapped, TransferMemory,
    },
    irp::{Irp, Pending},
    irql::{Dispatch, raise_to_dispatch},
    pool::Shared,
};

use crate::{
    TAG,
    device::{Left, Stack},
    kernel::{dma::MAPPED, irp::TestIrp},
    passive,
};

/// Keeps what was mapped.
struct Keeper(Mutex<Option<Mapped<Self>>>);

impl ListControl for Keeper {
    fn mapped(&self, mapped: Mapped<Self>, _irql: &mut Dispatch) {
        *self.0.lock().unwrap() = Some(mapped);
    }
}

/// What comes of mapping the memory of a request in this direction.
fn map(major: u32, direction: Direction, length: u32) -> Status {
    static PENDING: Left<Irp<Pending>> = Left::new();
    let stack = Stack::new();
    stack.act(|_, irp, _| {
        let (irp, dispatched) = irp.pend();
        PENDING.put(irp);
        dispatched
    });
    let mut mdl = MDL::default();
    mdl.ByteCount = 4096;
    let irp = TestIrp::new(major, 0, |_| {});
    irp.set_mdl(&raw mut mdl);
    assert_eq!(irp.send(stack.device), STATUS_PENDING);

    let irql = &mut passive();
    let description = Description {
        address_width: 28,
        maximum_length: 4096,
    };
    let fdo = stack.fdo();
    let adapter = Adapter::get(fdo.physical(), description, irql).unwrap();
    let adapter = Shared::new(TAG, adapter, irql).unwrap();
    let keeper = Shared::new(TAG, Keeper(Mutex::new(None)), irql).unwrap();
    let channel = Channel::new(TAG, adapter, fdo.reference(), keeper.clone(), irql).unwrap();
    let Ok(memory) = TransferMemory::direct(PENDING.take()) else {
        panic!("it has an MDL");
    };
    let (memory, status) = raise_to_dispatch(irql, |irql| {
        match channel.map(memory, length, direction, irql) {
            Err(NotMapped { memory, status, .. }) => (memory, status),
            Ok(()) => {
                let mapped = keeper.0.lock().unwrap().take().unwrap();
                assert_eq!(mapped.element(0), Some((0x1000, length)));
                assert_eq!(mapped.element(1), None);
                (mapped.unmap(irql).0, Status::SUCCESS)
            }
        }
    });
    memory.into_irp(64).complete(Status::SUCCESS, irql);
    drop(keeper);
    assert_eq!(irp.ended().map(|(status, _)| status), Some(STATUS_SUCCESS));
    stack.remove();
    status
}

/// One test, since there is one count of what is mapped.
#[test]
fn memory_is_mapped_for_what_it_was_locked_for() {
    assert_eq!(
        map(IRP_MJ_READ, Direction::FromDevice, 4096),
        Status::SUCCESS
    );
    assert_eq!(map(IRP_MJ_WRITE, Direction::ToDevice, 100), Status::SUCCESS);
    // What a write writes from was locked to be read.
    let refused = Status::INVALID_PARAMETER;
    assert_eq!(map(IRP_MJ_WRITE, Direction::FromDevice, 100), refused);
    assert_eq!(map(IRP_MJ_READ, Direction::FromDevice, 4097), refused);
    assert_eq!(MAPPED.load(Ordering::Relaxed), 0);
}
