//! A genuine WDK whose headers are read in place of mingw-w64's. `WDKContentRoot` names it, as for
//! the published crate.

use std::{env, path::Path};

use crate::{
    ConfigError,
    tree::{CLANG_FOR_26100, NoHeaders, Tree},
};

/// The one that the environment names, if any.
///
/// # Errors
///
/// [`ConfigError::NoWdk`] if there are no headers in it.
pub fn from_env() -> Result<Option<Tree>, ConfigError> {
    for name in ["WDKContentRoot", "Version_Number"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let Some(root) = env::var_os("WDKContentRoot") else {
        return Ok(None);
    };
    let wanted = env::var("Version_Number").ok();
    Ok(Some(Tree::find(Path::new(&root), wanted.as_deref())?))
}

/// Whether this libclang reads these headers.
///
/// # Errors
///
/// [`ConfigError::OldLibclang`] if not.
pub fn check_libclang(wdk: &Tree, version: &bindgen::ClangVersion) -> Result<(), ConfigError> {
    match version.parsed {
        Some((major, _)) if !wdk.is_for_clang(major) => Err(ConfigError::OldLibclang {
            found: version.full.clone(),
            needed: CLANG_FOR_26100,
        }),
        _ => Ok(()),
    }
}

impl From<NoHeaders> for ConfigError {
    fn from(NoHeaders(folder): NoHeaders) -> Self {
        Self::NoWdk(folder)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_libclang_that_is_too_old_is_told_which_would_do() {
        let root = env::temp_dir().join(format!("wdk-build-clang-{}", std::process::id()));
        let headers = root.join("Include/10.0.26100.0/km");
        fs::create_dir_all(&headers).unwrap();
        fs::write(headers.join("wdm.h"), "").unwrap();
        let wdk = Tree::find(&root, None).unwrap();
        let version = |major| bindgen::ClangVersion {
            parsed: Some((major, 0)),
            full: format!("clang version {major}.0"),
        };
        let error = check_libclang(&wdk, &version(14)).unwrap_err().to_string();
        assert!(error.contains("14.0") && error.contains("16"), "{error}");
        check_libclang(&wdk, &version(16)).unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}
