//! Which of the kernel's routines nthost has, and which it has not, and why.
//!
//! What there is to have is taken from Microsoft's own metadata: the `windows-sys` crate declares
//! what the WDK's headers let drivers import from the kernel. What nthost has is read from its
//! image. Every routine that is in the one and not in the other needs a reason in
//! `nthost/absent.toml`, so that nothing is forgotten in silence.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionKind};
use serde::Deserialize;
use thiserror::Error;

/// The files of `windows-sys` that declare what the kernel exports, and the headers they stand
/// for.
const SOURCES: [&str; 8] = [
    "Foundation/mod.rs",
    "Storage/FileSystem/mod.rs",
    "System/IO/mod.rs",
    "System/Memory/mod.rs",
    "System/Registry/mod.rs",
    "System/SystemInformation/mod.rs",
    "System/SystemServices/mod.rs",
    "System/Threading/mod.rs",
];
/// Where the metadata says that they are imported from. A driver imports the `ntdll.dll` ones
/// from the kernel, too.
const IMAGES: [&str; 3] = ["hal.dll", "ntdll.dll", "ntoskrnl.exe"];
/// The release of `windows-sys` that is meant, of all that crates may depend on.
const VERSION: &str = "0.61.";
/// Bytes of an entry in nthost's table of exports: a name's address and length, and the addresses
/// of the two entries and of the routine's description.
const ENTRY: usize = 40;

/// What went wrong.
#[derive(Debug, Error)]
pub enum Fault {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The reasons are not as they should be.
    #[error("absent.toml: {0}")]
    Reasons(#[from] toml::de::Error),
    /// Cargo does not say where the metadata is.
    #[error("cargo metadata: {0}")]
    Cargo(String),
    /// nthost's image is not one, or has no table of exports.
    #[error("nthost's image: {0}")]
    Image(String),
}

/// Why some routines are not there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The reason, as a reader sees it.
    pub why: String,
    /// Names, or their beginnings with a `*` behind.
    pub routines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasons {
    absent: Vec<Reason>,
}

/// The reasons of `absent.toml`.
///
/// # Errors
///
/// If it is not TOML of that form.
pub fn reasons(text: &str) -> Result<Vec<Reason>, Fault> {
    Ok(toml::from_str::<Reasons>(text)?.absent)
}

/// Where cargo keeps the `windows-sys` of the workspace in a directory.
///
/// # Errors
///
/// If cargo does not say so.
pub fn windows_sys(workspace: &Path) -> Result<PathBuf, Fault> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--locked"])
        // Of all platforms it would have to download what no build here needs.
        .arg("--filter-platform=x86_64-unknown-linux-gnu")
        .current_dir(workspace)
        .output()
        .map_err(|error| Fault::Cargo(error.to_string()))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| Fault::Cargo(String::from_utf8_lossy(&output.stderr).into_owned()))?;
    let packages = metadata["packages"].as_array();
    let manifest = packages.into_iter().flatten().find_map(|package| {
        let version = package["version"].as_str()?;
        let found = package["name"] == "windows-sys" && version.starts_with(VERSION);
        found.then(|| package["manifest_path"].as_str())?
    });
    let directory = manifest.and_then(|manifest| Path::new(manifest).parent());
    directory
        .map(Path::to_owned)
        .ok_or_else(|| Fault::Cargo(format!("no windows-sys {VERSION}")))
}

/// What drivers may import, by the metadata in a directory with the source of `windows-sys`.
///
/// # Errors
///
/// If a file is not there.
pub fn declared(windows_sys: &Path) -> Result<BTreeSet<String>, Fault> {
    let mut names = BTreeSet::new();
    for source in SOURCES {
        let path = windows_sys.join("src/Windows/Wdk").join(source);
        let text = fs::read_to_string(&path).map_err(|error| Fault::File { path, error })?;
        names.extend(declarations(&text));
    }
    Ok(names)
}

/// The kernel's routines that a file of `windows-sys` declares.
fn declarations(text: &str) -> impl Iterator<Item = String> {
    text.split("link!(\"").skip(1).filter_map(|declaration| {
        let (image, rest) = declaration.split_once('"')?;
        let (_, rest) = rest.split_once(" fn ")?;
        let (name, _) = rest.split_once('(')?;
        let image = image.to_ascii_lowercase();
        IMAGES.contains(&&*image).then(|| name.to_owned())
    })
}

/// What nthost exports, read from its image's table.
///
/// # Errors
///
/// If it is no image of nthost's.
pub fn exported(kernel: &[u8]) -> Result<BTreeSet<String>, Fault> {
    Ok(table(kernel)?.into_keys().collect())
}

