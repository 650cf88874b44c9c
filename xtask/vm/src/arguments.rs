//! The command line of `cargo xtask vm`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use eduwdm_qemu::machine::Choice;

use crate::firmware;

/// How a kernel debugger reaches the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Debugger {
    /// By its first serial port, which is a TCP port of this host.
    Serial,
    /// By its network card, through which Windows calls this host.
    Kdnet,
}

/// Boots your own Windows image on one of the project's machines, with the driver package on a
/// disk of its own. The image is never written: what Windows writes goes into an overlay.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  cargo xtask package\n  cargo xtask vm --image windows.qcow2 --machine numa2x2"
)]
pub struct Arguments {
    /// The image: any format that QEMU knows (qcow2, vhdx, raw…).
    #[arg(long)]
    pub image: PathBuf,
    /// The machine: a name from qemu/machines, or the path of a .toml file.
    #[arg(long, default_value = "smp4")]
    pub machine: String,
    /// The machine's memory, spread over its nodes as in its file. Windows needs 2048 or more.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub memory: u32,
    /// What starts the image.
    #[arg(long, value_enum, default_value_t)]
    pub firmware: firmware::Choice,
    /// The folder of the driver package; without it, target/package/eduwdm if it is there.
    #[arg(long, value_name = "FOLDER")]
    pub package: Option<PathBuf>,
    /// Goes on with the overlay of the last time, instead of a fresh one.
    #[arg(long)]
    pub keep: bool,
    /// Lets a kernel debugger reach the machine, and says what to type in Windows for it.
    #[arg(long, value_enum)]
    pub debug: Option<Debugger>,
    /// The port of this host that the debugger uses.
    #[arg(long, value_name = "PORT", default_value_t = 50000)]
    pub debug_port: u16,
    /// What shows the machine's screen, as QEMU's -display: gtk, sdl, none, vnc=:1…
    #[arg(long, default_value = "gtk")]
    pub display: String,
    /// What executes its processors: auto, tcg or kvm.
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub accelerator: Choice,
    /// Prints QEMU's command line and ends.
    #[arg(long)]
    pub dry_run: bool,
    /// More arguments for QEMU.
    #[arg(last = true)]
    pub qemu: Vec<String>,
}
