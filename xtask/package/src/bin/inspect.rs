//! Prints what is in an image or a catalog, one item a line and sorted, so that those of two
//! builds can be compared.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eduwdm_package::pe::{hygiene, imports};
use eduwdm_package::sign::catalog::{self, NameValue};
use eduwdm_package::sign::oid;
use object::read::pe::PeFile64;

/// Prints what is in an image or a catalog.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The routines that an image imports
    Imports {
        /// The image
        image: PathBuf,
    },
    /// Whether an image is as a driver's must be: the table that the build shows
    Driver {
        /// The image; its PDB is looked for beside it
        image: PathBuf,
    },
    /// The members of a catalog: digest and file name
    Catalog {
        /// The catalog
        catalog: PathBuf,
    },
    /// What InfVerif would say of an INF file, as far as that can be known here
    Inf {
        /// The file
        inf: PathBuf,
    },
}

fn imports(image: &[u8]) -> Result<Vec<String>, String> {
    let pe = PeFile64::parse(image).map_err(|error| error.to_string())?;
    let imports = imports::of(&pe)?;
    Ok(imports
        .into_iter()
        .map(|(library, name)| format!("{} {name}", library.to_lowercase()))
        .collect())
}

fn members(file: &[u8]) -> Result<Vec<String>, String> {
    let list = catalog::read(file).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for member in &list.trusted_subjects {
        let digest: String = member
            .identifier
            .as_bytes()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect();
        let name = member
            .attributes
            .iter()
            .filter(|attribute| attribute.oid == oid::CAT_NAME_VALUE)
            .filter_map(|attribute| attribute.values.get(0)?.decode_as::<NameValue>().ok())
            .map(|pair| pair.text())
            .find(|(name, _)| name == "File")
            .map_or_else(String::new, |(_, file)| file.to_lowercase());
        lines.push(format!("{digest} {name}"));
    }
    Ok(lines)
}

fn run(what: &What) -> Result<bool, String> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut lines = match what {
        What::Imports { image } => imports(&read(image)?)?,
        What::Driver { image } => {
            let pdb = read(&image.with_extension("pdb")).ok();
            let table = hygiene::check(&read(image)?, pdb.as_deref(), None)?;
            print!("{table}");
            return Ok(table.bad().next().is_none());
        }
        What::Catalog { catalog } => members(&read(catalog)?)?,
        What::Inf { inf } => {
            let options = eduwdm_package::lint::Options::default();
            let findings = eduwdm_package::lint::lint_bytes(&read(inf)?, &options);
            for finding in &findings {
                println!("{}, {finding}", inf.display());
            }
            return Ok(findings.is_empty());
        }
    };
    lines.sort();
    for line in lines {
        println!("{line}");
    }
    Ok(true)
}

fn main() -> ExitCode {
    match run(&Arguments::parse().what) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
