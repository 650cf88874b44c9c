//! InfVerif's numbers that are not checked here, each with its reason. Together with
//! [`super::all`] they are all that "INF Validation Errors and Warnings" documents.

/// Needs what only a Windows installation has.
const INBOX: &str = "needs the INF files that come with the Windows that is installed on";
/// Is about a mode, or about files, that are not a vendor's.
const OTHERS: &str = "is about Microsoft's own files";
/// `infverif /w` does not report it.
const OFF: &str = "is off for Windows Drivers";
/// The syntax is nowhere documented.
const UNDOCUMENTED: &str = "is about a syntax that the documentation does not describe";
/// A file of the class would have to be read with that class's own directives.
const NET: &str = "is about the directives of class NetDriver, which no PCI function driver has";
/// As above.
const DISPLAY: &str = "is about display drivers, whose service and registry layout are their own";
/// As above.
const MEDIA: &str =
    "is about camera and audio drivers, by sections of files that come with Windows";
/// InfVerif rewrites a file before it reads it.
const SHIMS: &str = "is about what InfVerif replaced while it read the file";

/// The numbers, with the reasons.
pub const ELSEWHERE: &[(u16, &str)] = &[
    (1000, "is said by the program that opens the file"),
    (
        1020,
        "names reserved filter levels that the documentation does not list",
    ),
    (1021, UNDOCUMENTED),
    (1022, UNDOCUMENTED),
    (1202, INBOX),
    (1207, OTHERS),
    (1220, INBOX),
    (1304, OFF),
    (1306, OFF),
    (1317, INBOX),
    (1318, INBOX),
    (1328, SHIMS),
    (2008, INBOX),
    (2090, SHIMS),
    (2091, SHIMS),
    (2092, SHIMS),
    (2093, SHIMS),
    (2400, NET),
    (2403, NET),
    (2405, NET),
    (2411, NET),
    (2412, NET),
    (2413, NET),
    (2414, NET),
    (2415, NET),
    (2416, NET),
    (2417, NET),
    (2418, NET),
    (2419, NET),
    (2420, NET),
    (2500, NET),
    (2600, DISPLAY),
    (2601, DISPLAY),
    (2602, DISPLAY),
    (2603, DISPLAY),
    (2652, MEDIA),
    (2662, MEDIA),
    (2663, MEDIA),
];
