//! A measurement: workers that begin together, and what they have found.

use core::{
    cell::{Cell, UnsafeCell},
    ffi::c_void,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};

use eduwdm_abi::{
    Header,
    bench::{CLASSES, Kind, MAX_DEPTH, MAX_LENGTH, MAX_THREADS, RunInput, RunOutput},
};
use wdm::{
    Result, Status,
    event::Event,
    irql::Passive,
    numa::{self, Processor},
    pool::PoolBox,
    time::Instant,
    wdk_sys::{
        _KWAIT_REASON::Executive,
        HANDLE, STATUS_SUCCESS, THREAD_ALL_ACCESS,
        ntddk::{
            KeWaitForSingleObject, ObReferenceObjectByHandle, ObfDereferenceObject,
            PsCreateSystemThread, PsTerminateSystemThread, ZwClose,
        },
    },
};
use zerocopy::FromZeros;

use crate::{TAG, target::Target, worker::Worker};

/// `KernelMode`, as `KPROCESSOR_MODE` holds it.
const KERNEL_MODE: i8 = 0;

/// What all threads wait for.
struct Gate {
    opened: Event,
    /// Whether it is. The measuring thread's alone, as threads are dropped there.
    is_open: Cell<bool>,
    /// Nobody is to work: not all threads could be made. Atomic; set before the gate is opened.
    abandoned: AtomicBool,
}

impl Gate {
    fn open(&self, irql: &Passive) {
        self.is_open.set(true);
        self.opened.set(irql);
    }
}

/// A thread and its worker, in their place.
struct Task<'a> {
    target: &'a Target,
    gate: &'a Gate,
    /// The thread's from when it is made until its end has been waited for.
    worker: UnsafeCell<Worker>,
}

/// A thread. Its end is waited for on drop.
struct Thread<'a> {
    object: NonNull<c_void>,
    gate: &'a Gate,
}

impl<'a> Thread<'a> {
    /// Makes the thread of a task, which waits for the gate.
    ///
    /// Source: nf-wdm-pscreatesystemthread.
    ///
    /// # Errors
    ///
    /// Those of the kernel's routines.
    fn start(task: &'a Task<'a>, _irql: &Passive) -> Result<Self> {
        let mut handle: HANDLE = core::ptr::null_mut();
        let context: *const Task<'_> = task;
        // SAFETY: at PASSIVE_LEVEL, in the system process; the task outlives the thread, whose end
        // is waited for.
        let status = unsafe {
            PsCreateSystemThread(
                &raw mut handle,
                THREAD_ALL_ACCESS,
                core::ptr::null_mut(),
                core::ptr::null_mut(),
                core::ptr::null_mut(),
                Some(run_task),
                context.cast_mut().cast(),
            )
        };
        Status::check(status)?;
        let mut object = core::ptr::null_mut();
        // SAFETY: a handle of the kernel's own, with all rights, whatever kind its object has.
        let status = unsafe {
            ObReferenceObjectByHandle(
                handle,
                THREAD_ALL_ACCESS,
                core::ptr::null_mut(),
                KERNEL_MODE,
                &raw mut object,
                core::ptr::null_mut(),
            )
        };
        // SAFETY: made above, and not used any more.
        let _ = unsafe { ZwClose(handle) };
        let object = NonNull::new(object);
        match (status, object) {
            (STATUS_SUCCESS, Some(object)) => Ok(Self {
                object,
                gate: task.gate,
            }),
            // With all rights to a handle that is there, this does not fail; nobody could wait for
            // the thread any more.
            _ => panic!("a thread that was just made has no object"),
        }
    }
}

impl Thread<'_> {
    /// Waits until it has ended.
    fn wait(&self, _irql: &mut Passive) {
        let object = self.object.as_ptr();
        // SAFETY: referenced by `start`, at PASSIVE_LEVEL.
        let _ = unsafe {
            KeWaitForSingleObject(object, Executive, KERNEL_MODE, 0, core::ptr::null_mut())
        };
    }
}

