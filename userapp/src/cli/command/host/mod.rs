//! `eductl host`: what a person does to a machine rather than asks a device, for nthost only:
//! plug and play, power, faults, and what the kernel knows.

mod breakpoint;
mod fault;
mod show;

use clap::{Args, Subcommand, ValueEnum};
use eductl::{Device, DeviceKind, Error, device, nthost::NtHost};
use nthost_protocol::{
    HostRequest,
    host::{Device as DeviceNode, PnpOperation},
};
use serde_json::json;

use crate::cli::context::Context;

/// Does something to the running machine: plug and play, power, faults (nthost only).
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl host devices\n          \
                        eductl host pnp surprise-removal --device 0\n          \
                        eductl host fault call --routine ExAllocatePool2 --nth 3")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows processors, nodes and memory as nthost found them.
    #[command(after_help = "Example: eductl host machine")]
    Machine,
    /// Shows the loaded drivers, and why others were refused.
    #[command(after_help = "Example: eductl host drivers --json")]
    Drivers,
    /// Shows the device nodes with their states, resources and interfaces.
    #[command(after_help = "Example: eductl host devices")]
    Devices,
    /// Shows what the verifier has counted, and what is allocated now.
    #[command(after_help = "Example: eductl host verifier")]
    Verifier,
    /// Shows what each thread does, and its stack; `cargo xtask threads` with functions and lines.
    #[command(after_help = "Example: eductl host threads")]
    Threads,
    /// Takes the trace events written so far and shows them.
    #[command(after_help = "Example: eductl host events")]
    Events,
    /// Takes the device through a plug-and-play transition.
    #[command(after_help = "Example: eductl host pnp rebalance --device 0")]
    Pnp {
        /// Which one.
        operation: Operation,
    },
    /// Puts the device into a power state.
    #[command(after_help = "Example: eductl host power d3 --device 0")]
    Power {
        /// D0 … D3, or 0 … 3.
        #[arg(value_parser = device_power)]
        state: u8,
    },
    /// Puts the system into a power state.
    #[command(after_help = "Example: eductl host sleep s3 && eductl host sleep s0")]
    Sleep {
        /// S0 for working, S3 for sleeping, S5 for shut down; or the number alone.
        #[arg(value_parser = system_power)]
        state: u8,
    },
    /// Unloads a driver that has no devices left.
    #[command(after_help = "Example: eductl host unload eduwdm")]
    Unload {
        /// Its service.
        service: String,
    },
    /// Has something go wrong.
    Fault(fault::Arguments),
    /// Stops processors where a driver calls the kernel.
    Breakpoint(breakpoint::Arguments),
    /// Ends the machine.
    #[command(after_help = "Example: eductl host shutdown")]
    Shutdown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Operation {
    /// IRP_MN_START_DEVICE with the present resources
    Start,
    /// IRP_MN_QUERY_STOP_DEVICE, and its cancellation should it fail
    QueryStop,
    /// IRP_MN_CANCEL_STOP_DEVICE
    CancelStop,
    /// IRP_MN_STOP_DEVICE
    Stop,
    /// Query-stop, stop, other base addresses, start
    Rebalance,
    /// IRP_MN_QUERY_REMOVE_DEVICE, and its cancellation should it fail
    QueryRemove,
    /// IRP_MN_CANCEL_REMOVE_DEVICE
    CancelRemove,
    /// IRP_MN_REMOVE_DEVICE
    Remove,
    /// IRP_MN_SURPRISE_REMOVAL, and the removal when the last handle is closed
    SurpriseRemoval,
    /// AddDevice and start for a device that was removed
    Add,
    /// AddDevice alone, for a device that was removed
    AddDevice,
    /// IRP_MN_SURPRISE_REMOVAL for a device that is still there
    Fail,
}

impl From<Operation> for PnpOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Start => Self::Start,
            Operation::QueryStop => Self::QueryStop,
            Operation::CancelStop => Self::CancelStop,
            Operation::Stop => Self::Stop,
            Operation::Rebalance => Self::Rebalance,
            Operation::QueryRemove => Self::QueryRemove,
            Operation::CancelRemove => Self::CancelRemove,
            Operation::Remove => Self::Remove,
            Operation::SurpriseRemoval => Self::SurpriseRemoval,
            Operation::Add => Self::Add,
            Operation::AddDevice => Self::AddDevice,
            Operation::Fail => Self::Fail,
        }
    }
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let host = context.system()?;
        match &self.action {
            Action::Machine => show::machine(context, &host.machine()?),
            Action::Drivers => show::drivers(context, &host.drivers()?),
            Action::Devices => show::devices(context, &numbered(&host)?),
            Action::Verifier => show::verifier(context, &host.verifier()?),
            Action::Threads => show::threads(context, &host.threads()?),
            Action::Events => show::events(context, &host.drain_events()?),
            Action::Pnp { operation } => {
                let device = device_node(context, &host)?.instance;
                let operation = PnpOperation::from(*operation);
                done(context, &host, HostRequest::Pnp { device, operation })
            }
            Action::Power { state } => {
                let device = device_node(context, &host)?.instance;
                let state = *state;
                done(context, &host, HostRequest::DevicePower { device, state })
            }
            Action::Sleep { state } => {
                done(context, &host, HostRequest::SystemPower { state: *state })
            }
            Action::Unload { service } => {
                let service = service.clone();
                done(context, &host, HostRequest::UnloadDriver { service })
            }
            Action::Fault(arguments) => arguments.run(context, &host),
            Action::Breakpoint(arguments) => arguments.run(context, &host),
            Action::Shutdown => done(context, &host, HostRequest::Shutdown { code: 0 }),
        }
    }
}

