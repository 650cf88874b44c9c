//! What requests take, in counts of the time-stamp counter while the processor was not halted: with
//! time counted in instructions, and one processor, that is how many were executed.

use alloc::{boxed::Box, string::String, sync::Arc, vec, vec::Vec};
use core::ptr::null_mut;

use nthost_nt::{
    io::{create::FILE_OPEN, irp::IO_STATUS_BLOCK},
    status::{NTSTATUS, STATUS_PENDING},
};
use nthost_protocol::{
    Buffer, Handle, ProcessRequest, RequestId, ThreadId,
    exercise::{Exercise, ExerciseRequest},
};

use super::{ACCESS, Calls, PROCESS, SHARE, THREAD, close, open};
use crate::{
    hal::{apic, time},
    io::{file, zw_request::ZwDeviceIoControlFile},
    ke::{lock::SpinLock, owned_event::Event, thread::idle},
    ob::handle,
    ps::{self, client::Client},
};

/// `PAGE_READWRITE`.
const PAGE_READWRITE: u32 = 0x04;
/// `SYNCHRONIZE`.
const SYNCHRONIZE: u32 = 0x0010_0000;
/// `FILE_SYNCHRONOUS_IO_NONALERT`.
const SYNCHRONOUS: u32 = 0x20;
/// So many requests are outstanding where many are.
const OUTSTANDING: usize = 64;
/// So many threads make requests at once where several do.
const THREADS: u32 = 4;

/// What makes a request of its number.
type Maker = Box<dyn Fn(RequestId) -> ProcessRequest + Send>;

/// What a request takes, and how it ends. Who waits for that waits for nothing else, so that the
/// requests wake nobody.
struct Measured {
    /// A leaf.
    result: SpinLock<(u64, NTSTATUS)>,
    done: Event,
}

/// Counts that this processor was not halted.
fn busy() -> u64 {
    time::counter() - idle::counts()
}

/// Memory of the process's for the buffers of a request that is made again and again: a program
/// has its buffers before it makes a call. Where it begins; zero if none is needed.
fn memory_for(calls: &mut Calls, chosen: &ExerciseRequest) -> u64 {
    let &ExerciseRequest::Control {
        ref input, output, ..
    } = chosen
    else {
        return 0;
    };
    let length = input.len() as u64 + u64::from(output);
    if length == 0 {
        return 0;
    }
    let allocated = calls.begin(|id| ProcessRequest::AllocateMemory {
        id,
        length,
        protection: PAGE_READWRITE,
    });
    let address = calls.end(allocated).information;
    let data = input.clone();
    let written = calls.begin(|id| ProcessRequest::WriteMemory { id, address, data });
    calls.end(written);
    address
}

/// A request whose buffers lie at an address of the process's, the output behind the input.
fn request_at(
    id: RequestId,
    chosen: &ExerciseRequest,
    handle: Handle,
    address: u64,
) -> ProcessRequest {
    let thread = THREAD;
    match *chosen {
        ExerciseRequest::Read { offset, length } => ProcessRequest::Read {
            id,
            thread,
            handle,
            offset,
            buffer: Buffer::Length(length),
        },
        ExerciseRequest::Write { offset, length } => ProcessRequest::Write {
            id,
            thread,
            handle,
            offset,
            buffer: Buffer::Length(length),
        },
        ExerciseRequest::Control {
            code,
            ref input,
            output,
        } => {
            let length = input.len() as u32;
            let at = |address, length| Buffer::At {
                address: if length == 0 { 0 } else { address },
                length,
            };
            ProcessRequest::DeviceControl {
                id,
                thread,
                handle,
                code,
                input: at(address, length),
                output: at(address + u64::from(length), output),
            }
        }
    }
}

/// A program that makes a request again and again, and tells what each takes, in counts as `clock`
/// has them, from the system call to the end of the wait for its completion, and how the last ended.
fn program(
    calls: &mut Calls,
    times: u32,
    request: Maker,
    clock: fn() -> u64,
) -> (ps::client::Program, Arc<Measured>) {
    let first = calls.next + 1;
    calls.next += u64::from(times) + 1;
    let measured = Arc::new(Measured {
        result: SpinLock::new((0, STATUS_PENDING)),
        done: Event::notification(),
    });
    let told = measured.clone();
    let program = Box::new(move |thread: &Arc<Client>| {
        let once = |number: u64| {
            let id = RequestId(first + number);
            let completion = thread.call_and_wait(request(id));
            completion.map_or(STATUS_PENDING, |completion| completion.status)
        };
        // What is set up with the first request is not counted.
        let mut status = once(0);
        let begun = clock();
        for number in 1..=u64::from(times) {
            status = once(number);
        }
        let counts = (clock() - begun) / u64::from(times);
        *told.result.lock() = (counts, status);
        told.done.set();
    });
    (program, measured)
}

