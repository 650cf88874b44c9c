//! The IRPs that the I/O manager makes for drivers.

use alloc::sync::Arc;
use core::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{
    io::{
        device::{DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO},
        irp::{IO_STATUS_BLOCK, IRP},
        major::{
            IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
            IRP_MJ_FLUSH_BUFFERS, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
        },
    },
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_CANCELLED, STATUS_INVALID_PARAMETER, STATUS_MORE_PROCESSING_REQUIRED,
        STATUS_OBJECT_NAME_NOT_FOUND, STATUS_PENDING, STATUS_SUCCESS,
    },
};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Event, Worker},
    target::{COUNT_UP, FAIL, KEEP, KEEP_UNTIL_CANCELLED, Target, control_code},
};
use crate::{
    io::{
        attachment,
        build::{
            IoBuildAsynchronousFsdRequest, IoBuildDeviceIoControlRequest,
            IoBuildSynchronousFsdRequest, IoMakeAssociatedIrp,
        },
        call,
        completion::IoSetCompletionRoutineEx,
        device,
        irp::{self, IoAllocateIrp, IoFreeIrp},
        pointer::{IoAttachDevice, IoGetDeviceObjectPointer, IoGetRelatedDeviceObject},
        request,
    },
    ke::lock::SpinLock,
    mm::{
        mdl::{self, MmUnlockPages},
        pool_routines::ExFreePool,
    },
    ob::object,
    verifier,
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "irp: a control request has its buffers as its method says, and its output comes back",
        control,
    ),
    (
        "irp: a control request that was kept sets event and status block when it is complete",
        control_kept,
    ),
    (
        "irp: a control request that fails at once touches neither event nor status block",
        control_failed,
    ),
    (
        "irp: a control request is canceled, and complete, when its thread ends",
        thread_end,
    ),
    (
        "irp: a read and a write have their buffers as the device wants them",
        read_and_write,
    ),
    (
        "irp: a flush request has no buffers, and there is no request of another kind",
        flush,
    ),
    (
        "irp: an asynchronous request is its completion routine's to free",
        asynchronous,
    ),
    (
        "irp: a master is complete with the last of its parts",
        associated,
    ),
    (
        "irp: a device stays until its completion routine has run",
        completion,
    ),
    (
        "irp: a device found by its name is open until its file is let go",
        pointer,
    ),
    (
        "irp: a device attached by name gets what is sent to the one below",
        attached,
    ),
];

/// How many IRPs there are.
fn irps() -> usize {
    let mut count = 0;
    verifier::irp::for_each(|_, _| count += 1);
    count
}

/// An event and a status block that were not written to yet.
struct Reply {
    event: Event,
    block: IO_STATUS_BLOCK,
}

// SAFETY: the block's pointer is never followed.
unsafe impl Send for Reply {}

impl Reply {
    fn new() -> Self {
        Self {
            event: Event::notification(),
            block: IO_STATUS_BLOCK::new(-2, usize::MAX),
        }
    }
}

fn send(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    // SAFETY: an IRP that was just set up for this device.
    unsafe { call::IofCallDriver(device, irp) }
}

/// A control request with this input, whose output goes there.
fn build(
    target: &Target,
    code: u32,
    input: &mut [u8],
    output: &mut [u8],
    internal: bool,
    reply: &mut Reply,
) -> *mut IRP {
    // SAFETY: buffers, event and block outlive the request, which the test waits for.
    unsafe {
        IoBuildDeviceIoControlRequest(
            code,
            target.get(),
            input.as_mut_ptr().cast(),
            input.len() as u32,
            output.as_mut_ptr().cast(),
            output.len() as u32,
            internal.into(),
            reply.event.get(),
            &raw mut reply.block,
        )
    }
}

fn control() -> Outcome {
    let (target, _) = Target::new(0);
    let before = irps();
    for method in 0..4 {
        let mut input = [1_u8, 2, 3, 0xff];
        let mut output = [9_u8; 6];
        let mut reply = Reply::new();
        let code = control_code(COUNT_UP, method);
        let internal = method & 1 != 0;
        let irp = build(&target, code, &mut input, &mut output, internal, &mut reply);
        ensure!(!irp.is_null(), "no IRP for method {method}");
        ensure_eq!(send(target.get(), irp), STATUS_SUCCESS);
        ensure!(reply.event.is_set(), "the event is not set");
        ensure_eq!(reply.block.status(), STATUS_SUCCESS);
        ensure_eq!(reply.block.Information, 4);
        ensure_eq!(output, [2, 3, 4, 0, 9, 9]);
        ensure_eq!(input, [1, 2, 3, 0xff]);
        ensure_eq!(irps(), before);
    }
    ensure_eq!(target.count(IRP_MJ_DEVICE_CONTROL), 2);
    ensure_eq!(target.count(IRP_MJ_INTERNAL_DEVICE_CONTROL), 2);
    Ok(())
}

