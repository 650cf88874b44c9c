//! What the kernel knows, printed.

use std::time::Duration;

use eductl::{Error, Status, nthost::thread};
use nthost_protocol::{
    FaultState,
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
        for device in devices {
            writeln!(out, "{} ({})", device.instance, device.service)?;
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
            writeln!(out, "{fault:?}")?;
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
