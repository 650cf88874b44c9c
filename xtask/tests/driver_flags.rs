//! A driver is not built without Control Flow Guard, whatever takes the flags away that
//! `driver/.cargo/config.toml` gives.

use std::{fs, path::Path};

#[path = "../../driver/build/flags.rs"]
mod flags;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn flags_count_as_the_compiler_counts_them() {
    let with = |flags: &[&str]| flags::check(&flags.join("\x1f")).is_ok();
    for good in [
        &["-Ccontrol-flow-guard=checks"][..],
        &["-C", "control-flow-guard"],
        &["-Ccontrol_flow_guard=yes"],
        &["--codegen", "control-flow-guard=on"],
        &["--codegen=control-flow-guard=y"],
        &["-Ccontrol-flow-guard=no", "-Ccontrol-flow-guard=checks"],
        &[
            "-Dwarnings",
            "-Ccontrol-flow-guard=checks",
            "-C",
            "opt-level=3",
        ],
    ] {
        assert!(with(good), "{good:?}");
    }
    for bad in [
        &[""][..],
        &["-Dwarnings"],
        &["-Ctarget-feature=+crt-static"],
        &["-Ccontrol-flow-guard=nochecks"],
        &[
            "-Ccontrol-flow-guard=checks",
            "-C",
            "control-flow-guard=off",
        ],
        &["control-flow-guard=checks"],
        &["-C"],
    ] {
        assert!(!with(bad), "{bad:?}");
    }
}

#[test]
fn the_configuration_in_the_driver_s_folder_has_the_flags() {
    let text = fs::read_to_string(root().join("driver/.cargo/config.toml")).unwrap();
    let flags: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .collect();
    assert!(flags.contains(&"-Ctarget-feature=+crt-static"), "{flags:?}");
    flags::check(&flags.join("\x1f")).unwrap();
}

/// What `cargo xtask build` has built, where it does so with the drop-in.
#[cfg(unix)]
mod built {
    use std::{fs, path::PathBuf, process::Command};

    use super::root;

    /// The build script that `cargo xtask build` has built.
    fn build_script() -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from)
            .join("driver/release/build");
        fs::read_dir(&target)
            .unwrap_or_else(|error| panic!("{}: {error}: cargo xtask build", target.display()))
            .map(|entry| entry.unwrap().path().join("build-script-main"))
            .filter(|file| file.is_file())
            .max_by_key(|file| file.metadata().unwrap().modified().unwrap())
            .expect("cargo xtask build makes it")
    }

    #[test]
    fn the_driver_s_build_script_refuses_to_go_on_without() {
        let run = |flags: &str| {
            let out = tempfile::tempdir().unwrap();
            Command::new(build_script())
                .env("OUT_DIR", out.path())
                .env("TARGET", "x86_64-pc-windows-msvc")
                .env("CARGO_CFG_TARGET_FEATURE", "crt-static")
                .env("CARGO_PKG_VERSION", "0.1.0")
                .env("CARGO_PKG_VERSION_MAJOR", "0")
                .env("CARGO_PKG_VERSION_MINOR", "1")
                .env("CARGO_PKG_VERSION_PATCH", "0")
                .env("CARGO_ENCODED_RUSTFLAGS", flags)
                .output()
                .unwrap()
        };
        let refused = run("-Dwarnings\x1f-Ctarget-feature=+crt-static");
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{why}");
        for part in ["Control Flow Guard", "unset RUSTFLAGS", "-Dwarnings"] {
            assert!(why.contains(part), "{part} in\n{why}");
        }
        let built = run("-Ccontrol-flow-guard=checks");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
    }
}
