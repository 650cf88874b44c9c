//! Control codes as people write them: a number, `CTL_CODE(…)` as in C, or a name that a header
//! defines.
//!
//! Source: "Defining I/O Control Codes".

use std::collections::BTreeMap;

use eduwdm_abi::Ioctl;

/// How deep names may lead to names.
const DEPTH: u32 = 16;

/// What `wdm.h` and `devioctl.h` define of it.
const KNOWN: &[(&str, u32)] = &[
    ("METHOD_BUFFERED", 0),
    ("METHOD_IN_DIRECT", 1),
    ("METHOD_OUT_DIRECT", 2),
    ("METHOD_NEITHER", 3),
    ("METHOD_DIRECT_TO_HARDWARE", 1),
    ("METHOD_DIRECT_FROM_HARDWARE", 2),
    ("FILE_ANY_ACCESS", 0),
    ("FILE_SPECIAL_ACCESS", 0),
    ("FILE_READ_ACCESS", 1),
    ("FILE_READ_DATA", 1),
    ("FILE_WRITE_ACCESS", 2),
    ("FILE_WRITE_DATA", 2),
    ("FILE_DEVICE_BEEP", 0x1),
    ("FILE_DEVICE_CD_ROM", 0x2),
    ("FILE_DEVICE_CONTROLLER", 0x4),
    ("FILE_DEVICE_DISK", 0x7),
    ("FILE_DEVICE_FILE_SYSTEM", 0x9),
    ("FILE_DEVICE_KEYBOARD", 0xb),
    ("FILE_DEVICE_MOUSE", 0xf),
    ("FILE_DEVICE_NAMED_PIPE", 0x11),
    ("FILE_DEVICE_NETWORK", 0x12),
    ("FILE_DEVICE_NULL", 0x15),
    ("FILE_DEVICE_PARALLEL_PORT", 0x16),
    ("FILE_DEVICE_PHYSICAL_NETCARD", 0x17),
    ("FILE_DEVICE_PRINTER", 0x18),
    ("FILE_DEVICE_SCANNER", 0x19),
    ("FILE_DEVICE_SERIAL_MOUSE_PORT", 0x1a),
    ("FILE_DEVICE_SERIAL_PORT", 0x1b),
    ("FILE_DEVICE_SCREEN", 0x1c),
    ("FILE_DEVICE_SOUND", 0x1d),
    ("FILE_DEVICE_STREAMS", 0x1e),
    ("FILE_DEVICE_TAPE", 0x1f),
    ("FILE_DEVICE_TRANSPORT", 0x21),
    ("FILE_DEVICE_UNKNOWN", 0x22),
    ("FILE_DEVICE_VIDEO", 0x23),
    ("FILE_DEVICE_VIRTUAL_DISK", 0x24),
    ("FILE_DEVICE_8042_PORT", 0x27),
    ("FILE_DEVICE_BATTERY", 0x29),
    ("FILE_DEVICE_BUS_EXTENDER", 0x2a),
    ("FILE_DEVICE_MODEM", 0x2b),
    ("FILE_DEVICE_MASS_STORAGE", 0x2d),
    ("FILE_DEVICE_KS", 0x2f),
    ("FILE_DEVICE_SMARTCARD", 0x31),
    ("FILE_DEVICE_ACPI", 0x32),
    ("FILE_DEVICE_SERENUM", 0x37),
    ("FILE_DEVICE_VMBUS", 0x3e),
    ("FILE_DEVICE_BIOMETRIC", 0x44),
    ("FILE_DEVICE_GPIO", 0x48),
];

/// The macros of a header: their parameters, if they have any, and what they stand for.
#[derive(Debug, Default)]
pub struct Header(BTreeMap<String, (Vec<String>, String)>);

