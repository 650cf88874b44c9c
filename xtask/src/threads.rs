//! `cargo xtask threads`: what the threads of a running machine do, with functions, files and
//! lines.

use std::path::PathBuf;

use clap::Args;
use eductl::nthost::{NtHost, locate, thread};
use eduwdm_qemu::symbols::{KERNEL, Symbols};

use crate::paths;

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The machine, if several are running
    #[arg(long)]
    machine: Option<String>,
    /// Where the drivers' images and PDBs are, besides what is built here
    #[arg(long)]
    images: Option<PathBuf>,
}

/// Asks, and prints.
///
/// # Errors
///
/// If no such machine is running, or nthost's image is not there.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let host = NtHost::connect(&locate(options.machine.as_deref())?)?;
    let threads = host.threads()?;
    let mut symbols = Symbols::default();
    symbols.add_kernel(&paths::out().join("nthost"))?;
    let directories: Vec<_> = options
        .images
        .iter()
        .cloned()
        .chain([paths::out()])
        .collect();
    for frame in threads.iter().flat_map(|thread| &thread.frames) {
        let module = frame.module.as_str();
        if module == KERNEL || symbols.knows(module) {
            continue;
        }
        for directory in &directories {
            let image = directory.join(module);
            // Without symbols, places are told as offsets in the image.
            let added = symbols.add_image(module, &image.with_extension("pdb"));
            if added.or_else(|_| symbols.add_dwarf(module, &image)).is_ok() {
                break;
            }
        }
    }
    let lines = thread::lines_of_all(&threads);
    print!("{}", symbols.annotate(&lines));
    Ok(())
}
