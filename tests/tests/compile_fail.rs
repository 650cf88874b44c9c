//! Mistakes that drivers make, and that do not compile against the safe layer.
//!
//! Each file in `wdm/tests/compile_fail` is one, with the error that it must get beside the line
//! that must get it. The compiler is run for the drivers' target, against the library that
//! `cargo xtask build` has left in `target/out`; so is `compiles.rs`, which makes no mistake, lest
//! everything fail for another reason.

#[cfg(unix)]
fn main() -> ui_test::color_eyre::Result<()> {
    use std::{fs, process::Command};

    use eduwdm_tests::safe_layer::{arguments, root};
    use ui_test::{
        CommandBuilder, Config,
        custom_flags::{edition::Edition, rustfix::RustfixMode},
        ignore_output_conflict, run_tests,
    };

    let Some(arguments) = arguments() else {
        return Ok(());
    };
    let root = root();

    let correct = root.join("wdm/tests/compiles.rs");
    let metadata = root.join("target/out/compiles.rmeta");
    let compiled = Command::new(CommandBuilder::rustc().program)
        .args(&arguments)
        .args(["--edition=2024", "--crate-type=lib", "-o"])
        .arg(&metadata)
        .arg(&correct)
        .status()?;
    assert!(compiled.success(), "{} must compile", correct.display());
    fs::remove_file(metadata)?;

    let cases = root.join("wdm/tests/compile_fail");
    let count = fs::read_dir(&cases)?.count();
    assert!(count >= 20, "{count} cases in {}", cases.display());

    let mut config = Config::rustc(cases);
    config.out_dir = root.join("target/compile_fail");
    let arguments = arguments.into_iter().map(Into::into);
    config.program.args.extend(arguments);
    // The errors' codes and our own words are compared; the rest of what the compiler says
    // changes from version to version.
    config.output_conflict_handling = ignore_output_conflict;
    let defaults = config.comment_defaults.base();
    defaults.set_custom("edition", Edition("2024".to_owned()));
    defaults.set_custom("rustfix", RustfixMode::Disabled);
    run_tests(config)
}

#[cfg(not(unix))]
fn main() {}
