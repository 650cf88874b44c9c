//! What a client sees of the devices.

use std::{
    collections::BTreeSet,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use eduwdm_abi::edu::{FACTORIAL_EXACT_MAX, FactorialOutput, InterruptKind};

use super::{REQUEST_LIMIT, Stage, Trouble};
use crate::{
    device::{self, DeviceKind, OpenDevice},
    edu::{Edu, factorial_mod_2_32},
    error::Error,
};

/// The clients that ask at once, and how much each asks.
const THREADS: u32 = 8;
const REQUESTS: u32 = 8;

pub fn show(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let devices = device::list(stage.host)?;
    let edu_devices: Vec<_> = devices
        .iter()
        .filter(|device| device.kind == DeviceKind::Edu)
        .collect();
    stage.check(
        "the number of edu devices present",
        &edu_devices.len(),
        &stage.expected.edu.clone(),
    );
    for device in edu_devices {
        stage.title(&format!("Device {}, through its interface", device.index))?;
        let open = OpenDevice::open(stage.host, &device.path, &stage.interrupt)?;
        let edu = Edu::new(open.with_limit(Some(REQUEST_LIMIT)));
        identify(stage, &edu)?;
        liveness(stage, &edu)?;
        factorials(stage, &edu)?;
        outstanding(stage, &edu)?;
    }
    Ok(())
}

fn identify(stage: &mut Stage<'_>, edu: &Edu) -> Result<(), Trouble> {
    let identity = edu.identify()?;
    let kind = InterruptKind::from_wire(identity.interrupt_kind);
    let interrupts = match kind {
        Some(InterruptKind::MessageSignaled) => "message-signalled",
        Some(InterruptKind::LineBased) => "line-based",
        None => "of no known kind",
    };
    stage.line(format_args!(
        "identify: edu {}.{} (register {:#010x}), interrupt {interrupts}",
        identity.major_version, identity.minor_version, identity.identification
    ))?;
    stage.check(
        "the low half of the identification",
        &(identity.identification & 0xffff),
        &0x00ed,
    );
    let expected = stage.expected.interrupts;
    stage.check("the kind of interrupt", &kind, &Some(expected));
    Ok(())
}

fn liveness(stage: &mut Stage<'_>, edu: &Edu) -> Result<(), Trouble> {
    for value in [0, 0x1234_5678, u32::MAX] {
        let inverse = edu.liveness(value)?;
        stage.line(format_args!(
            "liveness: wrote {value:#010x}, read {inverse:#010x}"
        ))?;
        stage.check("the inverse", &inverse, &!value);
    }
    Ok(())
}

fn factorials(stage: &mut Stage<'_>, edu: &Edu) -> Result<(), Trouble> {
    for n in (0..=FACTORIAL_EXACT_MAX).chain([13, 20]) {
        let answer = edu.factorial(n)?.wait()?;
        if stage.report.first_answer.is_none() {
            stage.report.first_answer = Some(stage.expected.started.elapsed());
        }
        check(stage, n, &answer);
        let wrapped = if n > FACTORIAL_EXACT_MAX {
            " (modulo 2^32: the device has 32 bits)"
        } else {
            ""
        };
        stage.line(format_args!(
            "{n:2}! = {:10}   interrupt on processor {}, DPC on {}, {:.1?}{wrapped}",
            answer.result,
            answer.interrupt_processor,
            answer.dpc_processor,
            duration(answer.elapsed_100ns),
        ))?;
    }
    Ok(())
}

fn check(stage: &mut Stage<'_>, n: u32, answer: &FactorialOutput) {
    let processors = stage.expected.processors as u64;
    stage.check("the number asked for", &answer.n, &n);
    stage.check(&format!("{n}!"), &answer.result, &factorial_mod_2_32(n));
    for processor in [answer.interrupt_processor, answer.dpc_processor] {
        let exists = u64::from(processor) < processors;
        stage.check(
            &format!("whether processor {processor} exists"),
            &exists,
            &true,
        );
    }
}

/// Many requests from many threads, none of which waits before all are made.
fn outstanding(stage: &mut Stage<'_>, edu: &Edu) -> Result<(), Trouble> {
    let begun = Instant::now();
    let barrier = Barrier::new(THREADS as usize);
    let client = |thread: u32| -> Result<Vec<(u32, FactorialOutput)>, Error> {
        let requests: Result<Vec<_>, Error> = (0..REQUESTS)
            .map(|index| {
                let n = thread * REQUESTS + index;
                Ok((n, edu.factorial(n)?))
            })
            .collect();
        // Even a thread that failed is waited for by the others.
        barrier.wait();
        let wait =
            |(n, request): (u32, crate::device::Pending<FactorialOutput>)| Ok((n, request.wait()?));
        requests?.into_iter().map(wait).collect()
    };
    let answers = thread::scope(|scope| {
        let clients: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || client(thread)))
            .collect();
        let mut answers = Vec::new();
        for client in clients {
            match client.join() {
                Ok(result) => answers.extend(result?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, Error>(answers)
    })?;
    let mut processors = BTreeSet::new();
    for (n, answer) in &answers {
        check(stage, *n, answer);
        processors.insert(answer.interrupt_processor);
    }
    stage.check(
        "the number of answers",
        &answers.len(),
        &((THREADS * REQUESTS) as usize),
    );
    let longest = answers.iter().map(|(_, answer)| answer.elapsed_100ns).max();
    stage.line(format_args!(
        "{} factorials outstanding at once from {THREADS} threads: all answered in {:.1?}, the \
         longest after {:.1?}; interrupts on processors {processors:?}",
        answers.len(),
        begun.elapsed(),
        duration(longest.unwrap_or(0)),
    ))?;
    Ok(())
}

const fn duration(hundreds_of_ns: u64) -> Duration {
    Duration::from_nanos(hundreds_of_ns.saturating_mul(100))
}