impl Header {
    /// Reads the definitions of a header, whatever else is in it.
    pub fn read(text: &str) -> Self {
        let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
        let mut macros = BTreeMap::new();
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            let line = without_comments(line);
            let Some(rest) = line.trim().strip_prefix('#') else {
                continue;
            };
            let Some(rest) = rest.trim_start().strip_prefix("define") else {
                continue;
            };
            let rest = rest.trim();
            let length = word_length(rest);
            let (name, body) = rest.split_at(length);
            if name.is_empty() {
                continue;
            }
            let taken = body.strip_prefix('(').and_then(|body| body.split_once(')'));
            let (parameters, body) = taken.map_or_else(
                || (Vec::new(), body),
                |(list, body)| {
                    let list = list.split(',').map(|one| one.trim().to_owned());
                    (list.collect(), body)
                },
            );
            macros.insert(name.to_owned(), (parameters, body.trim().to_owned()));
        }
        Self(macros)
    }

    /// The code that a text stands for.
    ///
    /// # Errors
    ///
    /// What is not understood of it.
    pub fn code(&self, text: &str) -> Result<u32, String> {
        self.value(text.trim(), DEPTH)
    }

    fn value(&self, text: &str, depth: u32) -> Result<u32, String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("“{text}” leads to itself"));
        };
        let terms = split(text, &['|', '+']);
        if terms.len() > 1 {
            let mut values = terms.iter().map(|term| self.value(term, depth));
            // The fields of a code do not overlap, so that both operators say the same.
            return values.try_fold(0_u32, |sum, value| Ok(sum | value?));
        }
        if let Some(inner) = parenthesised(text) {
            return self.value(inner, depth);
        }
        // A cast.
        if let Some((cast, rest)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')'))
            && word_length(cast.trim()) == cast.trim().len()
            && !rest.trim().is_empty()
        {
            return self.value(rest.trim(), depth);
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return literal(text);
        }
        let (name, rest) = text.split_at(word_length(text));
        let arguments = parenthesised(rest.trim()).map(|inner| split(inner, &[',']));
        match (name, arguments) {
            ("", _) => Err(format!("“{text}” is no control code")),
            ("CTL_CODE", Some(fields)) => {
                let [device, function, method, access] = fields.as_slice() else {
                    return Err(format!("“{text}”: CTL_CODE has four fields"));
                };
                let field = |text: &str, most| {
                    let value = self.value(text, depth)?;
                    if value > most {
                        return Err(format!("“{text}” is more than {most:#x}"));
                    }
                    Ok(value)
                };
                Ok((field(device, 0xffff)? << 16)
                    | (field(access, 3)? << 14)
                    | (field(function, 0xfff)? << 2)
                    | field(method, 3)?)
            }
            (name, Some(arguments)) => {
                let Some((parameters, body)) = self.0.get(name) else {
                    return Err(format!("nothing defines “{name}”"));
                };
                if parameters.len() != arguments.len() {
                    return Err(format!("“{name}” has {} parameters", parameters.len()));
                }
                self.value(&substitute(body, parameters, &arguments), depth)
            }
            (name, None) if rest.trim().is_empty() => self.name(name, depth),
            _ => Err(format!("“{text}” is no control code")),
        }
    }

    fn name(&self, name: &str, depth: u32) -> Result<u32, String> {
        if let Some((_, body)) = self.0.get(name) {
            return self.value(body, depth);
        }
        if let Some((_, value)) = KNOWN.iter().find(|(known, _)| *known == name) {
            return Ok(*value);
        }
        let own = Ioctl::ALL
            .iter()
            .find(|own| own.name().eq_ignore_ascii_case(name));
        own.map(|own| own.code()).ok_or_else(|| {
            format!(
                "nothing defines “{name}”: name the header that does with --header, or write \
                 CTL_CODE(…) or a number"
            )
        })
    }
}

fn without_comments(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("/*") {
        text.push_str(before);
        // One that goes on ends what is defined.
        let Some((_, after)) = after.split_once("*/") else {
            return text;
        };
        rest = after;
    }
    text + rest
}

fn word_length(text: &str) -> usize {
    text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(text.len())
}

/// What is in the parentheses around a whole text.
fn parenthesised(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i32;
    for letter in inner.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    (depth == 0).then(|| inner.trim())
}

/// The parts of a text between separators that are in no parentheses.
fn split(text: &str, separators: &[char]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_i32;
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && separators.contains(&letter) => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

fn literal(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let value = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .map_or_else(|| digits.parse(), |hex| u32::from_str_radix(hex, 16));
    value.map_err(|fault| format!("{text}: {fault}"))
}

fn substitute(body: &str, parameters: &[String], arguments: &[String]) -> String {
    let mut text = String::new();
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let length = word_length(rest).max(first.len_utf8());
        let (word, after) = rest.split_at(length);
        let place = parameters.iter().position(|parameter| parameter == word);
        match place.and_then(|place| arguments.get(place)) {
            Some(argument) => {
                text.push('(');
                text.push_str(argument);
                text.push(')');
            }
            None => text.push_str(word),
        }
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_number_a_macro_of_c_or_one_of_the_projects() {
        let none = Header::default();
        assert_eq!(none.code("0x222004"), Ok(0x22_2004));
        let text = "CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)";
        assert_eq!(none.code(text), Ok(0x22_2004));
        let text = "CTL_CODE(0x8ed0, 0x800, METHOD_NEITHER, FILE_READ_DATA | FILE_WRITE_DATA)";
        assert_eq!(
            none.code(text),
            Ok(0x8ed0_0000 | (3 << 14) | (0x800 << 2) | 3)
        );
        assert_eq!(none.code("identify"), Ok(Ioctl::Identify.code()));
    }

    #[test]
    fn a_name_is_looked_up_in_a_header() {
        let header = Header::read(
            "#pragma once\n\
             #define FILE_DEVICE_MINE 0x8001UL /* of ours */\n\
             #define MINE(function, access) \\\n  CTL_CODE(FILE_DEVICE_MINE, function, \\\n  \
             METHOD_OUT_DIRECT, (access))\n\
             # define IOCTL_MINE_GO ((ULONG)MINE(0x802, FILE_WRITE_ACCESS)) // go\n\
             #define LOOP LOOP\n",
        );
        assert_eq!(
            header.code("IOCTL_MINE_GO"),
            Ok(0x8001_0000 | (2 << 14) | (0x802 << 2) | 2)
        );
        assert!(header.code("LOOP").unwrap_err().contains("itself"));
    }

    #[test]
    fn what_is_no_code_is_refused_with_what_is_wrong() {
        let none = Header::default();
        for (wrong, words) in [
            ("", "no control code"),
            ("IOCTL_FOREIGN", "--header"),
            ("CTL_CODE(1,2,3)", "four fields"),
            ("CTL_CODE(1,0x1000,0,0)", "more than 0xfff"),
            ("12x", "12x"),
            ("MACRO(1)", "nothing defines"),
        ] {
            let fault = none.code(wrong).unwrap_err();
            assert!(fault.contains(words), "{wrong}: {fault}");
        }
    }
}
