//! Writes the version resource of a driver's image, for its build script.
//!
//! The resource compilers of Windows and LLVM do the same, but each has to be found, and LLVM's
//! needs a C preprocessor beside it. Every linker for Windows images takes the file.
//!
//! Sources: "VS_VERSIONINFO structure", "VS_FIXEDFILEINFO structure" and "RESOURCEHEADER
//! structure" in the Windows documentation.

/// What a version resource says.
#[derive(Clone, Copy, Debug)]
pub struct Version<'v> {
    /// Four numbers; they are the version that Windows compares.
    pub numbers: [u16; 4],
    /// Names and values for a person to read, such as `("FileVersion", "1.2.3")`.
    pub strings: &'v [(&'v str, &'v str)],
}

/// `RT_VERSION`
const RESOURCE_TYPE: u16 = 16;
/// `VS_VERSION_INFO`
const RESOURCE_NAME: u16 = 1;
/// English (United States), the language of the strings.
const LANGUAGE: u16 = 0x0409;
/// Unicode, the code page of the strings.
const CODE_PAGE: u16 = 1200;

impl Version<'_> {
    /// The bytes of a `.res` file with this resource alone.
    #[must_use]
    pub fn resource_file(&self) -> Vec<u8> {
        let data = self.data();
        // A file begins with an empty resource, which says that it is of 32 bits.
        let mut file = header(0, 0, 0, 0);
        file.extend(header(data.len(), RESOURCE_TYPE, RESOURCE_NAME, LANGUAGE));
        file.extend(&data);
        pad(&mut file);
        file
    }

    fn data(&self) -> Vec<u8> {
        let strings = self
            .strings
            .iter()
            .map(|(name, value)| {
                let mut text = wide(value);
                let characters = text.len() / 2;
                pad(&mut text);
                node(name, &text[..characters * 2], Value::Text, &[])
            })
            .collect::<Vec<_>>();
        let table = node(
            &format!("{LANGUAGE:04x}{CODE_PAGE:04x}"),
            &[],
            Value::Text,
            &strings,
        );
        let translation: Vec<u8> = [LANGUAGE, CODE_PAGE]
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect();
        let variable = node("Translation", &translation, Value::Binary, &[]);
        node(
            "VS_VERSION_INFO",
            &self.fixed(),
            Value::Binary,
            &[
                node("StringFileInfo", &[], Value::Text, &[table]),
                node("VarFileInfo", &[], Value::Text, &[variable]),
            ],
        )
    }

    /// `VS_FIXEDFILEINFO`
    fn fixed(&self) -> Vec<u8> {
        let [first, second, third, fourth] = self.numbers.map(u32::from);
        let (high, low) = (first << 16 | second, third << 16 | fourth);
        [
            0xfeef_04bd, // the signature
            0x0001_0000, // the structure's version
            high,        // the file's version
            low,
            high, // the product's version
            low,
            0x3f,        // VS_FFI_FILEFLAGSMASK
            0,           // no flags
            0x0004_0004, // VOS_NT_WINDOWS32
            3,           // VFT_DRV
            7,           // VFT2_DRV_SYSTEM
            0,           // no date
            0,
        ]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect()
    }
}

/// How a node's value is counted: text in characters, anything else in bytes.
#[derive(Clone, Copy)]
enum Value {
    Binary,
    Text,
}

/// A node of the tree: lengths, key, value, children, each on a boundary of four bytes.
fn node(key: &str, value: &[u8], kind: Value, children: &[Vec<u8>]) -> Vec<u8> {
    let (length, text) = match kind {
        Value::Binary => (value.len(), 0),
        Value::Text => (value.len() / 2, 1_u16),
    };
    let mut node = vec![0; 2];
    node.extend(half(length).to_le_bytes());
    node.extend(text.to_le_bytes());
    node.extend(wide(key));
    pad(&mut node);
    node.extend(value);
    for child in children {
        pad(&mut node);
        node.extend(child);
    }
    let whole = half(node.len()).to_le_bytes();
    node[..2].copy_from_slice(&whole);
    node
}

/// `RESOURCEHEADER`, with the type and the name as numbers.
fn header(length: usize, kind: u16, name: u16, language: u16) -> Vec<u8> {
    let mut header = Vec::new();
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    header.extend(length.to_le_bytes());
    header.extend(32_u32.to_le_bytes());
    for number in [kind, name] {
        header.extend(0xffff_u16.to_le_bytes());
        header.extend(number.to_le_bytes());
    }
    header.extend([0; 4]); // the data's version
    header.extend([0; 2]); // memory flags, which count no longer
    header.extend(language.to_le_bytes());
    header.extend([0; 8]); // version and characteristics
    header
}

/// UTF-16 LE with a NUL.
fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A length of 16 bits. What does not fit shows at once, in a resource that nothing can read.
fn half(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version<'_> = Version {
        numbers: [1, 2, 3, 4],
        strings: &[("FileVersion", "1.2.3.4"), ("ProductName", "odd")],
    };

    fn u16_at(bytes: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([bytes[at], bytes[at + 1]])
    }

    #[test]
    fn the_file_begins_with_the_empty_resource_and_ends_on_a_boundary() {
        let file = VERSION.resource_file();
        assert_eq!(&file[..8], &[0, 0, 0, 0, 32, 0, 0, 0]);
        assert_eq!(&file[8..16], &[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
        assert_eq!(u16_at(&file, 32 + 10), RESOURCE_TYPE);
        assert!(file.len().is_multiple_of(4));
    }

    #[test]
    fn the_tree_says_its_length_and_the_fixed_part_its_version() {
        let data = VERSION.data();
        assert_eq!(usize::from(u16_at(&data, 0)), data.len());
        assert_eq!(u16_at(&data, 2), 52);
        // Lengths, type and "VS_VERSION_INFO" with its NUL: 38 bytes, and two to the boundary.
        let fixed = &data[40..92];
        assert_eq!(&fixed[..4], &0xfeef_04bd_u32.to_le_bytes());
        assert_eq!(&fixed[8..16], &[2, 0, 1, 0, 4, 0, 3, 0]);
    }

    #[test]
    fn strings_are_counted_in_characters_with_their_nul() {
        let data = VERSION.data();
        let key = wide("FileVersion");
        let at = data
            .windows(key.len())
            .position(|window| window == key.as_slice())
            .unwrap();
        assert_eq!(u16_at(&data, at - 4), 8, "\"1.2.3.4\" and a NUL");
        assert_eq!(u16_at(&data, at - 2), 1, "text");
        let value = (at + key.len()).next_multiple_of(4);
        assert_eq!(&data[value..value + 16], wide("1.2.3.4").as_slice());
    }
}
