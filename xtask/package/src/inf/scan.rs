//! From text to sections and entries: line format, continuation, quoting and comments.
//!
//! Source: "General Syntax Rules for INF Files". The points that decide:
//! - a semicolon begins a comment, unless it stands in quotation marks or in a `%token%`;
//! - a backslash that ends a line (a comment may follow) joins the next line to it;
//! - two quotation marks inside a quoted string are one;
//! - a field has at most 4095 characters, a section's name at most 255.

use super::{Document, Entry, Field, Section, SyntaxError};

/// The most characters of a field; the documented 4096 count the terminating NUL.
pub const MAX_FIELD: usize = 4095;
/// The most characters of a section's name.
pub const MAX_SECTION_NAME: usize = 255;

struct Scanner<'t> {
    lines: Vec<&'t str>,
    next: usize,
    document: Document,
}

/// Reads the lines of a file. String tokens are left as they are.
#[must_use]
pub fn scan(text: &str) -> Document {
    let lines = lines(text);
    let mut scanner = Scanner {
        document: Document {
            lines: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            ..Document::default()
        },
        lines,
        next: 0,
    };
    while scanner.next < scanner.lines.len() {
        scanner.line();
    }
    scanner.document
}

/// The lines of a text. CR LF, LF and CR alone end a line; a Ctrl-Z at the end is DOS's mark for
/// the end of a text.
fn lines(text: &str) -> Vec<&str> {
    let text = text.strip_suffix('\u{1a}').unwrap_or(text);
    text.lines().flat_map(|line| line.split('\r')).collect()
}

impl Scanner<'_> {
    fn number(&self) -> u32 {
        u32::try_from(self.next + 1).unwrap_or(u32::MAX)
    }

    fn fault(&mut self, line: u32, message: impl Into<String>) {
        self.document.errors.push(SyntaxError {
            line,
            message: message.into(),
        });
    }

    fn line(&mut self) {
        let line = self.lines[self.next];
        let number = self.number();
        if let Some(bad) = line.chars().find(|c| c.is_ascii_control() && *c != '\t') {
            self.fault(
                number,
                format!("control character U+{:04X}", u32::from(bad)),
            );
            self.next += 1;
            return;
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(';') {
            self.next += 1;
        } else if let Some(rest) = trimmed.strip_prefix('[') {
            self.header(number, rest);
            self.next += 1;
        } else if self.document.sections.is_empty() {
            // Windows passes over what stands before the first section.
            self.next += 1;
        } else {
            self.entry(number);
        }
    }

    fn header(&mut self, number: u32, rest: &str) {
        let Some((name, after)) = rest.split_once(']') else {
            self.fault(number, "a section's name has no closing bracket");
            return;
        };
        if name.is_empty() {
            self.fault(number, "a section has no name");
            return;
        }
        if name.chars().count() > MAX_SECTION_NAME {
            self.fault(number, "a section's name is longer than 255 characters");
        }
        let after = after.trim();
        if !after.is_empty() && !after.starts_with(';') {
            self.fault(number, format!("\"{after}\" after a section's name"));
        }
        self.document.sections.push(Section {
            name: name.trim_matches('"').to_owned(),
            line: number,
            entries: Vec::new(),
        });
    }

    fn entry(&mut self, number: u32) {
        let (key, values) = self.fields(number);
        for field in key.iter().chain(&values) {
            if field.raw.chars().count() > MAX_FIELD {
                self.fault(number, "a field is longer than 4095 characters");
            }
        }
        if let Some(section) = self.document.sections.last_mut() {
            section.entries.push(Entry {
                line: number,
                key,
                values,
            });
        }
    }

    /// Reads one entry, over as many lines as it has, and leaves `next` after it.
    fn fields(&mut self, number: u32) -> (Option<Field>, Vec<Field>) {
        let mut key = None;
        let mut values = Vec::new();
        let mut field = Building::default();
        loop {
            let line = self.lines[self.next];
            self.next += 1;
            let mut quoted = false;
            let mut continued = false;
            let mut rest = line;
            while let Some(c) = rest.chars().next() {
                let after = &rest[c.len_utf8()..];
                rest = after;
                match c {
                    '"' if quoted && after.starts_with('"') => {
                        field.push_quoted('"');
                        rest = &after[1..];
                    }
                    '"' => {
                        quoted = !quoted;
                        field.quote();
                    }
                    _ if quoted => field.push_quoted(c),
                    ';' => break,
                    '%' => {
                        field.push(c);
                        // Up to its end, a token is taken as it stands.
                        if let Some(end) = after.find('%') {
                            after[..=end].chars().for_each(|c| field.push(c));
                            rest = &after[end + 1..];
                        }
                    }
                    '\\' if ends_line(after) => {
                        continued = true;
                        break;
                    }
                    '=' if key.is_none() && values.is_empty() => key = Some(field.finish()),
                    ',' => values.push(field.finish()),
                    _ => field.push(c),
                }
            }
            if quoted {
                self.fault(number, "a quoted string does not end on its line");
            }
            if !continued {
                break;
            }
            if self.next >= self.lines.len() {
                self.fault(number, "a line is continued, but the file ends");
                break;
            }
        }
        values.push(field.finish());
        while values.last().is_some_and(|v| v.raw.is_empty() && !v.quoted) {
            values.pop();
        }
        (key, values)
    }
}

