//! Whether KVM works, found out by trying it.
//!
//! `/dev/kvm` may be there and yet hang a guest, as nested virtualisation does on some hosts.
//! So a guest of 512 bytes is booted first: an option ROM that waits for three ticks of the
//! timer, which takes interrupts and a halted processor that they wake, and then writes to the
//! debug-exit port. Where that works, a larger guest may be tried; nthost on two processors
//! takes what the ROM does not: 64-bit mode, local APICs, a second processor. What came of it is
//! remembered until the host is booted again.

use std::{
    env, fmt, fs, io,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{child, machine::Choice};

/// What executes a machine's processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's translator, one host thread for each processor.
    Tcg,
    /// The host's processors.
    Kvm,
}

impl Accelerator {
    /// As QEMU calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The variable that says what executes the processors of machines of which nothing else says it.
pub const VARIABLE: &str = "EDUWDM_ACCELERATOR";

/// What the environment says. What is no accelerator says nothing, and is told.
#[must_use]
pub fn of_environment() -> Choice {
    let Some(text) = env::var_os(VARIABLE) else {
        return Choice::Unstated;
    };
    let text = text.to_string_lossy();
    text.parse().unwrap_or_else(|error| {
        eprintln!("{VARIABLE}={text}: {error}");
        Choice::Unstated
    })
}

/// An accelerator, and why it was taken.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which.
    pub accelerator: Accelerator,
    /// Why, in a few words.
    pub reason: String,
}

/// The longest that the probe may take; a KVM that works needs half a second.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// What the probe writes to the debug-exit port, and the exit code that QEMU makes of it.
const PROBE_VALUE: u8 = 42;
const PROBE_EXIT_CODE: i32 = (PROBE_VALUE as i32) << 1 | 1;

/// What is booted once the first guest has shown that KVM does something.
pub struct Trial<'a> {
    /// What the result is remembered as.
    pub name: &'a str,
    /// Boots it.
    pub boot: &'a dyn Fn() -> Result<(), String>,
}

/// Chooses the accelerator. `directory` keeps what the probe found.
#[must_use]
pub fn choose(choice: Choice, qemu: &Path, directory: &Path, trial: Option<&Trial<'_>>) -> Chosen {
    match choice {
        Choice::Unstated => Chosen {
            accelerator: Accelerator::Tcg,
            reason: "nthost is tested on it; --accelerator auto takes KVM where it works"
                .to_owned(),
        },
        Choice::Tcg => forced(Accelerator::Tcg),
        Choice::Kvm => forced(Accelerator::Kvm),
        Choice::Auto => match kvm_works(qemu, directory, trial) {
            Ok(()) => Chosen {
                accelerator: Accelerator::Kvm,
                reason: "a probe showed that KVM works".to_owned(),
            },
            Err(reason) => Chosen {
                accelerator: Accelerator::Tcg,
                reason,
            },
        },
    }
}

fn forced(accelerator: Accelerator) -> Chosen {
    Chosen {
        accelerator,
        reason: "as asked for".to_owned(),
    }
}

/// Whether KVM works, from memory or by the probe; if not, why.
fn kvm_works(qemu: &Path, directory: &Path, trial: Option<&Trial<'_>>) -> Result<(), String> {
    let kvm = Path::new("/dev/kvm");
    if let Err(error) = fs::File::options().read(true).write(true).open(kvm) {
        return Err(format!("{}: {error}", kvm.display()));
    }
    // One file for each boot of the host and each QEMU; without a boot id nothing is kept.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let memory = boot.map(|boot| {
        let key = format!("{} {}", boot.trim(), qemu.display());
        let name = trial.map_or("kvm-probe", |trial| trial.name);
        (directory.join(name), key)
    });
    if let Some((path, key)) = &memory
        && let Ok(text) = fs::read_to_string(path)
        && let Some((known, found)) = text.split_once('\n')
        && known == key
    {
        return match found.trim() {
            "" => Ok(()),
            fault => Err(fault.to_owned()),
        };
    }
    let found = probe(qemu, directory, Accelerator::Kvm)
        .and_then(|()| trial.map_or(Ok(()), |trial| (trial.boot)()));
    if let Some((path, key)) = memory {
        let fault = found.as_ref().err().map_or("", String::as_str);
        // What cannot be remembered is found out again.
        let _ = fs::write(path, format!("{key}\n{fault}\n"));
    }
    found
}

