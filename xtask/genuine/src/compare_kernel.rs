//! nthost, compared with the tables: every structure of `nthost/nt`, and the signature of every
//! routine that it exports and the tables have.

use std::path::Path;

use crate::{
    Fault,
    compare::{self, Report},
    exceptions::{About, Exceptions},
    kernel, layout,
    tables::{FOLLOWED, Tables},
};

/// Compares nthost's structures.
#[must_use]
pub fn records(tables: &Tables, exceptions: &Exceptions) -> Report {
    let records = kernel::records(|record, field| {
        let genuine = tables.find(record);
        genuine.is_some_and(|(_, record)| record.fields.contains_key(field))
    });
    let mut report = Report::default();
    let mut inner = Vec::new();
    for name in records.keys() {
        if let Some((genuine, _)) = tables.find(name) {
            compare::record(
                &mut report,
                (&records, name),
                (tables, genuine),
                (exceptions, About::Kernel),
                FOLLOWED,
            );
            inner.extend(layout::inner(&records, name));
        }
    }
    for name in records.keys() {
        let compared = tables.find(name).is_some() || inner.contains(name);
        if !compared && !exceptions.cover(About::Absent, &format!("nthost {name}")) {
            report
                .differences
                .push(format!("{name} of nthost is in no table"));
        }
    }
    report
}

/// Compares the routines in the sources of nthost, which lie in this folder.
///
/// # Errors
///
/// If a source cannot be read.
pub fn routines(tables: &Tables, exceptions: &Exceptions, nthost: &Path) -> Result<Report, Fault> {
    let mut report = Report::default();
    for (name, ours) in &kernel::signatures(nthost)? {
        let Some(genuine) = tables.functions.get(name) else {
            continue;
        };
        report.functions += 1;
        if !genuine.signature.agrees_with(ours)
            && !exceptions.cover(About::KernelRoutine, &format!("{name}()"))
        {
            report.differences.push(format!(
                "{name} is {ours}, and in the WDK {}",
                genuine.signature
            ));
        }
    }
    Ok(report)
}