/// What a request takes that a thread of the process makes.
fn by_program(calls: &mut Calls, times: u32, request: Maker) -> (u64, NTSTATUS) {
    let (program, measured) = program(calls, times, request, busy);
    ps::run(PROCESS, THREAD, program);
    measured.done.wait();
    *measured.result.lock()
}

/// What a request takes of the time while so many threads make one after the other.
fn by_threads(calls: &mut Calls, times: u32, threads: u32, maker: impl Fn() -> Maker) -> u64 {
    let begun = time::counter();
    let measured: Vec<_> = (0..threads)
        .map(|number| {
            let (program, measured) = program(calls, times, maker(), time::counter);
            ps::run(PROCESS, ThreadId(THREAD.0 + 1 + number), program);
            measured
        })
        .collect();
    for measured in measured {
        measured.done.wait();
    }
    (time::counter() - begun) / u64::from(times * threads)
}

/// What a request takes, and how often the local APIC is used for all of them, where a driver makes
/// it with a handle of its own.
fn by_driver(
    path: &str,
    times: u32,
    code: u32,
    input: &[u8],
    output: u32,
) -> Option<(u64, u64, NTSTATUS)> {
    let how = file::Open {
        access: ACCESS | SYNCHRONIZE,
        share: SHARE,
        options: SYNCHRONOUS,
        disposition: FILE_OPEN,
        who: None,
    };
    let path = path.strip_prefix(r"\\?\").unwrap_or(path);
    let path: Vec<u16> = r"\??\".encode_utf16().chain(path.encode_utf16()).collect();
    let opened = file::open(&path, &how).ok()?;
    let handle = handle::KERNEL.insert(opened.file.cast(), opened.access);
    let mut input = Vec::from(input);
    let mut room = vec![0_u8; output as usize];
    let mut once = || {
        let mut block = IO_STATUS_BLOCK::new(STATUS_PENDING, 0);
        // SAFETY: the buffers and the block stay until the request is over, for which the routine
        // waits, as the file is synchronous.
        unsafe {
            ZwDeviceIoControlFile(
                handle,
                0,
                null_mut(),
                null_mut(),
                &raw mut block,
                code,
                input.as_mut_ptr().cast(),
                input.len() as u32,
                room.as_mut_ptr().cast(),
                output,
            )
        }
    };
    let mut status = once();
    let (begun, accesses) = (busy(), apic::accesses());
    for _ in 0..times {
        status = once();
    }
    let counts = (busy() - begun) / u64::from(times);
    let accesses = apic::accesses() - accesses;
    handle::KERNEL.close(handle);
    Some((counts, accesses, status))
}

/// What a request takes that another thread has made for it, and many of which are outstanding.
fn many_at_once(
    calls: &mut Calls,
    times: u32,
    request: &dyn Fn(RequestId) -> ProcessRequest,
) -> u64 {
    let rounds = (times as usize).div_ceil(OUTSTANDING);
    let begun = busy();
    for _ in 0..rounds {
        let ids: Vec<_> = (0..OUTSTANDING).map(|_| calls.begin(request)).collect();
        for id in ids {
            calls.end(id);
        }
    }
    (busy() - begun) / (rounds * OUTSTANDING) as u64
}

/// What each request takes: made by a thread of the process, by another that has it made, and, where
/// that is wanted, in other ways.
pub(super) fn all(calls: &mut Calls, exercise: &Exercise, instance: &str, path: &str) {
    let times = exercise.measure;
    let Some(handle) = open(calls, String::from(path)) else {
        return;
    };
    for (index, chosen) in exercise.requests.iter().enumerate() {
        let address = memory_for(calls, chosen);
        let maker = || -> Maker {
            let own = chosen.clone();
            Box::new(move |id| request_at(id, &own, handle, address))
        };
        let (counts, status) = by_program(calls, times, maker());
        log!(
            "measure",
            "{instance}: request {index} takes {counts} counts, and ends in {status:#010x}"
        );
        let mut once = || {
            let id = calls.begin(|id| request_at(id, chosen, handle, address));
            calls.end(id).status
        };
        once();
        let begun = busy();
        for _ in 0..times {
            once();
        }
        let counts = (busy() - begun) / u64::from(times);
        log!(
            "measure",
            "{instance}: request {index} by another thread takes {counts} counts"
        );
        let ExerciseRequest::Control {
            code,
            input,
            output,
        } = chosen
        else {
            continue;
        };
        if !exercise.measure_all_ways {
            continue;
        }
        if let Some((counts, accesses, status)) = by_driver(path, times, *code, input, *output) {
            log!(
                "measure",
                "{instance}: request {index} by a driver takes {counts} counts, \
                 {accesses} accesses of the local APIC for all, and ends in {status:#010x}"
            );
        }
        let counts = many_at_once(calls, times, &maker());
        log!(
            "measure",
            "{instance}: request {index} among many takes {counts} counts"
        );
        for threads in [1, THREADS] {
            let counts = by_threads(calls, times, threads, maker);
            log!(
                "measure",
                "{instance}: request {index} of {threads} threads takes {counts} counts"
            );
        }
    }
    close(calls, handle);
}
