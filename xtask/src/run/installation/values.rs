//! Lines of add-registry sections, as values of the registry.
//!
//! Source: "INF AddReg Directive": `reg-root,[subkey],[value-entry-name],[flags],[value]…`.

use eduwdm_package::inf::{Entry, decoration::number};
use nthost_protocol::manifest::{RegistryData, RegistryValue};

/// The bits of the flags that say the type.
const TYPE: u32 = 0xffff_0001;
/// `FLG_ADDREG_NOCLOBBER`: an old value stays.
const NO_CLOBBER: u32 = 0x2;
/// `FLG_ADDREG_DELVAL`: the value is removed.
const DELETE: u32 = 0x4;
/// `FLG_ADDREG_APPEND`: to a list of strings.
const APPEND: u32 = 0x8;
/// `FLG_ADDREG_KEYONLY`: the key alone.
const KEY_ONLY: u32 = 0x10;

/// A value to write.
#[derive(Debug)]
pub struct Write {
    /// Below the key that HKR stands for.
    pub value: RegistryValue,
    /// Where it is written, from 1.
    pub line: u32,
    flags: u32,
}

/// Reads a line.
///
/// # Errors
///
/// What cannot be written, and why.
pub fn read(entry: &Entry) -> Result<Write, String> {
    if !entry.value(0).eq_ignore_ascii_case("HKR") {
        return Err(format!(
            "a value below {}, outside of the driver's own keys",
            entry.value(0)
        ));
    }
    let flags = match entry.value(3) {
        "" => 0,
        text => number(text).ok_or_else(|| format!("the flags {text}, which are no number"))?,
    };
    let name = entry.value(2).to_owned();
    if flags & (DELETE | KEY_ONLY) != 0 {
        return Err(format!("{name}, whose flags {flags:#x} write no value"));
    }
    let data = data(entry, flags & TYPE)
        .ok_or_else(|| format!("{name}, whose flags {flags:#x} and data do not make a value"))?;
    Ok(Write {
        value: RegistryValue {
            key: entry.value(1).to_owned(),
            name,
            data,
        },
        line: entry.line,
        flags,
    })
}

fn data(entry: &Entry, kind: u32) -> Option<RegistryData> {
    let fields = entry.values.get(4..).unwrap_or_default();
    let text = || entry.value(4).to_owned();
    let byte = |text: &str| {
        let digits = text.trim_start_matches("0x").trim_start_matches("0X");
        u8::from_str_radix(digits, 16).ok()
    };
    let bytes = || -> Option<Vec<u8>> { fields.iter().map(|field| byte(&field.text)).collect() };
    Some(match kind {
        0 => RegistryData::String(text()),
        0x0002_0000 => RegistryData::ExpandString(text()),
        0x0001_0000 => {
            RegistryData::MultiString(fields.iter().map(|field| field.text.clone()).collect())
        }
        // Four fields are the bytes of the number.
        0x0001_0001 if fields.len() == 4 => {
            RegistryData::Dword(u32::from_le_bytes(bytes()?.try_into().ok()?))
        }
        0x0001_0001 if fields.is_empty() => RegistryData::Dword(0),
        0x0001_0001 => RegistryData::Dword(number(entry.value(4))?),
        0x000b_0001 => RegistryData::Qword(long(entry.value(4))?),
        1 => RegistryData::Binary(bytes()?),
        _ => return None,
    })
}

fn long(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("0x").map_or_else(
        || lower.parse().ok(),
        |digits| u64::from_str_radix(digits, 16).ok(),
    )
}

/// Adds a value to a list.
///
/// # Errors
///
/// The value, if the list has another one under its name.
pub fn add(values: &mut Vec<RegistryValue>, write: Write) -> Result<(), RegistryValue> {
    let value = write.value;
    let known = values.iter_mut().find(|known| {
        known.key.eq_ignore_ascii_case(&value.key) && known.name.eq_ignore_ascii_case(&value.name)
    });
    let Some(known) = known else {
        values.push(value);
        return Ok(());
    };
    if let (RegistryData::MultiString(known), RegistryData::MultiString(more)) =
        (&mut known.data, &value.data)
        && write.flags & APPEND != 0
    {
        for text in more {
            if !known.contains(text) {
                known.push(text.clone());
            }
        }
        return Ok(());
    }
    if known.data == value.data || write.flags & NO_CLOBBER != 0 {
        return Ok(());
    }
    Err(value)
}
