//! The compiler's flags that the driver must not be built without, and that nothing else misses.
//!
//! Flags in the environment (`RUSTFLAGS`) take the place of those in `.cargo/config.toml`, so that
//! a build with `RUSTFLAGS=-Dwarnings` would give a driver without Control Flow Guard, and say
//! nothing.
//!
//! Source: The Cargo Book, "Environment Variables" (`CARGO_ENCODED_RUSTFLAGS`) and
//! "Configuration" (`build.rustflags`); The rustc Book, "Codegen Options" (`control-flow-guard`).

/// The option, and its values that have calls checked. Without a value it does, too.
const OPTION: &str = "control-flow-guard";
const CHECKS: [&str; 5] = ["checks", "y", "yes", "on", "true"];

/// Whether calls are checked by these flags, as cargo hands them to a build script: separated by
/// the character 0x1f. As with the compiler, the last one counts.
///
/// # Errors
///
/// If they are not: what to do.
pub fn check(encoded: &str) -> Result<(), String> {
    let mut checked = false;
    let mut flags = encoded.split('\x1f');
    while let Some(flag) = flags.next() {
        let option = match flag {
            "-C" | "--codegen" => flags.next(),
            _ => flag
                .strip_prefix("-C")
                .or_else(|| flag.strip_prefix("--codegen=")),
        };
        let Some(option) = option else { continue };
        let (name, value) = option.split_once('=').unwrap_or((option, CHECKS[0]));
        if name.replace('_', "-") == OPTION {
            checked = CHECKS.contains(&value);
        }
    }
    if checked {
        return Ok(());
    }
    Err(format!(
        "the driver would be built without Control Flow Guard: the compiler's flags are {:?}.\n\
         Flags in the environment take the place of those in driver/.cargo/config.toml. Either \
         unset RUSTFLAGS and CARGO_ENCODED_RUSTFLAGS, or set RUSTFLAGS to what you want and \
         \"-Ctarget-feature=+crt-static -C{OPTION}=checks\". (From another folder, cargo does not \
         read that file: run it in driver/, or as `cargo xtask build`.)",
        encoded.replace('\x1f', " ")
    ))
}
