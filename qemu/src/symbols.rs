//! From a place in a module to functions, files and lines: by a driver's PDB, or by the DWARF in
//! the image itself, as nthost has it and drivers that mingw-w64's tools have built.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use addr2line::Loader;
use pdb_addr2line::{ContextPdbData, pdb::PDB};

use crate::serial::{Bugcheck, Frame};

/// nthost's name in its stacks.
pub const KERNEL: &str = "nthost";

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The function, if known.
    pub function: Option<String>,
    /// The file and the line, if known.
    pub line: Option<(String, u32)>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.as_deref().unwrap_or("?"))?;
        match &self.line {
            Some((file, line)) => write!(f, " at {file}:{line}"),
            None => Ok(()),
        }
    }
}

/// Why a module has no symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolError {
    /// The file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not what it should be.
    #[error("{}: {why}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The symbols of the modules that may be on a stack.
#[derive(Default)]
pub struct Symbols {
    kernel: Option<Loader>,
    /// By the image's name.
    images: HashMap<String, Source>,
}

/// Where an image's symbols are.
enum Source {
    /// The bytes of its PDB. They are taken apart only when one of its frames is looked up,
    /// which takes a bugcheck.
    Pdb(Vec<u8>),
    /// The image itself, and the address that its symbols take it to be loaded at.
    Dwarf(Box<Loader>, u64),
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols")
            .field("kernel", &self.kernel.is_some())
            .field("images", &self.images.keys())
            .finish()
    }
}

impl Symbols {
    /// Takes nthost's symbols from its image.
    ///
    /// # Errors
    ///
    /// [`SymbolError`].
    pub fn add_kernel(&mut self, image: &Path) -> Result<(), SymbolError> {
        let loader = Loader::new(image).map_err(|why| SymbolError::Format {
            path: image.to_owned(),
            why: why.to_string(),
        })?;
        self.kernel = Some(loader);
        Ok(())
    }

    /// Takes the symbols of an image from its PDB. `module` is its name in stacks.
    ///
    /// # Errors
    ///
    /// [`SymbolError`].
    pub fn add_image(&mut self, module: &str, pdb: &Path) -> Result<(), SymbolError> {
        let bytes = fs::read(pdb).map_err(|error| SymbolError::Read {
            path: pdb.to_owned(),
            error,
        })?;
        PDB::open(io::Cursor::new(bytes.as_slice())).map_err(|why| SymbolError::Format {
            path: pdb.to_owned(),
            why: why.to_string(),
        })?;
        let source = Source::Pdb(bytes);
        self.images.insert(module.to_ascii_lowercase(), source);
        Ok(())
    }

    /// Takes the symbols of an image from the image itself, if it has any. `module` is its name
    /// in stacks.
    ///
    /// # Errors
    ///
    /// [`SymbolError`].
    pub fn add_dwarf(&mut self, module: &str, image: &Path) -> Result<(), SymbolError> {
        let loader = Loader::new(image).map_err(|why| SymbolError::Format {
            path: image.to_owned(),
            why: why.to_string(),
        })?;
        let base = loader.relative_address_base();
        let source = Source::Dwarf(Box::new(loader), base);
        self.images.insert(module.to_ascii_lowercase(), source);
        Ok(())
    }

    /// Whether a module has symbols.
    #[must_use]
    pub fn knows(&self, module: &str) -> bool {
        self.images.contains_key(&module.to_ascii_lowercase())
    }

