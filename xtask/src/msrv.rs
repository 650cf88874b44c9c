//! What the sources use of the standard library, as far as Debian's compiler goes, which builds
//! for other targets where rustup can download nothing: its Rust 1.85 has some newer items as
//! unstable features, which `cross/debian-rustc` switches on. Others it does not have.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{
    paths,
    toolchain::{KERNEL, Toolchain},
};

/// Items that are newer, and the features by which Debian's compiler has them.
const KNOWN: &[(&str, &str)] = &[
    ("cast_signed", "integer_sign_cast"),
    ("cast_unsigned", "integer_sign_cast"),
    ("is_multiple_of", "unsigned_is_multiple_of"),
    ("as_chunks", "slice_as_chunks"),
    ("as_chunks_mut", "slice_as_chunks"),
    ("floor_char_boundary", "round_char_boundary"),
    ("ceil_char_boundary", "round_char_boundary"),
    ("from_mins", "duration_constructors"),
    ("from_hours", "duration_constructors"),
    // In constants: they are older otherwise.
    ("len", "const_vec_string_slice"),
    ("is_empty", "const_vec_string_slice"),
    ("as_mut_ptr", "const_vec_string_slice"),
    ("as_slice", "const_vec_string_slice"),
    ("as_str", "const_vec_string_slice"),
];

/// Checks nthost, and the program as far as it is built for this machine.
///
/// # Errors
///
/// If something is used that Debian's compiler does not have: what, and where.
pub fn run(toolchain: Toolchain) -> anyhow::Result<()> {
    if toolchain == Toolchain::Debian {
        // It has just built them.
        return Ok(());
    }
    let kernel = ["-p", "nthost", "-p", "nthost-nt", "-p", "nthost-protocol"];
    let mut cargo = toolchain.cargo("clippy", KERNEL);
    let mut found = unknown(cargo.args(kernel))?;
    let mut cargo = Command::new("cargo");
    cargo.arg("clippy").current_dir(paths::root());
    found.extend(unknown(cargo.args(["-p", "eductl", "-p", "eduwdm-abi"]))?);
    if !found.is_empty() {
        bail!(
            "Debian's compiler, Rust 1.85, does not have what is used here (see \
             xtask/src/msrv.rs):\n{}",
            found.join("\n")
        );
    }
    Ok(())
}

fn unknown(clippy: &mut Command) -> anyhow::Result<Vec<String>> {
    // In a place of its own: cargo would check everything again whenever the lints change.
    let output = clippy
        .args(["--quiet", "--message-format=json", "--target-dir"])
        .arg(paths::target().join("msrv"))
        .args(["--", "--cap-lints=warn", "--allow=clippy::all"])
        .args(["--allow=clippy::pedantic", "--allow=clippy::nursery"])
        .arg("--warn=clippy::incompatible_msrv")
        .env("CLIPPY_CONF_DIR", paths::root().join("cross/msrv"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("cargo clippy")?;
    if !output.status.success() {
        bail!("failed: {clippy:?}");
    }
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice(line).ok());
    Ok(messages.filter_map(|message| fault(&message)).collect())
}

/// What is wrong by a message of clippy's, and where; `None` if nothing is.
fn fault(message: &Value) -> Option<String> {
    let message = &message["message"];
    if message["code"]["code"] != "clippy::incompatible_msrv" {
        return None;
    }
    let span = &message["spans"][0];
    let text = span["text"][0]["text"].as_str().unwrap_or_default();
    let column = |name: &str| {
        let column = span[name].as_u64().unwrap_or(1) - 1;
        usize::try_from(column).unwrap_or(0)
    };
    let characters = column("column_end").saturating_sub(column("column_start"));
    let used = text.chars().skip(column("column_start")).take(characters);
    let used: String = used.collect();
    let is_known = KNOWN.iter().any(|(known, _)| *known == item(&used));
    (!is_known).then(|| {
        let why = message["message"].as_str().unwrap_or_default();
        format!(
            "{}:{}: `{used}`: {why}",
            span["file_name"], span["line_start"]
        )
    })
}

/// The name of the item in a path, or in a call of a method.
fn item(used: &str) -> &str {
    let path = used.split(['(', '<']).next().unwrap_or_default();
    path.trim_end_matches("::")
        .rsplit("::")
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_is_the_last_name_of_a_path() {
        for (used, expected) in [
            ("as_chunks::<4>()", "as_chunks"),
            ("u32::cast_signed", "cast_signed"),
            ("is_multiple_of(self.skip)", "is_multiple_of"),
            ("Duration::from_mins", "from_mins"),
        ] {
            assert_eq!(item(used), expected);
        }
    }

    #[test]
    fn what_debians_compiler_has_as_a_feature_may_be_used_and_nothing_else() {
        let message = |code: &str, text: &str| {
            json!({"message": {
                "code": {"code": code},
                "message": "it is newer",
                "spans": [{
                    "file_name": "a.rs", "line_start": 7,
                    "column_start": 3, "column_end": text.len() + 3,
                    "text": [{"text": format!("x.{text};")}],
                }],
            }})
        };
        let lint = "clippy::incompatible_msrv";
        assert_eq!(fault(&message(lint, "cast_signed()")), None);
        assert_eq!(fault(&message("dead_code", "fill_with()")), None);
        let fault = fault(&message(lint, "strict_add(1)")).unwrap();
        assert!(
            fault.contains("a.rs") && fault.contains("strict_add(1)"),
            "{fault}"
        );
    }

    #[test]
    fn the_features_are_those_that_are_switched_on() {
        let wrapper = fs::read_to_string(paths::root().join("cross/debian-rustc")).unwrap();
        for (item, feature) in KNOWN {
            assert!(wrapper.contains(feature), "{feature}, for {item}, is not");
        }
    }
}
