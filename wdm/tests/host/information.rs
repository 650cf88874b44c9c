//! A client is told of as many bytes as were written, whatever the request's sender has left there.

use wdk_sys::{
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_PNP, IRP_MN_QUERY_DEVICE_RELATIONS, MDL, NTSTATUS,
    STATUS_BUFFER_OVERFLOW, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
};
use wdm::{
    Status,
    dma::TransferMemory,
    irp::{Irp, Pending},
};

use crate::{
    device::{Left, Stack},
    kernel::irp::TestIrp,
    passive,
};

/// What stands in the IRP when it is sent.
const STALE: u64 = 0x5a5a;

/// Ends a METHOD_BUFFERED request that has room for 16 bytes with this status, after these answers.
fn ends(answers: &'static [&'static [u8]], status: NTSTATUS) -> (NTSTATUS, usize) {
    let stack = Stack::new();
    stack.act(move |_, mut irp, irql| {
        for answer in answers {
            assert_eq!(irp.write_output(answer).is_ok(), answer.len() <= 16);
        }
        irp.complete(Status::from_raw(status), irql)
    });
    let mut buffer = [0_u8; 16];
    let irp = TestIrp::new(IRP_MJ_DEVICE_CONTROL, 0, |location| {
        location.Parameters.DeviceIoControl.OutputBufferLength = 16;
    });
    irp.set_system_buffer(buffer.as_mut_ptr().cast());
    irp.set_information(STALE);
    assert_eq!(irp.send(stack.device), status);
    stack.remove();
    irp.ended().unwrap()
}

#[test]
fn what_was_written_is_told_and_nothing_else() {
    assert_eq!(ends(&[], STATUS_SUCCESS), (STATUS_SUCCESS, 0));
    assert_eq!(ends(&[b"answer"], STATUS_SUCCESS), (STATUS_SUCCESS, 6));
    assert_eq!(ends(&[b"answer", b"less"], STATUS_SUCCESS).1, 4);
    // What does not fit is not written.
    assert_eq!(ends(&[b"longer than there is room"], STATUS_SUCCESS).1, 0);
    // A warning comes with an answer, an error with none.
    assert_eq!(ends(&[b"answer"], STATUS_BUFFER_OVERFLOW).1, 6);
    assert_eq!(ends(&[b"answer"], STATUS_UNSUCCESSFUL).1, 0);
}

#[test]
fn what_a_plug_and_play_request_carries_stays() {
    for status in [STATUS_SUCCESS, STATUS_UNSUCCESSFUL] {
        let stack = Stack::new();
        stack.act(move |_, irp, irql| irp.complete(Status::from_raw(status), irql));
        let irp = TestIrp::new(IRP_MJ_PNP, IRP_MN_QUERY_DEVICE_RELATIONS, |_| {});
        irp.set_information(STALE);
        irp.send(stack.device);
        assert_eq!(irp.ended(), Some((status, 0x5a5a)));
        stack.remove();
    }
}

#[test]
fn a_device_has_moved_no_more_than_there_is_memory() {
    for (moved, told) in [(64, 64), (5000, 4096), (0, 0)] {
        static PENDING: Left<Irp<Pending>> = Left::new();

        let stack = Stack::new();
        stack.act(|_, irp, _| {
            let (irp, dispatched) = irp.pend();
            PENDING.put(irp);
            dispatched
        });
        let mut mdl = MDL::default();
        mdl.ByteCount = 4096;
        let irp = TestIrp::new(wdk_sys::IRP_MJ_READ, 0, |_| {});
        irp.set_mdl(&raw mut mdl);
        irp.set_information(STALE);
        irp.send(stack.device);
        let Ok(memory) = TransferMemory::direct(PENDING.take()) else {
            panic!("it has an MDL");
        };
        memory.into_irp(moved).complete(Status::SUCCESS, &passive());
        assert_eq!(irp.ended(), Some((STATUS_SUCCESS, told)));
        stack.remove();
    }
}
