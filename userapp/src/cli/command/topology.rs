//! `eductl topology`: where the device, its interrupt and its memory are.

use clap::Args;
use eductl::Error;
use eduwdm_abi::topology::NODE_UNKNOWN;
use serde_json::json;

use crate::cli::context::Context;

/// Shows where the device, its interrupt and its memory are.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl topology --device 0")]
pub struct Arguments {}

impl Arguments {
    #[expect(clippy::unused_self, reason = "every command is run in the same way")]
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let topology = context.edu()?.topology()?;
        let known = |node| (node != NODE_UNKNOWN).then_some(node);
        let device_node = known(topology.device_node);
        let buffer_node = known(topology.buffer_node);
        let json = json!({
            "device_node": device_node,
            "buffer_node": buffer_node,
            "interrupt": {
                "vector": topology.interrupt_vector,
                "irql": topology.interrupt_irql,
                "group": topology.interrupt_group,
                "affinity": topology.interrupt_affinity,
            },
            "system": {
                "processors": topology.processor_count,
                "groups": topology.group_count,
                "highest_node": topology.highest_node,
            },
        });
        let or_dash = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
        context.print(&json, |out| {
            writeln!(
                out,
                "system           {} processors in {} groups, highest node {}",
                topology.processor_count, topology.group_count, topology.highest_node
            )?;
            writeln!(out, "device           node {}", or_dash(device_node))?;
            writeln!(
                out,
                "interrupt        vector {:#x}, IRQL {}, group {}, processors {:#x}",
                topology.interrupt_vector,
                topology.interrupt_irql,
                topology.interrupt_group,
                topology.interrupt_affinity
            )?;
            writeln!(out, "buffers          node {}", or_dash(buffer_node))
        })
    }
}
