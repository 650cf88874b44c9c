//! Registry values: `AddReg` and its kin.
//!
//! Source: "INF AddReg Directive" (roots, flags, and the values that Windows itself reads).

use super::generic::long;
use super::kind::Kind;
use super::walk::Walk;
use super::{rules, sddl};
use crate::inf::decoration::number;
use crate::inf::{Entry, Section};

rules! {
    ROOT = 1224 "registry-root" Error,
        "a registry root is HKR, HKLM, HKCR, HKCU or HKU", "write HKR";
    EVENT_LOG_TYPE = 1225 "event-log-value" Error,
        "EventMessageFile is REG_EXPAND_SZ and TypesSupported is REG_DWORD", "write the flags 0x00020000 and 0x00010001";
    VALUE_SECURITY = 1226 "value-security" Error,
        "values directly under HKR have the security of their device or service", "remove the .security section";
    BIT_MASK = 1262 "bit-mask" Error,
        "a bit mask is one byte", "write 00 to ff";
    TYPE_CONFLICT = 1263 "type-conflict" Error,
        "REG_NONE, REG_SZ, REG_EXPAND_SZ and REG_MULTI_SZ are no types of one's own", "use the flags that are defined for them";
    TYPE_FLAG = 1264 "type-flag" Error,
        "a type of one's own needs FLG_ADDREG_BINVALUETYPE", "add 1 to the flags";
    APPEND = 1265 "append-type" Error,
        "only a REG_MULTI_SZ can be appended to", "remove the flag, or add FLG_ADDREG_TYPE_MULTI_SZ";
    DELETE_STRING = 1266 "delete-string" Error,
        "deleting a string from a REG_MULTI_SZ needs the string", "name the string";
    BINARY = 1267 "binary" Error,
        "binary data are bytes, 00 to ff", "write two hexadecimal digits for each byte";
    NUMERIC = 1268 "numeric" Error,
        "a number is decimal, or hexadecimal after 0x, and fits its type", "correct the number";
    APPENDED = 1305 "multi-string" Error,
        "what is appended to a REG_MULTI_SZ depends on what was there", "set the value as a whole";
    FILTER_VALUE = 1329 "filter-value" Error,
        "a filter is added by [DDInstall.Filters]", "use AddFilter in place of UpperFilters or LowerFilters";
    NOT_ALLOWED = 1430 "value-not-allowed" Error,
        "some values are the system's own", "leave the value to Windows";
    WELL_KNOWN = 1431 "well-known-type" Error,
        "a value that Windows reads has the type that Windows expects", "correct the flags";
}

const DWORD: u32 = 0x0001_0001;
const QWORD: u32 = 0x000b_0001;
const SZ: u32 = 0;
const MULTI_SZ: u32 = 0x0001_0000;
const EXPAND_SZ: u32 = 0x0002_0000;
/// The bits of the flags that say the type.
const TYPE: u32 = 0xffff_0001;
/// The bits that say something else and are documented.
const OPERATION: u32 = 0x703e;

/// A line of an add-registry section, with what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Write<'d> {
    /// What HKR means: the kind of section that holds the `AddReg`.
    pub context: Kind,
    /// The section with the `AddReg`.
    pub owner: &'d Section,
    /// The add-registry section.
    pub list: &'d Section,
    /// The line.
    pub entry: &'d Entry,
}

/// Every registry value that the file sets.
#[must_use]
pub fn writes<'d>(walk: &Walk<'d>) -> Vec<Write<'d>> {
    let contexts = [
        Kind::Install,
        Kind::Hw,
        Kind::CoInstallers,
        Kind::Service,
        Kind::EventLog,
        Kind::Interface,
    ];
    let mut writes = Vec::new();
    for context in contexts {
        for owner in walk.met(context) {
            for list in walk.referred(owner, context, Kind::AddReg) {
                writes.extend(list.entries.iter().map(|entry| Write {
                    context,
                    owner,
                    list,
                    entry,
                }));
            }
        }
    }
    writes
}

