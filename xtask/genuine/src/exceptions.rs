//! `cross/genuine/exceptions.tsv`: what cannot be compared or may differ, and why. One that
//! nothing needs any more is an error, so that the list stays true.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use crate::{Fault, read};

/// What an exception is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A record, routine or enumerator that the tables do not have.
    Absent,
    /// A field that the genuine headers do not have (`record.field`), a record's size, an
    /// enumerator's value.
    Bindings,
    /// The same, of nthost.
    Kernel,
    /// A routine of nthost.
    KernelRoutine,
    /// A number in which the versions of the WDK differ.
    Versions,
}

impl About {
    /// All that an exception can be about.
    pub const ALL: [Self; 5] = [
        Self::Absent,
        Self::Bindings,
        Self::Kernel,
        Self::KernelRoutine,
        Self::Versions,
    ];
}

/// One line of the list.
#[derive(Clone, Debug)]
struct Exception {
    about: About,
    /// A name; `*` at its end stands for anything.
    name: String,
}

/// The list, and which lines have been needed.
#[derive(Debug)]
pub struct Exceptions {
    list: Vec<Exception>,
    needed: RefCell<BTreeSet<usize>>,
}

impl Exceptions {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// If it is not there, or a line has no reason.
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let path = folder.join("exceptions.tsv");
        let text = read(&path)?;
        Self::parse(&text).map_err(|what| Fault::Content { path, what })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut list = Vec::new();
        for line in text.lines().skip(1) {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_default().trim();
            let about = match next() {
                "absent" => About::Absent,
                "bindings" => About::Bindings,
                "kernel" => About::Kernel,
                "kernel-routine" => About::KernelRoutine,
                "versions" => About::Versions,
                other => return Err(format!("{other:?} is nothing that an exception is about")),
            };
            let name = next().to_owned();
            if next().is_empty() {
                return Err(format!("{name}: no reason"));
            }
            list.push(Exception { about, name });
        }
        Ok(Self {
            list,
            needed: RefCell::default(),
        })
    }

    /// Whether there is an exception for this name.
    pub fn cover(&self, about: About, name: &str) -> bool {
        let mut covered = false;
        for (index, exception) in self.list.iter().enumerate() {
            let matches = exception.name.strip_suffix('*').map_or_else(
                || exception.name == name,
                |beginning| name.starts_with(beginning),
            );
            if exception.about == about && matches {
                self.needed.borrow_mut().insert(index);
                covered = true;
            }
        }
        covered
    }

    /// The exceptions about these that nothing has needed.
    #[must_use]
    pub fn unneeded(&self, about: &[About]) -> Vec<String> {
        let needed = self.needed.borrow();
        self.list
            .iter()
            .enumerate()
            .filter(|(index, exception)| {
                about.contains(&exception.about) && !needed.contains(index)
            })
            .map(|(_, exception)| format!("{}: nothing needs this exception", exception.name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_covers_its_name_and_is_needed_by_that() {
        let text = "about\tname\treason\nabsent\tA\twhy\nkernel\tB.*\twhy\n";
        let exceptions = Exceptions::parse(text).unwrap();
        assert!(exceptions.cover(About::Absent, "A"));
        assert!(!exceptions.cover(About::Absent, "AB"));
        assert!(!exceptions.cover(About::Bindings, "A"));
        assert_eq!(exceptions.unneeded(&About::ALL).len(), 1);
        assert!(exceptions.cover(About::Kernel, "B.c"));
        assert_eq!(exceptions.unneeded(&About::ALL), [""; 0]);
    }

    #[test]
    fn a_line_of_any_kind_that_nothing_needs_is_told() {
        let kinds = ["absent", "bindings", "kernel", "kernel-routine", "versions"];
        for (kind, about) in kinds.into_iter().zip(About::ALL) {
            let text = format!("head\n{kind}\tA\twhy\n");
            let exceptions = Exceptions::parse(&text).unwrap();
            let unneeded = ["A: nothing needs this exception"];
            assert_eq!(exceptions.unneeded(&About::ALL), unneeded, "{kind}");
            assert!(exceptions.cover(about, "A"), "{kind}");
            assert_eq!(exceptions.unneeded(&About::ALL), [""; 0], "{kind}");
        }
    }

    #[test]
    fn an_exception_without_a_reason_is_none() {
        assert!(Exceptions::parse("head\nabsent\tA\t\n").is_err());
        assert!(Exceptions::parse("head\nelse\tA\twhy\n").is_err());
    }
}
