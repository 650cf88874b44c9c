//! What InfVerif would say of an INF file, as far as that can be known without Windows.
//!
//! Each rule carries the number under which "INF Validation Errors and Warnings" documents it,
//! so that what is found here can be looked up there. The level is that of `infverif /w`, the
//! mode for Windows Drivers. The rules are in families, one file each; the numbers that are not
//! checked are in [`elsewhere`], each with its reason.

pub mod components;
pub mod conflicts;
pub mod elsewhere;
pub mod enforced;
pub mod events;
pub mod extension;
pub mod files;
pub mod filters;
pub mod generic;
pub mod grammar;
pub mod includes;
pub mod interfaces;
pub mod isolation;
pub mod kind;
pub mod layout;
pub mod legacy;
pub mod manufacturer;
mod named;
pub mod paths;
pub mod primitive;
pub mod registry;
pub mod sddl;
pub mod services;
mod slots;
pub mod syntax;
pub mod version;
pub mod walk;
pub mod wdf;

use std::fmt;

use crate::inf::Document;
use walk::Walk;

/// How much a finding matters under `infverif /w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The package would not pass.
    Error,
    /// The package would pass, but something is probably not as meant.
    Warning,
}

/// A rule for INF files.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// InfVerif's number.
    pub code: u16,
    /// A name that a person can remember.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What the rule is.
    pub says: &'static str,
    /// What to do about a finding.
    pub remedy: &'static str,
}

/// Declares the rules of a family and the list of them.
macro_rules! rules {
    ($($name:ident = $code:literal $label:literal $level:ident, $says:literal, $remedy:literal;)*) => {
        $(
            #[doc = $says]
            pub static $name: $crate::lint::Rule = $crate::lint::Rule {
                code: $code,
                name: $label,
                level: $crate::lint::Level::$level,
                says: $says,
                remedy: $remedy,
            };
        )*
        /// The rules of this family.
        pub static RULES: &[&$crate::lint::Rule] = &[$(&$name),*];
    };
}
use rules;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The line, from 1.
    pub line: u32,
    /// What is there.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.rule.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(
            f,
            "line {}: {level} {} {}: {}\n  {}; {}",
            self.line,
            self.rule.code,
            self.rule.name,
            self.detail,
            self.rule.says,
            self.rule.remedy
        )
    }
}

/// What the linter is told besides the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The only provider that is accepted, as InfVerif's `/provider`.
    pub provider: Option<String>,
}

/// Every rule that is checked.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        components::RULES,
        conflicts::RULES,
        events::RULES,
        extension::RULES,
        files::RULES,
        filters::RULES,
        generic::RULES,
        includes::RULES,
        interfaces::RULES,
        isolation::RULES,
        layout::RULES,
        legacy::RULES,
        manufacturer::RULES,
        paths::RULES,
        primitive::RULES,
        registry::RULES,
        services::RULES,
        syntax::RULES,
        version::RULES,
        wdf::RULES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Checks the bytes of a file: its encoding, and then all that [`lint`] checks.
#[must_use]
pub fn lint_bytes(bytes: &[u8], options: &Options) -> Vec<Finding> {
    match crate::inf::encoding::decode(bytes) {
        Ok((text, _)) => lint(&Document::parse(&text), options),
        Err(error) => vec![Finding {
            rule: &syntax::ENCODING,
            line: 1,
            detail: error.to_string(),
        }],
    }
}

/// Checks a file against every rule. The findings are in the order of the lines.
#[must_use]
pub fn lint(document: &Document, options: &Options) -> Vec<Finding> {
    let mut findings = syntax::check(document);
    // What follows would misread a file whose grammar is broken, as InfVerif itself says.
    if findings
        .iter()
        .any(|finding| finding.rule == &syntax::SKIPPED || finding.rule == &syntax::SIGNATURE)
    {
        return findings;
    }
    let mut walk = Walk::new(document);
    walk.run();
    version::check(&mut walk, options);
    layout::check(&mut walk);
    primitive::check(&mut walk);
    includes::check(&mut walk);
    files::check(&mut walk);
    isolation::check(&mut walk);
    paths::check(&mut walk);
    registry::check(&mut walk);
    services::check(&mut walk);
    interfaces::check(&mut walk);
    events::check(&mut walk);
    filters::check(&mut walk);
    components::check(&mut walk);
    extension::check(&mut walk);
    wdf::check(&mut walk);
    legacy::check(&mut walk);
    conflicts::check(&mut walk);
    enforced::retain(&mut walk);
    walk.unused();
    findings.append(&mut walk.findings);
    findings
        .sort_by(|a, b| (a.line, a.rule.code, &a.detail).cmp(&(b.line, b.rule.code, &b.detail)));
    findings.dedup();
    findings
}
