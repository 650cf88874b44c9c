//! The structure-layout test: what the headers here make of the kernel's structures, against
//! Microsoft's own metadata. The comparison is a crate of constants (`cross/layout`) that does
//! not compile where they differ; this sees to it that no structure is used without being in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, bail};

use crate::{build, paths, toolchain::Toolchain};

/// Compiles the comparison, and looks for structures that it does not have.
///
/// # Errors
///
/// If a structure differs (the compiler says which, and where), or is not compared.
pub fn run(toolchain: Toolchain) -> anyhow::Result<()> {
    let mut cargo = build::driver_cargo(toolchain, "check")?;
    cargo.args(["--quiet", "--release", "--package", "wdk-layout"]);
    if !cargo.status()?.success() {
        bail!("a structure of the kernel is laid out otherwise than Microsoft's metadata says");
    }
    let root = paths::root();
    let structures = Structures::read(&fs::read_to_string(bindings()?)?);
    let compared = fs::read_to_string(root.join("cross/layout/src/lib.rs"))?;
    let compared: BTreeSet<_> = words(&compared)
        .filter_map(|word| structures.resolve(word))
        .collect();
    let mut missing = BTreeSet::new();
    for folder in ["driver/src", "wdm/src"] {
        for file in sources(&root.join(folder))? {
            for used in
                words(&fs::read_to_string(&file)?).filter_map(|word| structures.resolve(word))
            {
                if !compared.contains(used) {
                    missing.insert(format!("{used} (in {})", file.display()));
                }
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.into_iter().collect();
    bail!(
        "add to cross/layout/src/lib.rs what the sources use:\n  {}",
        missing.join("\n  ")
    )
}

/// The newest bindings that wdk-sys has made.
fn bindings() -> anyhow::Result<PathBuf> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    let target = paths::driver_target()
        .join(crate::toolchain::DRIVER)
        .join("release/build");
    for entry in fs::read_dir(&target).with_context(|| target.display().to_string())? {
        let file = entry?.path().join("out/types.rs");
        let Ok(modified) = fs::metadata(&file).and_then(|metadata| metadata.modified()) else {
            continue;
        };
        if newest.as_ref().is_none_or(|(time, _)| modified > *time) {
            newest = Some((modified, file));
        }
    }
    Ok(newest.context("wdk-sys has made no bindings")?.1)
}

/// The structures of the bindings, and the names that stand for them or pointers to them.
struct Structures {
    names: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
}

impl Structures {
    fn read(bindings: &str) -> Self {
        let (mut names, mut aliases) = (BTreeSet::new(), BTreeMap::new());
        for line in bindings.lines() {
            let line = line.trim();
            let structure = line
                .strip_prefix("pub struct ")
                .or_else(|| line.strip_prefix("pub union "));
            if let Some(name) = structure.and_then(|rest| words(rest).next()) {
                names.insert(name.to_owned());
            } else if let Some((name, target)) = line
                .strip_prefix("pub type ")
                .and_then(|rest| rest.split_once(" = "))
            {
                let target = target
                    .trim_start_matches("*mut ")
                    .trim_start_matches("*const ");
                if let Some(target) = words(target).next() {
                    aliases.insert(name.to_owned(), target.to_owned());
                }
            }
        }
        Self { names, aliases }
    }

    /// The structure that a word stands for. Those inside others have no names of their own
    /// in the headers: their size and place are compared with the outer one's.
    fn resolve(&self, word: &str) -> Option<&str> {
        let mut name = word;
        // Aliases of aliases of … are never long.
        for _ in 0..8 {
            if let Some(found) = self.names.get(name) {
                return (!found.contains("__bindgen")).then_some(found);
            }
            name = self.aliases.get(name)?;
        }
        None
    }
}

/// The words of a source, without comments, that can name a structure: `_IRP`, `PIRP`, `IRP`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|line| line.split(|char: char| !char.is_ascii_alphanumeric() && char != '_'))
        .filter(|word| {
            word.trim_start_matches('_')
                .starts_with(|char: char| char.is_ascii_uppercase())
        })
}

fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDINGS: &str = "
        pub struct _IRP { }
        pub type IRP = _IRP;
        pub type PIRP = *mut _IRP;
        pub struct _IRP__bindgen_ty_1 { }
        pub type NTSTATUS = LONG;
        pub type LONG = ::core::ffi::c_long;
    ";

    #[test]
    fn a_structure_is_found_by_each_of_its_names() {
        let structures = Structures::read(BINDINGS);
        for name in ["_IRP", "IRP", "PIRP"] {
            assert_eq!(structures.resolve(name), Some("_IRP"), "{name}");
        }
        for name in ["NTSTATUS", "_IRP__bindgen_ty_1", "Irp"] {
            assert_eq!(structures.resolve(name), None, "{name}");
        }
    }

    #[test]
    fn comments_use_nothing() {
        let words: Vec<_> = words("let a: PIRP = b; // not an MDL\n/// IRP\n").collect();
        assert_eq!(words, ["PIRP"]);
    }
}