/// The values that Windows reads, and their types.
const KNOWN: &[(Kind, &str, &str, &[u32])] = &[
    (Kind::Hw, "", "Security", &[SZ]),
    (Kind::Hw, "", "DeviceCharacteristics", &[DWORD]),
    (Kind::Hw, "", "DeviceType", &[DWORD]),
    (Kind::Hw, "", "Exclusive", &[DWORD]),
    (Kind::Hw, "", "UpperFilters", &[MULTI_SZ, MULTI_SZ | 8]),
    (Kind::Hw, "", "LowerFilters", &[MULTI_SZ, MULTI_SZ | 8]),
    (Kind::Hw, "", "LocationInformationOverride", &[SZ]),
    (
        Kind::Hw,
        r"Interrupt Management\MessageSignaledInterruptProperties",
        "MSISupported",
        &[DWORD],
    ),
    (
        Kind::Hw,
        r"Interrupt Management\MessageSignaledInterruptProperties",
        "MessageNumberLimit",
        &[DWORD],
    ),
    (
        Kind::Hw,
        r"Interrupt Management\Affinity Policy",
        "DevicePolicy",
        &[DWORD],
    ),
    (
        Kind::Hw,
        r"Interrupt Management\Affinity Policy",
        "DevicePriority",
        &[DWORD],
    ),
    (Kind::Hw, "DMA Management", "RemappingSupported", &[DWORD]),
    (Kind::Hw, "DMA Management", "RemappingFlags", &[DWORD]),
    (
        Kind::Service,
        "Parameters",
        "DmaRemappingCompatible",
        &[DWORD],
    ),
];

/// What the PnP manager writes into a device's software key itself.
const SYSTEM: &[&str] = &[
    "DriverDate",
    "DriverDateData",
    "DriverDesc",
    "DriverVersion",
    "InfPath",
    "InfSection",
    "InfSectionExt",
    "MatchingDeviceId",
    "ProviderName",
];

/// Checks the values.
pub fn check(walk: &mut Walk<'_>) {
    let extension = super::extension::is_extension(walk.document);
    for write in writes(walk) {
        known(walk, &write, extension);
    }
    for section in walk.met(Kind::AddReg) {
        let security = walk.document.section(&format!("{}.security", section.name));
        for entry in &section.entries {
            set(walk, section, entry);
            let direct = entry.value(0).eq_ignore_ascii_case("HKR") && entry.value(1).is_empty();
            if let Some(security) = security.filter(|_| direct) {
                let detail = format!("{} on line {}", entry.value(2), entry.line);
                walk.find(&VALUE_SECURITY, security.line, detail);
            }
        }
        if let Some(security) = security {
            for entry in &security.entries {
                if let Err(error) = sddl::check(entry.value(0)) {
                    walk.find(&super::generic::ARGUMENT_MALFORMED, entry.line, error);
                }
            }
        }
    }
    for section in walk.met(Kind::DelReg) {
        for entry in &section.entries {
            root(walk, entry);
            // FLG_DELREG_MULTI_SZ_DELSTRING
            if number(entry.value(3)) == Some(0x0001_8002) && entry.value(4).is_empty() {
                walk.find(&DELETE_STRING, entry.line, entry.value(2));
            }
        }
    }
    for section in walk.met(Kind::BitReg) {
        for entry in &section.entries {
            root(walk, entry);
            let mask = entry.value(4);
            if !byte(mask) {
                walk.find(
                    &BIT_MASK,
                    entry.line,
                    format!("\"{mask}\" for {}", entry.value(2)),
                );
            }
        }
    }
}

fn root(walk: &mut Walk<'_>, entry: &Entry) {
    let given = entry.value(0).to_uppercase();
    if !["HKR", "HKLM", "HKCR", "HKCU", "HKU"].contains(&given.as_str()) {
        walk.find(&ROOT, entry.line, format!("\"{}\"", entry.value(0)));
    }
}

