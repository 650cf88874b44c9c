//! The fields of a self-describing event.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use nthost_nt::guid::GUID;

use super::tracelogging::Fault;

/// Bytes that are read from their beginning.
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// All of them.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all have been read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `length`.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Fault::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Fault::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next 16 bits.
    pub fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    /// The text up to the next NUL.
    pub fn text(&mut self) -> Result<String, Fault> {
        let length = self.0.iter().position(|&byte| byte == 0);
        let bytes = self.take(length.ok_or(Fault::Short)?)?;
        self.u8()?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The UTF-16 up to the next NUL.
    fn wide_text(&mut self) -> Result<String, Fault> {
        let mut units = Vec::new();
        loop {
            match self.u16()? {
                0 => return Ok(String::from_utf16_lossy(&units)),
                unit => units.push(unit),
            }
        }
    }
}

/// How many values a field has.
enum Count {
    One,
    Fixed(u16),
    InData,
}

/// A field's description.
pub struct Field {
    name: String,
    kind: u8,
    count: Count,
    format: u8,
}

const STRUCTURE: u8 = 24;

impl Field {
    /// Reads a description: the name with its NUL, the type, then what the type's flags announce.
    pub fn read(metadata: &mut Bytes<'_>) -> Result<Self, Fault> {
        let name = metadata.text()?;
        let kind = metadata.u8()?;
        let mut format = 0;
        if kind & 0x80 != 0 {
            let byte = metadata.u8()?;
            format = byte & 0x7f;
            let mut tag = byte;
            while tag & 0x80 != 0 {
                tag = metadata.u8()?;
            }
        }
        let count = match kind & 0x60 {
            0 => Count::One,
            0x20 => Count::Fixed(metadata.u16()?),
            0x40 => Count::InData,
            _ => return Err(Fault::Type(kind)),
        };
        Ok(Self {
            name,
            kind: kind & 0x1f,
            count,
            format,
        })
    }
}

/// The first of `fields` with its data, as `name=value`, and the fields behind it. A structure
/// takes as many of those as it says.
pub fn line<'f>(fields: &'f [Field], data: &mut Bytes<'_>) -> Result<(String, &'f [Field]), Fault> {
    let (field, behind) = fields.split_first().ok_or(Fault::Short)?;
    let inner = if field.kind == STRUCTURE {
        usize::from(field.format)
    } else {
        0
    };
    let (inner, rest) = behind.split_at_checked(inner).ok_or(Fault::Short)?;
    let mut one = || match field.kind {
        STRUCTURE => structure(inner, data),
        _ => value(field.kind, field.format, data),
    };
    let text = match field.count {
        Count::One => one()?,
        Count::Fixed(count) => list(count, one)?,
        Count::InData => {
            let count = data.u16()?;
            let one = || match field.kind {
                STRUCTURE => structure(inner, data),
                _ => value(field.kind, field.format, data),
            };
            list(count, one)?
        }
    };
    Ok((format!("{}={text}", field.name), rest))
}

fn list(count: u16, mut one: impl FnMut() -> Result<String, Fault>) -> Result<String, Fault> {
    let values = (0..count).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", values.join(", ")))
}

fn structure(mut fields: &[Field], data: &mut Bytes<'_>) -> Result<String, Fault> {
    let mut texts = Vec::new();
    while !fields.is_empty() {
        let (text, rest) = line(fields, data)?;
        texts.push(text);
        fields = rest;
    }
    Ok(format!("{{{}}}", texts.join(" ")))
}

const AS_TEXT: u8 = 2;
const AS_BOOLEAN: u8 = 3;
const AS_HEX: u8 = 4;
const AS_WIN32_ERROR: u8 = 13;
const AS_NTSTATUS: u8 = 14;
const AS_HRESULT: u8 = 15;

/// A value by its type and the form that it asks for.
fn value(kind: u8, format: u8, data: &mut Bytes<'_>) -> Result<String, Fault> {
    let text = match kind {
        0 => String::new(),
        1 => format!("{:?}", data.wide_text()?),
        2 => format!("{:?}", data.text()?),
        3 => number(i8::from_le_bytes(data.array()?).into(), 8, format),
        4 => number(data.u8()?.into(), 8, format),
        5 => number(i16::from_le_bytes(data.array()?).into(), 16, format),
        6 => number(data.u16()?.into(), 16, format),
        7 => number(i32::from_le_bytes(data.array()?).into(), 32, format),
        8 => number(u32::from_le_bytes(data.array()?).into(), 32, format),
        9 => number(i64::from_le_bytes(data.array()?).into(), 64, format),
        10 => number(u64::from_le_bytes(data.array()?).into(), 64, format),
        11 => f32::from_le_bytes(data.array()?).to_string(),
        12 => f64::from_le_bytes(data.array()?).to_string(),
        13 => (u32::from_le_bytes(data.array()?) != 0).to_string(),
        14 | 25 => {
            let length = data.u16()?;
            format!("{:02x?}", data.take(length.into())?)
        }
        15 => GUID::from_bytes(data.array()?).to_string(),
        17 | 21 => number(u64::from_le_bytes(data.array()?).into(), 64, AS_HEX),
        18 => format!("{:02x?}", data.take(16)?),
        20 => number(u32::from_le_bytes(data.array()?).into(), 32, AS_HEX),
        22 => {
            let length = data.u16()?;
            let mut bytes = Bytes::new(data.take(length.into())?);
            let mut units = Vec::new();
            while !bytes.is_empty() {
                units.push(bytes.u16()?);
            }
            format!("{:?}", String::from_utf16_lossy(&units))
        }
        23 => {
            let length = data.u16()?;
            let bytes = data.take(length.into())?;
            format!("{:?}", String::from_utf8_lossy(bytes))
        }
        unknown => return Err(Fault::Type(unknown)),
    };
    Ok(text)
}

fn number(value: i128, bits: u32, format: u8) -> String {
    let unsigned = value & ((1 << bits) - 1);
    match format {
        AS_HEX => format!("{unsigned:#x}"),
        AS_NTSTATUS | AS_HRESULT => format!("{unsigned:#010x}"),
        AS_WIN32_ERROR => unsigned.to_string(),
        AS_BOOLEAN => (unsigned != 0).to_string(),
        AS_TEXT => u32::try_from(unsigned)
            .ok()
            .and_then(char::from_u32)
            .map_or_else(|| unsigned.to_string(), |letter| format!("{letter:?}")),
        _ => value.to_string(),
    }
}
