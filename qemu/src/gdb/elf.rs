//! An ELF file that has nothing but symbols and lines, as gdb reads them. All addresses count
//! from the image's base: gdb is told to add it.

use gimli::{
    DW_AT_high_pc, DW_AT_language, DW_AT_linkage_name, DW_AT_low_pc, DW_AT_name, DW_AT_ranges,
    DW_AT_stmt_list, DW_LANG_Rust, DW_TAG_subprogram, Encoding, Format, LineEncoding, LittleEndian,
    write::{
        Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Range, RangeList,
        Sections,
    },
};
use object::{
    Endianness, elf,
    write::elf::{FileHeader, SectionHeader, Sym, Writer},
};

use super::Program;

const ENCODING: Encoding = Encoding {
    format: Format::Dwarf32,
    version: 4,
    address_size: 8,
};

/// The debugging information: a unit with all functions, and their lines.
fn dwarf(program: &Program) -> gimli::write::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut dwarf = DwarfUnit::new(ENCODING);
    let string = |text: &str| LineString::String(text.as_bytes().to_vec());
    let mut lines = LineProgram::new(
        ENCODING,
        LineEncoding::default(),
        string("/"),
        None,
        string("driver"),
        None,
    );
    let directory = lines.default_directory();
    let files: Vec<_> = program
        .files
        .iter()
        .map(|name| lines.add_file(string(name), directory, None))
        .collect();
    let root = dwarf.unit.root();
    let mut ranges = Vec::new();
    for (&address, function) in &program.functions {
        let (begin, length) = (
            Address::Constant(address.into()),
            u64::from(function.length),
        );
        if length == 0 {
            continue;
        }
        ranges.push(Range::StartLength { begin, length });
        let entry = dwarf.unit.add(root, DW_TAG_subprogram);
        let name = AttributeValue::String(function.name.clone().into_bytes());
        let entry = dwarf.unit.get_mut(entry);
        entry.set(DW_AT_name, name.clone());
        entry.set(DW_AT_linkage_name, name);
        entry.set(DW_AT_low_pc, AttributeValue::Address(begin));
        entry.set(DW_AT_high_pc, AttributeValue::Udata(length));
        if function.lines.is_empty() {
            continue;
        }
        lines.begin_sequence(Some(begin));
        for line in &function.lines {
            let row = lines.row();
            row.address_offset = u64::from(line.address - address);
            row.file = files[line.file];
            row.line = line.line.into();
            row.is_statement = true;
            lines.generate_row();
        }
        lines.end_sequence(length);
    }
    dwarf.unit.line_program = lines;
    let ranges = dwarf.unit.ranges.add(RangeList(ranges));
    let unit = dwarf.unit.get_mut(root);
    unit.set(DW_AT_name, AttributeValue::String(b"driver".to_vec()));
    unit.set(DW_AT_language, AttributeValue::Language(DW_LANG_Rust));
    unit.set(DW_AT_low_pc, AttributeValue::Address(Address::Constant(0)));
    unit.set(DW_AT_ranges, AttributeValue::RangeListRef(ranges));
    unit.set(DW_AT_stmt_list, AttributeValue::LineProgramRef);
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections)?;
    let mut written = Vec::new();
    sections.for_each(|id, bytes| {
        if !bytes.slice().is_empty() {
            written.push((id.name(), bytes.slice().to_vec()));
        }
        Ok::<_, gimli::write::Error>(())
    })?;
    Ok(written)
}

/// The file.
pub(super) fn write(program: &Program) -> Result<Vec<u8>, String> {
    let debug = dwarf(program).map_err(|why| why.to_string())?;
    let mut bytes = Vec::new();
    let mut file = Writer::new(Endianness::Little, true, &mut bytes);
    file.reserve_file_header();
    let text_name = file.add_section_name(b".text");
    let text = file.reserve_section_index();
    let sections: Vec<_> = debug
        .iter()
        .map(|(name, bytes)| {
            file.reserve_section_index();
            let name = file.add_section_name(name.as_bytes());
            (name, file.reserve(bytes.len(), 1), bytes)
        })
        .collect();
    let symbols: Vec<_> = program
        .functions
        .iter()
        .map(|(&address, function)| {
            file.reserve_symbol_index(Some(text));
            (
                file.add_string(function.name.as_bytes()),
                address,
                function.length,
            )
        })
        .collect();
    file.reserve_symtab_section_index();
    file.reserve_symtab();
    file.reserve_strtab_section_index();
    file.reserve_strtab();
    file.reserve_shstrtab_section_index();
    file.reserve_shstrtab();
    file.reserve_section_headers();

    let header = FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_DYN,
        e_machine: elf::EM_X86_64,
        e_entry: 0,
        e_flags: 0,
    };
    file.write_file_header(&header)
        .map_err(|why| why.to_string())?;
    for (_, offset, bytes) in &sections {
        file.pad_until(*offset);
        file.write(bytes);
    }
    file.write_null_symbol();
    for &(name, address, length) in &symbols {
        file.write_symbol(&Sym {
            name: Some(name),
            section: Some(text),
            st_info: elf::STB_GLOBAL << 4 | elf::STT_FUNC,
            st_other: 0,
            st_shndx: 0,
            st_value: address.into(),
            st_size: length.into(),
        });
    }
    file.write_strtab();
    file.write_shstrtab();
    file.write_null_section_header();
    let end = program
        .functions
        .last_key_value()
        .map_or(0, |(&address, function)| {
            u64::from(address) + u64::from(function.length)
        });
    let plain = SectionHeader {
        name: None,
        sh_type: elf::SHT_PROGBITS,
        sh_flags: 0,
        sh_addr: 0,
        sh_offset: 0,
        sh_size: 0,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 1,
        sh_entsize: 0,
    };
    file.write_section_header(&SectionHeader {
        name: Some(text_name),
        sh_type: elf::SHT_NOBITS,
        sh_flags: u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR),
        sh_size: end,
        ..plain
    });
    for &(name, offset, bytes) in &sections {
        file.write_section_header(&SectionHeader {
            name: Some(name),
            sh_offset: offset as u64,
            sh_size: bytes.len() as u64,
            ..plain.clone()
        });
    }
    // None of the symbols is local but the null symbol.
    file.write_symtab_section_header(1);
    file.write_strtab_section_header();
    file.write_shstrtab_section_header();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use object::{Object, ObjectSection, ObjectSymbol};

    use super::{
        super::{Function, Line},
        *,
    };

    fn program() -> Program {
        let function = Function {
            name: "a::b".to_owned(),
            length: 0x20,
            lines: vec![
                Line {
                    address: 0x1010,
                    file: 0,
                    line: 7,
                },
                Line {
                    address: 0x1018,
                    file: 0,
                    line: 9,
                },
            ],
        };
        Program {
            functions: [(0x1010, function)].into(),
            files: vec!["/src/b.rs".to_owned()],
        }
    }

    #[test]
    fn a_function_is_a_symbol_at_its_address_and_its_lines_are_found() {
        let bytes = write(&program()).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let symbol = file
            .symbols()
            .find(|symbol| symbol.name() == Ok("a::b"))
            .unwrap();
        assert_eq!((symbol.address(), symbol.size()), (0x1010, 0x20));
        for section in [".text", ".debug_info", ".debug_line", ".debug_abbrev"] {
            let section = file.section_by_name(section);
            assert!(section.is_some_and(|section| section.size() > 0));
        }
    }

    #[test]
    fn an_image_without_symbols_has_an_empty_file() {
        let bytes = write(&Program::default()).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        assert_eq!(file.symbols().count(), 0);
    }
}
