//! `cargo xtask cc`: a driver in C or C++, built without the WDK.
//!
//! clang builds for Microsoft's ABI from mingw-w64's headers, with what those lack in front of them
//! (`cross/cc`); the linker is the one that comes with rustc. It links against every routine that
//! nthost exports.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use clap::Args;
use eduwdm_qemu::routines;

use crate::{
    build::{self, Drivers},
    check, paths, setup,
    toolchain::rust_lld,
};

/// What of the exports is not the kernel's own: `WMILIB.SYS` has them on Windows.
const WMILIB: [&str; 3] = ["WmiCompleteRequest", "WmiFireEvent", "WmiSystemControl"];

/// For both languages.
const FLAGS: &[&str] = &[
    "--target=x86_64-pc-windows-msvc",
    // The headers take a compiler that does not say that it is Microsoft's for their own.
    "-fno-ms-compatibility",
    "-fms-extensions",
    "-fmsc-version=0",
    "-D__MINGW32__",
    "-D__MINGW64__",
    "-DWIN32",
    "-D_WIN64",
    "-D_AMD64_",
    // Two inline routines are declared twice in the headers.
    "-D__INTRINSIC_DEFINED_InterlockedBitTestAndSet",
    "-D__INTRINSIC_DEFINED_InterlockedBitTestAndReset",
    "-ffreestanding",
    "-fno-builtin",
    // Without, only functions that have a handler could be unwound.
    "-fasynchronous-unwind-tables",
    "-fstack-protector-strong",
    "-mno-stack-arg-probe",
    "-O2",
    "-g",
    "-gcodeview",
    "-Wall",
    "-Wno-multichar",
    "-Wno-unknown-pragmas",
];

/// What it can be told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  cargo xtask cc my/driver
  cargo xtask cc my/driver --output my.sys -I my/include -D DBG=1 --integritycheck")]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// The folder with the sources: .c, .cpp, .cc and .cxx, .rc, and .mc
    #[arg(value_name = "DIR")]
    sources: PathBuf,
    /// The image, with its PDB beside it; in the folder, under its name, if nothing is said
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where headers are, besides the folder
    #[arg(short = 'I', value_name = "DIR")]
    include: Vec<PathBuf>,
    /// What is defined before anything is read
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    define: Vec<String>,
    /// What a loader checks the signature of whatever the system's settings are, as
    /// ObRegisterCallbacks and its like want it
    #[arg(long)]
    integritycheck: bool,
    /// Build nothing but the driver: nthost, whose exports are linked against, is there
    #[arg(long)]
    no_build: bool,
}

impl Options {
    /// The sources of a folder as a driver whose image has all that one must have; nthost has been
    /// built.
    pub fn of(sources: &Path, image: &Path) -> Self {
        Self {
            setup: setup::Options::default(),
            sources: sources.to_owned(),
            output: Some(image.to_owned()),
            include: Vec::new(),
            define: Vec::new(),
            integritycheck: true,
            no_build: true,
        }
    }

    fn image(&self) -> anyhow::Result<PathBuf> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let folder =
            fs::canonicalize(&self.sources).with_context(|| self.sources.display().to_string())?;
        let name = folder.file_name().context("the folder has a name")?;
        Ok(folder.join(name).with_extension("sys"))
    }
}

/// Builds a driver, and shows what its image is like.
///
/// # Errors
///
/// If a source does not compile, or a routine is called that nthost has not.
pub fn run(options: &Options) -> anyhow::Result<()> {
    build(options)?;
    let image = options.image()?;
    let table = check::table(&image)?;
    println!("{}:\n{table}", image.display());
    Ok(())
}

/// Builds a driver.
///
/// # Errors
///
/// If a source does not compile, or a routine is called that nthost has not.
pub fn build(options: &Options) -> anyhow::Result<()> {
    let kernel = paths::out().join("nthost");
    if !options.no_build && !kernel.is_file() {
        build::machine(&options.setup, Drivers::None)?;
    }
    let folder = tempfile::tempdir()?;
    let work = Work {
        options,
        folder: folder.path(),
        library: paths::root().join("cross/cc"),
        headers: headers()?,
    };
    work.spellings()?;
    let libraries = work.import_libraries(&kernel)?;
    let mut objects = work.sources()?;
    let security = work.library.join("lib/security.c");
    objects.push(work.compile(&security, "library-security")?);
    work.link(&objects, &libraries, &options.image()?)
}