fn byte(text: &str) -> bool {
    let digits = text.to_lowercase();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn set(walk: &mut Walk<'_>, section: &Section, entry: &Entry) {
    root(walk, entry);
    let name = format!("{} in [{}]", entry.value(2), section.name);
    let text = entry.value(3);
    let flags = if text.is_empty() {
        Some(SZ)
    } else {
        number(text)
    };
    let Some(flags) = flags else {
        let detail = format!("flags \"{text}\" of {name}");
        walk.find(&super::generic::ARGUMENT_INVALID, entry.line, detail);
        return;
    };
    let kind = flags & TYPE;
    let (high, binary) = (kind >> 16, kind & 1 == 1);
    if flags & !(TYPE | OPERATION) != 0 {
        let detail = format!("0x{:x} of {name}", flags & !(TYPE | OPERATION));
        walk.find(&super::generic::FLAG_INVALID, entry.line, detail);
    } else if high > 2 && !binary {
        walk.find(&TYPE_FLAG, entry.line, format!("0x{flags:08x} of {name}"));
    } else if high == 7 && binary {
        walk.find(
            &TYPE_CONFLICT,
            entry.line,
            format!("0x{flags:08x} of {name}"),
        );
    }
    if flags & 8 != 0 {
        if kind == MULTI_SZ {
            walk.find(&APPENDED, entry.line, name.as_str());
        } else {
            walk.find(&APPEND, entry.line, name.as_str());
        }
    }
    if flags & 4 != 0 {
        walk.find(
            &super::legacy::SUBTRACTIVE,
            entry.line,
            format!("FLG_ADDREG_DELVAL of {name}"),
        );
    }
    let values = entry.values.get(4..).unwrap_or_default();
    match kind {
        // FLG_ADDREG_KEYONLY and its common form set no value.
        _ if flags & 0x2010 != 0 => {}
        DWORD | QWORD if values.len() == 1 => {
            let most = if kind == DWORD {
                u64::from(u32::MAX)
            } else {
                u64::MAX
            };
            let fits = long(&values[0].text).is_some_and(|value| value <= most);
            if !fits {
                let detail = format!("\"{}\" for {name}", values[0].text);
                walk.find(&NUMERIC, entry.line, detail);
            }
        }
        // FLG_ADDREG_TYPE_NONE has no data that count.
        0x0002_0001 => {}
        _ if binary => {
            if let Some(bad) = values.iter().find(|v| !byte(&v.text)) {
                let detail = format!("\"{}\" for {name}", bad.text);
                walk.find(&BINARY, entry.line, detail);
            }
        }
        _ => {}
    }
}

fn known(walk: &mut Walk<'_>, write: &Write<'_>, extension: bool) {
    let entry = write.entry;
    if !entry.value(0).eq_ignore_ascii_case("HKR") {
        return;
    }
    let key = entry.value(1).trim_matches('\\');
    let name = entry.value(2);
    let flags = number(entry.value(3)).unwrap_or(SZ);
    let kind = flags & TYPE;
    let is = |wanted: &str| key.is_empty() && name.eq_ignore_ascii_case(wanted);
    if write.context == Kind::EventLog {
        let wanted = [("EventMessageFile", EXPAND_SZ), ("TypesSupported", DWORD)];
        for (_, wanted) in wanted.iter().filter(|(wanted, _)| is(wanted)) {
            if kind != *wanted {
                let detail = format!("{name} has the flags 0x{flags:08x}");
                walk.find(&EVENT_LOG_TYPE, entry.line, detail);
            }
        }
        return;
    }
    for (_, _, _, types) in KNOWN.iter().filter(|(context, subkey, value, _)| {
        *context == write.context
            && subkey.eq_ignore_ascii_case(key)
            && value.eq_ignore_ascii_case(name)
    }) {
        if !types.iter().any(|wanted| wanted & TYPE == kind) {
            let detail = format!("{name} has the flags 0x{flags:08x}, not 0x{:08x}", types[0]);
            walk.find(&WELL_KNOWN, entry.line, detail);
        }
    }
    if write.context == Kind::Hw
        && is("Security")
        && let Err(error) = sddl::check(entry.value(4))
    {
        let detail = format!("Security: {error}");
        walk.find(&super::generic::ARGUMENT_MALFORMED, entry.line, detail);
    }
    if ["UpperFilters", "LowerFilters"].into_iter().any(is) {
        let rule = if extension {
            &super::extension::FILTERS
        } else {
            &FILTER_VALUE
        };
        walk.find(rule, entry.line, name);
    }
    if write.context == Kind::Install && SYSTEM.iter().any(|system| is(system)) {
        walk.find(&NOT_ALLOWED, entry.line, name);
    }
}
