//! Security descriptors in the language of INFs, made into those in memory.
//!
//! Source: "SDDL for Device Objects". Conditions, entries about kinds of objects and labels are
//! not known.

use alloc::vec::Vec;

use nthost_nt::{
    io::create::{
        FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, GENERIC_ALL,
        GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE,
    },
    se::{
        ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE, ACL_REVISION, SE_DACL_PRESENT,
        SE_SACL_PRESENT, SID_MAX_SUB_AUTHORITIES, SID_REVISION,
    },
    status::{NTSTATUS, STATUS_INVALID_SECURITY_DESCR},
};

use super::well_known;
use crate::rtl::security::{acl, relative};

/// `SYSTEM_AUDIT_ACE_TYPE`.
const AUDIT: u8 = 2;
/// `SE_DACL_AUTO_INHERIT_REQ`, `SE_DACL_AUTO_INHERITED`, `SE_DACL_PROTECTED`; those of system
/// lists are one bit higher.
const AUTO_INHERIT_REQUIRED: u16 = 0x0100;
const AUTO_INHERITED: u16 = 0x0400;
const PROTECTED: u16 = 0x1000;

/// What a letter begins.
const fn is_part(text: &str) -> bool {
    matches!(text.as_bytes(), [b'O' | b'G' | b'D' | b'S', b':', ..])
}

/// Where the next part begins. Parentheses hold none.
fn part_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && is_part(&text[at..]) => return at,
            _ => (),
        }
    }
    text.len()
}

/// Reads a descriptor such as `O:BAD:P(A;;GA;;;SY)(A;;GA;;;BA)`, in one piece.
///
/// # Errors
///
/// `STATUS_INVALID_SECURITY_DESCR` for what is no SDDL of this form.
pub fn parse(text: &str) -> Result<Vec<u8>, NTSTATUS> {
    read(text).ok_or(STATUS_INVALID_SECURITY_DESCR)
}

fn read(mut text: &str) -> Option<Vec<u8>> {
    let (mut owner, mut group, mut dacl, mut sacl) = (None, None, None, None);
    let mut control = 0;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        if !is_part(text) {
            return None;
        }
        let (letter, rest) = (text.as_bytes()[0], &text[2..]);
        let (content, rest) = rest.split_at(part_end(rest));
        text = rest;
        let replaced = match letter {
            b'O' => owner.replace(sid(content)?),
            b'G' => group.replace(sid(content)?),
            b'D' => dacl.replace(list(content, SE_DACL_PRESENT, &mut control)?),
            _ => sacl.replace(list(content, SE_SACL_PRESENT, &mut control)?),
        };
        if replaced.is_some() {
            return None;
        }
    }
    let parts = relative::Parts {
        control,
        owner: owner.as_deref(),
        group: group.as_deref(),
        sacl: sacl.as_deref(),
        dacl: dacl.as_deref(),
    };
    let mut bytes = alloc::vec![0; relative::HEAD + parts.length()];
    parts.write(&mut bytes);
    Some(bytes)
}

/// A list: flags, and entries in parentheses.
fn list(text: &str, present: u16, control: &mut u16) -> Option<Vec<u8>> {
    let (mut flags, mut entries) = text.split_at(text.find('(').unwrap_or(text.len()));
    let shift = u16::from(present == SE_SACL_PRESENT);
    *control |= present;
    while !flags.is_empty() {
        let bit;
        (bit, flags) = if let Some(rest) = flags.strip_prefix("AR") {
            (AUTO_INHERIT_REQUIRED, rest)
        } else if let Some(rest) = flags.strip_prefix("AI") {
            (AUTO_INHERITED, rest)
        } else {
            (PROTECTED, flags.strip_prefix('P')?)
        };
        *control |= bit << shift;
    }
    let mut made = alloc::vec![0; acl::HEAD];
    let mut count = 0_u16;
    while let Some(inner) = entries.strip_prefix('(') {
        let (one, rest) = inner.split_once(')')?;
        entry(one, &mut made)?;
        entries = rest;
        count += 1;
    }
    if !entries.is_empty() {
        return None;
    }
    let size = u16::try_from(made.len()).ok()?;
    made[0] = ACL_REVISION;
    made[2..4].copy_from_slice(&size.to_le_bytes());
    made[4..6].copy_from_slice(&count.to_le_bytes());
    Some(made)
}

