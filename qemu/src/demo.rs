//! The demonstration on a machine, from QEMU's start to its end.

use std::{
    io::{self, Write},
    time::Duration,
};

use eductl::{
    demonstration::{self, Expected, Fault, FaultKind, Report},
    nthost::NtHost,
};
use eduwdm_abi::edu::InterruptKind;
use nthost_protocol::HostRequest;

use crate::{
    guest::Ending,
    machine::{Interrupts, Machine},
    session::{Artifacts, Options, Session, SessionError},
};

/// How long the machine may take to end once it has been told to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Starts the machine, shows what the driver does there, and ends it. The driver is the first
/// of the manifest's. `watch` is given each line of the machine's log.
///
/// # Errors
///
/// Only if it cannot be printed; everything else is in the report.
pub fn run(
    machine: &Machine,
    artifacts: &Artifacts,
    options: &Options,
    out: &mut dyn Write,
    watch: impl FnMut(&str) + Send + 'static,
) -> io::Result<Report> {
    let mut report = Report::default();
    match Session::start(machine, artifacts, options, watch) {
        Ok(mut session) => {
            let accelerator = &session.guest.accelerator;
            writeln!(
                out,
                "{}: {}\n    QEMU with {} ({})",
                machine.name, machine.description, accelerator.accelerator, accelerator.reason
            )?;
            show(machine, options, &mut session, out, &mut report)?;
        }
        Err(error) => report.faults.push(fault(&error)),
    }
    conclude(&report, out)?;
    Ok(report)
}

fn show(
    machine: &Machine,
    options: &Options,
    session: &mut Session,
    out: &mut dyn Write,
    report: &mut Report,
) -> io::Result<()> {
    if let Err(error) = session.wait_ready() {
        report.faults.push(fault(&error));
        return Ok(());
    }
    let expected = Expected {
        processors: machine.processor_count() as usize,
        nodes: machine.nodes.len(),
        edu: machine.edu_count(),
        interrupts: match machine.interrupts {
            Interrupts::MessageSignaled => InterruptKind::MessageSignaled,
            Interrupts::LineBased => InterruptKind::LineBased,
        },
        started: session.guest.started,
        image_length: session.image_lengths.first().copied().unwrap_or(0),
        service: options
            .manifest
            .drivers
            .first()
            .map(|driver| driver.service.clone())
            .unwrap_or_default(),
    };
    match NtHost::connect(session.socket()) {
        Ok(host) => {
            *report = demonstration::run(&host, &expected, out)?;
            // A machine that has ended already is looked at below.
            let _ = host.host_success(HostRequest::Shutdown { code: 0 });
        }
        Err(error) => report.faults.push(Fault {
            kind: FaultKind::Failure,
            what: error.to_string(),
        }),
    }
    if let Err(error) = session.finish(END_LIMIT) {
        // First, since it is likely to be what the others come of.
        report.faults.insert(0, fault(&error));
    }
    Ok(())
}

fn conclude(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if let Some(first_answer) = report.first_answer {
        writeln!(
            out,
            "\n{first_answer:.2?} from QEMU's start to the first factorial's answer"
        )?;
    }
    if report.faults.is_empty() {
        writeln!(
            out,
            "{} checks: everything was as it should be",
            report.checks
        )
    } else {
        writeln!(out, "\nWhat was not as it should be:")?;
        for fault in &report.faults {
            writeln!(out, "{fault}")?;
        }
        Ok(())
    }
}

fn fault(error: &SessionError) -> Fault {
    let kind = match error {
        SessionError::Bugcheck(_) | SessionError::Panic(_) => FaultKind::Bugcheck,
        SessionError::NotReady { .. }
        | SessionError::Ended {
            ending: Ending::Hang,
            ..
        } => FaultKind::Hang,
        _ => FaultKind::Failure,
    };
    Fault {
        kind,
        what: error.to_string(),
    }
}
