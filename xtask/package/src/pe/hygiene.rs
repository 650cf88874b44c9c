//! What a driver's image must be like: a table that the build shows, each line with its reason.
//!
//! Source: "PE Format" for the fields; the documentation of the linker's switches `/DRIVER`,
//! `/NXCOMPAT`, `/DYNAMICBASE`, `/HIGHENTROPYVA`, `/INTEGRITYCHECK`, `/GUARD` for the reasons.

use std::fmt;

use object::LittleEndian;
use object::pe::{self, ImageSectionHeader};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};

use super::{checksum, frames, guard, imports, pdb, version};
use crate::inf::driver_version::Version;

/// What was found of one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it must be.
    Good,
    /// It is not, but the driver loads and works.
    Missing,
    /// The driver must not be shipped like this.
    Bad,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The property.
    pub property: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// What the image has.
    pub found: String,
    /// Why it matters, or what stands in the way.
    pub reason: &'static str,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(pub Vec<Line>);

impl Table {
    /// The lines that keep the driver from being shipped.
    pub fn bad(&self) -> impl Iterator<Item = &Line> {
        self.0.iter().filter(|line| line.verdict == Verdict::Bad)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            let mark = match line.verdict {
                Verdict::Good => "ok",
                Verdict::Missing => "no",
                Verdict::Bad => "BAD",
            };
            writeln!(f, "  {mark:<4}{:<24}{}", line.property, line.found)?;
            if line.verdict != Verdict::Good {
                writeln!(f, "      {}", line.reason)?;
            }
        }
        Ok(())
    }
}

const WRITABLE_CODE: u32 = pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_MEM_WRITE;

/// The most that one function may take of the stack: a page, a sixth of what there is.
const LARGEST_FRAME: u32 = 4096;

struct Checks<'i> {
    pe: PeFile64<'i>,
    lines: Vec<Line>,
}

