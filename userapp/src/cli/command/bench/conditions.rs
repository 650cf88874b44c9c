//! Under what conditions something was measured: figures without them say nothing.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use eductl::Error;
use serde_json::{Value, json};

use crate::cli::context::Context;

/// The machine, what executes it, and the day.
#[derive(Clone, Debug)]
pub struct Conditions {
    machine: String,
    accelerator: String,
    date: String,
}

impl Conditions {
    /// Those of the machine that is talked to.
    #[cfg(unix)]
    pub fn here(context: &Context) -> Result<Self, Error> {
        let socket = context.find_socket()?;
        // The machine does not know it: who started it has written it beside its socket.
        let about = std::fs::read_to_string(socket.with_extension("about")).unwrap_or_default();
        let mut lines = about.lines();
        let name = socket.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            machine: lines.next().unwrap_or(&name).to_owned(),
            accelerator: lines.next().unwrap_or("unknown").to_owned(),
            date: date(SystemTime::now()),
        })
    }

    /// Those of this Windows.
    #[cfg(windows)]
    pub fn here(_: &Context) -> Result<Self, Error> {
        let name = std::env::var("COMPUTERNAME").unwrap_or_else(|_| "Windows".to_owned());
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            machine: format!("{name}, {processors} processors"),
            accelerator: accelerator(&signature()),
            date: date(SystemTime::now()),
        })
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "machine": self.machine,
            "accelerator": self.accelerator,
            "date": self.date,
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; executed by {}; {}; eductl {}",
            self.machine,
            self.accelerator,
            self.date,
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// The hypervisor's signature: CPUID leaf 0x40000000.
#[cfg(windows)]
fn signature() -> String {
    use std::arch::x86_64::__cpuid;

    let leaf = |number| {
        #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
        // SAFETY: amd64 has the instruction.
        unsafe {
            __cpuid(number)
        }
    };
    // Bit 31 of ECX: there is a hypervisor.
    if leaf(1).ecx >> 31 == 0 {
        return String::new();
    }
    let leaf = leaf(0x4000_0000);
    let bytes: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    String::from_utf8_lossy(&bytes)
        .trim_end_matches('\0')
        .to_owned()
}

/// What a signature stands for.
#[cfg(windows)]
fn accelerator(signature: &str) -> String {
    match signature {
        "" => "no hypervisor that says so".to_owned(),
        "TCGTCGTCGTCG" => "QEMU's translator (TCG)".to_owned(),
        "KVMKVMKVM" => "KVM".to_owned(),
        other => other.to_owned(),
    }
}

/// The day of a moment, in UTC, as ISO 8601 has it.
fn date(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Days of 400 years are always as many, and these begin with a first of March.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let on = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(on(0), "1970-01-01");
        assert_eq!(on(951_782_400), "2000-02-29");
        assert_eq!(on(1_709_251_199), "2024-02-29");
        assert_eq!(on(1_709_251_200), "2024-03-01");
        assert_eq!(on(4_102_444_799), "2099-12-31");
    }
}
