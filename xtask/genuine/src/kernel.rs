//! What nthost makes of the kernel's interface: the layout of its structures, as the compiler
//! laid them out, and the signatures of the routines that it exports, from its sources.

use std::{
    collections::BTreeMap,
    fs,
    mem::offset_of,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{FnArg, Item, ReturnType, Type};

use crate::{
    Fault,
    bindings::{Bindings, primitive},
    kind::{Kind, Signature},
    layout::{self, Records},
    read,
};

/// A structure of `nthost/nt`.
struct Record {
    name: &'static str,
    size: usize,
    alignment: usize,
    fields: &'static [Field],
}

/// A public field of it.
struct Field {
    name: &'static str,
    offset: usize,
    kind: &'static str,
}

/// Written by this crate's build script.
static RECORDS: &[Record] = include!(concat!(env!("OUT_DIR"), "/kernel.rs"));

/// Every structure of nthost. A field without a capital in its name is nthost's own name for
/// what the headers leave without one; `has_field` tells whether they do.
#[must_use]
pub fn records(has_field: impl Fn(&str, &str) -> bool) -> Records {
    let known: Vec<_> = RECORDS.iter().map(|record| record.name).collect();
    RECORDS
        .iter()
        .map(|record| {
            let fields = record.fields.iter().map(|field| {
                // `ManuallyDrop < X >` and paths end in the name.
                let of = field.kind.rsplit(":: ").next().unwrap_or_default();
                let is_pointer = field.kind.starts_with('*');
                layout::Field {
                    name: field.name.to_owned(),
                    offset: field.offset,
                    record: (!is_pointer && known.contains(&of)).then(|| of.to_owned()),
                    is_anonymous: !field.name.contains(|char: char| char.is_ascii_uppercase())
                        && !has_field(record.name, field.name),
                }
            });
            let laid_out = layout::Record {
                size: record.size,
                alignment: record.alignment,
                fields: fields.collect(),
            };
            (record.name.to_owned(), laid_out)
        })
        .collect()
}

/// The signatures of all routines in nthost's sources whose names are the kernel's (they begin
/// with a capital, or are among the exported ones by other rules).
///
/// # Errors
///
/// If a file cannot be read, or is not Rust.
pub fn signatures(nthost: &Path) -> Result<BTreeMap<String, Signature>, Fault> {
    let mut sources = files(&nthost.join("nt/src"))?;
    sources.extend(files(&nthost.join("src"))?);
    let mut parsed = Vec::new();
    for path in sources {
        let text = read(&path)?;
        let file = syn::parse_file(&text).map_err(|error| Fault::Content {
            path,
            what: error.to_string(),
        })?;
        parsed.push(file);
    }
    let mut types = Bindings {
        records: records(|_, _| false),
        ..Bindings::default()
    };
    for file in &parsed {
        for_each_item(&file.items, &mut |item| match item {
            Item::Type(item) => {
                let alias = (item.ident.to_string(), (*item.ty).clone());
                types.aliases.entry(alias.0).or_insert(alias.1);
            }
            Item::Enum(item) => {
                // An enumeration is the number that its attribute says.
                for attribute in &item.attrs {
                    if attribute.path().is_ident("repr")
                        && let Ok(of) = attribute.parse_args::<Type>()
                    {
                        types.aliases.entry(item.ident.to_string()).or_insert(of);
                    }
                }
            }
            _ => {}
        });
    }
    // A name that stands for itself, as `pub type X = x::X`, ends a search.
    types
        .aliases
        .retain(|name, of| !matches!(of, Type::Path(path) if path.path.is_ident(name)));
    let mut found = BTreeMap::new();
    for file in &parsed {
        for_each_item(&file.items, &mut |item| match item {
            Item::Macro(item) => in_tokens(item.mac.tokens.clone(), &types, &mut found),
            Item::Fn(item) if item.sig.abi.is_some() => {
                let signature = signature(&item.sig, &types);
                found.insert(item.sig.ident.to_string(), signature);
            }
            _ => {}
        });
    }
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fault = |error| Fault::File {
        path: folder.to_owned(),
        error,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn for_each_item(items: &[Item], then: &mut impl FnMut(&Item)) {
    for item in items {
        then(item);
        if let Item::Mod(module) = item
            && let Some((_, items)) = &module.content
        {
            for_each_item(items, then);
        }
    }
}

/// Every `unsafe fn NAME(…) -> … { … }` or `unsafe extern "win64" fn …` of a macro's input.
fn in_tokens(tokens: TokenStream, types: &Bindings, found: &mut BTreeMap<String, Signature>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut start = None;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "unsafe" => start = Some(index),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                if let Some(start) = start.take() {
                    let head: TokenStream = tokens[start..index].iter().cloned().collect();
                    if let Ok(head) = syn::parse2::<syn::Signature>(head) {
                        found.insert(head.ident.to_string(), signature(&head, types));
                    }
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => start = None,
            _ => {}
        }
    }
}

fn signature(head: &syn::Signature, types: &Bindings) -> Signature {
    let mut arguments: Vec<_> = head
        .inputs
        .iter()
        .map(|argument| match argument {
            FnArg::Typed(argument) => kind(&argument.ty, types),
            FnArg::Receiver(_) => Kind::Unknown("self".to_owned()),
        })
        .collect();
    if head.variadic.is_some() {
        arguments.push(Kind::Variadic);
    }
    let result = match &head.output {
        ReturnType::Default => Kind::Void,
        ReturnType::Type(_, of) => kind(of, types),
    };
    Signature { result, arguments }
}

fn kind(of: &Type, types: &Bindings) -> Kind {
    if let Type::Path(path) = of
        && let Some(last) = path.path.segments.last()
    {
        if last.ident == "NonNull" {
            return Kind::Pointer;
        }
        let known = primitive(&last.ident.to_string());
        if !matches!(known, Kind::Unknown(_)) {
            return known;
        }
    }
    if matches!(of, Type::Tuple(of) if of.elems.is_empty()) {
        return Kind::Void;
    }
    types.kind(of)
}