impl Checks<'_> {
    fn line(
        &mut self,
        property: &'static str,
        verdict: Verdict,
        found: impl Into<String>,
        reason: &'static str,
    ) {
        self.lines.push(Line {
            property,
            verdict,
            found: found.into(),
            reason,
        });
    }

    fn must(
        &mut self,
        property: &'static str,
        good: bool,
        found: impl Into<String>,
        reason: &'static str,
    ) {
        let verdict = if good { Verdict::Good } else { Verdict::Bad };
        self.line(property, verdict, found, reason);
    }

    fn characteristics(&self) -> u16 {
        self.pe.nt_headers().optional_header().dll_characteristics()
    }

    fn flag(&mut self, property: &'static str, flag: u16, reason: &'static str) {
        let set = self.characteristics() & flag != 0;
        let found = if set { "set" } else { "not set" };
        self.must(property, set, found, reason);
    }

    fn headers(&mut self, image: &[u8]) {
        let headers = self.pe.nt_headers();
        let machine = headers.file_header.machine.get(LittleEndian);
        self.must(
            "machine",
            machine == pe::IMAGE_FILE_MACHINE_AMD64,
            format!("0x{machine:04x}"),
            "the INF file installs it on x64 alone",
        );
        let subsystem = headers.optional_header().subsystem();
        self.must(
            "subsystem",
            subsystem == pe::IMAGE_SUBSYSTEM_NATIVE,
            if subsystem == pe::IMAGE_SUBSYSTEM_NATIVE {
                "native".to_owned()
            } else {
                subsystem.to_string()
            },
            "the kernel loads native images only",
        );
        let (stored, right) = (checksum::stored(image), checksum::compute(image));
        self.must(
            "checksum",
            stored.is_ok() && stored == right,
            format!("0x{:08x}", stored.unwrap_or(0)),
            "the kernel refuses a driver whose checksum is wrong",
        );
        self.flag(
            "NX compatible",
            pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
            "data must not be executed",
        );
        self.flag(
            "ASLR",
            pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE,
            "the kernel chooses where the image goes",
        );
        self.flag(
            "high-entropy ASLR",
            pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA,
            "all 64 bits of an address are used",
        );
        let relocations = self
            .pe
            .data_directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC)
            .is_some();
        let stripped = headers.file_header.characteristics.get(LittleEndian)
            & pe::IMAGE_FILE_RELOCS_STRIPPED
            != 0;
        self.must(
            "relocations",
            relocations && !stripped,
            if relocations { "present" } else { "none" },
            "an image that cannot be moved cannot be loaded twice at the same place",
        );
        self.flag(
            "integrity check",
            pe::IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY,
            "the loader must check the signature; object-manager callbacks demand it",
        );
        self.guard();
    }

    /// Control Flow Guard: the flag alone is nothing; code must be instrumented too, and the
    /// table of call targets must have all that the system itself calls.
    fn guard(&mut self) {
        let reason = "a corrupted pointer could call anything; it takes -C control-flow-guard, \
                      and a load configuration from a run-time library";
        let found = guard::of(&self.pe).and_then(|guard| Ok((guard, guard::handlers(&self.pe)?)));
        let (guard, handlers) = match found {
            Ok(found) => found,
            Err(error) => return self.must("Control Flow Guard", false, error, reason),
        };
        let verdict = if guard.instrumented {
            Verdict::Good
        } else {
            Verdict::Missing
        };
        let found = if guard.instrumented {
            "instrumented"
        } else {
            "none"
        };
        self.line("Control Flow Guard", verdict, found, reason);
        let faults = guard::faults(&guard, &handlers);
        let found = match (faults.is_empty(), &guard.functions) {
            (false, _) => faults.join("; "),
            (true, Some(_)) => format!("{}, all of them call targets", handlers.len()),
            (true, None) => handlers.len().to_string(),
        };
        self.must(
            "exception handlers",
            faults.is_empty(),
            found,
            "where the system calls them by guarded calls, one that is not in the guard's table \
             ends it with bug check 0x139; `.symidx` in `.gfids$y` enters what assembly names",
        );
    }

    fn sections(&mut self) {
        let name = |section: &ImageSectionHeader| -> String {
            String::from_utf8_lossy(section.raw_name()).into_owned()
        };
        let all: Vec<(String, u32)> = self
            .pe
            .section_table()
            .iter()
            .map(|section| (name(section), section.characteristics.get(LittleEndian)))
            .collect();
        let writable: Vec<&str> = all
            .iter()
            .filter(|(_, flags)| flags & WRITABLE_CODE == WRITABLE_CODE)
            .map(|(name, _)| name.as_str())
            .collect();
        let found = if writable.is_empty() {
            "none".to_owned()
        } else {
            writable.join(", ")
        };
        self.must(
            "writable code",
            writable.is_empty(),
            found,
            "memory integrity (HVCI) refuses sections that are executable and writable",
        );
        let init: Vec<_> = all
            .iter()
            .filter(|(name, _)| name.starts_with("INIT"))
            .collect();
        let kept: Vec<_> = init
            .iter()
            .filter(|(_, flags)| flags & pe::IMAGE_SCN_MEM_DISCARDABLE == 0)
            .collect();
        let found = match (init.len(), kept.len()) {
            (0, _) => "not used",
            (_, 0) => "discardable",
            _ => "kept",
        };
        self.must(
            "INIT section",
            kept.is_empty(),
            found,
            "what only DriverEntry needs is thrown away after it, if it says that it may be",
        );
        let paged: Vec<_> = all
            .iter()
            .filter(|(name, _)| name.starts_with("PAGE"))
            .collect();
        let found = if paged.is_empty() {
            "none".to_owned()
        } else {
            paged.len().to_string()
        };
        self.line("pageable sections", Verdict::Good, found, "");
    }

    fn frames(&mut self) {
        let reason =
            "a thread has 24 KiB of kernel stack for all drivers of a device stack together";
        match frames::largest(&self.pe) {
            Err(error) => self.must("largest stack frame", false, error, reason),
            Ok(None) => self.line("largest stack frame", Verdict::Good, "none", reason),
            Ok(Some(frames::Largest { function, bytes })) => {
                let verdict = if bytes <= LARGEST_FRAME {
                    Verdict::Good
                } else {
                    Verdict::Missing
                };
                let found = format!("{bytes} bytes, of the function at 0x{function:x}");
                self.line("largest stack frame", verdict, found, reason);
            }
        }
    }

    fn imports(&mut self) {
        match imports::of(&self.pe) {
            Err(error) => self.must("imports", false, error, "the import table must be readable"),
            Ok(imports) => {
                let faults = imports::faults(&imports);
                let found = if faults.is_empty() {
                    format!(
                        "{}, all in Windows 10 build {} and later",
                        imports.len(),
                        imports::LOWEST_BUILD
                    )
                } else {
                    faults.join("; ")
                };
                self.must(
                    "imports",
                    faults.is_empty(),
                    found,
                    "a routine that the running Windows lacks keeps the driver from loading",
                );
            }
        }
    }

    fn version(&mut self, wanted: Option<Version>) {
        let reason = "Windows compares drivers by it, and the INF file must agree with it";
        match version::of(&self.pe) {
            Err(error) => self.must("version resource", false, error, reason),
            Ok(None) => self.must("version resource", false, "none", reason),
            Ok(Some(info)) => {
                let given = info.file_version;
                let agrees = wanted.is_none_or(|wanted| wanted == given);
                let mut found = wanted.filter(|_| !agrees).map_or_else(
                    || given.to_string(),
                    |wanted| format!("{given}, but the package's is {wanted}"),
                );
                if !info.is_driver {
                    found.push_str(", which does not say that it is a driver");
                }
                self.must("version resource", agrees && info.is_driver, found, reason);
            }
        }
    }

    fn pdb(&mut self, pdb: Option<&[u8]>) {
        let reason = "a debugger takes only the PDB of the very image";
        let image = match pdb::of_image(&self.pe) {
            Ok(Some((image, _))) => image,
            Ok(None) => return self.line("PDB", Verdict::Missing, "the image names none", reason),
            Err(error) => return self.must("PDB", false, error, reason),
        };
        match pdb.map(pdb::of_pdb) {
            None => self.line("PDB", Verdict::Missing, "not there", reason),
            Some(Err(error)) => self.must("PDB", false, error, reason),
            Some(Ok(pdb)) if pdb::matches(&image, &pdb) => {
                self.line(
                    "PDB",
                    Verdict::Good,
                    format!("matches, age {}", pdb.age),
                    reason,
                );
            }
            Some(Ok(_)) => self.must("PDB", false, "that of another image", reason),
        }
    }
}

/// Looks at an image.
///
/// # Errors
/// Where the bytes are no 64-bit PE image, in words.
pub fn check(image: &[u8], pdb: Option<&[u8]>, version: Option<Version>) -> Result<Table, String> {
    let pe =
        PeFile64::parse(image).map_err(|error| format!("it is no 64-bit PE image: {error}"))?;
    let mut checks = Checks {
        pe,
        lines: Vec::new(),
    };
    checks.headers(image);
    checks.sections();
    checks.frames();
    checks.imports();
    checks.version(version);
    checks.pdb(pdb);
    Ok(Table(checks.lines))
}
