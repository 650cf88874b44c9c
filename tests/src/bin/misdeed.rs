//! `cargo xtask misdeed DRIVER MISDEED`: a wrong driver on a machine, and how that ends.
#[cfg(unix)]
use std::{env, process::ExitCode};

#[cfg(unix)]
use eduwdm_tests::{
    misdeeds,
    wrong::{self, When},
};

#[cfg(unix)]
fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let tested = misdeeds::tested();
    let [machine, driver, name] = &arguments[..] else {
        for (misdeed, _) in tested {
            println!("{} {}", misdeed.driver, misdeed.name);
        }
        return ExitCode::SUCCESS;
    };
    let found = tested
        .iter()
        .find(|(misdeed, _)| misdeed.driver == *driver && misdeed.name == *name);
    let Some(when) = found.and_then(|(_, when)| When::named(when)) else {
        eprintln!("no driver does that: without arguments, this command names all that are done");
        return ExitCode::FAILURE;
    };
    match wrong::end(machine, driver, name, when) {
        Ok(ending) => {
            print!("{}", ending.tell(driver));
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() {}
