//! How bindgen reads the headers.

use std::borrow::Borrow;

use bindgen::{Builder, EnumVariation, Formatter, RustEdition};

use crate::{ApiSubset, Config, ConfigError, DriverConfig, IoError, host, wdk};

/// Gives a [`bindgen::Builder`] that is set up for the kernel's headers.
pub trait BuilderExt {
    /// The builder.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Missing`] if the headers or clang's own are not to be found.
    fn wdk_default(config: impl Borrow<Config>) -> Result<Builder, ConfigError>;
}

impl BuilderExt for Builder {
    fn wdk_default(config: impl Borrow<Config>) -> Result<Builder, ConfigError> {
        let config = config.borrow();
        println!("cargo::rerun-if-env-changed=BINDGEN_EXTRA_CLANG_ARGS");
        let include_paths = config.include_paths()?;
        let definitions = config.preprocessor_definitions();
        let builder = Self::default()
            .use_core()
            .derive_default(true)
            .generate_cstr(true)
            .detect_include_paths(false)
            // So that `size_t` is `usize` in the signatures of memcpy and the like.
            .clang_arg("-fno-builtin")
            // Enumerations, bit fields and alignment follow the target's rules. Neither set of
            // headers needs those that belong to clang, so it does not matter whether they
            // are those of the libclang that is loaded.
            .clang_args(["--target=x86_64-pc-windows-msvc", "-nostdinc"])
            .clang_args(
                include_paths
                    .iter()
                    .map(|path| format!("--include-directory={}", path.display())),
            )
            .clang_args(definitions.iter().map(|(name, value)| {
                value.as_ref().map_or_else(
                    || format!("--define-macro={name}"),
                    |value| format!("--define-macro={name}={value}"),
                )
            }))
            // What the published crate leaves out, so that nobody gets used to it here.
            .blocklist_item("ExAllocatePoolWithTag")
            .blocklist_item("ExAllocatePoolWithQuotaTag")
            .blocklist_item("ExAllocatePoolWithTagPriority")
            .blocklist_item("ExAllocatePool")
            .opaque_type("_KGDTENTRY64")
            .opaque_type("_KIDTENTRY64")
            // What of the headers bindgen cannot express, by the published crate's list.
            .blocklist_item(".*MCG_CAP(?:__bindgen.*)?")
            .blocklist_item(".*WHEA_XPF_MCA_SECTION")
            .blocklist_item(".*WHEA_ARM_BUS_ERROR(?:__bindgen.*)?")
            .blocklist_item(".*WHEA_ARM_PROCESSOR_ERROR")
            .blocklist_item(".*WHEA_ARM_CACHE_ERROR")
            .must_use_type("NTSTATUS")
            .must_use_type("HRESULT")
            .default_enum_style(EnumVariation::ModuleConsts)
            .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
            .formatter(Formatter::Prettyplease)
            .rust_edition(RustEdition::Edition2024);
        if let Some(wdk) = &config.wdk {
            wdk::check_libclang(wdk, &bindgen::clang_version())?;
            let overlay = folder().join("wdk-overlay.json");
            wdk.write_overlay(&overlay)
                .map_err(|error| IoError::with_path(&overlay, error))?;
            Ok(builder
                .clang_args(Config::wdk_bindgen_compiler_flags())
                .clang_args(["-ivfsoverlay".to_owned(), overlay.display().to_string()]))
        } else {
            // bindgen's cargo callbacks name the headers that were read, but cargo forgets a
            // file that was not there: a new one in the overlay must count too.
            let overlay = host::cross().join("include");
            println!("cargo::rerun-if-changed={}", overlay.display());
            Ok(builder.clang_args(MINGW_FLAGS))
        }
    }
}

/// mingw-w64's headers are for a compiler that says that it is GCC for Windows, not Microsoft's.
const MINGW_FLAGS: [&str; 7] = [
    "-fms-extensions",
    "-fno-ms-compatibility",
    "-U_MSC_VER",
    "-fgnuc-version=12.2.0",
    "-D__MINGW32__",
    "-D__MINGW64__",
    "-Wno-everything",
];

/// Where this build script may write.
fn folder() -> std::path::PathBuf {
    std::env::var_os("OUT_DIR")
        .expect("a build script has OUT_DIR")
        .into()
}

