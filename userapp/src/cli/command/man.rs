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
    /// The directory to save the pages in: eductl.1 and one for each command, as eductl-host-pnp.1.
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
        let mut pages = Vec::new();
        render_all(&command, &mut pages).map_err(fault)?;
        let paths: Vec<_> = pages
            .iter()
            .map(|(name, page)| (directory.join(name), page))
            .collect();
        let files: Vec<_> = paths
            .iter()
            .map(|(path, page)| (path.as_path(), page.as_slice()))
            .collect();
        file::write_all(&files)?;
        let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
        context.print(&serde_json::json!({ "pages": names }), |out| {
            writeln!(out, "{} pages are in {}", names.len(), directory.display())
        })
    }
}

/// The pages of a command and of those below it, with their names.
fn render_all(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let name = command.get_display_name();
    let name = name.unwrap_or_else(|| command.get_name());
    pages.push((format!("{name}.1"), render(command.clone())?));
    for subcommand in command.get_subcommands() {
        // `help` is only another way to ask for these.
        if subcommand.get_name() != "help" {
            render_all(subcommand, pages)?;
        }
    }
    Ok(())
}

fn render(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}