fn control_kept() -> Outcome {
    let (target, _) = Target::new(0);
    let before = irps();
    let (mut input, mut output) = ([7_u8], [0_u8]);
    let mut reply = Reply::new();
    let code = control_code(KEEP, 0);
    let irp = build(&target, code, &mut input, &mut output, false, &mut reply);
    ensure!(!irp.is_null(), "no IRP");
    ensure_eq!(send(target.get(), irp), STATUS_PENDING);
    ensure!(!reply.event.is_set(), "the event is set before its time");
    let worker = Worker::new(|| {
        Target::release();
    });
    reply.event.wait(None);
    worker.join();
    ensure_eq!(reply.block.status(), STATUS_SUCCESS);
    ensure_eq!(output, [8]);
    ensure_eq!(irps(), before);
    Ok(())
}

fn control_failed() -> Outcome {
    let (target, _) = Target::new(0);
    let before = irps();
    let (mut input, mut output) = ([7_u8], [5_u8]);
    let mut reply = Reply::new();
    let code = control_code(FAIL, 0);
    let irp = build(&target, code, &mut input, &mut output, false, &mut reply);
    ensure!(!irp.is_null(), "no IRP");
    ensure_eq!(send(target.get(), irp), STATUS_INVALID_PARAMETER);
    ensure!(!reply.event.is_set(), "the event is set");
    ensure_eq!(reply.block.Information, usize::MAX);
    ensure_eq!(output, [5]);
    ensure_eq!(irps(), before);
    Ok(())
}

fn thread_end() -> Outcome {
    let before = irps();
    let (target, _) = Target::new(0);
    let reply = Arc::new(SpinLock::new((Reply::new(), STATUS_SUCCESS)));
    let sent = reply.clone();
    let device = target.get().expose_provenance();
    Worker::new(move || {
        let device = core::ptr::with_exposed_provenance_mut::<DEVICE_OBJECT>(device);
        let mut guard = sent.lock();
        let (event, block) = (guard.0.event.get(), &raw mut guard.0.block);
        drop(guard);
        let (code, none) = (control_code(KEEP_UNTIL_CANCELLED, 0), null_mut());
        // SAFETY: event and block outlive the thread, and with it the request.
        let irp = unsafe {
            IoBuildDeviceIoControlRequest(code, device, none, 0, none, 0, 0, event, block)
        };
        sent.lock().1 = send(device, irp);
    })
    .join();
    let reply = reply.lock();
    ensure_eq!(reply.1, STATUS_PENDING);
    ensure!(reply.0.event.is_set(), "the event is not set");
    ensure_eq!(reply.0.block.status(), STATUS_CANCELLED);
    ensure_eq!(irps(), before);
    Ok(())
}

fn read_and_write() -> Outcome {
    for flags in [DO_BUFFERED_IO, DO_DIRECT_IO, 0] {
        let (target, _) = Target::new(flags);
        let before = irps();
        for (major, first) in [(IRP_MJ_READ, 0_u8), (IRP_MJ_WRITE, 0x40)] {
            let mut bytes = core::array::from_fn::<u8, 8, _>(|index| first + index as u8);
            let mut reply = Reply::new();
            // SAFETY: buffer, event and block outlive the request, which is complete at once.
            let irp = unsafe {
                IoBuildSynchronousFsdRequest(
                    major.into(),
                    target.get(),
                    bytes.as_mut_ptr().cast(),
                    8,
                    &0x40,
                    reply.event.get(),
                    &raw mut reply.block,
                )
            };
            ensure!(!irp.is_null(), "no IRP for {major} with {flags:#x}");
            ensure_eq!(send(target.get(), irp), STATUS_SUCCESS);
            ensure!(reply.event.is_set(), "the event is not set");
            ensure_eq!(reply.block.Information, 8);
            ensure_eq!(bytes, [0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47]);
        }
        ensure_eq!(irps(), before);
    }
    Ok(())
}

