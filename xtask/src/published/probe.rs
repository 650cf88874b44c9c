//! What the build scripts of a driver and of wdk-sys ask of wdk-build; with an argument, what it
//! has bindgen read, and how.

use wdk_build::{ApiSubset, BuilderExt, Config};

fn main() {
    let asked = || {
        let config = Config::from_env_auto()?;
        let contents = config.bindgen_header_contents([ApiSubset::Base])?;
        let builder = bindgen::Builder::wdk_default(&config)?;
        if std::env::args().len() > 1 {
            for line in contents.lines() {
                println!("header: {line}");
            }
            for flag in builder.command_line_flags() {
                println!("flag: {flag}");
            }
        }
        wdk_build::configure_wdk_binary_build()
    };
    if let Err(error) = asked() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
