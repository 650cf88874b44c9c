//! `cargo xtask driver …`, which is `cargo nt …` in a folder that `cargo xtask new` has laid out: what
//! is done with a driver of one's own.

mod build;
mod package;
mod run;
mod test;

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use eduwdm_qemu::{Artifacts, Machine, Options as SessionOptions, Session};

use crate::{paths, progress, run::own, setup};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Builds the driver, with its symbols, into target/out
    Build(setup::Options),
    /// Boots the machine with the driver, shows its life there to its removal, and what is left
    Run(run::Options),
    /// Boots the machine with the driver and runs the test against it
    Test(test::Options),
    /// Makes a signed package for a Windows test machine, in target/package
    Package(package::Options),
}

/// Does it.
///
/// # Errors
///
/// If this is no such folder, or what was asked for fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let folder = Folder::find(&env::current_dir()?)?;
    match &options.command {
        Command::Build(options) => {
            let image = run::build(&folder, options)?;
            println!("{}", image.display());
            Ok(())
        }
        Command::Run(options) => run::run(&folder, options),
        Command::Test(options) => test::run(&folder, options),
        Command::Package(options) => package::run(&folder, options),
    }
}

/// The folder of a driver.
#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    /// The driver's name: that of its INF file, its image and its service.
    name: String,
}

impl Folder {
    /// The one that this is in.
    fn find(here: &Path) -> anyhow::Result<Self> {
        let is_folder = |folder: &&Path| folder.join("machine.toml").is_file();
        let Some(path) = here.ancestors().find(is_folder) else {
            bail!(
                "{} is in no folder that `cargo xtask new` has laid out: there is no machine.toml",
                here.display()
            );
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
            let file = entry?.path();
            let is_inf = file.extension().is_some_and(|it| it == "inf");
            if let (true, Some(name)) = (is_inf, file.file_stem().and_then(OsStr::to_str)) {
                names.push(name.to_owned());
            }
        }
        let [name] = names.as_slice() else {
            bail!("{} has {} INF files, not one", path.display(), names.len());
        };
        Ok(Self {
            path: path.to_owned(),
            name: name.clone(),
        })
    }

    /// Where what is built is collected.
    fn out(&self) -> PathBuf {
        self.path.join("target/out")
    }

    /// What installs it.
    fn inf(&self) -> PathBuf {
        self.path.join(&self.name).with_extension("inf")
    }

    /// Boots the machine with the driver, as its INF file installs it, and waits until its devices are
    /// started.
    fn boot(
        &self,
        image: &Path,
        watch: impl FnMut(&str) + Send + 'static,
    ) -> anyhow::Result<Session> {
        let machine = self.path.join("machine.toml");
        let machine = Machine::load(machine.to_str().context("the folder's path is no text")?)?;
        let own = own(Some(image), &[self.inf()], &[])?;
        let artifacts = Artifacts {
            kernel: paths::out().join("nthost"),
            drivers: own.folders,
            directory: paths::machines(),
        };
        let mut options = SessionOptions::new(own.manifest);
        options.name = Some(self.name.clone());
        progress::step("choosing the accelerator", || {
            Ok(Session::accelerator(&machine, &artifacts, &options))
        })?;
        let mut session = Session::start(&machine, &artifacts, &options, watch)?;
        session.wait_ready()?;
        Ok(session)
    }
}
