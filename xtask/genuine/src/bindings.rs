//! What bindgen has made of a set of headers: the records with their layout, as it asserts it (so
//! that rustc has checked it), the enumerators, and the routines' signatures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use quote::ToTokens;
use syn::{Expr, Fields, ForeignItem, Item, Lit, ReturnType, Type, UnOp, UseTree};

use crate::{
    Fault,
    kind::{Kind, Signature},
    layout::{Field, Record, Records},
    read,
};

/// Bindings, as far as they are compared.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    /// The records that the headers name.
    pub records: Records,
    /// Other names of types, and what they stand for.
    pub aliases: BTreeMap<String, Type>,
    /// The values of enumerators.
    pub enumerators: BTreeMap<String, i64>,
    /// Enumerations whose type is not a signed 32-bit number.
    pub wrong_enumerations: BTreeSet<String>,
    /// The routines.
    pub functions: BTreeMap<String, Signature>,
}

/// The folder of the newest bindings that wdk-sys has made below a target folder of cargo's.
///
/// # Errors
///
/// [`Fault::NoBindings`].
pub fn newest(target: &Path) -> Result<PathBuf, Fault> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    let missing = || Fault::NoBindings(target.to_owned());
    for entry in fs::read_dir(target.join("release/build")).map_err(|_| missing())? {
        let Ok(entry) = entry else { continue };
        let folder = entry.path().join("out");
        let file = fs::metadata(folder.join("types.rs"));
        let Ok(modified) = file.and_then(|metadata| metadata.modified()) else {
            continue;
        };
        if newest.as_ref().is_none_or(|(time, _)| modified > *time) {
            newest = Some((modified, folder));
        }
    }
    newest.map(|(_, folder)| folder).ok_or_else(missing)
}

impl Bindings {
    /// Reads `types.rs` and `ntddk.rs` of a folder.
    ///
    /// # Errors
    ///
    /// If they are not there, or not Rust.
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let mut text = read(folder.join("types.rs"))?;
        text.push_str(&read(folder.join("ntddk.rs"))?);
        Self::parse(&text).map_err(|error| Fault::Content {
            path: folder.to_owned(),
            what: error.to_string(),
        })
    }

    /// Reads bindings from their text.
    ///
    /// # Errors
    ///
    /// If it is not Rust.
    pub fn parse(text: &str) -> syn::Result<Self> {
        let mut bindings = Self::default();
        let numbers = asserted(text);
        let file = syn::parse_file(text)?;
        for item in &file.items {
            match item {
                Item::Type(item) => {
                    let alias = (item.ident.to_string(), (*item.ty).clone());
                    bindings.aliases.insert(alias.0, alias.1);
                }
                Item::Use(item) => bindings.use_item(&item.tree),
                Item::Mod(item) => bindings.enumeration(item),
                _ => {}
            }
        }
        for item in &file.items {
            let (name, fields) = match item {
                Item::Struct(item) => (item.ident.to_string(), item.fields.clone()),
                Item::Union(item) => (item.ident.to_string(), Fields::Named(item.fields.clone())),
                _ => continue,
            };
            let Some((size, alignment)) = numbers.size(&name) else {
                continue;
            };
            let mut record = Record {
                size,
                alignment,
                fields: Vec::new(),
            };
            for field in &fields {
                let Some(ident) = &field.ident else { continue };
                let field_name = ident.to_string();
                // bindgen asserts no offset of a unit of bit fields: the fields around it, and
                // the size of the whole, leave it one place.
                let Some(offset) = numbers.offset(&name, &field_name) else {
                    continue;
                };
                record.fields.push(Field {
                    is_anonymous: field_name.starts_with("__bindgen_anon"),
                    name: field_name,
                    offset,
                    record: bindings.record_of(&field.ty),
                });
            }
            bindings.records.insert(name, record);
        }
        for item in &file.items {
            if let Item::ForeignMod(item) = item {
                for item in &item.items {
                    bindings.function(item);
                }
            }
        }
        Ok(bindings)
    }

    fn use_item(&mut self, tree: &UseTree) {
        // `pub use self::_MODE::Type as MODE;`
        let UseTree::Path(path) = tree else { return };
        let UseTree::Path(module) = &*path.tree else {
            return;
        };
        if let UseTree::Rename(rename) = &*module.tree {
            let module = &module.ident;
            if let Ok(target) = syn::parse_str(&format!("{module}::Type")) {
                self.aliases.insert(rename.rename.to_string(), target);
            }
        }
    }

    /// `pub mod _MODE { pub type Type = c_int; pub const KernelMode: Type = 0; }`
    fn enumeration(&mut self, module: &syn::ItemMod) {
        let Some((_, items)) = &module.content else {
            return;
        };
        for item in items {
            match item {
                Item::Const(item) => {
                    if let Some(value) = number(&item.expr) {
                        self.enumerators.insert(item.ident.to_string(), value);
                    }
                }
                Item::Type(item) => {
                    let name = module.ident.to_string();
                    if self.kind(&item.ty) != Kind::Signed(4) {
                        self.wrong_enumerations.insert(name.clone());
                    }
                    self.aliases
                        .insert(format!("{name}::Type"), (*item.ty).clone());
                }
                _ => {}
            }
        }
    }

    fn function(&mut self, item: &ForeignItem) {
        let ForeignItem::Fn(item) = item else { return };
        let mut arguments: Vec<_> = item
            .sig
            .inputs
            .iter()
            .map(|argument| match argument {
                syn::FnArg::Typed(argument) => self.kind(&argument.ty),
                syn::FnArg::Receiver(_) => Kind::Unknown("self".to_owned()),
            })
            .collect();
        if item.sig.variadic.is_some() {
            arguments.push(Kind::Variadic);
        }
        let result = match &item.sig.output {
            ReturnType::Default => Kind::Void,
            ReturnType::Type(_, result) => self.kind(result),
        };
        let signature = Signature { result, arguments };
        self.functions.insert(item.sig.ident.to_string(), signature);
    }

    /// The record that a type is, behind its other names.
    fn record_of(&self, of: &Type) -> Option<String> {
        let name = path_name(of)?;
        self.aliases
            .get(&name)
            .map_or(Some(name), |target| self.record_of(target))
    }

    /// The kind of a value of this type.
    #[must_use]
    pub fn kind(&self, of: &Type) -> Kind {
        match of {
            Type::Ptr(_) | Type::BareFn(_) | Type::Reference(_) => Kind::Pointer,
            Type::Never(_) => Kind::Void,
            Type::Path(path) => {
                let last = path.path.segments.last();
                if last.is_some_and(|last| last.ident == "Option") {
                    return Kind::Pointer;
                }
                let name = path_name(of).unwrap_or_default();
                if let Some(target) = self.aliases.get(&name) {
                    return self.kind(target);
                }
                if let Some(record) = self.records.get(&name) {
                    return u32::try_from(record.size)
                        .map_or_else(|_| Kind::Unknown(name), Kind::Record);
                }
                primitive(&name)
            }
            _ => Kind::Unknown(of.to_token_stream().to_string()),
        }
    }

    /// The record that a word of a source stands for: by its tag, its name, or a pointer's.
    #[must_use]
    pub fn resolve(&self, word: &str) -> Option<&str> {
        let mut name = word.to_owned();
        // Other names of other names of … are never long.
        for _ in 0..8 {
            if let Some((found, _)) = self.records.get_key_value(&name) {
                return (!found.contains("__bindgen")).then_some(found);
            }
            let target = match self.aliases.get(&name)? {
                Type::Ptr(pointer) => path_name(&pointer.elem)?,
                other => path_name(other)?,
            };
            name = target;
        }
        None
    }
}

