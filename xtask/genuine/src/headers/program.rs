//! The C++ that asks for the tables' numbers: an assertion a line, and which line is about what.

use std::collections::BTreeMap;

use super::Report;
use crate::{
    kind::{Kind, Signature},
    tables::Tables,
};

/// The headers that the tables were read from. Source: the list in `cross/genuine/README.md`.
const HEADERS: [&str; 4] = ["ntifs.h", "ntstrsafe.h", "wmilib.h", "wdmguid.h"];

/// The kinds of `functions.tsv`, told by the compiler. An enumeration is the number that holds it;
/// a reference, as which C++ has some pointers to constants, is an address.
const KINDS: &str = "
template<char Letter, unsigned long long Size> struct kind;
template<class... Kinds> struct kinds;
template<class T> constexpr char letter() {
    if constexpr (__is_void(T)) return 'v';
    else if constexpr (__is_pointer(T) || __is_reference(T)) return 'p';
    else if constexpr (__is_enum(T)) return letter<__underlying_type(T)>();
    else if constexpr (__is_class(T) || __is_union(T)) return 'r';
    else if constexpr (__is_signed(T)) return 's';
    else if constexpr (__is_unsigned(T)) return 'u';
    else return '?';
}
template<class T> constexpr unsigned long long size() {
    if constexpr (__is_void(T)) return 0;
    else if constexpr (__is_reference(T)) return sizeof(void *);
    else return sizeof(T);
}
template<class T> using of = kind<letter<T>(), size<T>()>;
template<class R, class... A> kinds<of<R>, of<A>...> signature(R (*)(A...));
template<class R, class... A> kinds<of<R>, of<A>..., kind<'.', 0>> signature(R (*)(A..., ...));
";

/// A source, and what stands in its lines.
pub struct Program {
    /// The source.
    pub text: String,
    /// What a line claims, by its number: the first is 1.
    pub claims: BTreeMap<usize, String>,
    /// How much it asks for.
    pub report: Report,
    lines: usize,
}

impl Program {
    /// With the headers.
    pub fn new() -> Self {
        let mut program = Self {
            text: String::new(),
            claims: BTreeMap::new(),
            report: Report::default(),
            lines: 0,
        };
        for header in HEADERS {
            program.line(&format!("#include <{header}>"));
        }
        program
    }

    /// Adds lines that claim nothing.
    fn line(&mut self, text: &str) {
        self.lines += text.matches('\n').count() + 1;
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Adds a line that is refused if this is not so.
    fn claim(&mut self, what: String, text: &str) {
        self.line(text);
        self.claims.insert(self.lines, what);
    }

    /// That there is a name.
    fn there(&mut self, name: &str) {
        self.claim(
            format!("{name} is there"),
            &format!("__if_not_exists(::{name}) {{ static_assert(false, \"\"); }}"),
        );
    }

    /// That there is none.
    fn not_there(&mut self, name: &str) {
        self.report.absent += 1;
        self.claim(
            format!("{name} is not there"),
            &format!("__if_exists(::{name}) {{ static_assert(false, \"\"); }}"),
        );
    }

    /// That something is so, if there is this name: that there is none has been said already.
    fn equal(&mut self, name: &str, what: String, one: &str, other: &str) {
        self.claim(
            what,
            &format!("__if_exists(::{name}) {{ static_assert({one} == {other}, \"\"); }}"),
        );
    }

    fn field(&mut self, record: &str, field: &str, offset: Option<usize>) {
        let number = self.lines;
        // As templates, whose conditions may name what is not there. A bit field has no address.
        self.line(&format!(
            "template<class T> constexpr bool there_{number} = requires(T t) {{ t.{field}; }};"
        ));
        let Some(offset) = offset else {
            self.report.absent += 1;
            self.claim(
                format!("{record}.{field} is not there"),
                &format!(
                    "__if_exists(::{record}) {{ static_assert(!there_{number}<::{record}>, \"\"); }}"
                ),
            );
            return;
        };
        self.report.fields += 1;
        self.claim(
            format!("{record}.{field} is there"),
            &format!(
                "__if_exists(::{record}) {{ static_assert(there_{number}<::{record}>, \"\"); }}"
            ),
        );
        self.line(&format!(
            "template<class T> constexpr unsigned long long at_{number}() {{ \
             if constexpr (requires(T t) {{ &t.{field}; }}) return __builtin_offsetof(T, {field}); \
             else return {offset}; }}"
        ));
        self.equal(
            record,
            format!("{record}.{field} lies at {offset}"),
            &format!("at_{number}<::{record}>()"),
            &offset.to_string(),
        );
    }

    fn signature(&mut self, name: &str, signature: &Signature) {
        let kinds: Vec<_> = std::iter::once(&signature.result)
            .chain(&signature.arguments)
            .map(kind)
            .collect();
        self.claim(
            format!("{name} is {signature}"),
            &format!(
                "__if_exists(::{name}) {{ static_assert(__is_same(decltype(signature(&::{name})), \
                 kinds<{}>), \"\"); }}",
                kinds.join(", ")
            ),
        );
    }
}

fn kind(kind: &Kind) -> String {
    let (letter, size) = match *kind {
        Kind::Void => ('v', 0),
        Kind::Signed(size) => ('s', size),
        Kind::Unsigned(size) => ('u', size),
        Kind::Pointer => ('p', 8),
        Kind::Record(size) => ('r', size),
        Kind::Variadic => ('.', 0),
        // Of no type.
        Kind::Unknown(_) => ('?', 0),
    };
    format!("kind<'{letter}', {size}>")
}

/// Asks for all that one version's column has.
pub fn numbers(tables: &Tables, column: usize) -> Program {
    let mut program = Program::new();
    program.line(KINDS);
    for (name, record) in &tables.records {
        if let Some((size, alignment)) = record.size[column] {
            program.report.records += 1;
            program.there(name);
            for (what, operator, number) in [
                ("bytes", "sizeof", size),
                ("alignment", "alignof", alignment),
            ] {
                program.equal(
                    name,
                    format!("{name} has {number} {what}"),
                    &format!("{operator}(::{name})"),
                    &number.to_string(),
                );
            }
        } else {
            program.not_there(name);
        }
        for (field, offsets) in &record.fields {
            program.field(name, field, offsets[column]);
        }
    }
    for (name, values) in &tables.enumerators {
        let Some(value) = values[column] else {
            program.not_there(name);
            continue;
        };
        program.report.enumerators += 1;
        program.there(name);
        program.equal(
            name,
            format!("{name} is {value}"),
            &format!("(long long)::{name}"),
            &value.to_string(),
        );
    }
    for (name, function) in &tables.functions {
        // What the headers say of a routine, and not what they have a macro call in its place.
        program.line(&format!("#undef {name}"));
        if !function.may_be_in(column) {
            program.not_there(name);
            continue;
        }
        program.report.functions += 1;
        if function.must_be_in(column) {
            program.there(name);
        }
        program.signature(name, &function.signature);
    }
    program
}

/// Takes the address of each routine, so that those with a body get one in the object.
pub fn addresses(tables: &Tables) -> String {
    let mut program = Program::new();
    for name in tables.functions.keys() {
        program.line(&format!("#undef {name}"));
        program.line(&format!(
            "__if_exists(::{name}) {{ \
             extern \"C\" void *const eduwdm_{name} = (void *)&::{name}; }}"
        ));
    }
    program.text
}
