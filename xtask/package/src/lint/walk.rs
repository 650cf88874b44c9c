//! The way through a file that the installer takes: from the models to their install sections,
//! and from there along every reference. What it meets is noted for the families of rules.

use std::collections::BTreeMap;

use super::grammar::{SUFFIXES, directives};
use super::kind::{Form, Kind};
use super::{Finding, Rule, generic, manufacturer};
use crate::inf::decoration::{Architecture, Target};
use crate::inf::{Document, Entry, Section};

/// An install section, with what leads to it.
#[derive(Clone, Debug)]
pub struct Install<'d> {
    /// The section.
    pub section: &'d Section,
    /// The line of the entry that leads to it.
    pub line: u32,
    /// What the models section's decoration says.
    pub target: Target,
    /// The hardware and compatible IDs; none for a primitive driver.
    pub ids: Vec<String>,
}

impl<'d> Install<'d> {
    /// The section that belongs to it under this suffix.
    #[must_use]
    pub fn suffixed(&self, document: &'d Document, suffix: &str) -> Option<&'d Section> {
        document.section(&format!("{}.{suffix}", self.section.name))
    }
}

/// The first use of a section, which decides what it is.
#[derive(Clone, Debug)]
struct Use {
    kind: Kind,
    directive: String,
}

/// The way, and what was found on it.
pub struct Walk<'d> {
    /// The file.
    pub document: &'d Document,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Every install section that some Windows would use.
    pub installs: Vec<Install<'d>>,
    /// The models sections, with their targets.
    pub models: Vec<(&'d Section, Target)>,
    visited: Vec<(&'d Section, Kind)>,
    uses: BTreeMap<String, Use>,
}

impl<'d> Walk<'d> {
    /// A way that has not begun.
    #[must_use]
    pub const fn new(document: &'d Document) -> Self {
        Self {
            document,
            findings: Vec::new(),
            installs: Vec::new(),
            models: Vec::new(),
            visited: Vec::new(),
            uses: BTreeMap::new(),
        }
    }

    /// Notes a finding.
    pub fn find(&mut self, rule: &'static Rule, line: u32, detail: impl Into<String>) {
        self.findings.push(Finding {
            rule,
            line,
            detail: detail.into(),
        });
    }

    /// Goes the whole way.
    pub fn run(&mut self) {
        manufacturer::models(self);
        super::primitive::installs(self);
        for install in self.installs.clone() {
            self.install(&install);
        }
        if let Some(section) = self.document.section("ClassInstall32") {
            self.visit(section, Kind::Install);
        }
    }

    /// Goes from an install section to all that belongs to it.
    fn install(&mut self, install: &Install<'d>) {
        self.visit(install.section, Kind::Install);
        for (suffix, kind) in SUFFIXES {
            if let Some(section) = install.suffixed(self.document, suffix) {
                self.visit(section, *kind);
            }
        }
    }

    /// The sections that an install section leads to, itself among them.
    #[must_use]
    pub fn reach(&self, install: &Install<'d>) -> Vec<&'d Section> {
        let mut way = Walk::new(self.document);
        way.install(install);
        way.visited
            .into_iter()
            .map(|(section, _)| section)
            .collect()
    }

    /// Follows a reference to a section.
    pub fn refer(&mut self, name: &str, kind: Kind, directive: &str, line: u32) {
        let key = name.to_lowercase();
        let first = self.uses.entry(key).or_insert_with(|| Use {
            kind,
            directive: directive.to_owned(),
        });
        if first.kind != kind {
            let other = first.clone();
            let rule = if related(other.kind, kind) {
                &generic::TWO_DIRECTIVES
            } else {
                &generic::WRONG_KIND
            };
            let detail = format!("[{name}], of {} and of {directive}", other.directive);
            self.find(rule, line, detail);
            return;
        }
        match self.document.section(name) {
            Some(section) => self.visit(section, kind),
            None if kind == Kind::Service => {
                let detail = format!("[{name}], named by {directive}");
                self.find(&super::services::UNDEFINED, line, detail);
            }
            None => {
                let detail = format!("[{name}], named by {directive}");
                self.find(&generic::NOT_FOUND, line, detail);
            }
        }
    }

    fn visit(&mut self, section: &'d Section, kind: Kind) {
        if self
            .visited
            .iter()
            .any(|(s, k)| std::ptr::eq(*s, section) && *k == kind)
        {
            return;
        }
        self.visited.push((section, kind));
        for entry in &section.entries {
            generic::entry(self, section, kind, entry);
        }
    }

    /// The sections that were met as this kind.
    #[must_use]
    pub fn met(&self, kind: Kind) -> Vec<&'d Section> {
        self.visited
            .iter()
            .filter(|(_, met)| *met == kind)
            .map(|(section, _)| *section)
            .collect()
    }

    /// The sections that were met as this kind by an install section, with the install section.
    #[must_use]
    pub fn suffixed(&self, suffix: &str) -> Vec<(Install<'d>, &'d Section)> {
        self.installs
            .iter()
            .filter_map(|install| Some((install.clone(), install.suffixed(self.document, suffix)?)))
            .collect()
    }

    /// The sections of a kind that a section's directives refer to.
    #[must_use]
    pub fn referred(&self, section: &Section, from: Kind, kind: Kind) -> Vec<&'d Section> {
        let mut found = Vec::new();
        for directive in directives(from).unwrap_or_default() {
            for entry in section.entries.iter().filter(|e| e.is(directive.key)) {
                for (index, value) in entry.values.iter().enumerate() {
                    let last = directive.slots.len().saturating_sub(1);
                    let form = directive.slots.get(index.min(last)).map(|slot| slot.form);
                    let meant = match form {
                        Some(Form::Section(meant)) => meant == kind,
                        Some(Form::FilesOrSection) => kind == Kind::CopyFiles,
                        _ => false,
                    };
                    if meant {
                        found.extend(self.document.section(&value.text));
                    }
                }
            }
        }
        found
    }

    /// Whether a section was met as any kind, or by its name.
    fn used(&self, section: &Section) -> bool {
        self.visited
            .iter()
            .any(|(met, _)| std::ptr::eq(*met, section))
            || self
                .models
                .iter()
                .any(|(met, _)| std::ptr::eq(*met, section))
            || is_root(&section.name)
            || section
                .name
                .to_lowercase()
                .strip_suffix(".security")
                .is_some_and(|of| self.uses.contains_key(of))
    }

    /// Names the sections that were not met.
    pub fn unused(&mut self) {
        let unused: Vec<(u32, String)> = self
            .document
            .sections
            .iter()
            .filter(|section| !self.used(section))
            .map(|section| (section.line, section.name.clone()))
            .collect();
        for (line, name) in unused {
            self.find(&generic::UNUSED, line, format!("[{name}]"));
        }
    }

    /// Whether the file's setup class is one of these.
    #[must_use]
    pub fn is_of_class(&self, classes: &[&str]) -> bool {
        let class = self
            .document
            .section("Version")
            .and_then(|version| version.value("Class"))
            .unwrap_or_default();
        classes
            .iter()
            .any(|known| known.eq_ignore_ascii_case(class))
    }

    /// Whether the file's setup class has directives of its own, which its class installer reads:
    /// what this grammar does not know need not be wrong then.
    #[must_use]
    pub fn has_own_directives(&self) -> bool {
        self.is_of_class(&[
            "Image",
            "Modem",
            "Net",
            "NetClient",
            "NetService",
            "NetTrans",
            "Printer",
        ])
    }

    /// Chooses the install section that a Windows of this architecture would take.
    #[must_use]
    pub fn install_section(&self, name: &str, target: Target) -> Option<&'d Section> {
        let architecture = target.architecture.unwrap_or(Architecture::X86).name();
        [
            format!("{name}.NT{architecture}"),
            format!("{name}.NT"),
            name.to_owned(),
        ]
        .iter()
        .find_map(|name| self.document.section(name))
    }

