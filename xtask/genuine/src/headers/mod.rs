//! The tables, compared with the headers of a genuine WDK themselves, by clang.
//!
//! The rule that this stands for: a table of facts is worth what can be asked again. Where a WDK
//! is installed, clang evaluates each line of the tables against its headers: sizes, alignments,
//! offsets, values, what each routine takes and gives, which are inline, and what a version does
//! not have. It reads C++, which can ask more: whether there is a name, whether there is a member,
//! what kinds a function's type is made of. Nothing of the headers is parsed here.
//!
//! Of a bit field no language tells the offset; only that it is there is asked.

mod clang;
mod program;

use std::{fmt, path::Path};

pub use crate::tree::Tree;
use crate::{
    Fault,
    tables::{Tables, VERSIONS},
};

/// The name of a version of Windows that is new in the headers of each version, in the order of
/// [`VERSIONS`].
const NEW_IN: [&str; VERSIONS.len()] = ["NTDDI_WIN10_VB", "NTDDI_WIN10_NI", "NTDDI_WIN11_GE"];

/// What has been compared, and what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Which version's column.
    pub version: &'static str,
    /// Records, their sizes and alignments.
    pub records: usize,
    /// Their fields, bit fields among them.
    pub fields: usize,
    /// Routines, with what they take and give.
    pub functions: usize,
    /// Those of them that are inline.
    pub inline: usize,
    /// Values.
    pub enumerators: usize,
    /// Names that this version is not to have.
    pub absent: usize,
    /// What differs, by name.
    pub differences: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "headers of {}: {} records with {} fields, {} routines ({} inline), {} enumerators, \
             and {} names that are not there; {} differ",
            self.version,
            self.records,
            self.fields,
            self.functions,
            self.inline,
            self.enumerators,
            self.absent,
            self.differences.len()
        )
    }
}

/// The column of the tables that is about these headers: that of the newest version that they
/// know.
///
/// # Errors
///
/// If they are older than all of them.
pub fn column(tree: &Tree) -> Result<usize, Fault> {
    (0..VERSIONS.len())
        .rev()
        .find(|column| tree.knows(NEW_IN[*column]))
        .ok_or(Fault::OldHeaders(VERSIONS[0]))
}

/// Compares the tables with these headers. `clang` is the compiler's program.
///
/// # Errors
///
/// If the headers are older than all versions that the tables have, or clang cannot read them.
pub fn compare(tables: &Tables, tree: &Tree, clang: &Path) -> Result<Report, Fault> {
    let column = column(tree)?;
    let clang = clang::Clang::new(clang, tree)?;
    let numbers = program::numbers(tables, column);
    let mut report = numbers.report.clone();
    report.version = VERSIONS[column];
    report.differences = clang.refused(&numbers)?;
    report
        .differences
        .extend(inline(&clang, tables, column, &mut report.inline)?);
    Ok(report)
}

/// Compares which routines have a body in the headers.
fn inline(
    clang: &clang::Clang,
    tables: &Tables,
    column: usize,
    count: &mut usize,
) -> Result<Vec<String>, Fault> {
    let defined = clang.defined(&program::addresses(tables))?;
    let mut differences = Vec::new();
    for (name, function) in &tables.functions {
        if !function.may_be_in(column) {
            continue;
        }
        let expected = function.is_inline_in(column);
        *count += usize::from(expected);
        let difference = match (expected, defined.get(name)) {
            (true, Some(false)) => "is imported, and not inline",
            (false, Some(true)) => "is inline, and nothing to import",
            _ => continue,
        };
        differences.push(format!("{name} {difference}"));
    }
    Ok(differences)
}
