//! What the scripts in the machine tell the host, a line each on the first serial port:
//! `@eduwdm step verify`, `@eduwdm log …`, `@eduwdm done 6`. Anything else on the port is not of
//! them. What they found is on the package's disk; `done` says that it is there.

/// How every line of the scripts begins.
const MARK: &str = "@eduwdm ";

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A step begins.
    Step(String),
    /// What a program has printed.
    Log(String),
    /// The end, with the exit code of what was done.
    Done(u32),
}

impl Line {
    /// Reads a line, with or without noise before the mark.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(MARK)?;
        let rest: String = rest.chars().filter(|c| !c.is_control()).collect();
        let (kind, value) = rest.split_once(' ').unwrap_or((&rest, ""));
        match kind {
            "step" if !value.is_empty() => Some(Self::Step(value.trim().to_owned())),
            "log" => Some(Self::Log(value.to_owned())),
            "done" => value.trim().parse().ok().map(Self::Done),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_noise_is_not() {
        for (text, line) in [
            (
                "@eduwdm step verify\r",
                Some(Line::Step("verify".to_owned())),
            ),
            ("\u{1b}[2J@eduwdm done 3010\r", Some(Line::Done(3010))),
            (
                "@eduwdm log [done]  a\u{7}b",
                Some(Line::Log("[done]  ab".to_owned())),
            ),
            ("@eduwdm log", Some(Line::Log(String::new()))),
            ("@eduwdm done", None),
            ("@eduwdm done -1", None),
            ("@eduwdm done soon", None),
            ("@eduwdm step", None),
            ("@eduwdm other x", None),
            ("eduwdm step x", None),
            ("", None),
        ] {
            assert_eq!(Line::parse(text), line, "{text:?}");
        }
    }
}
