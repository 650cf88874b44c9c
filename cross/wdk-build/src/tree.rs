//! The folders of a genuine WDK on a host that is not Windows: a copy of `Windows Kits\\10`, or
//! what a download tool has unpacked.
//!
//! On Windows names are found whatever their case, and the headers make use of that: they include
//! `DriverSpecs.h`, which is `driverspecs.h`. An overlay of clang's file system gives them that
//! here. `xtask/genuine` reads this file, too: it stands on nothing but std.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// The first clang that reads the headers of 26100 and later: `__ptr32` in `wdm.h` is an error to
/// those before.
pub const CLANG_FOR_26100: u32 = 16;

/// A folder that lacks what a WDK has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoHeaders(pub PathBuf);

/// The headers of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The folder with `km` and `shared` in it.
    include: PathBuf,
    /// The folder with the import libraries, if they came along.
    libraries: Option<PathBuf>,
    /// `10.0.26100.0`, if a folder is named so.
    version: Option<String>,
}

impl Tree {
    /// `ROOT/Include/VERSION/km`, the newest version unless one is wanted, or `ROOT/Include/km`.
    ///
    /// # Errors
    ///
    /// [`NoHeaders`] if there are none in it.
    pub fn find(root: &Path, wanted: Option<&str>) -> Result<Self, NoHeaders> {
        let missing = || NoHeaders(root.to_owned());
        let root = std::path::absolute(root).map_err(|_| missing())?;
        let folder = child(&root, "Include").ok_or_else(missing)?;
        let with_headers =
            |folder: &Path| child(folder, "km").is_some_and(|km| child(&km, "wdm.h").is_some());
        if with_headers(&folder) {
            return Ok(Self {
                libraries: libraries(&root, None),
                include: folder,
                version: None,
            });
        }
        let mut versions: Vec<_> = names(&folder)
            .into_iter()
            .filter(|name| wanted.is_none_or(|wanted| wanted == name))
            .filter(|name| with_headers(&folder.join(name)))
            .collect();
        versions.sort_by_key(|name| numbers(name));
        let version = versions.pop().ok_or_else(missing)?;
        Ok(Self {
            include: folder.join(&version),
            libraries: libraries(&root, Some(&version)),
            version: Some(version),
        })
    }

    /// The folders of which the published crate makes its include path, in its order.
    ///
    /// # Errors
    ///
    /// [`NoHeaders`] if one is not there.
    pub fn include_paths(&self) -> Result<Vec<PathBuf>, NoHeaders> {
        ["km/crt", "km", "shared"]
            .map(|path| {
                path.split('/')
                    .try_fold(self.include.clone(), |folder, name| child(&folder, name))
                    .ok_or_else(|| NoHeaders(self.include.join(path)))
            })
            .into_iter()
            .collect()
    }

    /// The folder with `ntoskrnl.lib`, if it is there.
    #[must_use]
    pub fn libraries(&self) -> Option<&Path> {
        self.libraries.as_deref()
    }

    /// Writes the overlay in which names are found whatever their case.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write_overlay(&self, file: &Path) -> io::Result<()> {
        let mut text = String::from("{\"version\":0,\"case-sensitive\":false,\"roots\":[");
        entry(&self.include, self.include.as_os_str(), &mut text);
        text.push_str("]}\n");
        // wdk-sys makes its bindings in several threads: none may read what another is writing.
        let written = file.with_extension(format!("{:?}", std::thread::current().id()));
        fs::write(&written, text)?;
        fs::rename(&written, file)
    }

    /// Whether the headers define this name of a version of Windows: `NTDDI_WIN11_GE`. Each
    /// version of them has those of all before.
    #[must_use]
    pub fn knows(&self, version: &str) -> bool {
        child(&self.include, "shared")
            .and_then(|shared| child(&shared, "sdkddkver.h"))
            .and_then(|header| fs::read_to_string(header).ok())
            .is_some_and(|text| text.contains(version))
    }

    /// Whether a clang of this version reads them.
    #[must_use]
    pub fn is_for_clang(&self, major: u32) -> bool {
        // Where no folder tells the version, a definition does that came with it.
        let is_new = self.version.as_ref().map_or_else(
            || self.knows("NTDDI_WIN11_GE"),
            |version| numbers(version) >= vec![10, 0, 26100],
        );
        !is_new || major >= CLANG_FOR_26100
    }
}

