//! The command line of `cargo xtask vm`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
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

/// Boots a Windows on one of the project's machines, with the driver package on a disk of its own;
/// installs one from its ISO image; or verifies the driver on one, by itself. An image is never
/// written: what Windows writes goes into an overlay.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "Examples:\n  \
        cargo xtask package\n  \
        cargo xtask vm --install windows.iso\n  \
        cargo xtask vm --image target/vm/windows.qcow2 --verify --machine up,smp4,numa2x2,smp32\n  \
        cargo xtask vm --image target/vm/windows.qcow2 --machine numa2x2\n\n\
        Exit codes of --verify: 0 the driver passed on every machine; else that of the first machine \
        that it did not pass on: 2 to 7 as install.ps1 and verify.ps1 have them, 8 a script failed, \
        9 Windows was to be restarted again and again, 20 a step took too long, 21 the machine ended \
        in the middle, 22 what it found did not come back. --install: 0, 8, 20, 21, 22."
)]
pub struct Arguments {
    /// The image: any format that QEMU knows (qcow2, vhdx, raw…).
    #[arg(long, group = "what")]
    pub image: Option<PathBuf>,
    /// Installs Windows from this ISO image onto a new disk, without a question.
    #[arg(long, value_name = "ISO", group = "what")]
    pub install: Option<PathBuf>,
    /// Installs the package in the image's Windows, runs it under Driver Verifier, and brings the
    /// report back to target/vm/results.
    #[arg(long, requires = "image", conflicts_with = "install")]
    pub verify: bool,
    /// The edition that is installed: its name or number on the medium; without, the first.
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    pub edition: Option<String>,
    /// The product key, for media that ask for one; evaluation media do not.
    #[arg(long, value_name = "KEY", conflicts_with = "image")]
    pub product_key: Option<String>,
    /// The medium's language.
    #[arg(long, default_value = "en-US", conflicts_with = "image")]
    pub language: String,
    /// Where the installed disk goes; without, target/vm/windows.qcow2.
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub output: Option<PathBuf>,
    /// The size of the installed disk, which its file grows up to.
    #[arg(
        long,
        value_name = "GIB",
        default_value_t = 64,
        conflicts_with = "image"
    )]
    pub size: u32,
    /// How long each of the two stress runs of a verification takes.
    #[arg(long, default_value_t = 5, conflicts_with = "install", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub minutes: u32,
    /// The machine: a name from qemu/machines, or the path of a .toml file; for a verification,
    /// several with commas between.
    #[arg(long, default_value = "smp4", value_delimiter = ',')]
    pub machine: Vec<String>,
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
    /// What shows the machine's screen, as QEMU's -display: gtk, sdl, none, vnc=:1… Without, gtk,
    /// and none for a machine that runs by itself.
    #[arg(long)]
    pub display: Option<String>,
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
