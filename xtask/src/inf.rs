//! `cargo xtask inf check`: what InfVerif would say of INF files, as far as that can be known without
//! Windows.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use eduwdm_package::{
    inf::{Document, encoding, facts::Facts},
    lint::{self, Level, elsewhere::ELSEWHERE},
};

/// What is done with INF files.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Checks files against the rules of `infverif /w`, and says what was checked
    #[command(after_help = "Example:\n  cargo xtask inf check my.inf --provider Contoso")]
    Check {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The only provider that is accepted, as InfVerif's /provider
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
    },
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be read, or breaks a rule.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let Action::Check { files, provider } = &options.action;
    let options = lint::Options {
        provider: provider.clone(),
    };
    let mut broken = 0;
    for path in files {
        let shown = path.display();
        let bytes = fs::read(path).with_context(|| shown.to_string())?;
        let findings = lint::lint_bytes(&bytes, &options);
        for finding in &findings {
            println!("{shown}, {finding}");
        }
        let errors = findings
            .iter()
            .filter(|finding| finding.rule.level == Level::Error)
            .count();
        println!("{shown}: {}", about(&bytes));
        println!(
            "{shown}: {} rules of InfVerif for Windows Drivers checked; {errors} errors, {} \
             warnings. {} rules are not checked, which need a Windows or are about other classes",
            lint::all().count(),
            findings.len() - errors,
            ELSEWHERE.len()
        );
        broken += usize::from(errors != 0);
    }
    if broken != 0 {
        bail!("{broken} of {} files would not pass", files.len());
    }
    Ok(())
}

/// What is in a file.
fn about(bytes: &[u8]) -> String {
    let Ok((text, _)) = encoding::decode(bytes) else {
        return "an encoding that Windows does not read".to_owned();
    };
    let document = Document::parse(&text);
    let facts = Facts::of(&document);
    format!(
        "{} lines, {} sections, {} device ids, {} files",
        document.lines,
        document.sections.len(),
        facts.device_ids.len(),
        facts.files.len()
    )
}
