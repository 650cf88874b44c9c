//! From which Windows on a rule is enforced.
//!
//! A file may serve older Windows by install sections of their own, chosen by the decoration of
//! the models section; there the demands of driver isolation are not made, because that Windows
//! could not meet them. Sources: "Validating Windows Drivers" and "Running InfVerif from the
//! command line" (`/wbuild`, which is 10.0.17763 if not given); "Specifying the Reflector in an
//! INF File" for the INF files that Windows 11 brought; "INF DDInstall.Filters Section".

use std::collections::BTreeMap;

use super::Finding;
use super::walk::Walk;

/// The build from which `/w` is enforced.
pub const ISOLATION: u32 = 17763;

/// The rules that are errors under `/w` alone.
const ISOLATION_RULES: &[u16] = &[
    1231, 1305, 1307, 1308, 1309, 1320, 1321, 1322, 1323, 1324, 1325, 1326, 1331, 1332, 1333, 1340,
    1341, 1402, 2084, 2092, 2603, 2660, 2661, 2662, 2663,
];

/// Rules that ask for something which a later build brought.
const LATER: &[(u16, u32)] = &[
    // [DDInstall.Filters] came with version 1903.
    (1329, 18362),
    // WUDFRD.inf and MsHidKmdf.inf came with Windows 11.
    (2650, 22000),
];

/// The build from which a rule is enforced; nothing for one that always is.
fn since(code: u16) -> Option<u32> {
    LATER
        .iter()
        .find_map(|(later, build)| (*later == code).then_some(*build))
        .or_else(|| ISOLATION_RULES.contains(&code).then_some(ISOLATION))
}

/// Takes back the findings in sections that only Windows from before their rules would read.
/// What stands in no install section's reach is for all Windows that the file serves.
pub fn retain(walk: &mut Walk<'_>) {
    // The lowest build of the latest install section that reaches each section, by its line.
    let mut latest: BTreeMap<u32, u32> = BTreeMap::new();
    for install in &walk.installs {
        let build = install.target.lowest_build();
        for section in walk.reach(install) {
            let known = latest.entry(section.line).or_insert(build);
            *known = build.max(*known);
        }
    }
    let of_file = walk
        .installs
        .iter()
        .map(|install| install.target.lowest_build())
        .max()
        .unwrap_or(u32::MAX);
    let sections: Vec<u32> = walk.document.sections.iter().map(|s| s.line).collect();
    walk.findings.retain(|finding: &Finding| {
        let Some(since) = since(finding.rule.code) else {
            return true;
        };
        let section = sections.iter().rfind(|line| **line <= finding.line);
        let build = section
            .and_then(|line| latest.get(line))
            .copied()
            .unwrap_or(of_file);
        build >= since
    });
}
