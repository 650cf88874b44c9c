//! The comparison of the tables with headers finds what is wrong in a table, whatever it is, and
//! names it. The headers are small ones of this test, in the folders of a WDK.
#![cfg(unix)]

use std::{fs, path::Path};

use eduwdm_genuine::{
    Fault,
    headers::{self, Report, Tree},
    tables::Tables,
};

const HEADER: &str = r#"
extern "C" {
typedef struct _INNER { long Left; void *Right; } INNER;
typedef struct _OUTER {
    unsigned char Type;
    union { INNER Inner; unsigned long Number; };
    unsigned long Bits : 3;
    unsigned long List[];
} OUTER;
union LARGE { long long Whole; };
enum _MODE { KernelMode, Odd = -2 };
__declspec(dllimport) long Imported(void *, _MODE, const INNER &, LARGE, ...);
__declspec(noreturn) void Ends(unsigned __int64);
inline unsigned char Inline(void) { return 0; }
}
#define Imported SomethingElse
"#;

const RECORDS: &str = "record\tfield\t19041\t22621\t26100
_INNER\t(size/alignment)\t16/8\t16/8\t16/8
_INNER\tRight\t8\t8\t8
_OUTER\t(size/alignment)\t32/8\t32/8\t32/8
_OUTER\tType\t0\t0\t0
_OUTER\tInner\t8\t8\t8
_OUTER\tInner.Right\t16\t16\t16
_OUTER\tNumber\t8\t8\t8
_OUTER\tBits\t24\t24\t24
_OUTER\tList\t28\t28\t28
_OUTER\tLater\t-\t-\t32
LARGE\t(size/alignment)\t8/8\t8/8\t8/8
_NEWER\t(size/alignment)\t-\t-\t4/4
";
const ENUMERATORS: &str = "enumerator\t19041\t22621\t26100
KernelMode\t0\t0\t0
Odd\t-2\t-2\t-2
Newer\t-\t-\t7
";
const FUNCTIONS: &str = "function\tin 19041\tkind\tresult\targuments
Ends\tyes\timport\tvoid\tunsigned8
Imported\tyes\timport\tsigned4\tpointer8 signed4 pointer8 record8 ...
Inline\tyes\tinline\tunsigned1\t
Newer2\tno\timport\tvoid\t
";

/// Compares tables with the header, as that of the version that is called so.
fn compare(version: &str, tables: [&str; 3]) -> Result<Report, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // The names have the case in which download tools leave them.
    write("Include/km/NtIfs.h", HEADER);
    for name in [
        "wdm.h",
        "NtStrSafe.h",
        "wmilib.h",
        "WdmGuid.h",
        "crt/stddef.h",
    ] {
        write(&format!("Include/km/{name}"), "");
    }
    write(
        "Include/shared/sdkddkver.h",
        &format!("#define {version} 1\n"),
    );
    let names = ["records", "enumerators", "functions"];
    for (name, text) in names.into_iter().zip(tables) {
        write(&format!("tables/{name}.tsv"), text);
        write(&format!("tables/more-{name}.tsv"), "head\n");
    }
    let tables = Tables::read(&folder.path().join("tables")).unwrap();
    let tree = Tree::find(folder.path(), None).unwrap();
    headers::compare(&tables, &tree, Path::new("clang"))
}

#[test]
fn tables_that_are_right_agree() {
    for (version, name) in [("NTDDI_WIN10_VB", "19041"), ("NTDDI_WIN10_NI", "22621")] {
        let report = compare(version, [RECORDS, ENUMERATORS, FUNCTIONS]).unwrap();
        assert_eq!(report.differences, [""; 0], "{name}");
        assert_eq!(report.version, name);
        assert_eq!((report.records, report.fields), (3, 7), "{report}");
        assert_eq!((report.enumerators, report.inline), (2, 1), "{report}");
    }
}

#[test]
fn whatever_is_wrong_in_a_table_is_told_by_its_name() {
    for (from, to, told) in [
        ("\t32/8\t32/8", "\t32/8\t40/8", "_OUTER has 40 bytes"),
        ("\t32/8\t32/8", "\t32/8\t32/4", "_OUTER has 4 alignment"),
        (
            "Inner.Right\t16\t16",
            "Inner.Right\t16\t24",
            "_OUTER.Inner.Right lies at 24",
        ),
        ("Number\t8\t8", "Number\t8\t0", "_OUTER.Number lies at 0"),
        ("List\t28\t28", "List\t28\t32", "_OUTER.List lies at 32"),
        ("Bits\t24\t24", "Bits\t24\t-", "_OUTER.Bits is not there"),
        ("Later\t-\t-", "Later\t-\t28", "_OUTER.Later is there"),
        (
            "LARGE\t(size/alignment)\t8/8\t8/8",
            "LARGE\t(size/alignment)\t8/8\t-",
            "LARGE is not there",
        ),
        (
            "(size/alignment)\t-\t-",
            "(size/alignment)\t-\t4/4",
            "_NEWER is there",
        ),
        ("Odd\t-2\t-2", "Odd\t-2\t2", "Odd is 2"),
        (
            "KernelMode\t0\t0",
            "KernelMode\t0\t-",
            "KernelMode is not there",
        ),
        ("Newer\t-\t-", "Newer\t-\t7", "Newer is there"),
        (
            "signed4\tpointer8",
            "unsigned4\tpointer8",
            "Imported is unsigned4 (",
        ),
        (
            "record8 ...",
            "record8",
            "Imported is signed4 (pointer8, signed4, pointer8, record8)",
        ),
        (
            "signed4 pointer8 record8",
            "signed4 record16 record8",
            "Imported is",
        ),
        (
            "void\tunsigned8",
            "void\tunsigned4",
            "Ends is void (unsigned4)",
        ),
        (
            "Ends\tyes\timport",
            "Ends\tyes\tinline",
            "Ends is imported, and not inline",
        ),
        (
            "Inline\tyes\tinline",
            "Inline\tyes\timport",
            "Inline is inline, and nothing to import",
        ),
        ("Newer2\tno", "Newer2\tyes", "Newer2 is there"),
    ] {
        let tables = [RECORDS, ENUMERATORS, FUNCTIONS];
        assert!(tables.iter().any(|table| table.contains(from)), "{from:?}");
        let [records, enumerators, functions] = tables.map(|table| table.replace(from, to));
        let report = compare("NTDDI_WIN10_NI", [&records, &enumerators, &functions]).unwrap();
        let [difference] = report.differences.as_slice() else {
            panic!("{told:?}: {:?}", report.differences);
        };
        assert!(difference.contains(told), "{told:?}: {difference}");
    }
}

#[test]
fn headers_that_no_column_is_about_are_refused() {
    let tables = [RECORDS, ENUMERATORS, FUNCTIONS];
    let refused = compare("NTDDI_WIN10_RS5", tables).unwrap_err();
    assert!(matches!(refused, Fault::OldHeaders("19041")), "{refused}");
}
