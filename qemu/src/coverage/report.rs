//! Lines and branches of a module's sources, and which of them ran: as a table, and as LCOV's
//! tracefile, from which `genhtml` makes pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    path::Path,
};

use super::Module;
use crate::symbols::Symbols;

/// What ran of the sources of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// By file, as it is told: relative to the folder that was asked for.
    pub files: BTreeMap<String, FileLines>,
}

/// What ran of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileLines {
    /// The lines that have code, and whether they ran.
    pub lines: BTreeMap<u32, bool>,
    /// The branches of each line: whether they were not taken, and taken.
    pub branches: BTreeMap<u32, Vec<[bool; 2]>>,
}

impl FileLines {
    fn ran(&self) -> usize {
        self.lines.values().filter(|&&ran| ran).count()
    }

    fn missed(&self) -> Vec<u32> {
        let missed = self.lines.iter().filter(|&(_, &ran)| !ran);
        missed.map(|(&line, _)| line).collect()
    }

    /// How many ways out of branches there are, and how many were gone.
    fn ways(&self) -> [usize; 2] {
        let ways = self.branches.values().flatten().flatten();
        let (mut all, mut gone) = (0, 0);
        for &way in ways {
            all += 1;
            gone += usize::from(way);
        }
        [all, gone]
    }
}

impl Report {
    /// Tells what ran of a module by its symbols, of files in `folder` alone.
    #[must_use]
    pub fn new(name: &str, module: &Module, symbols: &Symbols, folder: &Path) -> Self {
        let mut ran = BTreeSet::new();
        for (&offset, &length) in &module.instructions {
            ran.extend(offset..offset + u64::from(length));
        }
        let mut report = Self::default();
        let places = symbols.lines(name, module.length);
        for (&offset, lines) in &places {
            for (file, line) in lines {
                let Some(file) = within(file, folder).filter(|_| *line != 0) else {
                    // Line 0 is the compiler's: what it has made belongs to no line.
                    continue;
                };
                let lines = &mut report.files.entry(file).or_default().lines;
                *lines.entry(*line).or_default() |= ran.contains(&offset);
            }
        }
        for (&offset, &target) in &module.branches {
            let length = module.instructions.get(&offset).copied().unwrap_or(0);
            let next = offset + u64::from(length);
            // The innermost of what was inlined: the branch is there in the source.
            let innermost = places.get(&offset).and_then(|lines| lines.first());
            let Some((file, line)) = innermost else {
                continue;
            };
            if let Some(file) = within(file, folder) {
                let ways = [next, target].map(|way| module.blocks.contains(&way));
                let branches = &mut report.files.entry(file).or_default().branches;
                branches.entry(*line).or_default().push(ways);
            }
        }
        report
    }

    /// Lines that have code, and those that ran.
    #[must_use]
    pub fn lines(&self) -> [usize; 2] {
        let sum = |of: fn(&FileLines) -> usize| self.files.values().map(of).sum();
        [sum(|file| file.lines.len()), sum(FileLines::ran)]
    }

    /// LCOV's tracefile (the manual page geninfo(1)).
    #[must_use]
    pub fn lcov(&self, folder: &Path) -> String {
        let mut text = String::new();
        for (name, file) in &self.files {
            let _ = writeln!(text, "SF:{}", folder.join(name).display());
            for (line, branches) in &file.branches {
                for (number, ways) in branches.iter().enumerate() {
                    for (way, gone) in ways.iter().enumerate() {
                        let _ = writeln!(text, "BRDA:{line},{number},{way},{}", u8::from(*gone));
                    }
                }
            }
            let [ways, gone] = file.ways();
            let _ = writeln!(text, "BRF:{ways}\nBRH:{gone}");
            for (line, ran) in &file.lines {
                let _ = writeln!(text, "DA:{line},{}", u8::from(*ran));
            }
            let _ = writeln!(
                text,
                "LF:{}\nLH:{}\nend_of_record",
                file.lines.len(),
                file.ran()
            );
        }
        text
    }
}

/// A file's name in a folder, if it lies there.
fn within(file: &str, folder: &Path) -> Option<String> {
    let file = file.replace('\\', "/");
    let inner = Path::new(&file).strip_prefix(folder).ok()?;
    // What a build has generated is nobody's source.
    (!inner.starts_with("target")).then(|| inner.display().to_string())
}

/// Numbers, with neighbors told as a range: `3, 7-9`.
fn ranges(lines: &[u32]) -> String {
    let mut ranges: Vec<[u32; 2]> = Vec::new();
    for &line in lines {
        match ranges.last_mut() {
            Some([_, last]) if *last + 1 == line => *last = line,
            _ => ranges.push([line, line]),
        }
    }
    let told = ranges.iter().map(|[first, last]| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    part as f64 * 100.0 / whole as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44} {:>6} {:>6} {:>6}  lines that did not run",
            "file", "lines", "ran", "%"
        )?;
        let mut ways = [0, 0];
        for (name, file) in &self.files {
            let (all, ran) = (file.lines.len(), file.ran());
            let missed = ranges(&file.missed());
            writeln!(
                f,
                "{name:<44} {all:>6} {ran:>6} {:>6.1}  {missed}",
                percent(ran, all)
            )?;
            let [all, gone] = file.ways();
            ways = [ways[0] + all, ways[1] + gone];
        }
        let [all, ran] = self.lines();
        writeln!(
            f,
            "{:<44} {all:>6} {ran:>6} {:>6.1}",
            "all lines",
            percent(ran, all)
        )?;
        let [all, gone] = ways;
        writeln!(
            f,
            "{:<44} {all:>6} {gone:>6} {:>6.1}",
            "ways out of branches that were reached",
            percent(gone, all)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let file = FileLines {
            lines: BTreeMap::from([(3, false), (5, true), (7, false), (8, false)]),
            branches: BTreeMap::from([(5, vec![[true, false]])]),
        };
        Report {
            files: BTreeMap::from([("src/a.rs".to_owned(), file)]),
        }
    }

    #[test]
    fn a_table_tells_the_lines_that_did_not_run() {
        let table = report().to_string();
        assert!(table.contains("3, 7-8"), "{table}");
        assert!(table.contains("all lines"), "{table}");
        assert_eq!(report().lines(), [4, 1]);
    }

    #[test]
    fn a_tracefile_has_each_line_and_each_way_out_of_a_branch() {
        let text = report().lcov(Path::new("/p"));
        let expected = "SF:/p/src/a.rs\nBRDA:5,0,0,1\nBRDA:5,0,1,0\nBRF:2\nBRH:1\nDA:3,0\nDA:5,1\n\
                        DA:7,0\nDA:8,0\nLF:4\nLH:1\nend_of_record\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn files_of_elsewhere_are_left_out() {
        let folder = Path::new("/p");
        assert_eq!(within("/p/src/a.rs", folder).as_deref(), Some("src/a.rs"));
        assert_eq!(within("/p\\src\\a.rs", folder).as_deref(), Some("src/a.rs"));
        assert_eq!(within("/p/target/out/types.rs", folder), None);
        assert_eq!(within("/rustc/library/core/src/lib.rs", folder), None);
    }
}
