//! Writes down where the fields of nthost's structures lie, by asking the compiler: a list of
//! `offset_of!` for every public field of every structure in `nthost/nt`.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use quote::ToTokens;
use syn::{Fields, Item, Visibility};

fn main() -> Result<(), Box<dyn Error>> {
    let sources = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../nthost/nt/src");
    println!("cargo::rerun-if-changed={}", sources.display());
    let mut records = String::new();
    module(&sources, "lib", "nthost_nt", &mut records)?;
    let file = PathBuf::from(env::var("OUT_DIR")?).join("kernel.rs");
    fs::write(file, format!("&[{records}]"))?;
    Ok(())
}

/// The structures of a module and of those below it.
fn module(folder: &Path, name: &str, path: &str, out: &mut String) -> Result<(), Box<dyn Error>> {
    let below = if name == "lib" {
        folder.to_owned()
    } else {
        folder.join(name)
    };
    let text = fs::read_to_string(folder.join(format!("{name}.rs")))?;
    for item in syn::parse_file(&text)?.items {
        match item {
            Item::Mod(item) if is_public(&item.vis) => {
                let name = item.ident.to_string();
                module(&below, &name, &format!("{path}::{name}"), out)?;
            }
            Item::Struct(item) if is_public(&item.vis) => {
                record(&format!("{path}::{}", item.ident), &item.fields, out)?;
            }
            Item::Union(item) if is_public(&item.vis) => {
                let fields = Fields::Named(item.fields);
                record(&format!("{path}::{}", item.ident), &fields, out)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn record(path: &str, fields: &Fields, out: &mut String) -> Result<(), std::fmt::Error> {
    let (_, name) = path.rsplit_once("::").unwrap_or(("", path));
    write!(
        out,
        "Record {{ name: {name:?}, size: size_of::<{path}>(), alignment: align_of::<{path}>(), \
         fields: &["
    )?;
    for field in fields.iter().filter(|field| is_public(&field.vis)) {
        let Some(name) = &field.ident else { continue };
        let kind = field.ty.to_token_stream().to_string();
        write!(
            out,
            "Field {{ name: \"{name}\", offset: offset_of!({path}, {name}), kind: {kind:?} }},"
        )?;
    }
    writeln!(out, "] }},")
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