impl Drop for Thread<'_> {
    /// Those whose gate is still closed do nothing. PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: threads are dropped where they were made, at PASSIVE_LEVEL.
        let irql = &mut unsafe { Passive::assume() };
        if !self.gate.is_open.get() {
            // Release: pairs with `run_task`.
            self.gate.abandoned.store(true, Ordering::Release);
            self.gate.open(irql);
        }
        self.wait(irql);
        // SAFETY: referenced by `start`, and not used any more.
        let _ = unsafe { ObfDereferenceObject(self.object.as_ptr()) };
    }
}

/// The threads' routine.
unsafe extern "C" fn run_task(context: *mut c_void) {
    {
        // SAFETY: the task that the thread was made with, which outlives it.
        let task = unsafe { &*context.cast::<Task<'_>>() };
        // SAFETY: system threads begin at PASSIVE_LEVEL.
        let irql = &mut unsafe { Passive::assume() };
        task.gate.opened.wait(irql);
        // Acquire: pairs with who abandons.
        if !task.gate.abandoned.load(Ordering::Acquire) {
            // SAFETY: this thread's until it ends.
            let worker = unsafe { &mut *task.worker.get() };
            worker.work(task.target, irql);
        }
    }
    // SAFETY: a system thread of this driver's, at PASSIVE_LEVEL; nothing is left to drop.
    let _ = unsafe { PsTerminateSystemThread(STATUS_SUCCESS) };
}

/// Runs a measurement.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER`, `STATUS_NO_SUCH_DEVICE`, `STATUS_INSUFFICIENT_RESOURCES`.
pub fn run(input: &RunInput, irql: &mut Passive) -> Result<PoolBox<RunOutput>> {
    let &RunInput {
        kind,
        threads,
        depth,
        requests,
        length,
        ..
    } = input;
    let kind = Kind::from_number(kind).ok_or(Status::INVALID_PARAMETER)?;
    let fits = (1..=MAX_THREADS).contains(&threads)
        && (1..=MAX_DEPTH).contains(&depth)
        && requests != 0
        && length <= MAX_LENGTH;
    if !fits {
        return Err(Status::INVALID_PARAMETER);
    }
    let target = Target::open(irql)?;
    let gate = Gate {
        opened: Event::new(TAG, false, irql)?,
        is_open: Cell::new(false),
        abandoned: AtomicBool::new(false),
    };
    let mut output = PoolBox::new(TAG, RunOutput::new_zeroed(), irql)?;
    let processors = numa::active_processor_count();
    let task = |index: usize| {
        let index = u32::try_from(index).unwrap_or(u32::MAX) % processors.max(1);
        let processor = Processor::from_index(index)?;
        let worker = Worker::new(&target, (kind, length), (depth, requests), processor, irql)?;
        Ok(Task {
            target: &target,
            gate: &gate,
            worker: UnsafeCell::new(worker),
        })
    };
    let tasks = PoolBox::try_slice(TAG, threads as usize, task, irql)?;
    let begun = {
        let mut task = tasks.iter();
        let thread = |_| {
            let task = task.next().ok_or(Status::INTERNAL_ERROR)?;
            Thread::start(task, irql)
        };
        let threads = PoolBox::try_slice(TAG, threads as usize, thread, irql)?;
        let begun = Instant::now();
        gate.open(irql);
        for thread in threads.iter() {
            thread.wait(irql);
        }
        begun
    };
    output.elapsed_ns = begun.elapsed_100ns().saturating_mul(100);
    output.header = Header::of::<RunOutput>();
    for task in tasks.iter() {
        // SAFETY: its thread has ended.
        let found = unsafe { &(*task.worker.get()).found };
        output.right += found.right;
        output.wrong += found.wrong;
        for class in 0..CLASSES {
            let count = found.latencies.get(class).copied().unwrap_or(0);
            if let Some(sum) = output.latencies.get_mut(class) {
                *sum += count;
            }
        }
    }
    Ok(output)
}
