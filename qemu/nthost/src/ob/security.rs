//! Who may open a device: the access-control list of a security descriptor in SDDL, checked
//! against a caller as an access check does (the reference's "SDDL for Device Objects").
//!
//! Simplified: a caller is an administrator or another user; other SIDs match nobody, and there
//! are no owners, audits, privileges or inheritance.

use alloc::vec::Vec;

use nthost_nt::{
    io::create::{
        FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, GENERIC_ALL,
        GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE, MAXIMUM_ALLOWED,
    },
    status::{NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INVALID_SECURITY_DESCR},
};
use nthost_protocol::Token;

/// What the generic rights stand for on a device: its files' specific rights.
#[must_use]
pub const fn map_generic(access: u32) -> u32 {
    let mut mapped = access & !(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);
    if access & GENERIC_READ != 0 {
        mapped |= FILE_GENERIC_READ;
    }
    if access & GENERIC_WRITE != 0 {
        mapped |= FILE_GENERIC_WRITE;
    }
    if access & GENERIC_EXECUTE != 0 {
        mapped |= FILE_GENERIC_EXECUTE;
    }
    if access & GENERIC_ALL != 0 {
        mapped |= FILE_ALL_ACCESS;
    }
    mapped
}

/// Whom an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trustee {
    /// `WD`, `AU`, `BU`, `IU`: every caller there is.
    Everyone,
    /// `BA`.
    Administrators,
    /// `SY` and any other: no caller.
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    allow: bool,
    mask: u32,
    trustee: Trustee,
}

/// A discretionary access-control list. An empty one admits nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dacl(Vec<Entry>);

impl Dacl {
    /// Reads the `D:` part of a descriptor such as `D:P(A;;GA;;;SY)(A;;GA;;;BA)`.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_SECURITY_DESCR` for what is no SDDL of this form.
    pub fn from_sddl(text: &str) -> Result<Self, NTSTATUS> {
        let list = text
            .split_once("D:")
            .map(|(_, list)| list)
            .ok_or(STATUS_INVALID_SECURITY_DESCR)?;
        let begin = list.find('(').unwrap_or(list.len());
        let (flags, mut entries) = list.split_at(begin);
        if !matches!(flags, "" | "P" | "PAI" | "AI") {
            return Err(STATUS_INVALID_SECURITY_DESCR);
        }
        let mut dacl = Vec::new();
        while let Some(inner) = entries.strip_prefix('(') {
            let (entry, rest) = inner.split_once(')').ok_or(STATUS_INVALID_SECURITY_DESCR)?;
            dacl.push(entry_from_sddl(entry)?);
            entries = rest;
        }
        if entries.is_empty() || entries.starts_with("S:") {
            Ok(Self(dacl))
        } else {
            Err(STATUS_INVALID_SECURITY_DESCR)
        }
    }

    /// The access that a caller gets: what it asks for, as specific rights. The kernel itself
    /// does not ask.
    ///
    /// # Errors
    ///
    /// `STATUS_ACCESS_DENIED` if any of it is denied or not allowed.
    pub fn check(&self, token: Token, desired: u32) -> Result<u32, NTSTATUS> {
        let (mut allowed, mut denied) = (0, 0);
        let concerned = self.0.iter().filter(|entry| match entry.trustee {
            Trustee::Everyone => true,
            Trustee::Administrators => token == Token::Administrator,
            Trustee::Nobody => false,
        });
        for entry in concerned {
            if entry.allow {
                allowed |= entry.mask & !denied;
            } else {
                denied |= entry.mask & !allowed;
            }
        }
        let wanted = map_generic(desired & !MAXIMUM_ALLOWED);
        if wanted & !allowed != 0 || allowed == 0 {
            Err(STATUS_ACCESS_DENIED)
        } else if desired & MAXIMUM_ALLOWED != 0 {
            Ok(allowed)
        } else {
            Ok(wanted)
        }
    }
}

