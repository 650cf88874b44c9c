//! `eductl man`: the manual pages, made of what `--help` says.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use eductl::Error;

use crate::cli::{self, context::Context, file};

/// Prints the manual page, or saves it and those of all commands.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl man | man -l -\n          \
                        eductl man --output ~/.local/share/man/man1")]
pub struct Arguments {
    /// The directory to save the pages in: eductl.1 and one for each command.
    #[arg(long, short, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let mut command = cli::Arguments::command();
        command.build();
        let Some(directory) = &self.output else {
            let page = render(command).map_err(cli::context::output_fault)?;
            return io::stdout()
                .write_all(&page)
                .map_err(cli::context::output_fault);
        };
        let fault = |error| Error::File {
            path: directory.clone(),
            error,
        };
        fs::create_dir_all(directory).map_err(fault)?;
        let mut names = Vec::new();
        let mut pages = vec![("eductl".to_owned(), command.clone())];
        for subcommand in command.get_subcommands() {
            let name = format!("eductl-{}", subcommand.get_name());
            pages.push((name, subcommand.clone()));
        }
        for (name, command) in pages {
            let name = format!("{name}.1");
            file::write(&directory.join(&name), &render(command).map_err(fault)?)?;
            names.push(name);
        }
        context.print(&serde_json::json!({ "pages": names }), |out| {
            writeln!(out, "{} pages are in {}", names.len(), directory.display())
        })
    }
}

fn render(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}