/// Has something done that succeeds or fails.
fn done(context: &Context, host: &NtHost, request: HostRequest) -> Result<(), Error> {
    host.host_success(request)?;
    context.print(&json!({ "done": true }), |out| writeln!(out, "done"))
}

fn device_power(text: &str) -> Result<u8, String> {
    power_state(text, 'd', 3)
}

fn system_power(text: &str) -> Result<u8, String> {
    power_state(text, 's', 5)
}

/// A power state by its name or its number.
fn power_state(text: &str, letter: char, deepest: u8) -> Result<u8, String> {
    let digits = text.strip_prefix([letter, letter.to_ascii_uppercase()]);
    let state = digits.unwrap_or(text).parse().ok();
    state.filter(|state| *state <= deepest).ok_or_else(|| {
        let letter = letter.to_ascii_uppercase();
        format!("“{text}” is no power state: {letter}0 to {letter}{deepest}")
    })
}

/// The device nodes in the order of their indices: those that `eductl list` shows as it numbers
/// them, and then all others.
fn numbered(host: &NtHost) -> Result<Vec<DeviceNode>, Error> {
    let mut others = host.devices()?;
    let mut nodes = Vec::new();
    for Device { path, .. } in device::list(host)? {
        // One that has come since is among the next list's.
        if let Some(node) = by_interface(&others, &path) {
            others.retain(|other| other.instance != node.instance);
            nodes.push(node);
        }
    }
    // Those that have a driver before those that nobody asks about.
    others.sort_by_key(|node| node.service.is_empty());
    nodes.extend(others);
    Ok(nodes)
}

/// The device node that is meant: by index as `eductl host devices` numbers them, by instance
/// path, by an interface's path, or by a part of one of these that only it has. If nothing is
/// said, the first `edu` device, or else the only one that has a driver.
fn device_node(context: &Context, host: &NtHost) -> Result<DeviceNode, Error> {
    let _limit = context.within("finding the device");
    let nodes = numbered(host)?;
    let Some(asked) = context.asked() else {
        if let Ok(found) = device::find(&device::list(host)?, DeviceKind::Edu, None) {
            return by_interface(&nodes, &found.path).ok_or(Error::NoDevice);
        }
        let mut driven = nodes.iter().filter(|node| !node.service.is_empty());
        return match (driven.next(), driven.next()) {
            (Some(node), None) => Ok(node.clone()),
            _ => Err(Error::Usage(format!(
                "say which device with --device: its index, its instance path, or a part of that\n  \
                 there are: {}",
                names(&nodes).join(", ")
            ))),
        };
    };
    if let Ok(index) = asked.parse::<usize>() {
        return nodes
            .get(index)
            .cloned()
            .ok_or_else(|| unknown(asked, &nodes));
    }
    let asked_for = asked.to_ascii_lowercase();
    let all_names = |node: &DeviceNode| {
        let mut names = node.interfaces.clone();
        names.push(node.instance.clone());
        names
    };
    let having = |test: &dyn Fn(&str) -> bool| {
        let mut found = nodes.iter().filter(|node| {
            let mut names = all_names(node).into_iter();
            names.any(|name| test(&name.to_ascii_lowercase()))
        });
        found.next().filter(|_| found.next().is_none()).cloned()
    };
    having(&|name| name == asked_for)
        .or_else(|| having(&|name| name.contains(&asked_for)))
        .ok_or_else(|| unknown(asked, &nodes))
}

fn by_interface(nodes: &[DeviceNode], path: &str) -> Option<DeviceNode> {
    let has = |node: &&DeviceNode| {
        let mut interfaces = node.interfaces.iter();
        interfaces.any(|interface| interface.eq_ignore_ascii_case(path))
    };
    nodes.iter().find(has).cloned()
}

fn unknown(asked: &str, nodes: &[DeviceNode]) -> Error {
    Error::UnknownDevice {
        asked: asked.to_owned(),
        known: names(nodes),
    }
}

fn names(nodes: &[DeviceNode]) -> Vec<String> {
    let indexed = nodes.iter().enumerate();
    indexed
        .map(|(index, node)| format!("{index} {}", node.instance))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_state_is_a_name_or_a_number() {
        assert_eq!(device_power("d3"), Ok(3));
        assert_eq!(device_power("D0"), Ok(0));
        assert_eq!(device_power("2"), Ok(2));
        assert_eq!(system_power("s5"), Ok(5));
        for wrong in ["d4", "s3", "", "d", "-1"] {
            assert!(device_power(wrong).is_err(), "{wrong}");
        }
    }
}