/// One entry, without its parentheses: type; flags; rights; two object GUIDs; trustee.
fn entry_from_sddl(entry: &str) -> Result<Entry, NTSTATUS> {
    let mut parts = entry.split(';');
    let mut part = || parts.next().ok_or(STATUS_INVALID_SECURITY_DESCR);
    let allow = match part()? {
        "A" => true,
        "D" => false,
        _ => return Err(STATUS_INVALID_SECURITY_DESCR),
    };
    part()?;
    let mask = rights(part()?)?;
    part()?;
    part()?;
    let trustee = match part()? {
        "WD" | "AU" | "BU" | "IU" => Trustee::Everyone,
        "BA" => Trustee::Administrators,
        "" => return Err(STATUS_INVALID_SECURITY_DESCR),
        _ => Trustee::Nobody,
    };
    Ok(Entry {
        allow,
        mask,
        trustee,
    })
}

/// Rights: a number in hexadecimal or names of two letters.
fn rights(text: &str) -> Result<u32, NTSTATUS> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16)
            .map(map_generic)
            .map_err(|_| STATUS_INVALID_SECURITY_DESCR);
    }
    text.as_bytes()
        .chunks(2)
        .try_fold(0, |mask, name| {
            Some(
                mask | match name {
                    b"GA" => GENERIC_ALL,
                    b"GR" => GENERIC_READ,
                    b"GW" => GENERIC_WRITE,
                    b"GX" => GENERIC_EXECUTE,
                    b"FA" => FILE_ALL_ACCESS,
                    b"FR" => FILE_GENERIC_READ,
                    b"FW" => FILE_GENERIC_WRITE,
                    b"FX" => FILE_GENERIC_EXECUTE,
                    b"SD" => 0x0001_0000,
                    b"RC" => 0x0002_0000,
                    b"WD" => 0x0004_0000,
                    b"WO" => 0x0008_0000,
                    _ => return None,
                },
            )
        })
        .map(map_generic)
        .ok_or(STATUS_INVALID_SECURITY_DESCR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_administrators_open_what_is_theirs() {
        let dacl = Dacl::from_sddl("D:P(A;;GA;;;SY)(A;;GA;;;BA)").unwrap();
        let desired = GENERIC_READ | GENERIC_WRITE;
        assert_eq!(
            dacl.check(Token::Administrator, desired),
            Ok(FILE_GENERIC_READ | FILE_GENERIC_WRITE)
        );
        assert_eq!(dacl.check(Token::User, desired), Err(STATUS_ACCESS_DENIED));
        assert_eq!(dacl.check(Token::User, 0), Err(STATUS_ACCESS_DENIED));
    }

    #[test]
    fn everyone_gets_what_is_allowed_and_no_more() {
        let dacl = Dacl::from_sddl("D:P(A;;GA;;;BA)(A;;GR;;;WD)").unwrap();
        assert_eq!(dacl.check(Token::User, GENERIC_READ), Ok(FILE_GENERIC_READ));
        assert_eq!(
            dacl.check(Token::User, GENERIC_WRITE),
            Err(STATUS_ACCESS_DENIED)
        );
        assert_eq!(
            dacl.check(Token::User, MAXIMUM_ALLOWED),
            Ok(FILE_GENERIC_READ)
        );
    }

    #[test]
    fn what_is_denied_first_stays_denied() {
        let dacl = Dacl::from_sddl("D:(D;;GW;;;WD)(A;;GA;;;WD)").unwrap();
        assert_eq!(
            dacl.check(Token::Administrator, GENERIC_WRITE),
            Err(STATUS_ACCESS_DENIED)
        );
        let dacl = Dacl::from_sddl("D:(A;;GA;;;WD)(D;;GW;;;WD)").unwrap();
        assert!(dacl.check(Token::User, GENERIC_WRITE).is_ok());
    }

    #[test]
    fn an_empty_list_admits_nobody() {
        let dacl = Dacl::from_sddl("D:P").unwrap();
        assert_eq!(
            dacl.check(Token::Administrator, 0),
            Err(STATUS_ACCESS_DENIED)
        );
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            "O:BA",
            "D:X(A;;GA;;;BA)",
            "D:(A;;GA;;;BA",
            "D:(A;;GA;;BA)",
            "D:(A;;ZZ;;;BA)",
            "D:(A;;G;;;BA)",
            "D:(Q;;GA;;;BA)",
            "D:(A;;0xzz;;;BA)",
            "D:(A;;GA;;;BA)x",
        ] {
            assert_eq!(
                Dacl::from_sddl(text),
                Err(STATUS_INVALID_SECURITY_DESCR),
                "{text}"
            );
        }
    }
}