/// The routines among what nthost exports: the rest are variables.
///
/// # Errors
///
/// As [`exported`].
pub fn exported_routines(kernel: &[u8]) -> Result<BTreeSet<String>, Fault> {
    let file = object::File::parse(kernel).map_err(|error| Fault::Image(error.to_string()))?;
    let code: Vec<_> = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| section.address()..section.address() + section.size())
        .collect();
    let is_code = |address: &u64| code.iter().any(|section| section.contains(address));
    Ok(table(kernel)?
        .into_iter()
        .filter(|(_, address)| is_code(address))
        .map(|(name, _)| name)
        .collect())
}

/// The names and addresses in the table of exports.
fn table(kernel: &[u8]) -> Result<BTreeMap<String, u64>, Fault> {
    let wrong = |what: &dyn fmt::Display| Fault::Image(what.to_string());
    let file = object::File::parse(kernel).map_err(|error| wrong(&error))?;
    let symbol = |name: &str| {
        file.symbol_by_name(name)
            .map(|symbol| symbol.address())
            .ok_or_else(|| wrong(&format!("no symbol {name}")))
    };
    let (start, end) = (symbol("nt_exports_start")?, symbol("nt_exports_end")?);
    let at = |address: u64, length: u64| {
        file.segments()
            .find_map(|segment| segment.data_range(address, length).ok().flatten())
            .ok_or_else(|| wrong(&format!("nothing at {address:#x}")))
    };
    let table = at(start, end - start)?;
    let (entries, rest) = table.as_chunks::<ENTRY>();
    if !rest.is_empty() || entries.is_empty() {
        return Err(wrong(
            &"the table of exports is empty, or has half an entry",
        ));
    }
    let mut names = BTreeMap::new();
    for entry in entries {
        let [name, length, address] = words(entry);
        let name = at(name, length)?;
        let name = String::from_utf8(name.to_vec()).map_err(|error| wrong(&error))?;
        if names.insert(name.clone(), address).is_some() {
            return Err(wrong(&format!("{name} is exported twice")));
        }
    }
    Ok(names)
}

/// The first three numbers of an entry.
fn words(entry: &[u8; ENTRY]) -> [u64; 3] {
    let (words, _) = entry.as_chunks::<8>();
    [0, 1, 2].map(|index| u64::from_le_bytes(words[index]))
}

/// Declared and exported routines, compared.
#[derive(Debug)]
pub struct Coverage {
    /// Declared and exported.
    pub present: BTreeSet<String>,
    /// Exported, and not declared: variables, the C run-time library, what headers hide behind
    /// macros.
    pub beyond: BTreeSet<String>,
    /// Declared and not exported, by the reason's index.
    pub absent: BTreeMap<usize, Vec<String>>,
    /// Declared and not exported, and no reason says why.
    pub unexplained: Vec<String>,
    /// Reasons' routines that are exported, or that nobody declares.
    pub stale: Vec<String>,
}

impl Coverage {
    /// Compares them.
    #[must_use]
    pub fn new(
        declared: &BTreeSet<String>,
        exported: &BTreeSet<String>,
        reasons: &[Reason],
    ) -> Self {
        let mut absent: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut unexplained = Vec::new();
        let mut used = BTreeSet::new();
        for name in declared.difference(exported) {
            match explanation(name, reasons) {
                Some((index, pattern)) => {
                    used.insert(pattern);
                    absent.entry(index).or_default().push(name.clone());
                }
                None => unexplained.push(name.clone()),
            }
        }
        let patterns = reasons.iter().flat_map(|reason| &reason.routines);
        let stale = patterns.filter(|pattern| !used.contains(pattern.as_str()));
        Self {
            present: declared.intersection(exported).cloned().collect(),
            beyond: exported.difference(declared).cloned().collect(),
            stale: stale.cloned().collect(),
            absent,
            unexplained,
        }
    }

    /// As a page of the book.
    #[must_use]
    pub fn page(&self, reasons: &[Reason]) -> String {
        let absent: usize = self.absent.values().map(Vec::len).sum();
        let present = self.present.len();
        let mut page = format!(
            "# Which of the kernel's routines there are\n\n\
             Written by `cargo xtask routines`. Microsoft's metadata of the WDK (the `windows-sys` \
             crate) declares\n{declared} routines that drivers may import from the kernel, those \
             for file systems among them. nthost has\n{present} of them, and {beyond} routines and \
             variables more: the C run-time library's, and what the\nmetadata leaves out. A driver \
             that imports another is refused, with all that is missing named.\n",
            declared = present + absent + self.unexplained.len(),
            beyond = self.beyond.len(),
        );
        page += "\n| component | there | not there |\n|---|---|---|\n";
        let missing: Vec<_> = self.absent.values().flatten().collect();
        for component in COMPONENTS {
            let there = self.present.iter().filter(|name| component.holds(name));
            let not = missing.iter().filter(|name| component.holds(name));
            let (there, not) = (there.count(), not.count());
            page += &format!("| {} | {there} | {not} |\n", component.0);
        }
        page += "\n## Not there, and why\n";
        for (index, reason) in reasons.iter().enumerate() {
            let names = self.absent.get(&index).map_or(&[][..], Vec::as_slice);
            page += &format!("\n{}\n\n{}\n", reason.why.trim(), listed(names));
        }
        let present: Vec<_> = self.present.iter().cloned().collect();
        let beyond: Vec<_> = self.beyond.iter().cloned().collect();
        page += &format!("\n## There\n\n{}\n", listed(&present));
        page += &format!(
            "\n## There, and not declared by the metadata\n\n{}\n",
            listed(&beyond)
        );
        page
    }
}

