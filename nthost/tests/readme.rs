//! The README's map of the tests names every component, and files that are there.

use std::{fs, path::Path};

/// Where what the map names can lie, relative to this package.
const PLACES: [&str; 5] = [
    "",
    "src",
    "../tests/tests",
    "../tests/drivers/c",
    "../tests/drivers",
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(package().join("README.md")).expect("the README");
    let (_, map) = text.split_once("\n| component |").expect("the map");
    map.lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The words of a cell that are set as code.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_component_is_on_the_map() {
    let rows = rows();
    let lib = fs::read_to_string(package().join("src/lib.rs")).expect("lib.rs");
    for module in lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
    {
        let directory = package().join("src").join(module);
        let on_map = rows.iter().any(|row| row[1] == format!("`{module}`"));
        assert!(
            on_map || !directory.is_dir() || module == "selftest",
            "{module} is not on the map"
        );
    }
}

#[test]
fn what_the_map_names_has_tests() {
    let mut seen = 0;
    for row in rows() {
        let component = row[1].trim_matches('`');
        for name in names(&row[2]).filter(|name| !name.contains(['*', '-'])) {
            let unit = package()
                .join("src")
                .join(component)
                .join(format!("{name}.rs"));
            let path = if name.starts_with("tests/") {
                package().join(name)
            } else {
                unit
            };
            let text = fs::read_to_string(&path);
            let text = text.unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            assert!(
                text.contains("#[test]") || text.contains("proptest!"),
                "{}",
                path.display()
            );
            seen += 1;
        }
        for name in names(&row[3]).filter(|name| name.contains('.') && !name.contains('*')) {
            let found = PLACES
                .iter()
                .any(|place| package().join(place).join(name).is_file());
            assert!(found, "there is no {name}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} files are on the map");
}
