//! `eductl completions`: what a shell needs to complete eductl's command line.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use eductl::Error;

use crate::cli::{self, context::Context};

/// Prints the completions for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: eductl completions bash > ~/.local/share/bash-completion/completions/eductl"
)]
pub struct Arguments {
    /// Which shell.
    shell: Shell,
}

impl Arguments {
    pub fn run(&self, _context: &Context) -> Result<(), Error> {
        let mut command = cli::Arguments::command();
        // All of it first: a reader that goes away is not for the generator to handle.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "eductl", &mut text);
        io::Write::write_all(&mut io::stdout(), &text).map_err(cli::context::output_fault)
    }
}
