//! The kernel's layers: each component imports only from those below it.
//!
//! Read are the paths that begin with `crate::`, in `use` and elsewhere. What still leads upwards
//! is listed in [`UPWARD`], with how many files do so: what comes in or goes away fails the test
//! until the list says so. The drawing in the README is what is read here.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

/// The components, the lowest first. Where NT has no such component: `export`, `hook` and
/// `driver_routine` are the boundary itself, which knows nothing; `manifest` and `switches` are
/// data; `log` and `panic` write through `hal`; `dma` is of the HAL's, and needs memory; `pe` maps images, and so needs `mm`; `rtl`
/// allocates from pool; `transport` needs memory and threads. On top are those that put the
/// system together.
const LAYERS: [&str; 30] = [
    "export",
    "hook",
    "driver_routine",
    "manifest",
    "switches",
    "hal",
    "ke",
    "log",
    "panic",
    "mm",
    "dma",
    "pe",
    "ex",
    "rtl",
    "ob",
    "se",
    "registry",
    "transport",
    "io",
    "pnp",
    "po",
    "etw",
    "wmi",
    "ps",
    "verifier",
    "host",
    "selftest",
    "exercise",
    "system",
    "boot",
];

/// What still leads upwards: from where, whither, and in how many files.
const UPWARD: &[(&str, &str, usize)] = &[
    ("io", "pnp", 11),
    ("ke", "mm", 16),
    ("ke", "ob", 4),
    ("ke", "pe", 13),
];

const BEGIN: &str =
    "<!-- layers: written by UPDATE_README=1 cargo test -p nthost --test layers -->\n";
const END: &str = "<!-- end of layers -->";

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("its entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Adds the first names of what stands behind `crate::`: one, or those of a group.
fn roots(text: &str, found: &mut BTreeSet<String>) {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|&letter| letter.is_alphanumeric() || letter == '_')
            .collect()
    };
    let Some(group) = text.strip_prefix('{') else {
        found.insert(name(text));
        return;
    };
    let (mut depth, mut at_start) = (0_usize, true);
    for (index, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && !letter.is_whitespace() => {
                found.insert(name(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
    }
}

/// The components that a source imports from.
fn imports(text: &str) -> BTreeSet<String> {
    let code: Vec<_> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for (index, _) in code.match_indices("crate::") {
        // A macro's own path is where it is used.
        if !code[..index].ends_with('$') {
            roots(&code[index + "crate::".len()..], &mut found);
        }
    }
    found
}

/// How many files of a component import from another.
type Edges = BTreeMap<(String, String), usize>;

fn edges() -> Edges {
    let root = package().join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 300, "only {} sources were found", files.len());
    let mut edges = Edges::new();
    for file in files {
        let place = file.strip_prefix(&root).expect("it lies there");
        let first = place.iter().next().expect("a name");
        let component = Path::new(first).file_stem().expect("a name");
        let component = component.to_str().expect("ASCII").to_owned();
        if ["lib", "main", "naked"].contains(&component.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source");
        for other in imports(&text) {
            // Macros are at the root by their names.
            if other != component && !other.ends_with("_export") && !other.starts_with("nt_") {
                *edges.entry((component.clone(), other)).or_default() += 1;
            }
        }
    }
    edges
}

#[track_caller]
fn rank(component: &str) -> usize {
    let found = LAYERS.iter().position(|layer| *layer == component);
    found.unwrap_or_else(|| panic!("`{component}` has no place among the layers"))
}

fn is_upward((from, to): (&str, &str)) -> bool {
    rank(from) < rank(to)
}

#[test]
fn imports_are_read() {
    let text =
        "use crate::{a, b::{c, d}, e::f};\nuse crate::g::h; // crate::i\n$crate::j crate::k()";
    let found: Vec<_> = imports(text).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "g", "k"]);
}

#[test]
fn no_component_imports_from_one_above_it_but_those_that_are_listed() {
    let edges = edges();
    let upward: Vec<_> = edges
        .iter()
        .map(|((from, to), files)| (from.as_str(), to.as_str(), *files))
        .filter(|&(from, to, _)| is_upward((from, to)))
        .collect();
    let listed: BTreeSet<_> = UPWARD.iter().copied().collect();
    let found: BTreeSet<_> = upward.iter().copied().collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "imports from above (component, from which, files):\nnot listed: {new:?}\nlisted, but not so \
         any more: {gone:?}\nThe lower layer is to do without, or call up by a hook (`src/hook.rs`); \
         what went away is to be struck from the list."
    );
}

/// A line for each component, the highest first: what it imports from below, and from above.
fn drawing(edges: &Edges) -> String {
    let mut lines = Vec::new();
    for layer in LAYERS.iter().rev() {
        let of = |upward: bool| -> Vec<&str> {
            let others = edges.keys().filter(|(from, _)| from == layer);
            let mut others: Vec<_> = others
                .map(|(_, to)| to.as_str())
                .filter(|to| is_upward((layer, to)) == upward)
                .collect();
            others.sort_by_key(|to| rank(to));
            others
        };
        let (below, above) = (of(false), of(true));
        let above = if above.is_empty() {
            String::new()
        } else {
            format!("   (above: {})", above.join(" "))
        };
        let line = format!("{layer:<15}| {}{above}", below.join(" "));
        lines.push(line.trim_end().to_owned());
    }
    format!("```text\n{}\n```\n", lines.join("\n"))
}

#[test]
fn the_readme_draws_the_layers_as_they_are() {
    let path = package().join("README.md");
    let readme = fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(BEGIN).expect("the drawing's begin");
    let (drawn, after) = rest.split_once(END).expect("the drawing's end");
    let current = drawing(&edges());
    if env::var_os("UPDATE_README").is_some() {
        let text = format!("{before}{BEGIN}{current}{END}{after}");
        fs::write(&path, text).expect("the README is written");
        return;
    }
    assert_eq!(
        drawn, current,
        "UPDATE_README=1 cargo test -p nthost --test layers writes it"
    );
}
