//! A driver's image, made from nothing: headers, an import, a version resource, a debug entry.

use object::pe;
use object::write::pe::{NtHeaders, Writer};

/// The GUID that image and PDB share.
pub const GUID: [u8; 16] = *b"a guid of 16 b's";

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
}

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
};

fn u32s(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
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
    let rdata = writer.reserve_section(*b".rdata\0\0", read, 0x200, 0x200);
    let init = plan
        .init
        .map(|flags| writer.reserve_section(*b"INIT\0\0\0\0", flags, 0x10, 0x10));
    let resource = resources(0, plan.version.unwrap_or_default(), plan.file_type);
    let length = u32::try_from(resource.len()).unwrap();
    let rsrc = writer.reserve_rsrc_section(length);
    writer.add_reloc(text.virtual_address, pe::IMAGE_REL_BASED_DIR64);
    let reloc = writer.reserve_reloc_section();

    let imports = imports(rdata.virtual_address, plan.import);
    let (debug_at, debug_offset) = (rdata.virtual_address + 0x100, rdata.file_offset + 0x100);
    let debug = debug(debug_at, debug_offset);
    writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT, rdata.virtual_address, 40);
    writer.set_data_directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG, debug_at, 28);
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
        image_base: 0x1_4000_0000,
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
    writer.write_section(text.file_offset, &[0xc3; 0x100]);
    let mut data = imports;
    data.resize(0x100, 0);
    data.extend(debug);
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
