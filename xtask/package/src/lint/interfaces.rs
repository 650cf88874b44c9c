//! `[DDInstall.Interfaces]` and `[DDInstall.WMI]`.
//!
//! Sources: "INF AddInterface Directive", "INF DDInstall.WMI Section".

use super::kind::Kind;
use super::rules;
use super::walk::Walk;
use crate::inf::decoration::number;

rules! {
    WMI_FLAGS = 1256 "wmi-flags" Error,
        "WMIInterface knows one flag, SCWMI_CLOBBER_SECURITY", "write 1, or leave it out";
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    for (_, entry) in walk.entries(Kind::Wmi, "WMIInterface") {
        let flags = entry.value(1);
        if !flags.is_empty() && !matches!(number(flags), Some(0 | 1)) {
            walk.find(&WMI_FLAGS, entry.line, format!("\"{flags}\""));
        }
    }
    // The same class and reference string twice would be one interface.
    for section in walk.met(Kind::Interfaces) {
        let mut seen: Vec<String> = Vec::new();
        for entry in section.entries.iter().filter(|e| e.is("AddInterface")) {
            let interface = format!("{} {}", entry.value(0), entry.value(1)).to_lowercase();
            if seen.contains(&interface) {
                let detail = format!("{interface}in [{}]", section.name);
                walk.find(&super::manufacturer::DUPLICATE_ID, entry.line, detail);
            }
            seen.push(interface);
        }
    }
}
