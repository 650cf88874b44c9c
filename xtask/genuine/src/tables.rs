//! The tables of `cross/genuine`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    Fault,
    kind::{Kind, Signature},
    read,
};

/// The versions of the WDK, in the tables' order.
pub const VERSIONS: [&str; 3] = ["19041", "22621", "26100"];

/// The version whose numbers the Linux build and nthost follow where versions differ.
pub const FOLLOWED: usize = 2;

/// A record, by version.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// `size/alignment`, where it is there.
    pub size: [Option<(usize, usize)>; 3],
    /// Each field's offset, where it is there.
    pub fields: BTreeMap<String, [Option<usize>; 3]>,
}

/// How the oldest version has a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Not at all.
    Absent,
    /// As the newest.
    Same,
    /// Inline, where the newest may import it.
    Inline,
}

/// A routine.
#[derive(Clone, Debug)]
pub struct Function {
    /// How the oldest version has it.
    pub first: First,
    /// The headers define it inline, so that nothing is imported.
    pub is_inline: bool,
    /// What it takes and gives.
    pub signature: Signature,
}

impl Function {
    /// Whether a version can have it. The tables say so of the oldest and the newest.
    #[must_use]
    pub fn may_be_in(&self, version: usize) -> bool {
        version > 0 || self.first != First::Absent
    }

    /// Whether a version must have it.
    #[must_use]
    pub fn must_be_in(&self, version: usize) -> bool {
        version + 1 == VERSIONS.len() || self.first != First::Absent
    }

    /// Whether a version has it inline.
    #[must_use]
    pub fn is_inline_in(&self, version: usize) -> bool {
        self.is_inline || (version == 0 && self.first == First::Inline)
    }
}

/// All that the genuine headers say.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// By name, with the underscore of its tag.
    pub records: BTreeMap<String, Record>,
    /// By name.
    pub functions: BTreeMap<String, Function>,
    /// By name, by version.
    pub enumerators: BTreeMap<String, [Option<i64>; 3]>,
}

impl Tables {
    /// Reads the tables of a folder: those that were given, and those that this project has read
    /// for itself (`more-*.tsv`).
    ///
    /// # Errors
    ///
    /// If one is not there, or not a table.
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let mut tables = Self::default();
        for name in ["records.tsv", "more-records.tsv"] {
            for row in rows(&folder.join(name))? {
                tables.record(&row);
            }
        }
        for name in ["functions.tsv", "more-functions.tsv"] {
            for row in rows(&folder.join(name))? {
                let [name, first, how, result, arguments] = fields(&row);
                let function = Function {
                    first: match first {
                        "no" => First::Absent,
                        "inline" => First::Inline,
                        _ => First::Same,
                    },
                    is_inline: how == "inline",
                    signature: Signature {
                        result: Kind::parse(result),
                        arguments: arguments.split_whitespace().map(Kind::parse).collect(),
                    },
                };
                tables.functions.insert(name.to_owned(), function);
            }
        }
        for name in ["enumerators.tsv", "more-enumerators.tsv"] {
            for row in rows(&folder.join(name))? {
                let [name, values @ ..] = fields::<4>(&row);
                tables
                    .enumerators
                    .insert(name.to_owned(), values.map(|value| value.parse().ok()));
            }
        }
        Ok(tables)
    }

    fn record(&mut self, row: &str) {
        let [record, field, values @ ..] = fields::<5>(row);
        let record = self.records.entry(record.to_owned()).or_default();
        if field == "(size/alignment)" {
            record.size = values.map(|value| {
                let (size, alignment) = value.split_once('/')?;
                Some((size.parse().ok()?, alignment.parse().ok()?))
            });
        } else {
            let offsets = values.map(|value| value.parse().ok());
            record.fields.insert(field.to_owned(), offsets);
        }
    }

    /// The record of this name: the tables have the tag, of which some have no underscore.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&str, &Record)> {
        let tag = format!("_{name}");
        [name, &tag]
            .into_iter()
            .find_map(|name| self.records.get_key_value(name))
            .map(|(name, record)| (name.as_str(), record))
    }

    /// What is inline in the headers, so that no driver may import it.
    #[must_use]
    pub fn inline(&self) -> BTreeSet<&str> {
        self.functions
            .iter()
            .filter(|(_, function)| function.is_inline)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The rows of a table, without its head.
fn rows(path: &Path) -> Result<Vec<String>, Fault> {
    Ok(read(path)?.lines().skip(1).map(ToOwned::to_owned).collect())
}

fn fields<const COUNT: usize>(row: &str) -> [&str; COUNT] {
    let mut fields = row.split('\t');
    [(); COUNT].map(|()| fields.next().unwrap_or_default().trim())
}