    /// The places that a frame stands for, innermost first: several where functions were
    /// inlined, none if the module or the place in it is not known. `returned_to` says that
    /// the frame is the address behind a call, so that the call is what is looked up.
    #[must_use]
    pub fn resolve(&self, frame: &Frame, returned_to: bool) -> Vec<Location> {
        let offset = frame.offset.saturating_sub(u64::from(returned_to));
        if frame.module == KERNEL {
            let loader = self.kernel.as_ref();
            let locations = loader.and_then(|loader| dwarf_locations(loader, offset));
            return locations.unwrap_or_default();
        }
        let module = frame.module.to_ascii_lowercase();
        let locations = match self.images.get(&module) {
            Some(Source::Pdb(pdb)) => pdb_locations(pdb, offset),
            Some(Source::Dwarf(loader, base)) => dwarf_locations(loader, base + offset),
            None => None,
        };
        locations.unwrap_or_default()
    }

    /// The source lines of each byte of a module's image that is code, innermost first where
    /// functions were inlined. Empty if the module is not known.
    #[must_use]
    pub fn lines(&self, module: &str, length: u64) -> BTreeMap<u64, Vec<(String, u32)>> {
        let of = |locations: Vec<Location>| -> Vec<_> {
            locations
                .into_iter()
                .filter_map(|location| location.line)
                .collect()
        };
        let mut lines = BTreeMap::new();
        match self.images.get(&module.to_ascii_lowercase()) {
            Some(Source::Pdb(pdb)) => {
                each_pdb_location(pdb, 0..length, |offset, locations| {
                    lines.insert(offset, of(locations));
                });
            }
            Some(Source::Dwarf(loader, base)) => {
                for offset in 0..length {
                    if let Some(locations) = dwarf_locations(loader, base + offset) {
                        lines.insert(offset, of(locations));
                    }
                }
            }
            None => {}
        }
        lines
    }

    /// A bugcheck for a person: the stop line, and a line for each function on the stack.
    #[must_use]
    pub fn describe(&self, bugcheck: &Bugcheck) -> String {
        let mut text = format!("*** {bugcheck}\n");
        for (index, frame) in bugcheck.frames.iter().enumerate() {
            text += &self.describe_frame(index, frame);
        }
        if !bugcheck.events.is_empty() {
            text += "what each processor did last:\n";
        }
        for event in &bugcheck.events {
            text += &self.describe_event(event);
        }
        if !bugcheck.schedule.is_empty() {
            text += "the schedule, a column for each processor:\n";
        }
        for line in &bugcheck.schedule {
            text += &self.describe_step(line);
        }
        text
    }

    /// An event, with the place at its end, if there is one, as a function and a line.
    fn describe_event(&self, event: &str) -> String {
        let place = || {
            let mut words = event.rsplitn(3, ' ');
            let (offset, module, before) = (words.next()?, words.next()?, words.next()?);
            let frame = Frame::parse(&format!("frame 0 {module} {offset}"))?;
            // A call's place is where it returns to, a DPC's its routine.
            let location = self.resolve(&frame, before.ends_with("from"));
            Some(format!("    {before} {module}!{}\n", location.first()?))
        };
        place().unwrap_or_else(|| format!("    {event}\n"))
    }

    /// A step of an explored schedule, in its processor's column.
    fn describe_step(&self, line: &str) -> String {
        /// How far the columns are apart.
        const COLUMN: usize = 12;
        let event = self.describe_event(line);
        let parts = || {
            let (step, rest) = event.trim_start().split_once(" cpu")?;
            let (processor, rest) = rest.split_once(' ')?;
            let indent = processor.parse::<usize>().ok()? * COLUMN;
            Some(format!("{step:>8} {:indent$}cpu{processor} {rest}", ""))
        };
        parts().unwrap_or(event)
    }

    /// Lines of a log, with the frames among them resolved.
    #[must_use]
    pub fn annotate(&self, lines: &[String]) -> String {
        let mut text = String::new();
        let mut index = 0;
        for line in lines {
            if let Some(frame) = Frame::find(line) {
                text += &self.describe_frame(index, &frame);
                index += 1;
            } else {
                text += &format!("{line}\n");
            }
        }
        text
    }

