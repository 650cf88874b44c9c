//! Writes date and version into a file, as `stampinf` does: `DriverVer` of `[Version]` alone,
//! and nothing else of the text.

use thiserror::Error;

use super::driver_version::{Date, Version};

/// A file that cannot be stamped.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StampError {
    /// There is nothing to replace.
    #[error("[Version] has no DriverVer")]
    NoDriverVersion,
}

/// Replaces the value of `DriverVer`. A comment on its line stays.
///
/// # Errors
/// Where the file has no `DriverVer` in `[Version]`.
pub fn stamp(text: &str, date: Date, version: Version) -> Result<String, StampError> {
    let mut inside = false;
    let mut stamped = String::with_capacity(text.len() + 16);
    let mut done = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(header) = trimmed.strip_prefix('[') {
            inside = header
                .split_once(']')
                .is_some_and(|(name, _)| name.eq_ignore_ascii_case("Version"));
        }
        let key = trimmed.split_once('=').map(|(key, _)| key.trim());
        if inside && !done && key.is_some_and(|key| key.eq_ignore_ascii_case("DriverVer")) {
            let (before, after) = line.split_once('=').unwrap_or((line, ""));
            let end = after.find(';').unwrap_or_else(|| after.trim_end().len());
            let value = &after[..end];
            let gap = &value[value.trim_end().len()..];
            stamped.extend([
                before,
                "= ",
                &format!("{date},{version}"),
                gap,
                &after[end..],
            ]);
            done = true;
        } else {
            stamped.push_str(line);
        }
    }
    done.then_some(stamped).ok_or(StampError::NoDriverVersion)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Date = Date {
        year: 2026,
        month: 3,
        day: 9,
    };
    const VERSION: Version = Version([1, 2, 3, 0]);

    #[test]
    fn only_the_value_changes() {
        let text =
            "[Version]\r\nDriverVer   = 01/01/2000,0.0.0.1 ; stamped\r\n[a]\r\nDriverVer = x\r\n";
        assert_eq!(
            stamp(text, DATE, VERSION).unwrap(),
            "[Version]\r\nDriverVer   = 03/09/2026,1.2.3.0 ; stamped\r\n[a]\r\nDriverVer = x\r\n"
        );
        assert_eq!(
            stamp("[version]\ndriverver=", DATE, VERSION).unwrap(),
            "[version]\ndriverver= 03/09/2026,1.2.3.0"
        );
    }

    #[test]
    fn a_file_without_it_is_refused() {
        assert_eq!(
            stamp("[a]\nDriverVer=x\n", DATE, VERSION),
            Err(StampError::NoDriverVersion)
        );
    }
}