/// Where mingw-w64's headers are.
fn headers() -> anyhow::Result<PathBuf> {
    let places = [
        "/usr/share/mingw-w64/include",
        "/usr/x86_64-w64-mingw32/include",
        "/opt/homebrew/opt/mingw-w64/toolchain-x86_64/x86_64-w64-mingw32/include",
        "/usr/local/opt/mingw-w64/toolchain-x86_64/x86_64-w64-mingw32/include",
    ];
    let found = places
        .iter()
        .map(PathBuf::from)
        .find(|place| place.join("ddk/ntddk.h").is_file());
    found.with_context(|| {
        format!(
            "mingw-w64's ddk/ntddk.h is in none of {}",
            places.join(", ")
        )
    })
}

struct Work<'a> {
    options: &'a Options,
    folder: &'a Path,
    library: PathBuf,
    headers: PathBuf,
}

impl Work<'_> {
    /// Windows does not tell capitals from small letters, and sources are written accordingly: for
    /// each header that is spelt otherwise than its file, one of that spelling that leads to it.
    fn spellings(&self) -> anyhow::Result<()> {
        let folder = &self.options.sources;
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let text = fs::read(entry?.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            for line in text.lines() {
                let Some(rest) = line.trim_start().strip_prefix("#include") else {
                    continue;
                };
                let name = rest.trim().trim_matches(['<', '>', '"']);
                let lower = name.to_ascii_lowercase();
                let places = [self.library.join("include"), self.headers.join("ddk")];
                let is_there = |file: &str| {
                    let mut places = places.iter().chain([&self.headers, folder]);
                    places.any(|place| place.join(file).is_file())
                };
                if name != lower && !name.contains('/') && !is_there(name) && is_there(&lower) {
                    let file = self.folder.join(name);
                    fs::write(file, format!("#include <{lower}>\n"))?;
                }
            }
        }
        Ok(())
    }

    /// The objects and resources of the folder's sources.
    fn sources(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = &self.options.sources;
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut files: Vec<_> = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        files.sort();
        let of = |kinds: &[&str]| -> Vec<&PathBuf> {
            let is = |file: &&PathBuf| {
                let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
                kinds
                    .iter()
                    .any(|kind| kind.eq_ignore_ascii_case(extension))
            };
            files.iter().filter(is).collect()
        };
        let code = of(&["c", "cpp", "cc", "cxx"]);
        if code.is_empty() {
            bail!("{} has no source in C or C++", folder.display());
        }
        let mut objects = Vec::new();
        // Their headers are what the others include.
        for messages in of(&["mc"]) {
            tool(
                Command::new("x86_64-w64-mingw32-windmc")
                    .arg("-h")
                    .arg(self.folder)
                    .arg("-r")
                    .arg(self.folder)
                    .arg(messages),
            )?;
            let resource = messages.with_extension("rc");
            let resource = self.folder.join(resource.file_name().context("a name")?);
            objects.push(self.resource(&resource)?);
        }
        for resource in of(&["rc"]) {
            objects.push(self.resource(resource)?);
        }
        for (index, source) in code.into_iter().enumerate() {
            objects.push(self.compile(source, &format!("{index}"))?);
        }
        Ok(objects)
    }

    fn resource(&self, file: &Path) -> anyhow::Result<PathBuf> {
        let name = file.file_name().context("a name")?;
        let compiled = self.folder.join(name).with_extension("res");
        let mut command = Command::new("llvm-rc");
        command
            .arg("/i")
            .arg(&self.options.sources)
            .arg("/i")
            .arg(self.folder);
        for folder in &self.options.include {
            command.arg("/i").arg(folder);
        }
        command.arg("/i").arg(&self.headers);
        // Without `--`, a path such as `/dev/…` or `/check/…` is the option `/d` or `/c`.
        tool(command.arg("/fo").arg(&compiled).arg("--").arg(file))?;
        Ok(compiled)
    }

    fn compile(&self, source: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let object = self.folder.join(name).with_extension("obj");
        let is_c = source.extension().is_some_and(|extension| extension == "c");
        let mut command = Command::new(if is_c { "clang" } else { "clang++" });
        command.args(FLAGS).args(["-Xclang", "-cfguard"]);
        if is_c {
            command.arg("-std=gnu11");
        } else {
            command.args([
                "-std=c++17",
                "-fno-exceptions",
                "-fno-rtti",
                "-fno-threadsafe-statics",
                // As Microsoft's compiler has it: the kernel's strings are not const.
                "-Wno-writable-strings",
            ]);
        }
        for definition in &self.options.define {
            command.arg(format!("-D{definition}"));
        }
        for folder in &self.options.include {
            command.arg("-I").arg(folder);
        }
        command
            .arg("-I")
            .arg(self.folder)
            .arg("-isystem")
            .arg(self.library.join("include"))
            .arg("-isystem")
            .arg(self.headers.join("ddk"))
            .arg("-isystem")
            .arg(&self.headers)
            .arg("-include")
            .arg(self.library.join("prefix.h"));
        tool(command.arg("-c").arg(source).arg("-o").arg(&object))?;
        Ok(object)
    }

    /// Import libraries of everything that nthost exports, and the stand-ins for the WDK's own
    /// libraries, of which what is not called is left out.
    fn import_libraries(&self, kernel: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let bytes = fs::read(kernel).with_context(|| kernel.display().to_string())?;
        let all = routines::exported(&bytes)?;
        let code = routines::exported_routines(&bytes)?;
        let is_wmi = |name: &&String| WMILIB.contains(&name.as_str());
        let (wmi, own): (BTreeSet<&String>, BTreeSet<&String>) = all.iter().partition(is_wmi);
        let mut libraries = Vec::new();
        for (image, names) in [("ntoskrnl.exe", own), ("WMILIB.SYS", wmi)] {
            let mut list = format!("LIBRARY {image}\nEXPORTS\n");
            for name in names {
                let kind = if code.contains(name) { "" } else { " DATA" };
                writeln!(list, "    {name}{kind}")?;
            }
            let file = self.folder.join(image).with_extension("def");
            fs::write(&file, list)?;
            let library = file.with_extension("lib");
            tool(
                Command::new("llvm-dlltool")
                    .args(["-m", "i386:x86-64", "-d"])
                    .arg(&file)
                    .arg("-l")
                    .arg(&library),
            )?;
            libraries.push(library);
        }
        let mut members = Vec::new();
        for name in ["wdmsec.c", "cpp.cpp"] {
            let source = self.library.join("lib").join(name);
            members.push(self.compile(&source, &format!("library-{name}"))?);
        }
        let library = self.folder.join("support.lib");
        tool(
            Command::new("llvm-ar")
                .arg("rcs")
                .arg(&library)
                .args(members),
        )?;
        libraries.insert(0, library);
        Ok(libraries)
    }

    fn link(&self, objects: &[PathBuf], libraries: &[PathBuf], image: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(rust_lld()?);
        command.args([
            "-flavor",
            "link",
            "/driver",
            "/nodefaultlib",
            "/subsystem:native,10.0",
            "/entry:DriverEntry",
            "/base:0x140000000",
            "/dynamicbase",
            "/nxcompat",
            "/guard:cf",
            "/debug",
            "/Brepro",
            // The checksum, which a driver's image must have.
            "/release",
        ]);
        if self.options.integritycheck {
            command.arg("/integritycheck");
        }
        command.arg(format!("/out:{}", image.display()));
        command.arg(format!("/pdb:{}", image.with_extension("pdb").display()));
        tool(command.args(objects).args(libraries))
    }
}

/// Runs a tool. What it warns of is shown.
fn tool(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| program.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    if !output.status.success() {
        bail!(
            "{program} failed\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}