/// `_MODE::Type` and the like are one name; of a longer path the last part is.
fn path_name(of: &Type) -> Option<String> {
    let Type::Path(path) = of else { return None };
    let parts: Vec<_> = path.path.segments.iter().collect();
    match parts.as_slice() {
        [.., module, last] if last.ident == "Type" => Some(format!("{}::Type", module.ident)),
        [.., last] if last.arguments.is_none() => Some(last.ident.to_string()),
        _ => None,
    }
}

/// The kind of a type of the language, or of C on Windows.
#[must_use]
pub fn primitive(name: &str) -> Kind {
    match name {
        "i8" | "c_char" | "c_schar" => Kind::Signed(1),
        "u8" | "c_uchar" | "bool" => Kind::Unsigned(1),
        "i16" | "c_short" => Kind::Signed(2),
        "u16" | "c_ushort" => Kind::Unsigned(2),
        "i32" | "c_int" | "c_long" => Kind::Signed(4),
        "u32" | "c_uint" | "c_ulong" => Kind::Unsigned(4),
        "i64" | "isize" | "c_longlong" => Kind::Signed(8),
        "u64" | "usize" | "c_ulonglong" => Kind::Unsigned(8),
        _ => Kind::Unknown(name.to_owned()),
    }
}

fn number(of: &Expr) -> Option<i64> {
    match of {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            number(&unary.expr).map(|number| -number)
        }
        _ => None,
    }
}

/// The numbers that bindgen asserts.
struct Asserted(BTreeMap<String, usize>);

impl Asserted {
    fn size(&self, record: &str) -> Option<(usize, usize)> {
        let size = self.0.get(&format!("Size of {record}"))?;
        let alignment = self.0.get(&format!("Alignment of {record}"))?;
        Some((*size, *alignment))
    }

    fn offset(&self, record: &str, field: &str) -> Option<usize> {
        self.0
            .get(&format!("Offset of field: {record}::{field}"))
            .copied()
    }
}

