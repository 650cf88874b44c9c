//! The grammar of security descriptor strings, as far as a driver's INF uses them.
//!
//! Source: "Security Descriptor String Format" and "ACE Strings" in the Windows documentation:
//! `O:owner G:group D:flags(ace)… S:flags(ace)…`, each ACE six fields and perhaps a seventh.

/// Checks a string's grammar.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    let mut any = false;
    while !rest.is_empty() {
        let Some((part, after)) = rest.split_once(':') else {
            return Err(format!("\"{rest}\" is no part of a security descriptor"));
        };
        rest = match part {
            "O" | "G" => owner(after)?,
            "D" | "S" => list(after)?,
            _ => return Err(format!("\"{part}:\" is no part of a security descriptor")),
        };
        any = true;
    }
    any.then_some(()).ok_or_else(|| "it is empty".to_owned())
}

fn owner(text: &str) -> Result<&str, String> {
    let end = if text.starts_with("S-") {
        text.find(|c: char| !(c.is_ascii_digit() || "S-".contains(c)))
            .unwrap_or(text.len())
    } else {
        2
    };
    let sid = text.get(..end).ok_or("an owner is cut short")?;
    if !is_sid(sid) {
        return Err(format!("\"{sid}\" is no SID"));
    }
    Ok(&text[end..])
}

fn list(text: &str) -> Result<&str, String> {
    let flags = text
        .find(|c: char| !"PAIR".contains(c))
        .unwrap_or(text.len());
    if ![
        "", "P", "AI", "AR", "PAI", "PAR", "PAIAR", "PARAI", "ARAI", "AIAR",
    ]
    .contains(&&text[..flags])
    {
        return Err(format!("\"{}\" are no flags of an ACL", &text[..flags]));
    }
    let mut rest = &text[flags..];
    while let Some(ace) = rest.strip_prefix('(') {
        let (inner, after) = ace.split_once(')').ok_or("an ACE is not closed")?;
        entry(inner)?;
        rest = after;
    }
    Ok(rest)
}

fn entry(ace: &str) -> Result<(), String> {
    let fields: Vec<&str> = ace.split(';').collect();
    if !(6..=7).contains(&fields.len()) {
        return Err(format!("({ace}) has {} fields, not 6", fields.len()));
    }
    if ![
        "A", "D", "OA", "OD", "AU", "AL", "OU", "OL", "ML", "XA", "XD",
    ]
    .contains(&fields[0])
    {
        return Err(format!("({ace}): \"{}\" is no ACE type", fields[0]));
    }
    if !pairs(fields[1], &["CI", "OI", "NP", "IO", "ID", "SA", "FA"]) {
        return Err(format!("({ace}): \"{}\" are no ACE flags", fields[1]));
    }
    let rights = fields[2];
    let numeric = rights.starts_with("0x") && u32::from_str_radix(&rights[2..], 16).is_ok();
    let known = [
        "GA", "GR", "GW", "GX", "RC", "SD", "WD", "WO", "RP", "WP", "CC", "DC", "LC", "SW", "LO",
        "DT", "CR", "FA", "FR", "FW", "FX", "KA", "KR", "KW", "KX", "NW", "NR", "NX",
    ];
    if rights.is_empty() || !(numeric || pairs(rights, &known)) {
        return Err(format!("({ace}): \"{rights}\" are no rights"));
    }
    if !is_sid(fields[5]) {
        return Err(format!("({ace}): \"{}\" is no SID", fields[5]));
    }
    Ok(())
}

fn pairs(text: &str, known: &[&str]) -> bool {
    text.len().is_multiple_of(2)
        && text.is_ascii()
        && (0..text.len())
            .step_by(2)
            .all(|at| known.contains(&&text[at..at + 2]))
}

fn is_sid(text: &str) -> bool {
    let numeric = text
        .strip_prefix("S-1-")
        .is_some_and(|rest| rest.split('-').all(|part| part.parse::<u64>().is_ok()));
    numeric || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_as_drivers_use_them_pass() {
        for text in [
            "D:P(A;;GA;;;SY)(A;;GA;;;BA)",
            "O:BAG:SYD:(A;;0xf0007;;;SY)(A;;0x7;;;BA)(A;;0x1;;;S-1-5-32-573)",
            "D:PAI(A;OICI;GRGX;;;WD)S:(AU;SAFA;WD;;;WD)",
            "O:S-1-5-18G:BA",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "empty"),
            ("D:P(A;;GA;;;SY", "not closed"),
            ("D:(A;;GA;;SY)", "fields"),
            ("D:(A;;QQ;;;SY)", "no rights"),
            ("D:(A;;GA;;;System)", "no SID"),
            ("D:(B;;GA;;;SY)", "no ACE type"),
            ("X:(A;;GA;;;SY)", "no part"),
            ("D:Q(A;;GA;;;SY)", "no part"),
            ("everyone", "no part"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
