//! What nthost found, and what became of the driver and its devices there.

use std::time::Duration;

use nthost_protocol::host::{DeviceState, Machine};

use super::{FaultKind, Stage, Trouble};
use crate::status::Status;

pub fn show(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    machine(stage)?;
    driver(stage)?;
    devices(stage)
}

fn machine(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let machine = stage.host.machine()?;
    stage.title("The machine, as nthost found it")?;
    for node in &machine.nodes {
        stage.line(format_args!(
            "node {}: {} MiB, processors {}",
            node.number,
            node.memory >> 20,
            processors_on(&machine, node.number)
        ))?;
    }
    stage.line(format_args!(
        "{} kernel routines for drivers; {:.1?} from reset to the first DriverEntry",
        machine.exports,
        Duration::from_micros(machine.boot_us)
    ))?;
    stage.check(
        "the number of processors",
        &machine.processors.len(),
        &stage.expected.processors.clone(),
    );
    stage.check(
        "the number of nodes",
        &machine.nodes.len(),
        &stage.expected.nodes.clone(),
    );
    Ok(())
}

/// The indices of a node's processors, ranges drawn together.
fn processors_on(machine: &Machine, node: u16) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (index, processor) in machine.processors.iter().enumerate() {
        if processor.node != node {
            continue;
        }
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let ranges: Vec<_> = ranges
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    ranges.join(", ")
}

fn driver(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stage.title("The driver")?;
    let drivers = stage.host.drivers()?;
    let service = stage.expected.service.clone();
    let mut found = 0_usize;
    for driver in drivers {
        let status = Status::Nt(driver.status.cast_unsigned());
        stage.line(format_args!(
            "{}: {} KiB loaded at {:#x}, {} imports resolved, DriverEntry gave {status}",
            driver.service,
            driver.size >> 10,
            driver.base,
            driver.imports
        ))?;
        if !driver.fault.is_empty() {
            stage.line(&driver.fault)?;
        }
        if driver.service != service {
            continue;
        }
        found += 1;
        if !status.is_success() {
            let fault = format!("{service} was not loaded: {status} {}", driver.fault);
            stage.fault(FaultKind::Failure, fault);
            return Err(Trouble::Over);
        }
    }
    stage.check("the number of drivers of that name", &found, &1);
    let image_length = stage.expected.image_length;
    stage.line(format_args!("the image's file has {image_length} bytes"))?;
    Ok(())
}

fn devices(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stage.title("Its devices")?;
    let service = stage.expected.service.clone();
    let mut started = 0_usize;
    for device in stage.host.devices()? {
        if device.service != service {
            continue;
        }
        let node = device
            .node
            .map_or_else(String::new, |node| format!(", node {node}"));
        stage.line(format_args!(
            "{}: AddDevice and IRP_MN_START_DEVICE, now {:?}{node}",
            device.instance, device.state
        ))?;
        for resource in &device.resources {
            stage.line(format_args!("    {resource}"))?;
        }
        for interface in &device.interfaces {
            stage.line(format_args!("    {interface}"))?;
        }
        if device.state == DeviceState::Started {
            started += 1;
        } else {
            let status = Status::Nt(device.status.cast_unsigned());
            stage.fault(
                FaultKind::Failure,
                format!("{} is {:?}: {status}", device.instance, device.state),
            );
        }
    }
    // A machine may have more devices than `edu` ones, and has at least those.
    let expected = stage.expected.edu;
    stage.check(
        "whether enough devices are started",
        &(started >= expected),
        &true,
    );
    Ok(())
}
