//! A driver's image, made from nothing: headers, an import, a version resource, a debug entry.

use object::pe;
use object::write::pe::{NtHeaders, Writer};

/// The GUID that image and PDB share.
pub const GUID: [u8; 16] = *b"a guid of 16 b's";

/// Where the image would go.
const IMAGE_BASE: u64 = 0x1_4000_0000;

/// What can be wrong with an image.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// `IMAGE_DLLCHARACTERISTICS_…`
    pub characteristics: u16,
    /// `IMAGE_SUBSYSTEM_…`
    pub subsystem: u16,
    /// `IMAGE_SCN_…` of the code.
    pub code: u32,
    /// `IMAGE_SCN_…` of a section named INIT.
    pub init: Option<u32>,
    /// The image and the routine that are imported.
    pub import: (&'static str, &'static str),
    /// The version's parts.
    pub version: Option<[u16; 4]>,
    /// `VFT_…`
    pub file_type: u32,
    /// What Control Flow Guard has, and the exception handler that it is about.
    pub guard: Option<GuardPlan>,
}

/// An image with Control Flow Guard and a function that catches exceptions.
#[derive(Clone, Copy, Debug)]
pub struct GuardPlan {
    /// The call targets, as offsets in the code.
    pub functions: &'static [u32],
    /// Where execution may go on, likewise, if there is a table of that.
    pub continuations: Option<&'static [u32]>,
    /// Bytes of an entry behind its address.
    pub extra: u32,
}

/// A function that catches, whose tables have all they must: its handler is the jump at
/// [`HANDLER`], its landing pad at [`LANDING_PAD`].
pub const GUARDED: Plan = Plan {
    characteristics: GOOD.characteristics | pe::IMAGE_DLLCHARACTERISTICS_GUARD_CF,
    import: ("ntoskrnl.exe", "__C_specific_handler"),
    guard: Some(GuardPlan {
        functions: &[0, HANDLER],
        continuations: None,
        extra: 0,
    }),
    ..GOOD
};
/// Where the jump to the handler is in the code.
pub const HANDLER: u32 = 0x40;
/// Where execution goes on after an exception.
pub const LANDING_PAD: u32 = 0x20;

/// As a driver should be.
pub const GOOD: Plan = Plan {
    characteristics: pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT
        | pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE
        | pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA
        | pe::IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY,
    subsystem: pe::IMAGE_SUBSYSTEM_NATIVE,
    code: pe::IMAGE_SCN_CNT_CODE | pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_MEM_READ,
    init: None,
    import: ("ntoskrnl.exe", "ExAllocatePool2"),
    version: Some([1, 2, 3, 0]),
    file_type: 3,
    guard: None,
};

