//! `eductl list`: the devices that are present.

use clap::Args;
use eductl::{
    Device, DeviceKind, Edu, Error, IoSystem, Testdev,
    device::{self, OpenDevice},
};
use eduwdm_abi::{edu::InterruptKind, topology::NODE_UNKNOWN};
use serde_json::{Value, json};

use crate::cli::context::Context;

/// Lists the devices with their nodes, interrupts and states.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl list --json")]
pub struct Arguments {}

impl Arguments {
    #[expect(clippy::unused_self, reason = "every command is run in the same way")]
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let system = context.system()?;
        let devices = device::list(&system)?;
        if devices.is_empty() {
            return Err(Error::NoDevice);
        }
        let rows: Vec<_> = devices
            .iter()
            .map(|device| Row::of(context, &system, device))
            .collect::<Result<_, _>>()?;
        let json: Vec<_> = rows.iter().map(Row::json).collect();
        context.print(&json!({ "devices": json }), |out| {
            for row in &rows {
                let Device { index, kind, path } = &row.device;
                let [node, interrupt, state] = [&row.node, &row.interrupt, &row.state]
                    .map(|text| text.as_deref().unwrap_or("-"));
                let kind = kind.name();
                writeln!(
                    out,
                    "{index}  {kind:11}  node {node:3} {interrupt:17}  {state:8} {path}"
                )?;
            }
            Ok(())
        })
    }
}

struct Row {
    device: Device,
    node: Option<String>,
    interrupt: Option<String>,
    state: Option<String>,
}

impl Row {
    fn of(context: &Context, system: &dyn IoSystem, device: &Device) -> Result<Self, Error> {
        let mut row = Self {
            device: device.clone(),
            node: None,
            interrupt: None,
            state: None,
        };
        let asked = context.open(system, device).and_then(|open| row.ask(open));
        match asked {
            Ok(()) => row.state = Some("started".to_owned()),
            // A device that cannot be asked is there all the same; its state is what it says.
            Err(Error::Refused { status, .. }) => row.state = Some(status.to_string()),
            Err(other) => return Err(other),
        }
        Ok(row)
    }

    fn ask(&mut self, open: OpenDevice) -> Result<(), Error> {
        if self.device.kind == DeviceKind::Testdev {
            return Testdev::new(open).info().map(|_| ());
        }
        let edu = Edu::new(open);
        let identity = edu.identify()?;
        self.interrupt = InterruptKind::from_wire(identity.interrupt_kind).map(|kind| match kind {
            InterruptKind::LineBased => "line-based".to_owned(),
            InterruptKind::MessageSignaled => "message-signaled".to_owned(),
        });
        let topology = edu.topology()?;
        if topology.device_node != NODE_UNKNOWN {
            self.node = Some(topology.device_node.to_string());
        }
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "index": self.device.index,
            "kind": self.device.kind.name(),
            "path": self.device.path,
            "node": self.node.as_deref().and_then(|node| node.parse::<u32>().ok()),
            "interrupt": self.interrupt,
            "state": self.state,
        })
    }
}
