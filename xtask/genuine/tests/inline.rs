//! What the genuine headers define inline is in no import library of the WDK: nothing of ours
//! imports it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use eduwdm_genuine::tables::Tables;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first word of each line that is a name.
fn names(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let words = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    words
        .filter(|word| !word.starts_with([';', '#']))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn no_driver_of_ours_can_import_an_inline_routine() {
    let tables = Tables::read(&root().join("cross/genuine")).unwrap();
    let inline = tables.inline();
    assert!(inline.contains("KeRaiseIrqlToDpcLevel"), "{inline:?}");
    for list in [
        "cross/exports/ntoskrnl.def",
        "cross/exports/hal.def",
        "xtask/package/src/pe/imports.txt",
    ] {
        let names = names(&root().join(list));
        assert!(names.len() > 3, "{list}: {names:?}");
        let wrong: Vec<_> = names
            .iter()
            .filter(|name| inline.contains(name.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{list}: {wrong:?}");
    }
}