/// `ROOT/Lib/VERSION/km/x64`, or the same without the version.
fn libraries(root: &Path, version: Option<&str>) -> Option<PathBuf> {
    let mut folder = child(root, "Lib")?;
    for name in version.into_iter().chain(["km", "x64"]) {
        folder = child(&folder, name)?;
    }
    child(&folder, "ntoskrnl.lib").map(|_| folder)
}

/// What a folder has under this name, whatever its case.
fn child(folder: &Path, name: &str) -> Option<PathBuf> {
    let found = names(folder)
        .into_iter()
        .find(|other| other.eq_ignore_ascii_case(name))?;
    Some(folder.join(found))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The numbers of `10.0.26100.0`, by which versions are ordered.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|number| number.parse().ok())
        .collect()
}

/// One file or folder of the overlay, with all that is in it.
fn entry(path: &Path, name: &OsStr, text: &mut String) {
    use std::fmt::Write as _;
    // JSON's escapes are those of a Rust string, for what can be in a path.
    let name = name.to_string_lossy();
    let written = if path.is_dir() {
        let head = write!(
            text,
            "{{\"type\":\"directory\",\"name\":{name:?},\"contents\":["
        );
        for (index, child) in names(path).iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            entry(&path.join(child), OsStr::new(child), text);
        }
        text.push_str("]}");
        head
    } else {
        let target = path.to_string_lossy();
        write!(
            text,
            "{{\"type\":\"file\",\"name\":{name:?},\"external-contents\":{target:?}}}"
        )
    };
    written.expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of empty headers, in the case in which download tools leave them.
    fn tree(name: &str, files: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("wdk-build-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn the_newest_version_is_taken_unless_one_is_wanted() {
        let root = tree(
            "versions",
            &[
                "include/10.0.9999.0/KM/wdm.h",
                "include/10.0.26100.0/KM/WDM.H",
                "include/10.0.26100.0/KM/CRT/stddef.h",
                "include/10.0.26100.0/Shared/driverspecs.h",
                "include/10.0.30000.0/um/windows.h",
                "lib/10.0.26100.0/km/x64/NtosKrnl.lib",
            ],
        );
        let wdk = Tree::find(&root, None).unwrap();
        assert_eq!(wdk.version.as_deref(), Some("10.0.26100.0"));
        let folder = root.join("include/10.0.26100.0");
        assert_eq!(
            wdk.include_paths().unwrap(),
            ["KM/CRT", "KM", "Shared"].map(|path| folder.join(path))
        );
        assert_eq!(
            wdk.libraries(),
            Some(&*root.join("lib/10.0.26100.0/km/x64"))
        );
        let old = Tree::find(&root, Some("10.0.9999.0")).unwrap();
        assert_eq!(old.libraries(), None);
        assert!(Tree::find(&root, Some("10.0.1.0")).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_tree_without_versions_does_as_well() {
        let root = tree("plain", &["Include/km/wdm.h"]);
        let wdk = Tree::find(&root, None).unwrap();
        assert_eq!(wdk.include, root.join("Include"));
        assert!(wdk.include_paths().is_err(), "it has no km/crt");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn new_headers_are_for_a_new_clang() {
        let new = tree("new", &["Include/10.0.26100.0/km/wdm.h"]);
        let old = tree("old", &["Include/10.0.22621.0/km/wdm.h"]);
        let plain = tree(
            "unnamed",
            &["Include/km/wdm.h", "Include/shared/SdkDdkVer.h"],
        );
        fs::write(plain.join("Include/shared/SdkDdkVer.h"), "NTDDI_WIN11_GE").unwrap();
        for (root, is_new) in [(&new, true), (&old, false), (&plain, true)] {
            let wdk = Tree::find(root, None).unwrap();
            assert_eq!(wdk.is_for_clang(14), !is_new, "{}", root.display());
            assert!(wdk.is_for_clang(16), "{}", root.display());
            fs::remove_dir_all(root).unwrap();
        }
    }

    #[test]
    fn the_overlay_names_every_file() {
        let root = tree("overlay", &["Include/km/wdm.h", "Include/km/sub/a \"b\".h"]);
        let wdk = Tree::find(&root, None).unwrap();
        let file = root.join("overlay.json");
        wdk.write_overlay(&file).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"case-sensitive\":false"), "{text}");
        assert!(text.contains("\"name\":\"a \\\"b\\\".h\""), "{text}");
        assert_eq!(text.matches("external-contents").count(), 2, "{text}");
        fs::remove_dir_all(root).unwrap();
    }
}