/// Whether nothing but white space or a comment follows.
fn ends_line(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with(';')
}

/// A field while its characters come in: white space around it is dropped, unless quoted.
#[derive(Default)]
struct Building {
    text: String,
    /// Bytes of `text` that a later trim must keep, because they were quoted.
    keep: usize,
    started: bool,
    quoted: bool,
}

impl Building {
    fn push(&mut self, c: char) {
        if self.started || !c.is_whitespace() {
            self.started = true;
            self.text.push(c);
        }
    }

    fn push_quoted(&mut self, c: char) {
        self.started = true;
        self.text.push(c);
        self.keep = self.text.len();
    }

    fn quote(&mut self) {
        self.started = true;
        self.quoted = true;
    }

    fn finish(&mut self) -> Field {
        let built = std::mem::take(self);
        let end = built.keep + built.text[built.keep..].trim_end().len();
        let raw = built.text[..end].to_owned();
        Field {
            text: raw.clone(),
            raw,
            quoted: built.quoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        let document = scan(&format!("[s]\n{text}"));
        assert_eq!(document.errors, [], "{text}");
        document.sections[0].entries[0].clone()
    }

    fn texts(entry: &Entry) -> Vec<&str> {
        entry.values.iter().map(|v| v.raw.as_str()).collect()
    }

    #[test]
    fn commas_separate_values_and_the_first_equals_sign_ends_the_key() {
        let read = entry("AddService = eduwdm, 2 ,, a=b");
        assert_eq!(read.key(), "AddService");
        assert_eq!(texts(&read), ["eduwdm", "2", "", "a=b"]);
        let read = entry("HKR,,Name,,x=y");
        assert_eq!(read.key, None);
        assert_eq!(texts(&read), ["HKR", "", "Name", "", "x=y"]);
    }

    #[test]
    fn comments_end_a_line_but_not_inside_quotes_or_tokens() {
        assert_eq!(texts(&entry("a = b ; c, d")), ["b"]);
        assert_eq!(texts(&entry("a = \"b ; c\", d")), ["b ; c", "d"]);
        assert_eq!(texts(&entry("a = %b;c%, d")), ["%b;c%", "d"]);
    }

    #[test]
    fn quotes_keep_white_space_commas_and_doubled_quotes() {
        assert_eq!(texts(&entry("a = \"  b, \" , c")), ["  b, ", "c"]);
        assert_eq!(texts(&entry("a = \"say \"\"x\"\"\"")), ["say \"x\""]);
        assert_eq!(
            texts(&entry("a = \"\"\"%13%\\a b.sys\"\"\"")),
            ["\"%13%\\a b.sys\""]
        );
    }

    #[test]
    fn a_backslash_at_the_end_continues_unless_quoted() {
        assert_eq!(texts(&entry("a = b,\\ ; first\n c")), ["b", "c"]);
        assert_eq!(texts(&entry("a = \"Dir\\\"\\\n,File")), ["Dir\\", "File"]);
        assert_eq!(texts(&entry("a = \"Dir\\\"\n")), ["Dir\\"]);
    }

    #[test]
    fn empty_fields_at_the_end_are_dropped_and_quoted_ones_stay() {
        assert_eq!(texts(&entry("a = b,,")), ["b"]);
        assert_eq!(texts(&entry("a = b,\"\"")), ["b", ""]);
    }

    #[test]
    fn faults_have_their_lines() {
        let faults =
            |text: &str| -> Vec<u32> { scan(text).errors.iter().map(|e| e.line).collect() };
        assert_eq!(faults("[a]\nb = \"c\n"), [2], "open quote");
        assert_eq!(
            faults("/*++\n[a]\n"),
            [0; 0],
            "text before the first section"
        );
        assert_eq!(faults("[a\n"), [1], "open bracket");
        assert_eq!(faults("[a] b\n"), [1], "text after a name");
        assert_eq!(faults("[a]\n\nb = \\\n"), [3], "continued into nothing");
        assert_eq!(faults("[a]\nb = \u{1}\n"), [2], "control character");
        assert_eq!(faults("[a]\rb = c\r\r\nd = e\n\u{1a}"), [0; 0], "line ends");
        assert_eq!(
            faults(&format!("[{}]\n", "x".repeat(256))),
            [1],
            "long name"
        );
        assert_eq!(
            faults(&format!("[a]\nb={}\n", "x".repeat(4096))),
            [2],
            "long field"
        );
    }
}