    fn describe_frame(&self, index: usize, frame: &Frame) -> String {
        let module = &frame.module;
        let locations = self.resolve(frame, index > 0);
        if locations.is_empty() {
            return format!("    {index:2} {module}+{:#x}\n", frame.offset);
        }
        let lines: Vec<_> = locations
            .iter()
            .map(|location| format!("    {index:2} {module}!{location}\n"))
            .collect();
        lines.concat()
    }
}

fn dwarf_locations(loader: &Loader, address: u64) -> Option<Vec<Location>> {
    let mut frames = loader.find_frames(address).ok()?;
    let mut locations = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        let function = frame
            .function
            .as_ref()
            .and_then(|name| name.demangle().ok());
        let line = frame
            .location
            .as_ref()
            .and_then(|location| Some((location.file?.to_owned(), location.line?)));
        locations.push(Location {
            function: function.map(std::borrow::Cow::into_owned),
            line,
        });
    }
    if locations.is_empty() {
        locations.push(Location {
            function: Some(loader.find_symbol(address)?.to_owned()),
            line: None,
        });
    }
    Some(locations)
}

fn pdb_locations(pdb: &[u8], offset: u64) -> Option<Vec<Location>> {
    let mut found = None;
    each_pdb_location(pdb, [offset], |_, locations| found = Some(locations));
    found
}

/// Gives what each place stands for that the PDB knows, which is taken apart once for all of them.
fn each_pdb_location(
    pdb: &[u8],
    offsets: impl IntoIterator<Item = u64>,
    mut give: impl FnMut(u64, Vec<Location>),
) -> Option<()> {
    let data = ContextPdbData::try_from_pdb(PDB::open(io::Cursor::new(pdb)).ok()?).ok()?;
    let context = data.make_context().ok()?;
    for offset in offsets {
        let Ok(Some(frames)) = context.find_frames(u32::try_from(offset).ok()?) else {
            continue;
        };
        let locations = frames.frames.into_iter().map(|frame| Location {
            function: frame.function,
            line: frame
                .file
                .and_then(|file| Some((file.into_owned(), frame.line?))),
        });
        give(offset, locations.collect());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_an_unknown_module_stays_as_it_is() {
        let bugcheck = Bugcheck {
            code: 0xa,
            parameters: [1, 2, 3, 4],
            name: "IRQL_NOT_LESS_OR_EQUAL".to_owned(),
            frames: vec![Frame {
                module: "other.sys".to_owned(),
                offset: 0x12,
            }],
            events: vec![
                "cpu1 3 us ago: KeSetEvent from other.sys +0x34".to_owned(),
                "cpu1 2 us ago: interrupt, vector 0xb0".to_owned(),
            ],
            schedule: vec![
                "explored: seed 0x1, depth 2".to_owned(),
                "7 cpu1 thread 9: takes a lock".to_owned(),
            ],
        };
        assert_eq!(
            Symbols::default().describe(&bugcheck),
            "*** STOP 0xa (0x1, 0x2, 0x3, 0x4) IRQL_NOT_LESS_OR_EQUAL\n     0 other.sys+0x12\n\
             what each processor did last:\n    \
             cpu1 3 us ago: KeSetEvent from other.sys +0x34\n    \
             cpu1 2 us ago: interrupt, vector 0xb0\n\
             the schedule, a column for each processor:\n    \
             explored: seed 0x1, depth 2\n       \
             7             cpu1 thread 9: takes a lock\n"
        );
    }

    #[test]
    fn a_file_that_is_no_pdb_is_refused_by_name() {
        let fault = Symbols::default()
            .add_image(
                "a.sys",
                Path::new(file!())
                    .file_name()
                    .map_or(Path::new(""), Path::new),
            )
            .unwrap_err();
        assert!(fault.to_string().contains("symbols.rs"), "{fault}");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/symbols.rs");
        let fault = Symbols::default().add_image("a.sys", &source).unwrap_err();
        assert!(matches!(fault, SymbolError::Format { .. }), "{fault}");
    }
}
