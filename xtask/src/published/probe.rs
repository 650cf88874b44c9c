//! What the build scripts of a driver and of wdk-sys ask of the published wdk-build.

use wdk_build::{BuilderExt, Config};

fn main() {
    let asked = || {
        let config = Config::from_env_auto()?;
        bindgen::Builder::wdk_default(&config)?;
        wdk_build::configure_wdk_binary_build()
    };
    if let Err(error) = asked() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