impl Config {
    /// The header folders, in the order in which they are searched.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Missing`], [`ConfigError::NoWdk`].
    pub fn include_paths(&self) -> Result<Vec<std::path::PathBuf>, ConfigError> {
        if let Some(wdk) = &self.wdk {
            return Ok(wdk.include_paths()?);
        }
        let mingw = host::mingw_include()?;
        Ok(vec![
            host::cross().join("include"),
            mingw.join("ddk"),
            mingw,
        ])
    }

    /// The macros that are defined for the headers. Of a genuine WDK's, those that give the
    /// version have a value in the headers.
    #[must_use]
    pub fn preprocessor_definitions(&self) -> Vec<(String, Option<String>)> {
        let mut definitions = vec![
            ("_WIN64", None),
            ("_AMD64_", None),
            ("AMD64", None),
            ("_KERNEL_MODE", None),
        ];
        if self.wdk.is_none() {
            definitions.extend([
                ("NTDDI_VERSION", Some("0x0A000010")),
                ("_WIN32_WINNT", Some("0x0A00")),
                ("WINVER", Some("0x0A00")),
            ]);
        }
        definitions
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect()
    }

    /// How clang reads a genuine WDK's headers.
    pub fn wdk_bindgen_compiler_flags() -> impl Iterator<Item = String> {
        [
            "-fms-compatibility",
            "-fms-extensions",
            "-fdelayed-template-parsing",
            "--warn-=no-nonportable-include-path",
            "--warn-=no-pragma-pack",
            "--warn-=no-ignored-attributes",
            "--warn-=no-ignored-pragma-intrinsic",
            "--warn-=no-visibility",
            "--warn-=no-switch",
            "--warn-=no-comment",
            "--warn-=no-deprecated-declarations",
            "--warn-=no-invalid-token-paste",
            "--warn-=no-microsoft",
        ]
        .into_iter()
        .map(ToOwned::to_owned)
    }

    /// The headers of a part of the API.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoHeaders`] for all but the base.
    pub fn headers(
        &self,
        subset: ApiSubset,
    ) -> Result<impl Iterator<Item = String> + use<>, ConfigError> {
        let headers: &[&str] = match (subset, &self.driver_config) {
            (ApiSubset::Base, DriverConfig::Wdm) => &["ntifs.h", "ntddk.h", "ntstrsafe.h"],
            (ApiSubset::Wdf, DriverConfig::Wdm) => &[],
            (ApiSubset::Base | ApiSubset::Wdf, _) => return Err(ConfigError::NoHeaders("WDF")),
            (ApiSubset::Gpio, _) => return Err(ConfigError::NoHeaders("GPIO")),
            (ApiSubset::Hid, _) => return Err(ConfigError::NoHeaders("HID")),
            (ApiSubset::ParallelPorts, _) => return Err(ConfigError::NoHeaders("parallel ports")),
            (ApiSubset::Spb, _) => return Err(ConfigError::NoHeaders("SPB")),
            (ApiSubset::Storage, _) => return Err(ConfigError::NoHeaders("storage")),
            (ApiSubset::Usb, _) => return Err(ConfigError::NoHeaders("USB")),
        };
        Ok(headers.iter().map(ToString::to_string))
    }

    /// A header that includes those of these parts.
    ///
    /// # Errors
    ///
    /// As [`Self::headers`].
    pub fn bindgen_header_contents(
        &self,
        subsets: impl IntoIterator<Item = ApiSubset>,
    ) -> Result<String, ConfigError> {
        let mut contents = String::new();
        for subset in subsets {
            for header in self.headers(subset)? {
                contents.push_str("#include \"");
                contents.push_str(&header);
                contents.push_str("\"\n");
            }
        }
        Ok(contents)
    }

    /// The `#[link]` attributes that go with a part of the API.
    #[must_use]
    pub fn bindgen_library_link_raw_lines(&self, subset: ApiSubset) -> Option<String> {
        (subset == ApiSubset::Base).then(|| {
            crate::link::LIBRARIES
                .iter()
                .map(|name| {
                    format!(
                        "#[cfg(not(any(test, feature = \"suppress-wdk-linking\")))]\n\
                         #[link(name = \"{name}\", kind = \"static\", modifiers = \"-bundle\")]\n\
                         unsafe extern \"C\" {{}}\n"
                    )
                })
                .collect()
        })
    }

    /// The name of the WDF function table: a WDM driver has none.
    #[must_use]
    pub const fn compute_wdffunctions_symbol_name(&self) -> Option<String> {
        None
    }
}