/// The first reason that names a routine, and the pattern that does. A name goes before a
/// beginning, so that a routine can have a reason of its own.
fn explanation<'a>(name: &str, reasons: &'a [Reason]) -> Option<(usize, &'a str)> {
    let patterns = || {
        let each = reasons.iter().enumerate();
        each.flat_map(|(index, reason)| reason.routines.iter().map(move |name| (index, &**name)))
    };
    let exact = patterns().find(|(_, pattern)| *pattern == name);
    exact.or_else(|| {
        patterns().find(|(_, pattern)| {
            let start = pattern.strip_suffix('*');
            start.is_some_and(|start| name.starts_with(start))
        })
    })
}

/// A component of the kernel by the beginnings of its routines' names.
struct Component(&'static str, &'static [&'static str]);

impl Component {
    fn holds(&self, name: &str) -> bool {
        let owner = COMPONENTS.iter().find(|component| {
            component.1.iter().any(|start| {
                let rest = name.strip_prefix(start);
                rest.is_some_and(|rest| rest.starts_with(|next: char| !next.is_lowercase()))
            })
        });
        owner.map_or("other", |owner| owner.0) == self.0
    }
}

const COMPONENTS: [Component; 16] = [
    Component("Ke", &["Ke", "Kd", "Kf", "Ki", "Kz"]),
    Component("Ex", &["Ex", "Exf", "Exp"]),
    Component("Io", &["Io", "Iof", "IoWMI"]),
    Component("Mm", &["Mm"]),
    Component("Hal", &["Hal"]),
    Component("Ob", &["Ob", "Obf"]),
    Component("Po", &["Po", "PoFx"]),
    Component("Ps", &["Ps"]),
    Component("Rtl", &["Rtl"]),
    Component("Se", &["Se"]),
    Component("Cm", &["Cm"]),
    Component("Zw and Nt", &["Zw", "Nt"]),
    Component("Etw and Wmi", &["Etw", "Wmi", "Pcw"]),
    Component("Tm", &["Tm"]),
    Component("FsRtl and Cc", &["FsRtl", "Cc"]),
    Component("other", &[]),
];

/// Names in a paragraph of code, in lines of a hundred characters.
fn listed(names: &[String]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            let fits = length + name.len() + 4 <= 100;
            text += if fits { ", " } else { ",\n" };
            length = if fits { length + 2 } else { 0 };
        }
        text += &format!("`{name}`");
        length += name.len() + 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn declarations_of_the_kernel_and_no_other_image_are_found() {
        let text = "windows_link::link!(\"ntoskrnl.exe\" \"system\" fn KeA(a : u8));\n\
                    #[cfg(x)]\nwindows_link::link!(\"HAL.dll\" \"system\" fn HalB());\n\
                    windows_link::link!(\"clfs.sys\" \"system\" fn ClfsC());\n";
        assert_eq!(declarations(text).collect::<Vec<_>>(), ["KeA", "HalB"]);
    }

    #[test]
    fn each_absent_routine_needs_a_reason_and_each_reason_an_absent_routine() {
        let reasons = [
            Reason {
                why: "all of Tm".to_owned(),
                routines: vec!["Tm*".to_owned(), "KeHave".to_owned()],
            },
            Reason {
                why: "one of Tm".to_owned(),
                routines: vec!["TmOne".to_owned()],
            },
        ];
        let declared = set(&["KeHave", "KeNot", "TmOne", "TmTwo"]);
        let coverage = Coverage::new(&declared, &set(&["KeHave", "memcpy"]), &reasons);
        assert_eq!(coverage.present, set(&["KeHave"]));
        assert_eq!(coverage.beyond, set(&["memcpy"]));
        assert_eq!(coverage.unexplained, ["KeNot"]);
        assert_eq!(coverage.stale, ["KeHave"]);
        assert_eq!(coverage.absent[&0], ["TmTwo"]);
        assert_eq!(coverage.absent[&1], ["TmOne"]);
    }

    #[test]
    fn a_routine_belongs_to_the_component_that_its_name_begins_with() {
        let of = |name| {
            let found = COMPONENTS.iter().find(|component| component.holds(name));
            found.map(|component| component.0)
        };
        assert_eq!(of("KeSetEvent"), Some("Ke"));
        assert_eq!(of("IofCallDriver"), Some("Io"));
        assert_eq!(of("ExfInterlockedPushEntryList"), Some("Ex"));
        assert_eq!(of("Keyboard"), Some("other"));
    }
}
