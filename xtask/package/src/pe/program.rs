//! What a program in the package may import: libraries that every Windows 10 has.
//!
//! The compilers' run-time libraries (VCRUNTIME140.dll, libgcc_s_seh-1.dll) are not among them: on
//! a Windows that was installed just now such a program does not start.

use object::read::pe::PeFile64;

use super::imports;

/// The libraries of Windows that programs in Rust use, without `.dll`.
const LIBRARIES: &[&str] = &[
    "advapi32",
    "bcrypt",
    "bcryptprimitives",
    "cfgmgr32",
    "combase",
    "kernel32",
    "msvcrt",
    "ntdll",
    "ole32",
    "oleaut32",
    "psapi",
    "setupapi",
    "shell32",
    "user32",
    "userenv",
    "ws2_32",
];
/// What the names of the system's own interfaces begin with ("Windows API sets").
const API_SETS: [&str; 2] = ["api-ms-win-core-", "api-ms-win-crt-"];

/// The libraries that a program imports and that a fresh Windows may lack.
///
/// # Errors
/// Where the bytes are no 64-bit PE image, in words.
pub fn foreign(image: &[u8]) -> Result<Vec<String>, String> {
    let pe =
        PeFile64::parse(image).map_err(|error| format!("it is no 64-bit PE image: {error}"))?;
    let is_known = |library: &str| {
        let name = library.to_ascii_lowercase();
        let stem = name.strip_suffix(".dll").unwrap_or(&name);
        LIBRARIES.contains(&stem) || API_SETS.iter().any(|prefix| stem.starts_with(prefix))
    };
    let mut foreign: Vec<String> = imports::of(&pe)?
        .into_iter()
        .map(|(library, _)| library)
        .filter(|library| !is_known(library))
        .collect();
    foreign.sort();
    foreign.dedup();
    Ok(foreign)
}