fn flush() -> Outcome {
    let (target, _) = Target::new(DO_BUFFERED_IO);
    let mut reply = Reply::new();
    for (major, expected) in [(IRP_MJ_FLUSH_BUFFERS, true), (IRP_MJ_CREATE, false)] {
        // SAFETY: event and block outlive the request, which is complete at once.
        let irp = unsafe {
            IoBuildSynchronousFsdRequest(
                major.into(),
                target.get(),
                null_mut(),
                0,
                null(),
                reply.event.get(),
                &raw mut reply.block,
            )
        };
        ensure_eq!(!irp.is_null(), expected);
        if expected {
            ensure_eq!(send(target.get(), irp), STATUS_SUCCESS);
        }
    }
    ensure_eq!(target.count(IRP_MJ_FLUSH_BUFFERS), 1);
    Ok(())
}

/// Takes down an asynchronous IRP as the reference shows, and counts.
unsafe extern "win64" fn take_down(
    _device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the test's own counter.
    unsafe { &*context.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the IRP is back at who made it.
    let packet = unsafe { &*irp };
    let buffer = *packet.AssociatedIrp.system_buffer();
    if !buffer.is_null() {
        // SAFETY: the IRP's own buffer, in pool.
        unsafe { ExFreePool(buffer) };
    }
    if !packet.MdlAddress.is_null() {
        // SAFETY: the IRP's own MDL, with its pages locked.
        unsafe { MmUnlockPages(packet.MdlAddress) };
        // SAFETY: nobody uses it any more.
        unsafe { mdl::IoFreeMdl(packet.MdlAddress) };
    }
    // SAFETY: nobody uses the IRP any more.
    unsafe { IoFreeIrp(irp) };
    STATUS_MORE_PROCESSING_REQUIRED
}

fn asynchronous() -> Outcome {
    let count = AtomicU32::new(0);
    let before = irps();
    for flags in [DO_BUFFERED_IO, DO_DIRECT_IO, 0] {
        let (target, _) = Target::new(flags);
        let mut bytes = [0x10_u8, 0x11, 0x12];
        let data = bytes.as_mut_ptr().cast();
        let major = IRP_MJ_WRITE.into();
        // SAFETY: the buffer outlives the request, which is complete at once.
        let irp = unsafe {
            IoBuildAsynchronousFsdRequest(major, target.get(), data, 3, &0x10, null_mut())
        };
        ensure!(!irp.is_null(), "no IRP with {flags:#x}");
        // SAFETY: the IRP is the test's, and has a location.
        let location = unsafe { irp::next(irp) };
        request::on_completion(location, take_down, (&raw const count).cast_mut().cast());
        ensure_eq!(send(target.get(), irp), STATUS_SUCCESS);
    }
    ensure_eq!(count.load(Ordering::Relaxed), 3);
    ensure_eq!(irps(), before);
    Ok(())
}

fn associated() -> Outcome {
    const PARTS: i32 = 3;
    let (target, _) = Target::new(0);
    let before = irps();
    let count = AtomicU32::new(0);
    // SAFETY: none is needed.
    let master = unsafe { IoAllocateIrp(2, 0) };
    ensure!(!master.is_null(), "no master IRP");
    // A location of its own, as if it had been sent to the driver that splits it.
    // SAFETY: the IRP is the test's, and has two locations.
    let location = unsafe { irp::next(master) };
    request::on_completion(location, take_down, (&raw const count).cast_mut().cast());
    // SAFETY: as above.
    let packet = unsafe { &mut *master };
    packet.CurrentLocation -= 1;
    packet.overlay_mut().CurrentStackLocation = location;
    packet.IoStatus = IO_STATUS_BLOCK::new(STATUS_SUCCESS, 0);
    *packet.AssociatedIrp.count_mut() = PARTS;
    let mut parts = [null_mut(); PARTS as usize];
    for part in &mut parts {
        // SAFETY: the master is the test's.
        *part = unsafe { IoMakeAssociatedIrp(master, 1) };
        ensure!(!part.is_null(), "no associated IRP");
        // SAFETY: the IRP is the test's, and has a location.
        unsafe { irp::next(*part) }.MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    }
    for (sent, part) in parts.into_iter().enumerate() {
        ensure_eq!(count.load(Ordering::Relaxed), 0);
        ensure_eq!(send(target.get(), part), STATUS_SUCCESS);
        ensure_eq!(
            count.load(Ordering::Relaxed),
            u32::from(sent + 1 == PARTS as usize)
        );
    }
    ensure_eq!(irps(), before);
    Ok(())
}

/// Counts, and keeps the IRP.
unsafe extern "win64" fn count_and_keep(
    _device: *mut DEVICE_OBJECT,
    _irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the test's own counter.
    unsafe { &*context.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    STATUS_MORE_PROCESSING_REQUIRED
}

fn completion() -> Outcome {
    let (above, _) = Target::new(0);
    let (target, _) = Target::new(0);
    let count = AtomicU32::new(0);
    let context: *mut c_void = (&raw const count).cast_mut().cast();
    let references = above.references();
    for (on_success, expected) in [(1, 1), (0, 2)] {
        // SAFETY: none is needed.
        let irp = unsafe { IoAllocateIrp(1, 0) };
        ensure!(!irp.is_null(), "no IRP");
        // SAFETY: the device and the IRP are the test's.
        let set = unsafe {
            IoSetCompletionRoutineEx(
                above.get(),
                irp,
                count_and_keep,
                context,
                on_success,
                u8::from(on_success == 0),
                0,
            )
        };
        ensure_eq!(set, STATUS_SUCCESS);
        ensure_eq!(above.references(), references + 1);
        // SAFETY: the IRP is the test's, and has a location.
        let location = unsafe { irp::next(irp) };
        location.MajorFunction = IRP_MJ_DEVICE_CONTROL;
        if on_success == 0 {
            let parameters = location.Parameters.device_io_control_mut();
            parameters.IoControlCode = control_code(FAIL, 0);
        }
        send(target.get(), irp);
        ensure_eq!(count.load(Ordering::Relaxed), expected);
        ensure_eq!(above.references(), references);
        // SAFETY: the completion routine has kept it.
        unsafe { IoFreeIrp(irp) };
    }
    Ok(())
}

fn pointer() -> Outcome {
    let (target, mut name) = Target::new(0);
    let references = target.references();
    let bytes = (name.len() * 2) as u16;
    let mut string = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: name.as_mut_ptr(),
    };
    let (mut file, mut device) = (null_mut(), null_mut());
    // SAFETY: a string, and variables to be written.
    let found =
        unsafe { IoGetDeviceObjectPointer(&raw const string, 1, &raw mut file, &raw mut device) };
    ensure_eq!(found, STATUS_SUCCESS);
    ensure_eq!(device, target.get());
    // SAFETY: the test has a reference to the file.
    ensure_eq!(unsafe { IoGetRelatedDeviceObject(file) }, device);
    ensure_eq!(target.count(IRP_MJ_CREATE), 1);
    ensure_eq!(target.count(IRP_MJ_CLEANUP), 1);
    ensure_eq!(target.count(IRP_MJ_CLOSE), 0);
    ensure!(target.references() > references, "the file keeps no device");
    object::dereference(file.cast());
    ensure_eq!(target.count(IRP_MJ_CLOSE), 1);
    ensure_eq!(target.references(), references);
    string.Length -= 2;
    // SAFETY: as above.
    let found =
        unsafe { IoGetDeviceObjectPointer(&raw const string, 1, &raw mut file, &raw mut device) };
    ensure_eq!(found, STATUS_OBJECT_NAME_NOT_FOUND);
    ensure!(file.is_null() && device.is_null(), "something was found");
    Ok(())
}

fn attached() -> Outcome {
    let (above, _) = Target::new(0);
    let (target, mut name) = Target::new(0);
    let references = target.references();
    let bytes = (name.len() * 2) as u16;
    let string = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: name.as_mut_ptr(),
    };
    let mut below = null_mut();
    // SAFETY: a string, and a variable to be written.
    let status = unsafe { IoAttachDevice(above.get(), &raw const string, &raw mut below) };
    ensure_eq!((status, below), (STATUS_SUCCESS, target.get()));
    // The device was closed again; what closes a file goes to the new top.
    ensure_eq!(target.references(), references);
    ensure_eq!(
        (target.count(IRP_MJ_CREATE), above.count(IRP_MJ_CLOSE)),
        (1, 1)
    );
    ensure_eq!(device::highest(target.get()), above.get());
    // SAFETY: it was attached just now.
    unsafe { attachment::IoDetachDevice(below) };
    Ok(())
}
