//! `eductl info`: which device, driver and interrupt this is.

use clap::Args;
use eductl::Error;
use eduwdm_abi::edu::InterruptKind;
use serde_json::json;

use crate::cli::context::Context;

/// Shows which device, driver and interrupt this is.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl info --device 1")]
pub struct Arguments {}

impl Arguments {
    #[expect(clippy::unused_self, reason = "every command is run in the same way")]
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let identity = context.edu()?.identify()?;
        let [major, minor, patch, _] = identity.driver_version.to_be_bytes();
        let interrupt = match InterruptKind::from_wire(identity.interrupt_kind) {
            Some(InterruptKind::LineBased) => "line-based",
            Some(InterruptKind::MessageSignaled) => "message-signaled",
            None => "unknown",
        };
        let json = json!({
            "identification": identity.identification,
            "device_version": format!("{}.{}", identity.major_version, identity.minor_version),
            "driver_version": format!("{major}.{minor}.{patch}"),
            "interrupt": interrupt,
            "interrupt_count": identity.interrupt_count,
            "buffer_length": identity.buffer_length,
        });
        context.print(&json, |out| {
            writeln!(
                out,
                "device      edu {}.{} (identification {:#010x})",
                identity.major_version, identity.minor_version, identity.identification
            )?;
            writeln!(out, "driver      eduwdm {major}.{minor}.{patch}")?;
            let count = identity.interrupt_count;
            writeln!(out, "interrupt   {interrupt}, {count} connected")?;
            let length = identity.buffer_length;
            writeln!(
                out,
                "buffer      {length} bytes of the device's own may be used"
            )
        })
    }
}