/// One entry, without its parentheses: type; flags; rights; two object GUIDs; trustee.
fn entry(text: &str, to: &mut Vec<u8>) -> Option<()> {
    let mut parts = text.split(';');
    let [kind, flags, rights_text, object, inherited, who] = core::array::from_fn(|_| parts.next());
    let kind = match kind? {
        "A" => ACCESS_ALLOWED_ACE_TYPE,
        "D" => ACCESS_DENIED_ACE_TYPE,
        "AU" => AUDIT,
        _ => return None,
    };
    let flags = pairs(flags?, |name| {
        Some(match name {
            b"OI" => 0x01,
            b"CI" => 0x02,
            b"NP" => 0x04,
            b"IO" => 0x08,
            b"ID" => 0x10,
            b"SA" => 0x40,
            b"FA" => 0x80,
            _ => return None,
        })
    })?;
    if !object?.is_empty() || !inherited?.is_empty() || parts.next().is_some() {
        return None;
    }
    let mask = rights(rights_text?)?;
    let who = sid(who?)?;
    to.push(kind);
    to.push(flags as u8);
    to.extend_from_slice(&(8 + who.len() as u16).to_le_bytes());
    to.extend_from_slice(&mask.to_le_bytes());
    to.extend_from_slice(&who);
    Some(())
}

/// Names of two letters, one behind the other.
fn pairs(text: &str, value: impl Fn(&[u8; 2]) -> Option<u32>) -> Option<u32> {
    let (names, rest) = text.as_bytes().as_chunks();
    if !rest.is_empty() {
        return None;
    }
    names
        .iter()
        .try_fold(0, |all, name| Some(all | value(name)?))
}

/// Rights: a number in hexadecimal or names of two letters.
fn rights(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok();
    }
    pairs(text, |name| {
        Some(match name {
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
        })
    })
}

/// A name of two letters, or `S-1-…`.
fn sid(text: &str) -> Option<Vec<u8>> {
    let Some(numbers) = text.strip_prefix("S-1-") else {
        return well_known::named(text.as_bytes()).map(<[u8]>::to_vec);
    };
    let mut numbers = numbers.split('-');
    let authority = numbers.next()?;
    let authority: u64 = match authority.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => authority.parse().ok()?,
    };
    let [0, 0, authority @ ..] = authority.to_be_bytes() else {
        return None;
    };
    let mut sid = alloc::vec![SID_REVISION, 0];
    sid.extend_from_slice(&authority);
    for number in numbers {
        sid.extend_from_slice(&number.parse::<u32>().ok()?.to_le_bytes());
        sid[1] += 1;
        if sid[1] > SID_MAX_SUB_AUTHORITIES {
            return None;
        }
    }
    Some(sid)
}

#[cfg(test)]
mod tests {
    use nthost_nt::se::{SE_DACL_PRESENT, SE_SELF_RELATIVE};

    use super::*;
    use crate::rtl::security::sid;

    #[test]
    fn all_parts_are_read() {
        let bytes = parse("O:SYG:S-1-5-32-544D:PAI(A;;GA;;;BA)(D;CI;0x1f;;;S-1-1-0)S:").unwrap();
        let parts = relative::parts(&bytes).unwrap();
        assert_eq!(parts.owner, Some(&well_known::LOCAL_SYSTEM[..]));
        assert_eq!(parts.group, Some(&well_known::ADMINISTRATORS[..]));
        assert_eq!(
            parts.control,
            SE_SELF_RELATIVE | SE_DACL_PRESENT | SE_SACL_PRESENT | PROTECTED | AUTO_INHERITED
        );
        let entries: Vec<_> = acl::entries(parts.dacl.unwrap()).collect();
        assert_eq!(entries[0][..8], [0, 0, 24, 0, 0, 0, 0, 0x10]);
        assert_eq!(entries[1][..8], [1, 2, 20, 0, 0x1f, 0, 0, 0]);
        assert_eq!(entries[1][8..], well_known::WORLD);
        assert_eq!(acl::entries(parts.sacl.unwrap()).count(), 0);
    }

    #[test]
    fn all_names_stand_for_valid_identifiers() {
        for name in [
            "WD", "CO", "CG", "OW", "NU", "IU", "SU", "AN", "AU", "RC", "SY", "LS", "NS", "UD",
            "BA", "BU", "BG", "PU",
        ] {
            let named = well_known::named(name.as_bytes()).unwrap();
            assert_eq!(sid::prefix(named), Some(named), "{name}");
            assert_eq!(super::sid(&sid::text(named)).unwrap(), named, "{name}");
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            "O:XX",
            "D:X(A;;GA;;;BA)",
            "D:(A;;GA;;;BA",
            "D:(A;;GA;;BA)",
            "D:(A;;GA;;;BA;)",
            "D:(A;;GA;;;)",
            "D:(A;;ZZ;;;BA)",
            "D:(A;;G;;;BA)",
            "D:(A;ZZ;GA;;;BA)",
            "D:(Q;;GA;;;BA)",
            "D:(A;;0xzz;;;BA)",
            "D:(A;;GA;;;BA)x",
            "D:(A;;GA;;;S-1-5-)",
            "D:D:",
            "x",
        ] {
            assert_eq!(parse(text), Err(STATUS_INVALID_SECURITY_DESCR), "{text}");
        }
    }
}
