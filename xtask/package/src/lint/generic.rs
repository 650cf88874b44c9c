//! The rules that hold for every directive: its values are there, and are what they must be;
//! the sections it names exist and are of one kind.

use super::grammar::{TABLE, directives};
use super::kind::{Directive, Form, Kind, Slot};
use super::{rules, sddl};
use crate::inf::decoration::number;
use crate::inf::driver_version::Version;
use crate::inf::guid::is_guid;
use crate::inf::{Entry, Section};

use super::walk::Walk;

rules! {
    SECTION_NAME_MISSING = 1005 "section-name" Error,
        "a directive that refers to a section must name it", "name the section";
    VALUE_MISSING = 1006 "no-value" Error,
        "a directive must have its value", "write the value, or remove the directive";
    GUID = 1019 "guid" Error,
        "a GUID is written {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}", "write the GUID in full, with its braces";
    ARGUMENT_MISSING = 1080 "argument-missing" Error,
        "a directive must have each value that its syntax requires", "write the missing value";
    ARGUMENT_INVALID = 1081 "argument-invalid" Error,
        "a directive's value must be one that its syntax allows", "write one of the documented values";
    ARGUMENT_MALFORMED = 1082 "argument-malformed" Error,
        "a directive's value must have its documented form", "correct the value's form";
    FLAG_INVALID = 1083 "flag-invalid" Error,
        "only documented flags may be set", "remove the flag";
    INCOMPLETE = 1085 "directive-incomplete" Error,
        "a directive must not end before its required values", "write the missing values";
    REPEATED = 1088 "directive-repeated" Error,
        "a directive that can take effect once may stand once", "keep the one that is meant";
    EXTRA = 1201 "extra-value" Warning,
        "values after the last that a directive takes are ignored", "remove them, or quote a comma that belongs to the value";
    NOT_FOUND = 1203 "section-not-found" Error,
        "a section that is referred to must exist", "add the section, or correct its name";
    TWO_DIRECTIVES = 1205 "section-of-two-directives" Warning,
        "file lists and registry lists should each serve one directive", "give each directive a section of its own";
    WRONG_KIND = 1206 "section-of-two-kinds" Error,
        "a section may not serve directives that read it differently", "give each directive a section of its own";
    UNKNOWN = 1290 "directive-unknown" Error,
        "a section may only hold directives that it knows", "correct the directive's name, or move it to its section";
    UNUSED = 2083 "section-unused" Warning,
        "a section that nothing refers to has no effect", "refer to it, or remove it";
    NOT_PERMITTED = 2402 "directive-elsewhere" Error,
        "a directive of one section may not stand in another", "move it to a section that takes it";
}

/// Checks one entry of a section that holds directives, and follows its references.
pub fn entry<'d>(walk: &mut Walk<'d>, section: &'d Section, kind: Kind, entry: &'d Entry) {
    let Some(known) = directives(kind) else {
        return;
    };
    // A directive without a value, such as `Reboot`, is a value without a key to the grammar.
    let name = entry
        .key
        .as_ref()
        .map_or_else(|| entry.value(0), |key| key.text.as_str());
    let Some(directive) = known.iter().find(|d| d.key.eq_ignore_ascii_case(name)) else {
        let elsewhere = TABLE
            .iter()
            .flat_map(|(_, directives)| *directives)
            .any(|d| d.key.eq_ignore_ascii_case(name));
        if !elsewhere && walk.has_own_directives() {
            return;
        }
        let rule = if elsewhere { &NOT_PERMITTED } else { &UNKNOWN };
        walk.find(rule, entry.line, format!("{name} in [{}]", section.name));
        return;
    };
    let first = section
        .entries
        .iter()
        .find(|other| other.is(directive.key))
        .map_or(entry.line, |other| other.line);
    if directive.once && first != entry.line {
        walk.find(
            &REPEATED,
            entry.line,
            format!("{name} again in [{}], first on line {first}", section.name),
        );
    }
    if directive.slots.is_empty() {
        return;
    }
    missing(walk, directive, entry);
    for (index, value) in entry.values.iter().enumerate() {
        let slot = match directive.slots.get(index) {
            Some(slot) => slot,
            None if directive.more => &directive.slots[directive.slots.len() - 1],
            None => {
                walk.find(&EXTRA, entry.line, format!("{name}: \"{}\"", value.text));
                continue;
            }
        };
        if !value.text.is_empty() {
            self::value(walk, directive, slot, &value.text, entry.line);
        }
    }
}

