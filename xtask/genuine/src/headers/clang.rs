//! clang, reading a WDK's headers as the published `wdk-build` has bindgen read them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::program::Program;
use crate::{
    Fault,
    tree::{CLANG_FOR_26100, NoHeaders, Tree},
};

/// The flags: the target, the language, and of the published crate's those that are no warnings'.
/// The C run-time library's templates for arrays would be routines of the same names.
const FLAGS: [&str; 15] = [
    "--target=x86_64-pc-windows-msvc",
    "-xc++",
    "-std=c++20",
    "-nostdinc",
    "-w",
    "-ferror-limit=0",
    "-fno-builtin",
    "-fms-compatibility",
    "-fms-extensions",
    "-fdelayed-template-parsing",
    "-D_WIN64",
    "-D_AMD64_",
    "-DAMD64",
    "-D_KERNEL_MODE",
    "-D_CRT_SECURE_CPP_OVERLOAD_SECURE_NAMES=0",
];

/// A clang that is set up for a WDK's headers.
pub struct Clang {
    program: PathBuf,
    arguments: Vec<String>,
    /// With the overlay and the sources in it.
    folder: tempfile::TempDir,
}

impl Clang {
    /// Prepares a folder for it.
    ///
    /// # Errors
    ///
    /// If it is too old for the headers, or they are not complete.
    pub fn new(program: &Path, tree: &Tree) -> Result<Self, Fault> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |error| Fault::File { path, error }
        };
        let version = run(Command::new(program).arg("--version"))?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let version = version.lines().next().unwrap_or_default();
        if major(version).is_some_and(|major| !tree.is_for_clang(major)) {
            return Err(Fault::OldClang {
                found: version.to_owned(),
                needed: CLANG_FOR_26100,
            });
        }
        let folder = tempfile::tempdir().map_err(file(&std::env::temp_dir()))?;
        let mut arguments: Vec<_> = FLAGS.map(ToOwned::to_owned).into();
        for path in tree
            .include_paths()
            .map_err(|NoHeaders(path)| Fault::Content {
                path,
                what: "a WDK has such a folder".to_owned(),
            })?
        {
            arguments.push(format!("-I{}", path.display()));
        }
        if !cfg!(windows) {
            let overlay = folder.path().join("overlay.json");
            tree.write_overlay(&overlay).map_err(file(&overlay))?;
            arguments.push("-ivfsoverlay".to_owned());
            arguments.push(overlay.display().to_string());
        }
        Ok(Self {
            program: program.to_owned(),
            arguments,
            folder,
        })
    }

    fn compile(&self, source: &str, how: &[&str]) -> Result<Output, Fault> {
        let path = self.folder.path().join("tables.cpp");
        fs::write(&path, source).map_err(|error| Fault::File {
            path: path.clone(),
            error,
        })?;
        let mut command = Command::new(&self.program);
        run(command.args(&self.arguments).args(how).arg(&path))
    }

    /// The claims of a program that are not so, with what is.
    ///
    /// # Errors
    ///
    /// If clang refuses anything else.
    pub fn refused(&self, program: &Program) -> Result<Vec<String>, Fault> {
        let output = self.compile(&program.text, &["-fsyntax-only"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        let refused = refused(program, &said).map_err(Fault::Clang)?;
        // That it ended otherwise without a word, as when it is killed, is no agreement.
        if output.status.success() == refused.is_empty() {
            return Ok(refused);
        }
        Err(Fault::Clang(format!("{}:\n{said}", output.status)))
    }

    /// Which functions of a source have a body, and which are declared only.
    ///
    /// # Errors
    ///
    /// If clang refuses it.
    pub fn defined(&self, source: &str) -> Result<BTreeMap<String, bool>, Fault> {
        let output = self.compile(source, &["-S", "-emit-llvm", "-o-"])?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Fault::Clang(said));
        }
        Ok(functions(&String::from_utf8_lossy(&output.stdout)))
    }
}

fn run(command: &mut Command) -> Result<Output, Fault> {
    command.output().map_err(|error| Fault::File {
        path: command.get_program().into(),
        error,
    })
}

/// The 19 of "Debian clang version 19.1.7 (3)".
fn major(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("version ")?;
    rest.split('.').next()?.parse().ok()
}

/// The claims whose lines clang calls errors. Newer ones say what a number is instead:
/// `note: expression evaluates to '208 == 207'`.
fn refused(program: &Program, said: &str) -> Result<Vec<String>, String> {
    let mut refused: Vec<String> = Vec::new();
    for line in said.lines() {
        if let Some((place, why)) = line.split_once(": error: ") {
            let number = place
                .rsplit(':')
                .nth(1)
                .and_then(|number| number.parse().ok());
            let claim = number
                .filter(|_| place.contains("tables.cpp"))
                .and_then(|number: usize| program.claims.get(&number))
                .filter(|_| why.starts_with("static"));
            let claim = claim.ok_or_else(|| line.to_owned())?;
            refused.push(format!("not so: {claim}"));
        } else if let Some((_, value)) = line.split_once("expression evaluates to '")
            && let Some((value, _)) = value.split_once(" == ")
            && let Some(last) = refused.last_mut()
        {
            last.push_str(", but ");
            last.push_str(value);
        }
    }
    Ok(refused)
}

/// `define dso_local i32 @Name(` and `declare dllimport i32 @"?Name@@Z"(` of LLVM's text.
fn functions(text: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let is_defined = match line.split_once(' ') {
            Some(("define", _)) => true,
            Some(("declare", _)) => false,
            _ => continue,
        };
        let name = line
            .split_once('@')
            .and_then(|(_, rest)| rest.split_once('('))
            .map(|(name, _)| name.trim_matches('"').trim_start_matches('?'))
            .and_then(|name| name.split('@').next());
        if let Some(name) = name {
            found.insert(name.to_owned(), is_defined);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_told_from_the_others() {
        assert_eq!(major("Debian clang version 14.0.6"), Some(14));
        assert_eq!(major("clang version 20.1.8"), Some(20));
        assert_eq!(major("Apple nothing"), None);
    }

    #[test]
    fn functions_with_a_body_are_told_from_those_without() {
        let text = "define linkonce_odr dso_local ptr @Inline(ptr %0) #0 {\n\
                    declare dllimport i32 @Imported(ptr noundef) #1\n\
                    declare i32 @\"?Mangled@@YAHXZ\"() #1\n  call void @Inline()\n";
        let found = functions(text);
        assert_eq!(found.len(), 3);
        assert!(found["Inline"] && !found["Imported"] && !found["Mangled"]);
    }

    #[test]
    fn an_error_that_is_no_claim_s_is_no_difference() {
        let mut program = Program::new();
        program.claims.insert(7, "_IRP has 208 bytes".to_owned());
        let claim = "/x/tables.cpp:7:9: error: static assertion failed\n\
                     /x/tables.cpp:7:9: note: expression evaluates to '216 == 208'\n";
        let expected = ["not so: _IRP has 208 bytes, but 216"];
        assert_eq!(refused(&program, claim).unwrap(), expected);
        for other in [
            "/x/tables.cpp:8:9: error: static assertion failed\n",
            "/x/wdm.h:7:9: error: static assertion failed\n",
            "/x/tables.cpp:7:9: error: expected ';'\n",
        ] {
            assert!(refused(&program, other).is_err(), "{other}");
        }
    }
}