/// Boots the probe guest.
fn probe(qemu: &Path, directory: &Path, accelerator: Accelerator) -> Result<(), String> {
    let fault = |error: io::Error| format!("the {accelerator} probe could not be run: {error}");
    fs::create_dir_all(directory).map_err(fault)?;
    let rom = tempfile::Builder::new()
        .prefix("probe-")
        .suffix(".rom")
        .tempfile_in(directory)
        .map_err(fault)?;
    fs::write(rom.path(), option_rom()).map_err(fault)?;
    let mut command = Command::new(qemu);
    command
        .args(["-accel", accelerator.name(), "-machine", "q35", "-m", "64"])
        .args(["-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .arg("-option-rom")
        .arg(rom.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = child::spawn(command).map_err(fault)?;
    let end = Instant::now() + PROBE_LIMIT;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().map_err(fault)? {
            return judge(accelerator, status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    // It may end by itself just now; either way it is to be gone.
    let _ = child.kill();
    let _ = child.wait();
    Err(format!(
        "a probe guest hung under {accelerator} for {} s",
        PROBE_LIMIT.as_secs()
    ))
}

fn judge(accelerator: Accelerator, status: ExitStatus) -> Result<(), String> {
    if status.code() == Some(PROBE_EXIT_CODE) {
        Ok(())
    } else {
        Err(format!(
            "a probe guest failed under {accelerator} ({status})"
        ))
    }
}

/// The probe: firmware runs it in real mode, and counts ticks at 0:046c.
fn option_rom() -> [u8; 512] {
    const CODE: &[u8] = &[
        0x55,
        0xaa,
        0x01, // an option ROM of one block; the entry is next
        0x31,
        0xc0, //       xor ax, ax
        0x8e,
        0xd8, //       mov ds, ax
        0xfb, //             sti
        0x8b,
        0x1e,
        0x6c,
        0x04, // mov bx, [0x046c]
        0xf4, //       wait: hlt
        0xa1,
        0x6c,
        0x04, // mov ax, [0x046c]
        0x29,
        0xd8, //       sub ax, bx
        0x3c,
        0x03, //       cmp al, 3
        0x72,
        0xf6, //       jb wait
        0xb0,
        PROBE_VALUE, // mov al, PROBE_VALUE
        0xe6,
        0xf4, //       out 0xf4, al
        0xfa, //       end:  cli
        0xf4, //             hlt
        0xeb,
        0xfc, //       jmp end
    ];
    let mut rom = [0; 512];
    rom[..CODE.len()].copy_from_slice(CODE);
    // Firmware runs a ROM only if all of its bytes add up to zero.
    rom[511] = CODE.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte));
    rom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_would_run_the_probe() {
        let rom = option_rom();
        assert_eq!(rom[..3], [0x55, 0xaa, 1]);
        assert_eq!(
            rom.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
            0
        );
    }

    #[test]
    fn the_probe_tells_a_working_accelerator_from_a_program_that_is_no_emulator() {
        let directory = tempfile::tempdir().unwrap();
        let qemu = Path::new("qemu-system-x86_64");
        assert_eq!(probe(qemu, directory.path(), Accelerator::Tcg), Ok(()));
        let fault = probe(Path::new("true"), directory.path(), Accelerator::Tcg).unwrap_err();
        assert!(fault.contains("failed under tcg"), "{fault}");
        let fault = probe(
            Path::new("no-such-program"),
            directory.path(),
            Accelerator::Tcg,
        );
        assert!(fault.unwrap_err().contains("could not be run"));
    }

    #[test]
    fn what_was_asked_for_is_not_probed() {
        for (choice, accelerator) in [
            (Choice::Unstated, Accelerator::Tcg),
            (Choice::Tcg, Accelerator::Tcg),
            (Choice::Kvm, Accelerator::Kvm),
        ] {
            let chosen = choose(
                choice,
                Path::new("no-such-program"),
                Path::new("/nowhere"),
                Some(&Trial {
                    name: "nothing",
                    boot: &|| panic!("nothing is to be tried"),
                }),
            );
            assert_eq!(chosen.accelerator, accelerator);
        }
    }
}