fn u32s(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The code: what returns, and the jump to the one import.
fn code(at: u32, slot: u32) -> Vec<u8> {
    let mut bytes = vec![0xc3; 0x100];
    let jump = HANDLER as usize;
    bytes[jump..jump + 2].copy_from_slice(&[0xff, 0x25]);
    let distance = slot.wrapping_sub(at + HANDLER + 6);
    bytes[jump + 2..jump + 6].copy_from_slice(&distance.to_le_bytes());
    bytes
}

/// The load configuration and its tables, then the table of functions and the unwind data of
/// one. Gives where the table of functions stands, too.
fn guard(at: u32, base: u64, text: u32, plan: &GuardPlan) -> (Vec<u8>, u32) {
    let entries = |offsets: &[u32]| -> Vec<u8> {
        let one = |offset: &u32| {
            let mut entry = (text + offset).to_le_bytes().to_vec();
            entry.resize(4 + plan.extra as usize, 0xee);
            entry
        };
        offsets.iter().flat_map(one).collect()
    };
    let mut bytes = vec![0; 0x118];
    let mut put = |offset: usize, value: &[u8]| {
        bytes[offset..offset + value.len()].copy_from_slice(value);
    };
    let mut flags = 0x500 | plan.extra << 28;
    put(0, &0x118_u32.to_le_bytes());
    put(0x80, &(base + u64::from(at) + 0x118).to_le_bytes());
    put(0x88, &(plan.functions.len() as u64).to_le_bytes());
    let mut tables = entries(plan.functions);
    if let Some(continuations) = plan.continuations {
        flags |= 0x40_0000;
        let table = base + u64::from(at) + 0x118 + tables.len() as u64;
        put(0x108, &table.to_le_bytes());
        put(0x110, &(continuations.len() as u64).to_le_bytes());
        tables.extend(entries(continuations));
    }
    put(0x90, &flags.to_le_bytes());
    bytes.extend(tables);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let functions = at + u32::try_from(bytes.len()).unwrap();
    bytes.extend(u32s(&[text, text + 0x40, functions + 12]));
    // Version 1 with a handler for exceptions, one code, which an unused one goes with.
    bytes.extend([0x09, 4, 1, 0, 4, 0x42, 0, 0]);
    let (begin, end) = (text, text + 0x10);
    bytes.extend(u32s(&[
        text + HANDLER,
        1,
        begin,
        end,
        1,
        text + LANDING_PAD,
    ]));
    (bytes, functions)
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// Descriptor, table of names, the name, and the image's name, from this address on.
fn imports(at: u32, (library, name): (&str, &str)) -> Vec<u8> {
    let (names, hint) = (at + 40, at + 56);
    let mut bytes = u32s(&[names, 0, 0, hint + 64, names]);
    bytes.extend([0; 20]);
    bytes.extend(u64::from(hint).to_le_bytes());
    bytes.extend([0; 8]);
    let mut text = vec![0; 2];
    text.extend(name.bytes().chain([0]));
    text.resize(64, 0);
    text.extend(library.bytes().chain([0]));
    bytes.extend(text);
    bytes
}

/// The debug directory and its CodeView entry, from this address and this place on.
fn debug(at: u32, offset: u32) -> Vec<u8> {
    let mut entry = b"RSDS".to_vec();
    entry.extend(GUID);
    entry.extend(1_u32.to_le_bytes());
    entry.extend(b"C:\\somewhere\\sample.pdb\0");
    let length = u32::try_from(entry.len()).unwrap();
    let mut bytes = u32s(&[
        0,
        0,
        0,
        pe::IMAGE_DEBUG_TYPE_CODEVIEW,
        length,
        at + 28,
        offset + 28,
    ]);
    bytes.extend(entry);
    bytes
}

/// Three tables and the version's fixed part, from this address on.
fn resources(at: u32, version: [u16; 4], file_type: u32) -> Vec<u8> {
    let [first, second, third, fourth] = version.map(u32::from);
    let mut info = Vec::new();
    let fixed = u32s(&[
        0xfeef_04bd,
        0x1_0000,
        first << 16 | second,
        third << 16 | fourth,
        0,
        0,
        0,
        0,
        0x4_0004,
        file_type,
        7,
        0,
        0,
    ]);
    info.extend([92_u16, 52, 0].iter().flat_map(|half| half.to_le_bytes()));
    info.extend(wide("VS_VERSION_INFO"));
    info.resize(40, 0);
    info.extend(fixed);
    let mut bytes = Vec::new();
    for (id, next) in [(16, 0x8000_0018), (1, 0x8000_0030), (0x409, 0x48)] {
        bytes.extend(u32s(&[0, 0, 0, 1 << 16, id, next]));
    }
    bytes.extend(u32s(&[at + 0x58, u32::try_from(info.len()).unwrap(), 0, 0]));
    bytes.extend(info);
    bytes
}

/// Makes the image of a plan, with its checksum.
pub fn image(plan: &Plan) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut writer = Writer::new(true, 0x1000, 0x200, &mut buffer);
    writer.reserve_dos_header();
    writer.reserve_nt_headers(16);
    writer.reserve_section_headers(if plan.init.is_some() { 5 } else { 4 });
    let text = writer.reserve_section(*b".text\0\0\0", plan.code, 0x100, 0x100);
    let read = pe::IMAGE_SCN_CNT_INITIALIZED_DATA | pe::IMAGE_SCN_MEM_READ;
    let rdata = writer.reserve_section(*b".rdata\0\0", read, 0x400, 0x400);
    let init = plan
        .init
        .map(|flags| writer.reserve_section(*b"INIT\0\0\0\0", flags, 0x10, 0x10));
    let resource = resources(0, plan.version.unwrap_or_default(), plan.file_type);
    let length = u32::try_from(resource.len()).unwrap();
    let rsrc = writer.reserve_rsrc_section(length);
    writer.add_reloc(text.virtual_address, pe::IMAGE_REL_BASED_DIR64);
    let reloc = writer.reserve_reloc_section();

    // The loader writes the routine's address over the second table's entry: here there is one.
    let slot = rdata.virtual_address + 40;
    let imports = imports(rdata.virtual_address, plan.import);
    let (debug_at, debug_offset) = (rdata.virtual_address + 0x100, rdata.file_offset + 0x100);
    let debug = debug(debug_at, debug_offset);
    writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT, rdata.virtual_address, 40);
    writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG, debug_at, 28);
    let guard = plan.guard.as_ref().map(|plan| {
        let at = rdata.virtual_address + 0x200;
        let (bytes, functions) = guard(at, IMAGE_BASE, text.virtual_address, plan);
        // 64 bytes, whatever the structure has: so does every linker.
        writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, at, 64);
        writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION, functions, 12);
        bytes
    });
    if plan.version.is_none() {
        writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_RESOURCE, 0, 0);
    }
    let _ = reloc;

    writer.write_empty_dos_header().unwrap();
    writer.write_nt_headers(NtHeaders {
        machine: pe::IMAGE_FILE_MACHINE_AMD64,
        time_date_stamp: 0,
        characteristics: pe::IMAGE_FILE_EXECUTABLE_IMAGE | pe::IMAGE_FILE_LARGE_ADDRESS_AWARE,
        major_linker_version: 14,
        minor_linker_version: 0,
        address_of_entry_point: text.virtual_address,
        image_base: IMAGE_BASE,
        major_operating_system_version: 10,
        minor_operating_system_version: 0,
        major_image_version: 10,
        minor_image_version: 0,
        major_subsystem_version: 10,
        minor_subsystem_version: 0,
        subsystem: plan.subsystem,
        dll_characteristics: plan.characteristics,
        size_of_stack_reserve: 0x10_0000,
        size_of_stack_commit: 0x1000,
        size_of_heap_reserve: 0x10_0000,
        size_of_heap_commit: 0x1000,
    });
    writer.write_section_headers();
    writer.write_section(text.file_offset, &code(text.virtual_address, slot));
    let mut data = imports;
    data.resize(0x100, 0);
    data.extend(debug);
    data.resize(0x200, 0);
    data.extend(guard.unwrap_or_default());
    writer.write_section(rdata.file_offset, &data);
    if let Some(init) = init {
        writer.write_section(init.file_offset, &[0xc3; 0x10]);
    }
    let resource = resources(
        rsrc.virtual_address,
        plan.version.unwrap_or_default(),
        plan.file_type,
    );
    writer.write_section(rsrc.file_offset, &resource);
    writer.write_reloc_section();
    eduwdm_package::pe::checksum::set(&mut buffer).unwrap();
    buffer
}

/// A PDB with nothing but the stream that says whose it is.
pub fn pdb(guid: [u8; 16]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut file = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0".to_vec();
    // Block size, free map, blocks, length of the directory, unused, the block with its map.
    file.extend(u32s(&[512, 1, 6, 16, 0, 3]));
    file.resize(BLOCK * 3, 0);
    // The directory is in block 4: two streams, an empty one and one of 28 bytes in block 5.
    file.extend(u32s(&[4]));
    file.resize(BLOCK * 4, 0);
    file.extend(u32s(&[2, 0, 28, 5]));
    file.resize(BLOCK * 5, 0);
    file.extend(u32s(&[20_000_404, 0, 1]));
    file.extend(guid);
    file.resize(BLOCK * 6, 0);
    file
}
