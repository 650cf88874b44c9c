//! The commands that the guide shows, with what it says that they print.
//!
//! A block of the guide that begins with ```` ```console ```` has commands behind `$ `, each with
//! its output below it. What differs from run to run is the same for [`same`]: addresses, and the
//! numbers of lines.

use std::{env, fs, path::Path};

/// A command, and what the guide says that it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The page's file.
    pub page: String,
    /// The command, without the prompt.
    pub command: String,
    /// Its output.
    pub output: String,
}

/// Set to anything, this has the tests write what a command prints into the guide, in place of
/// what is there.
pub const BLESS: &str = "EDUWDM_BLESS";

const OPENING: &str = "```console\n";
const CLOSING: &str = "```";

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src"))
}

/// All commands of the guide's pages.
///
/// # Panics
///
/// If the pages cannot be read.
#[must_use]
pub fn shown() -> Vec<Shown> {
    let mut shown = Vec::new();
    for entry in fs::read_dir(folder()).unwrap_or_else(|fault| panic!("{fault}")) {
        let path = entry.unwrap_or_else(|fault| panic!("{fault}")).path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{fault}"));
        let page = path.file_name().unwrap_or_default().to_string_lossy();
        shown.extend(of_page(&page, &text));
    }
    shown
}

fn of_page(page: &str, text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for block in text.split(OPENING).skip(1) {
        let block = block.split(CLOSING).next().unwrap_or_default();
        let mut begun = false;
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                begun = true;
                shown.push(Shown {
                    page: page.to_owned(),
                    command: command.to_owned(),
                    output: String::new(),
                });
            } else if let Some(last) = shown.last_mut().filter(|_| begun) {
                last.output += line;
                last.output.push('\n');
            }
        }
    }
    shown
}

/// Compares what a command has printed with each page that shows it.
///
/// # Errors
///
/// If a page shows something else.
///
/// # Panics
///
/// If a page cannot be written.
pub fn compare(command: &str, printed: &str) -> Result<(), String> {
    for shown in shown() {
        if shown.command != command || same(&shown.output) == same(printed) {
            continue;
        }
        let Shown { page, output, .. } = shown;
        if env::var_os(BLESS).is_some() {
            let path = folder().join(&page);
            let text = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{fault}"));
            let old = format!("$ {command}\n{output}");
            let new = format!("$ {command}\n{printed}");
            fs::write(&path, text.replace(&old, &new)).unwrap_or_else(|fault| panic!("{fault}"));
            continue;
        }
        return Err(format!(
            "docs/src/{page} shows of `{command}`:\n{output}It prints:\n{printed}\
             With {BLESS}=1, this test writes that into the page."
        ));
    }
    Ok(())
}

/// A text without what differs from run to run, and from build to build: addresses, which are
/// numbers of five hexadecimal digits and more, offsets in images, the numbers of lines, how much
/// of the stack is in use, how many checks were made, and all parameters of a bug check but the first.
#[must_use]
pub fn same(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = match line.split_once(" (").zip(line.split_once(')')) {
            Some(((stop, parameters), (_, name))) if line.starts_with("STOP ") => {
                let first = parameters.split(',').next().unwrap_or_default();
                format!("{stop} ({first}){name}")
            }
            _ => line.to_owned(),
        };
        without_numbers(&line)
    });
    lines.map(|line| line + "\n").collect()
}

/// What stands before a number that is left out, its radix, and how long it is at least.
const NUMBERS: [(&str, u32, usize); 6] = [
    ("+0x", 16, 1),
    ("0x", 16, 5),
    (".c:", 10, 1),
    ("    … ", 10, 1),
    ("verifier: ", 10, 4),
    ("the verifier made ", 10, 1),
];

fn without_numbers(line: &str) -> String {
    let mut same = String::new();
    let mut rest = line;
    let next = |rest: &str| {
        let found = NUMBERS
            .iter()
            .filter_map(|number| Some((rest.find(number.0)?, number)));
        // The longer one of two at the same place ends with the other.
        found.min_by_key(|(at, _)| *at)
    };
    while let Some((at, &(before, radix, least))) = next(rest) {
        let (text, number) = rest.split_at(at + before.len());
        same += text;
        let length = number
            .find(|digit: char| !digit.is_digit(radix))
            .unwrap_or(number.len());
        same += if length < least {
            &number[..length]
        } else {
            "…"
        };
        rest = &number[length..];
    }
    same + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_is_written() {
        let text = "A\n```console\n$ one\nsays\nthis\n$ two\n```\n```text\n$ three\n```\n";
        let shown = of_page("p.md", text);
        let commands: Vec<_> = shown.iter().map(|it| it.command.as_str()).collect();
        assert_eq!(commands, ["one", "two"]);
        assert_eq!(shown[0].output, "says\nthis\n");
        assert_eq!(shown[1].output, "");
    }

    #[test]
    fn addresses_and_lines_are_the_same_and_codes_are_not() {
        let told = "verifier: lock 0xffffb00000012345 in a.sys+0x12, 32 bytes\n\
                    STOP 0xc4 (0x1001, 0x1, 0x0) NAME\n    a at wrong_ke.c:17: x(2);\n    … 12 more\n\
                    verifier: 26800 bytes of 24576\n";
        let other = "verifier: lock 0xffffb00000012346 in a.sys+0x123, 32 bytes\n\
                     STOP 0xc4 (0x1001, 0x2, 0x3) NAME\n    a at wrong_ke.c:7: x(2);\n    … 2 more\n\
                     verifier: 26810 bytes of 24576\n";
        assert_eq!(same(told), same(other));
        for (old, new) in [
            ("0xc4", "0xc5"),
            ("0x1001", "0x1002"),
            ("32", "33"),
            ("NAME", "OTHER"),
            ("x(2)", "x(3)"),
            ("24576", "24577"),
        ] {
            assert_ne!(same(told), same(&told.replace(old, new)), "{old}");
        }
    }
}
