//! What the kernel knows, printed.

use std::time::Duration;

use eductl::{Error, Status, nthost::thread};
use nthost_protocol::{
    Fault, FaultState, IrpEffect,
    host::{Device, Driver, Machine, Verifier},
    thread::Thread,
};
use serde_json::json;

use crate::cli::context::Context;

pub fn machine(context: &Context, machine: &Machine) -> Result<(), Error> {
    let processors: Vec<_> = machine
        .processors
        .iter()
        .map(|processor| {
            json!({
                "apic_id": processor.apic_id,
                "group": processor.group,
                "number": processor.number,
                "node": processor.node,
            })
        })
        .collect();
    let nodes: Vec<_> = machine
        .nodes
        .iter()
        .map(|node| json!({ "number": node.number, "memory": node.memory }))
        .collect();
    let json = json!({
        "processors": processors,
        "nodes": nodes,
        "boot_us": machine.boot_us,
        "exports": machine.exports,
    });
    context.print(&json, |out| {
        for node in &machine.nodes {
            writeln!(out, "node {}: {} MiB", node.number, node.memory >> 20)?;
        }
        for (index, processor) in machine.processors.iter().enumerate() {
            writeln!(
                out,
                "processor {index}: group {}, number {}, node {}, APIC id {}",
                processor.group, processor.number, processor.node, processor.apic_id
            )?;
        }
        let boot = Duration::from_micros(machine.boot_us);
        writeln!(
            out,
            "{} exports, first driver entered after {boot:.1?}",
            machine.exports
        )
    })
}

pub fn drivers(context: &Context, drivers: &[Driver]) -> Result<(), Error> {
    let status = |driver: &Driver| Status::Nt(driver.status.cast_unsigned());
    let rows: Vec<_> = drivers
        .iter()
        .map(|driver| {
            json!({
                "service": driver.service,
                "base": driver.base,
                "size": driver.size,
                "imports": driver.imports,
                "status": status(driver).to_string(),
                "fault": driver.fault,
            })
        })
        .collect();
    context.print(&json!({ "drivers": rows }), |out| {
        for driver in drivers {
            writeln!(
                out,
                "{:12} at {:#x}, {} bytes, {} imports: {} {}",
                driver.service,
                driver.base,
                driver.size,
                driver.imports,
                status(driver),
                driver.fault
            )?;
        }
        Ok(())
    })
}

pub fn devices(context: &Context, devices: &[Device]) -> Result<(), Error> {
    let status = |device: &Device| Status::Nt(device.status.cast_unsigned());
    let rows: Vec<_> = devices
        .iter()
        .map(|device| {
            json!({
                "instance": device.instance,
                "hardware_ids": device.hardware_ids,
                "service": device.service,
                "state": format!("{:?}", device.state),
                "status": status(device).to_string(),
                "resources": device.resources,
                "node": device.node,
                "interfaces": device.interfaces,
                "hidden": device.hidden,
            })
        })
        .collect();
    context.print(&json!({ "devices": rows }), |out| {
        for (index, device) in devices.iter().enumerate() {
            writeln!(out, "{index}  {} ({})", device.instance, device.service)?;
            let node = device
                .node
                .map_or_else(|| "unknown".to_owned(), |node| node.to_string());
            writeln!(
                out,
                "    {:?}, {}, node {node}{}",
                device.state,
                status(device),
                if device.hidden { ", hidden" } else { "" }
            )?;
            for line in device.resources.iter().chain(&device.interfaces) {
                writeln!(out, "    {line}")?;
            }
        }
        Ok(())
    })
}

pub fn verifier(context: &Context, verifier: &Verifier) -> Result<(), Error> {
    let counts = [
        ("checks", verifier.checks),
        ("pool_allocations", verifier.pool_allocations),
        ("pool_bytes", verifier.pool_bytes),
        ("irps", verifier.irps),
        ("locks", verifier.locks),
        ("interrupts", verifier.interrupts),
        ("pages", verifier.pages),
        ("locked_pages", verifier.locked_pages),
        ("map_registers", verifier.map_registers),
        ("mappings", verifier.mappings),
        ("objects", verifier.objects),
    ];
    let mut json: serde_json::Map<_, _> = counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), (*count).into()))
        .collect();
    json.insert("details".to_owned(), json!(verifier.details));
    context.print(&json.into(), |out| {
        for (name, count) in counts {
            writeln!(out, "{count:>12} {}", name.replace('_', " "))?;
        }
        for detail in &verifier.details {
            writeln!(out, "    {detail}")?;
        }
        Ok(())
    })
}

pub fn threads(context: &Context, threads: &[Thread]) -> Result<(), Error> {
    context.print(&json!({ "threads": threads }), |out| {
        let mut lines = thread::lines_of_all(threads).into_iter();
        lines.try_for_each(|line| writeln!(out, "{line}"))
    })
}

