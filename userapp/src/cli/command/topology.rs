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
        // All ones stand for none here too.
        let dpc_processor = known(topology.dpc_processor);
        let json = json!({
            "device_node": device_node,
            "buffer_node": buffer_node,
            "interrupt": {
                "vector": topology.interrupt_vector,
                "irql": topology.interrupt_irql,
                "group": topology.interrupt_group,
                "affinity": topology.interrupt_affinity,
            },
            "dpc_processor": dpc_processor,
            "write_buffer": topology.write_buffer,
            "read_buffer": topology.read_buffer,
            "descriptor_page": topology.descriptor_page,
            "registers": topology.registers,
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
            writeln!(out, "registers        {:#x}", topology.registers)?;
            writeln!(
                out,
                "interrupt        vector {:#x}, IRQL {}, group {}, processors {:#x}",
                topology.interrupt_vector,
                topology.interrupt_irql,
                topology.interrupt_group,
                topology.interrupt_affinity
            )?;
            writeln!(out, "DPC              processor {}", or_dash(dpc_processor))?;
            writeln!(
                out,
                "buffers          node {}, writes {:#x}, reads {:#x}",
                or_dash(buffer_node),
                topology.write_buffer,
                topology.read_buffer
            )?;
            writeln!(out, "descriptor page  {:#x}", topology.descriptor_page)
        })
    }
}