fn missing(walk: &mut Walk<'_>, directive: &Directive, entry: &Entry) {
    let name = directive.key;
    let absent: Vec<&Slot> = directive
        .slots
        .iter()
        .enumerate()
        .filter(|(index, slot)| slot.required && entry.value(*index).is_empty())
        .map(|(_, slot)| slot)
        .collect();
    let names = |slots: &[&Slot]| -> String {
        slots
            .iter()
            .map(|slot| slot.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match absent.as_slice() {
        [] => {}
        [only] if matches!(only.form, Form::Section(_) | Form::FilesOrSection) => {
            walk.find(
                &SECTION_NAME_MISSING,
                entry.line,
                format!("{name} names no {}", only.name),
            );
        }
        all if all.len() == 1 && directive.slots.len() == 1 => {
            walk.find(&VALUE_MISSING, entry.line, format!("{name} has no value"));
        }
        [only] => walk.find(
            &ARGUMENT_MISSING,
            entry.line,
            format!("{name} has no {}", only.name),
        ),
        all => walk.find(
            &INCOMPLETE,
            entry.line,
            format!("{name} has no {}", names(all)),
        ),
    }
}

fn value(walk: &mut Walk<'_>, directive: &Directive, slot: &Slot, text: &str, line: u32) {
    let invalid = format!("{}: {} \"{text}\"", directive.key, slot.name);
    match slot.form {
        // Paths have rules of their own.
        Form::Text | Form::Path => {}
        Form::Section(kind) => walk.refer(text, kind, directive.key, line),
        Form::FilesOrSection => {
            if !text.starts_with('@') {
                walk.refer(text, Kind::CopyFiles, directive.key, line);
            }
        }
        Form::Guid => {
            if !is_guid(text) {
                walk.find(&GUID, line, invalid);
            }
        }
        Form::Number => {
            if long(text).is_none() {
                walk.find(&ARGUMENT_INVALID, line, invalid);
            }
        }
        Form::OneOf(allowed) => {
            if !number(text).is_some_and(|n| allowed.contains(&n)) {
                walk.find(&ARGUMENT_INVALID, line, invalid);
            }
        }
        Form::Word(allowed) => {
            if !allowed.iter().any(|word| word.eq_ignore_ascii_case(text)) {
                walk.find(&ARGUMENT_INVALID, line, invalid);
            }
        }
        Form::Flags(mask) => match number(text) {
            None => walk.find(&ARGUMENT_INVALID, line, invalid),
            Some(flags) if flags & !mask != 0 => {
                walk.find(
                    &FLAG_INVALID,
                    line,
                    format!("{}: 0x{:x}", directive.key, flags & !mask),
                );
            }
            Some(_) => {}
        },
        Form::Sddl => {
            if let Err(error) = sddl::check(text) {
                walk.find(
                    &ARGUMENT_MALFORMED,
                    line,
                    format!("{}: {error}", directive.key),
                );
            }
        }
        Form::Version => {
            if Version::parse(text).is_none() {
                walk.find(&super::version::DRIVER_VERSION, line, invalid);
            }
        }
    }
}

/// A number of up to 64 bits, in decimal or after `0x` in hexadecimal.
#[must_use]
pub fn long(text: &str) -> Option<u64> {
    let lower = text.to_lowercase();
    lower.strip_prefix("0x").map_or_else(
        || lower.parse().ok(),
        |hex| u64::from_str_radix(hex, 16).ok(),
    )
}