/// `["Size of _IRP"][::core::mem::size_of::<_IRP>() - 208usize];`, however it is broken into
/// lines.
fn asserted(text: &str) -> Asserted {
    let mut numbers = BTreeMap::new();
    for part in text.split('"').collect::<Vec<_>>().windows(2) {
        let [what, rest] = part else { continue };
        if !["Size of ", "Alignment of ", "Offset of field: "]
            .iter()
            .any(|beginning| what.starts_with(beginning))
        {
            continue;
        }
        let number = rest
            .split_once(';')
            .and_then(|(expression, _)| expression.rsplit_once("- "))
            .and_then(|(_, number)| number.split_once("usize"))
            .and_then(|(number, _)| number.parse().ok());
        if let Some(number) = number {
            numbers.insert((*what).to_owned(), number);
        }
    }
    Asserted(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::flatten;

    const BINDINGS: &str = r#"
        pub type LONG = ::core::ffi::c_long;
        pub type PVOID = *mut ::core::ffi::c_void;
        pub struct _OUTER { pub Type: LONG, pub __bindgen_anon_1: _OUTER__bindgen_ty_1,
            pub Inner: INNER, pub Inners: [INNER; 2] }
        pub union _OUTER__bindgen_ty_1 { pub Left: LONG, pub Right: PVOID }
        pub struct INNER { pub Flag: LONG }
        pub type POUTER = *mut _OUTER;
        const _: () = {
            ["Size of _OUTER"][::core::mem::size_of::<_OUTER>() - 32usize];
            [
                "Alignment of _OUTER",
            ][::core::mem::align_of::<_OUTER>() - 8usize];
            ["Offset of field: _OUTER::Type"][::core::mem::offset_of!(_OUTER, Type) - 0usize];
            ["Offset of field: _OUTER::__bindgen_anon_1"][offset_of!(_OUTER, x) - 8usize];
            ["Offset of field: _OUTER::Inner"][::core::mem::offset_of!(_OUTER, Inner) - 16usize];
            ["Offset of field: _OUTER::Inners"][::core::mem::offset_of!(_OUTER, Inners) - 20usize];
            ["Size of INNER"][0 - 4usize];
            ["Alignment of INNER"][0 - 4usize];
            ["Offset of field: INNER::Flag"][0 - 0usize];
            ["Size of _OUTER__bindgen_ty_1"][0 - 8usize];
            ["Alignment of _OUTER__bindgen_ty_1"][0 - 8usize];
            ["Offset of field: _OUTER__bindgen_ty_1::Left"][0 - 0usize];
            ["Offset of field: _OUTER__bindgen_ty_1::Right"][0 - 0usize];
        };
        pub mod _MODE { pub type Type = ::core::ffi::c_int; pub const KernelMode: Type = 0;
            pub const Odd: Type = -2; }
        pub mod _WRONG { pub type Type = ::core::ffi::c_uint; pub const Even: Type = 2; }
        pub use self::_MODE::Type as MODE;
        unsafe extern "C" { pub fn F(a: POUTER, b: MODE, c: INNER, ...) -> LONG; }
    "#;

    #[test]
    fn fields_have_the_names_that_c_reaches_them_by() {
        let bindings = Bindings::parse(BINDINGS).unwrap();
        let fields = flatten(&bindings.records, "_OUTER");
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, offset)| (name.as_str(), *offset))
            .collect();
        let expected = [
            ("Inner", 16),
            ("Inner.Flag", 16),
            ("Inners", 20),
            ("Left", 8),
            ("Right", 8),
            ("Type", 0),
        ];
        assert_eq!(fields, expected);
        let outer = &bindings.records["_OUTER"];
        assert_eq!((outer.size, outer.alignment), (32, 8));
    }

    #[test]
    fn a_record_is_found_by_each_of_its_names() {
        let bindings = Bindings::parse(BINDINGS).unwrap();
        assert_eq!(bindings.resolve("POUTER"), Some("_OUTER"));
        assert_eq!(bindings.resolve("_OUTER"), Some("_OUTER"));
        for name in ["_OUTER__bindgen_ty_1", "LONG", "Outer"] {
            assert_eq!(bindings.resolve(name), None, "{name}");
        }
    }

    #[test]
    fn enumerators_have_values_and_enumerations_a_sign() {
        let bindings = Bindings::parse(BINDINGS).unwrap();
        assert_eq!(bindings.enumerators["Odd"], -2);
        assert_eq!(
            bindings.wrong_enumerations,
            BTreeSet::from(["_WRONG".to_owned()])
        );
    }

    #[test]
    fn signatures_are_told_by_kind_and_size() {
        let bindings = Bindings::parse(BINDINGS).unwrap();
        assert_eq!(
            bindings.functions["F"].to_string(),
            "signed4 (pointer8, signed4, record4, ...)"
        );
    }
}
