//! A drop-in for the published `wdk-build` on hosts that have no WDK.
//!
//! It has that crate's name and as much of its API as `wdk-sys`, `wdk` and the build scripts of
//! WDM drivers use. What differs is where things come from: the headers are mingw-w64's, behind
//! an overlay of ours that adds and mends what they lack, and the import libraries are made
//! from our export lists by `llvm-dlltool`. Where `WDKContentRoot` names a genuine WDK, its
//! headers are read instead, as the published crate reads them. Only WDM drivers for amd64 are
//! built this way.

mod bindings;
mod error;
mod host;
mod link;
mod tree;
mod wdk;

pub use bindings::BuilderExt;
pub use error::{ConfigError, IoError};

/// The WDF version that a KMDF driver is for. There are no such drivers here: the type stands
/// for the API's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KmdfConfig {
    /// The framework's major version.
    pub kmdf_version_major: u8,
    /// The framework's minor version.
    pub target_kmdf_version_minor: u8,
    /// The lowest minor version that the driver runs with.
    pub minimum_kmdf_version_minor: Option<u8>,
}

/// The WDF version that a UMDF driver is for, likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UmdfConfig {
    /// The framework's major version.
    pub umdf_version_major: u8,
    /// The framework's minor version.
    pub target_umdf_version_minor: u8,
    /// The lowest minor version that the driver runs with.
    pub minimum_umdf_version_minor: Option<u8>,
}

/// The driver model. [`Config::from_env_auto`] only ever gives the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriverConfig {
    /// The Windows Driver Model.
    Wdm,
    /// The Kernel-Mode Driver Framework.
    Kmdf(KmdfConfig),
    /// The User-Mode Driver Framework.
    Umdf(UmdfConfig),
}

/// The parts of the API that bindings are made for. Only the base is to be had here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the header sets")]
pub enum ApiSubset {
    Base,
    Wdf,
    Gpio,
    Hid,
    ParallelPorts,
    Spb,
    Storage,
    Usb,
}

/// What is built, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The driver model.
    pub driver_config: DriverConfig,
    wdk: Option<tree::Tree>,
}

impl Config {
    /// The configuration of the build that calls.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Target`] if the build is for anything but 64-bit Windows;
    /// [`ConfigError::NoWdk`] if `WDKContentRoot` names something else.
    pub fn from_env_auto() -> Result<Self, ConfigError> {
        let target = std::env::var("TARGET").unwrap_or_default();
        if target.starts_with("x86_64-") && target.contains("-windows-") {
            Ok(Self {
                driver_config: DriverConfig::Wdm,
                wdk: wdk::from_env()?,
            })
        } else {
            Err(ConfigError::Target(target))
        }
    }

    /// Tells rustc which `cfg` settings there can be.
    pub fn emit_check_cfg_settings() {
        println!(
            "cargo::rustc-check-cfg=cfg(driver_model__driver_type, values(\"WDM\", \"KMDF\", \
             \"UMDF\"))"
        );
    }

    fn emit_cfg_settings(&self) {
        Self::emit_check_cfg_settings();
        println!(
            "cargo::rustc-cfg=driver_model__driver_type=\"{}\"",
            self.driver_type()
        );
    }

    const fn driver_type(&self) -> &'static str {
        match self.driver_config {
            DriverConfig::Wdm => "WDM",
            DriverConfig::Kmdf(_) => "KMDF",
            DriverConfig::Umdf(_) => "UMDF",
        }
    }
}

/// Configures the build of a library that depends on the WDK.
///
/// # Errors
///
/// As [`Config::from_env_auto`].
pub fn configure_wdk_library_build() -> Result<(), ConfigError> {
    Config::from_env_auto()?.emit_cfg_settings();
    Ok(())
}

/// Configures the build of a library that depends on the WDK, then calls `then`.
///
/// # Errors
///
/// As [`Config::from_env_auto`], and whatever `then` returns.
pub fn configure_wdk_library_build_and_then<F, E>(mut then: F) -> Result<(), E>
where
    F: FnMut(Config) -> Result<(), E>,
    E: From<ConfigError>,
{
    let config = Config::from_env_auto()?;
    config.emit_cfg_settings();
    then(config)
}

/// Configures the build of a driver: `cfg` settings, import libraries, linker arguments.
///
/// # Errors
///
/// As [`Config::from_env_auto`]; [`ConfigError::StaticCrtNotEnabled`]; and those of making the
/// import libraries.
pub fn configure_wdk_binary_build() -> Result<(), ConfigError> {
    let config = Config::from_env_auto()?;
    link::configure(config.wdk.as_ref())?;
    config.emit_cfg_settings();
    Ok(())
}
