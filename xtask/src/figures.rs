//! `cargo xtask figures`: measures nthost, and writes the figures into its README.

use std::{fs, process::Command};

use anyhow::{Context, bail};
use clap::Args;
use eduwdm_qemu::{Artifacts, figures};

use crate::{build, paths, setup};

const BEGIN: &str = "<!-- figures: written by cargo xtask figures -->\n";
const END: &str = "<!-- end of figures -->\n";

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// Only print them
    #[arg(long)]
    print: bool,
    /// Only count what requests cost, in so many of each, and print it; a large number leaves time
    /// to look at what the kernel does meanwhile
    #[arg(long, value_name = "TIMES")]
    requests: Option<u32>,
}

/// Measures, prints, and writes.
///
/// # Errors
///
/// If a machine does not do what it should, or the README has no place for figures.
pub fn run(options: &Options) -> anyhow::Result<()> {
    build::run(&options.setup)?;
    let artifacts = Artifacts {
        kernel: paths::out().join("nthost"),
        drivers: vec![paths::out()],
        directory: paths::target().join("nthost"),
    };
    if let Some(repeated) = options.requests {
        let costs = figures::measure_requests(&artifacts, repeated, |what| eprintln!("{what} …"))?;
        for cost in costs {
            println!(
                "{}: {} instructions with the verifier on, {} with it off, {} by another thread, {} \
                 by a driver ({} with the verifier on, {} hundredths of a use of the local APIC), {} \
                 among many",
                cost.name,
                cost.verified,
                cost.unverified,
                cost.switched,
                cost.driver,
                cost.driver_verified,
                cost.apic_hundredths,
                cost.among_many
            );
        }
        return Ok(());
    }
    let figures = figures::measure(&artifacts, |what| eprintln!("{what} …"))?;
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?;
    let date = String::from_utf8(date.stdout)?;
    let text = format!("Measured on {}. {figures}", date.trim());
    println!("{text}");
    if options.print {
        return Ok(());
    }
    let path = paths::root().join("nthost/README.md");
    let readme = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    fs::write(&path, replaced(&readme, &text)?)?;
    Ok(())
}

/// A README with other figures.
fn replaced(readme: &str, text: &str) -> anyhow::Result<String> {
    let Some((before, rest)) = readme.split_once(BEGIN) else {
        bail!("the README has no line {BEGIN:?}")
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("the README has no line {END:?}")
    };
    Ok(format!("{before}{BEGIN}{text}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_what_is_between_their_lines_and_nothing_else() {
        let readme = format!("a\n{BEGIN}old\n{END}b\n");
        let expected = format!("a\n{BEGIN}new\n{END}b\n");
        assert_eq!(replaced(&readme, "new\n").unwrap(), expected);
        assert!(replaced("a\nb\n", "new\n").is_err());
        assert!(replaced(BEGIN, "new\n").is_err());
    }
}