pub fn events(context: &Context, events: &[String]) -> Result<(), Error> {
    context.print(&json!({ "events": events }), |out| {
        events.iter().try_for_each(|event| writeln!(out, "{event}"))
    })
}

pub fn faults(context: &Context, faults: &[FaultState]) -> Result<(), Error> {
    context.print(&json!({ "faults": faults }), |out| {
        for state in faults {
            let FaultState {
                fault,
                matched,
                struck,
                last,
            } = state;
            writeln!(out, "{}", words(fault))?;
            write!(out, "    struck {struck} of {matched}")?;
            if last.is_empty() {
                writeln!(out)?;
            } else {
                writeln!(out, ", last {last}")?;
            }
        }
        Ok(())
    })
}

/// What goes wrong, in a sentence.
fn words(fault: &Fault) -> String {
    let (what, nth, count) = match fault {
        Fault::RandomCalls {
            routine,
            service,
            seed,
            per_mille,
        } => {
            let calls = calls(service, routine);
            return format!("{calls} fail: {per_mille} of 1000, chosen by seed {seed}");
        }
        Fault::Call {
            routine,
            service,
            offset,
            nth,
            count,
        } => {
            let place = offset.map_or_else(String::new, |offset| format!(" at +{offset:#x}"));
            (
                format!("{}{place} fail", calls(service, routine)),
                nth,
                count,
            )
        }
        Fault::FewerPages {
            service,
            nth,
            count,
            pages,
        } => (
            format!("MDLs{} get {pages} pages at the most", of(service)),
            nth,
            count,
        ),
        Fault::Irp {
            device,
            major,
            minor,
            nth,
            count,
            effect,
        } => (irps(device, *major, *minor, *effect), nth, count),
        Fault::LateTimer {
            service,
            nth,
            count,
            milliseconds,
        } => (late("timers", service, *milliseconds), nth, count),
        Fault::LateDpc {
            service,
            nth,
            count,
            milliseconds,
        } => (late("DPCs", service, *milliseconds), nth, count),
        Fault::LostInterrupt {
            service,
            nth,
            count,
        } => (format!("interrupts{} are lost", of(service)), nth, count),
        Fault::FarList {
            service,
            nth,
            count,
        } => (
            format!(
                "scatter/gather lists{} lie beyond the device's reach",
                of(service)
            ),
            nth,
            count,
        ),
        Fault::OtherDevice { device, nth, count } => (
            format!("{device} has another device id when it is read"),
            nth,
            count,
        ),
    };
    format!("{what}: {}", which(*nth, *count))
}

/// Whose: those of a service, or of any.
fn of(service: &str) -> String {
    if service.is_empty() {
        String::new()
    } else {
        format!(" of {service}")
    }
}

fn calls(service: &str, routine: &str) -> String {
    let routine = if routine.is_empty() {
        "any routine that may fail"
    } else {
        routine
    };
    format!("calls{} to {routine}", of(service))
}

fn late(what: &str, service: &str, milliseconds: u32) -> String {
    format!("{what}{} are {milliseconds} ms late", of(service))
}

fn irps(device: &str, major: u8, minor: Option<u8>, effect: IrpEffect) -> String {
    let minor = minor.map_or_else(String::new, |minor| format!(", minor {minor:#04x}"));
    let effect = match effect {
        IrpEffect::Fail(status) => format!("fail with {}", Status::Nt(status.cast_unsigned())),
        IrpEffect::Pend { milliseconds } => format!("go down {milliseconds} ms later"),
    };
    format!("IRPs of major {major:#04x}{minor} in the stack of {device} {effect}")
}

/// Which of those that are counted from 0.
fn which(nth: u32, count: u32) -> String {
    match count {
        1 => format!("number {nth}, counted from 0"),
        count => format!("{count} of them from number {nth} on, counted from 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_in_words() {
        let fault = Fault::Irp {
            device: "ROOT\\X".to_owned(),
            major: 0x1b,
            minor: Some(0),
            nth: 2,
            count: 3,
            effect: IrpEffect::Fail(0xc000_009a_u32.cast_signed()),
        };
        let said = words(&fault);
        for expected in [
            "major 0x1b, minor 0x00",
            "ROOT\\X",
            "0xc000009a",
            "3 of them from number 2",
        ] {
            assert!(said.contains(expected), "{said}");
        }
        let fault = Fault::Call {
            routine: "ExAllocatePool2".to_owned(),
            service: "eduwdm".to_owned(),
            offset: None,
            nth: 3,
            count: 1,
        };
        let expected = "calls of eduwdm to ExAllocatePool2 fail: number 3, counted from 0";
        assert_eq!(words(&fault), expected);
    }
}
