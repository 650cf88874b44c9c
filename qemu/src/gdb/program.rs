//! What a PDB says of an image: its functions, and the lines that their code is from.

use std::{collections::BTreeMap, io::Cursor};

use pdb_addr2line::pdb::{self, AddressMap, FallibleIterator, PDB, StringTable, SymbolData};

/// From here on, the code is of this line. Files are numbers in [`Program::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counted from the image's base.
    pub address: u32,
    /// Which file.
    pub file: usize,
    /// The line, from 1.
    pub line: u32,
}

/// A function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// As the PDB calls it, with its path.
    pub name: String,
    /// Bytes; zero if the PDB does not say.
    pub length: u32,
    /// The lines, in the order of their addresses.
    pub lines: Vec<Line>,
}

/// An image's functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// By their addresses, counted from the image's base.
    pub functions: BTreeMap<u32, Function>,
    /// The files' names.
    pub files: Vec<String>,
}

impl Program {
    /// Reads a PDB.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, pdb::Error> {
        let mut pdb = PDB::open(Cursor::new(bytes))?;
        let addresses = pdb.address_map()?;
        let strings = pdb.string_table()?;
        let mut program = Self::default();
        let debug = pdb.debug_information()?;
        let mut modules = debug.modules()?;
        while let Some(module) = modules.next()? {
            if let Some(module) = pdb.module_info(&module)? {
                program.add_module(&module, &addresses, &strings)?;
            }
        }
        // What has no procedure of its own: imported and hand-written code.
        let globals = pdb.global_symbols()?;
        let mut symbols = globals.iter();
        while let Some(symbol) = symbols.next()? {
            let Ok(SymbolData::Public(public)) = symbol.parse() else {
                continue;
            };
            let address = public.offset.to_rva(&addresses);
            if let Some(address) = address.filter(|_| public.function || public.code) {
                let name = public.name.to_string().into_owned();
                let function = || Function {
                    name,
                    ..Function::default()
                };
                program.functions.entry(address.0).or_insert_with(function);
            }
        }
        Ok(program)
    }

    fn add_module(
        &mut self,
        module: &pdb::ModuleInfo<'_>,
        addresses: &AddressMap<'_>,
        strings: &StringTable<'_>,
    ) -> Result<(), pdb::Error> {
        let program = module.line_program()?;
        let mut symbols = module.symbols()?;
        while let Some(symbol) = symbols.next()? {
            let Ok(SymbolData::Procedure(procedure)) = symbol.parse() else {
                continue;
            };
            let Some(begin) = procedure.offset.to_rva(addresses) else {
                continue;
            };
            let mut function = Function {
                name: procedure.name.to_string().into_owned(),
                length: procedure.len,
                lines: Vec::new(),
            };
            let mut lines = program.lines_for_symbol(procedure.offset);
            while let Some(line) = lines.next()? {
                let address = line.offset.to_rva(addresses);
                let inside = |address: &pdb::Rva| {
                    address
                        .0
                        .checked_sub(begin.0)
                        .is_some_and(|at| at < procedure.len)
                };
                let Some(address) = address.filter(inside) else {
                    continue;
                };
                let name = program.get_file_info(line.file_index)?.name;
                function.lines.push(Line {
                    address: address.0,
                    file: self.file(name.to_string_lossy(strings)?.into_owned()),
                    line: line.line_start,
                });
            }
            function.lines.sort_by_key(|line| line.address);
            self.functions.insert(begin.0, function);
        }
        Ok(())
    }

    fn file(&mut self, name: String) -> usize {
        let known = self.files.iter().position(|file| *file == name);
        known.unwrap_or_else(|| {
            self.files.push(name);
            self.files.len() - 1
        })
    }
}
