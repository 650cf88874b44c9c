//! Which names the drivers' sources use: of a record, a routine, an enumerator.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Fault, read};

/// The Rust sources that stand on wdk-sys, and the C sources of the test drivers.
pub const FOLDERS: [&str; 7] = [
    "driver/src",
    "wdm/src",
    "tests/drivers/numbered/src",
    "tests/drivers/panics/src",
    "tests/drivers/sequence/src",
    "tests/drivers/waits/src",
    "tests/drivers/c",
];

/// Each word of the sources, without comments and strings, and a file that has it.
///
/// # Errors
///
/// If a file cannot be read.
pub fn words(root: &Path) -> Result<BTreeMap<String, PathBuf>, Fault> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        for file in files(&root.join(folder))? {
            let text = read(&file)?;
            for word in words_of(&text) {
                found.entry(word.to_owned()).or_insert_with(|| file.clone());
            }
        }
    }
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fault = |error| Fault::File {
        path: folder.to_owned(),
        error,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| ["rs", "c", "h"].iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// The words of a source that can name something of the kernel's.
fn words_of(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(start) =
        rest.find(|char: char| char.is_ascii_alphabetic() || "_/\"".contains(char))
    {
        rest = rest.get(start..).unwrap_or_default();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with('"') {
            string(rest)
        } else if rest.starts_with('/') {
            1
        } else {
            let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
            let (word, _) = rest.split_at(end.unwrap_or(rest.len()));
            words.push(word);
            word.len()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    words
}

/// The length of a string literal. One that does not end on its line is none: a quotation mark
/// as a character.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, char) in text.char_indices().skip(1) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_use_nothing() {
        let text = "let a: PIRP = b / c; // not an MDL\n/* nor\nIRP */ f(\"a \\\" DPC\", KEVENT);";
        assert_eq!(
            words_of(text),
            ["let", "a", "PIRP", "b", "c", "f", "KEVENT"]
        );
    }
}