    /// The entries of this key in every section of a kind.
    #[must_use]
    pub fn entries(&self, kind: Kind, key: &str) -> Vec<(&'d Section, &'d Entry)> {
        self.met(kind)
            .into_iter()
            .flat_map(|section| {
                section
                    .entries
                    .iter()
                    .filter(|entry| entry.is(key))
                    .map(move |entry| (section, entry))
            })
            .collect()
    }
}

/// Kinds whose sections look alike, so that one could be read as the other.
const fn related(a: Kind, b: Kind) -> bool {
    const fn family(kind: Kind) -> u8 {
        match kind {
            Kind::CopyFiles | Kind::DelFiles | Kind::RenFiles => 1,
            Kind::AddReg | Kind::DelReg | Kind::BitReg => 2,
            _ => 0,
        }
    }
    family(a) != 0 && family(a) == family(b)
}

/// Sections that the installer finds by their names.
#[must_use]
pub fn is_root(name: &str) -> bool {
    let lower = name.to_lowercase();
    let exact = [
        "version",
        "manufacturer",
        "destinationdirs",
        "controlflags",
        "strings",
        "sourcedisksnames",
        "sourcedisksfiles",
        "signatureattributes",
        "deviceinstall32",
    ];
    let decorated = [
        "strings.",
        "sourcedisksnames.",
        "sourcedisksfiles.",
        "signatureattributes.",
        "classinstall32",
        "interfaceinstall32",
        "defaultinstall",
        "defaultuninstall",
    ];
    exact.contains(&lower.as_str()) || decorated.iter().any(|prefix| lower.starts_with(prefix))
}
