//! A set of records as a compiler has laid them out: those of the bindings, or of nthost.

use std::collections::BTreeMap;

/// A field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub offset: usize,
    /// The record that it is, if it is one itself (not an array of them, nor a pointer).
    pub record: Option<String>,
    /// The headers give it no name: its fields belong to the outer record.
    pub is_anonymous: bool,
}

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// In bytes.
    pub size: usize,
    /// In bytes.
    pub alignment: usize,
    /// In their order.
    pub fields: Vec<Field>,
}

/// Records by name.
pub type Records = BTreeMap<String, Record>;

/// The fields of a record under the names that a C source reaches them by, with dots, and where
/// they lie.
#[must_use]
pub fn flatten(records: &Records, name: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    if let Some(record) = records.get(name) {
        add(records, record, "", 0, &mut found);
    }
    found
}

fn add(
    records: &Records,
    record: &Record,
    prefix: &str,
    base: usize,
    found: &mut BTreeMap<String, usize>,
) {
    for field in &record.fields {
        let offset = base + field.offset;
        let inner = field.record.as_ref().and_then(|name| records.get(name));
        let path = format!("{prefix}{}", field.name);
        if field.is_anonymous {
            if let Some(inner) = inner {
                add(records, inner, prefix, offset, found);
            }
            continue;
        }
        if let Some(inner) = inner {
            add(records, inner, &format!("{path}."), offset, found);
        }
        found.insert(path, offset);
    }
}

/// The records that a record has as members, members of members, and so on.
#[must_use]
pub fn inner(records: &Records, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let fields = records
        .get(name)
        .into_iter()
        .flat_map(|record| &record.fields);
    for of in fields.filter_map(|field| field.record.as_ref()) {
        found.push(of.clone());
        found.extend(inner(records, of));
    }
    found
}
