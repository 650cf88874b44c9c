//! Bindings, compared with the tables: every record, routine and enumerator that the drivers'
//! sources name.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use crate::{
    bindings::Bindings,
    exceptions::{About, Exceptions},
    layout::{self, Records},
    tables::{FOLLOWED, Tables, VERSIONS},
};

/// What has been compared, and what differs.
#[derive(Debug, Default)]
pub struct Report {
    /// Records.
    pub records: usize,
    /// Their fields.
    pub fields: usize,
    /// Routines.
    pub functions: usize,
    /// Enumerators.
    pub enumerators: usize,
    /// What differs, and what is in no table.
    pub differences: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} records with {} fields, {} routines, {} enumerators compared; {} differ",
            self.records,
            self.fields,
            self.functions,
            self.enumerators,
            self.differences.len()
        )
    }
}

/// Compares what the sources name. `version` is the column of the tables that the headers are to
/// agree with.
#[must_use]
pub fn bindings(
    bindings: &Bindings,
    tables: &Tables,
    exceptions: &Exceptions,
    words: &BTreeMap<String, PathBuf>,
    version: usize,
) -> Report {
    let mut report = Report::default();
    let mut used = BTreeMap::new();
    for (word, file) in words {
        if let Some(record) = bindings.resolve(word) {
            used.entry(record).or_insert(file);
        }
        if let Some(value) = bindings.enumerators.get(word) {
            enumerator(&mut report, tables, exceptions, (word, *value), version);
        }
        if let Some(signature) = bindings.functions.get(word) {
            match tables.functions.get(word) {
                Some(genuine) if !genuine.signature.agrees_with(signature) => {
                    report.differences.push(format!(
                        "{word} is {signature}, and in the WDK {}",
                        genuine.signature
                    ));
                }
                Some(_) => {}
                None if exceptions.cover(About::Absent, word) => continue,
                None => report.differences.push(format!(
                    "the routine {word} (in {}) is in no table",
                    file.display()
                )),
            }
            report.functions += 1;
        }
    }
    for (name, file) in used {
        match tables.find(name) {
            Some((genuine, _)) => record(
                &mut report,
                (&bindings.records, name),
                (tables, genuine),
                (exceptions, About::Bindings),
                version,
            ),
            // What is only ever pointed at has no layout.
            None if bindings.records[name].fields.is_empty() => {}
            None if exceptions.cover(About::Absent, name) => {}
            None => report.differences.push(format!(
                "the record {name} (in {}) is in no table",
                file.display()
            )),
        }
    }
    for name in &bindings.wrong_enumerations {
        if words.contains_key(name) || words.contains_key(name.trim_start_matches('_')) {
            report
                .differences
                .push(format!("the enumeration {name} is no signed 32-bit number"));
        }
    }
    report
}

fn enumerator(
    report: &mut Report,
    tables: &Tables,
    exceptions: &Exceptions,
    (name, value): (&str, i64),
    version: usize,
) {
    let Some(values) = tables.enumerators.get(name) else {
        if !exceptions.cover(About::Absent, name) {
            let difference = format!("the enumerator {name} is in no table");
            report.differences.push(difference);
        }
        return;
    };
    report.enumerators += 1;
    if values[version].is_some_and(|genuine| genuine != value)
        && !exceptions.cover(About::Bindings, name)
    {
        report.differences.push(format!(
            "{name} is {value}, and in the WDK {:?}",
            values[version]
        ));
    }
    versions(report, exceptions, name, values);
}

/// Compares one record: its size, its alignment, and each of its fields.
pub fn record(
    report: &mut Report,
    (records, name): (&Records, &str),
    (tables, genuine_name): (&Tables, &str),
    (exceptions, about): (&Exceptions, About),
    version: usize,
) {
    let (ours, genuine) = (&records[name], &tables.records[genuine_name]);
    report.records += 1;
    let size = Some((ours.size, ours.alignment));
    if genuine.size[version].is_some()
        && size != genuine.size[version]
        && !exceptions.cover(about, genuine_name)
    {
        report.differences.push(format!(
            "{name} has {size:?} bytes and alignment, and in the WDK {:?}",
            genuine.size[version]
        ));
    }
    versions(report, exceptions, genuine_name, &genuine.size);
    for (field, offset) in layout::flatten(records, name) {
        let path = format!("{genuine_name}.{field}");
        let Some(offsets) = genuine.fields.get(&field) else {
            if !exceptions.cover(about, &path) {
                report
                    .differences
                    .push(format!("{path}: the WDK has no such field"));
            }
            continue;
        };
        report.fields += 1;
        // A field that only another version has lies where it is there.
        let expected = offsets[version].or_else(|| offsets.iter().find_map(|offset| *offset));
        if expected != Some(offset) && !exceptions.cover(about, &path) {
            report.differences.push(format!(
                "{path} lies at {offset}, and in the WDK at {expected:?}"
            ));
        }
        versions(report, exceptions, &path, offsets);
    }
}

/// Where the versions of the WDK differ, the list of exceptions says which is followed, and why.
fn versions<T: PartialEq + fmt::Debug>(
    report: &mut Report,
    exceptions: &Exceptions,
    name: &str,
    values: &[Option<T>; 3],
) {
    let mut there = values.iter().flatten();
    let first = there.next();
    if there.any(|value| Some(value) != first) && !exceptions.cover(About::Versions, name) {
        report.differences.push(format!(
            "{name} differs between versions of the WDK ({values:?} in {VERSIONS:?}; {} is \
             followed)",
            VERSIONS[FOLLOWED]
        ));
    }
}
