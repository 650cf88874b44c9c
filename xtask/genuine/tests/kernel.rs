//! nthost, which drivers are tested with, lays out its structures and takes its arguments as the
//! genuine headers say.

use std::path::{Path, PathBuf};

use eduwdm_genuine::{
    compare::{self, Report},
    exceptions::{About, Exceptions},
    kernel, layout,
    tables::{FOLLOWED, Tables},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tables() -> (Tables, Exceptions) {
    let folder = root().join("cross/genuine");
    (
        Tables::read(&folder).unwrap(),
        Exceptions::read(&folder).unwrap(),
    )
}

#[test]
fn its_structures_lie_as_the_headers_say() {
    let (tables, exceptions) = tables();
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
                (&tables, genuine),
                (&exceptions, About::Kernel),
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
        .differences
        .extend(exceptions.unneeded(&[About::Kernel]));
    println!("{report}");
    assert!(report.differences.is_empty(), "{:#?}", report.differences);
    assert!(report.records > 90, "{report}");
}

#[test]
fn its_routines_take_and_give_what_the_headers_say() {
    let (tables, exceptions) = tables();
    let signatures = kernel::signatures(&root().join("nthost")).unwrap();
    let mut compared = 0;
    let mut differences = Vec::new();
    for (name, ours) in &signatures {
        let Some(genuine) = tables.functions.get(name) else {
            continue;
        };
        compared += 1;
        if !genuine.signature.agrees_with(ours)
            && !exceptions.cover(About::KernelRoutine, &format!("{name}()"))
        {
            differences.push(format!(
                "{name} is {ours}, and in the WDK {}",
                genuine.signature
            ));
        }
    }
    differences.extend(exceptions.unneeded(&[About::KernelRoutine]));
    println!("{compared} routines compared; {} differ", differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(compared > 700, "{compared}");
}
