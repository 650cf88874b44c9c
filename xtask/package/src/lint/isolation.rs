//! Driver package isolation: nothing outside of the package's own places is written.
//!
//! Sources: "Driver Package Isolation", "Porting an INF to follow driver package isolation".

use super::files::copies;
use super::kind::Kind;
use super::registry::writes;
use super::rules;
use super::walk::Walk;

rules! {
    CONTROL_SET = 1222 "control-set" Error,
        "of HKLM\\SYSTEM only CurrentControlSet was ever allowed", "use HKR";
    FORBIDDEN_KEY = 1223 "forbidden-key" Error,
        "some registry keys are no driver's business", "use HKR";
    KEY = 1320 "key-not-isolated" Error,
        "registry keys stand under HKR", "use HKR";
    VALUE = 1321 "value-not-isolated" Error,
        "registry values stand under HKR", "use HKR";
    DESTINATION = 1322 "file-not-isolated" Error,
        "files stay in the driver store", "write 13 in [DestinationDirs]";
    PARAMETERS = 1323 "service-parameters" Error,
        "a service's values stand in its Parameters key", "write HKR,Parameters,…";
    CLASSES_ROOT = 2660 "classes-root" Error,
        "HKCR is not written", "register COM classes by [DDInstall.COM]";
    AUDIO_KEY = 2661 "audio-key" Error,
        "only audio processing objects register themselves as such", "remove the value";
}

/// Checks the registry's roots and the files' destinations.
pub fn check(walk: &mut Walk<'_>) {
    for write in writes(walk) {
        let entry = write.entry;
        let root = entry.value(0).to_uppercase();
        let key = entry.value(1).trim_matches('\\');
        let lower = key.to_lowercase();
        let path = format!("{root}\\{key}");
        match root.as_str() {
            "HKR" => {
                let inside = lower == "parameters" || lower.starts_with("parameters\\");
                if write.context == Kind::Service && !inside {
                    let name = if key.is_empty() { entry.value(2) } else { key };
                    walk.find(&PARAMETERS, entry.line, name);
                }
                continue;
            }
            "HKCR" => walk.find(&CLASSES_ROOT, entry.line, path.as_str()),
            "HKCU" | "HKU" => walk.find(&FORBIDDEN_KEY, entry.line, path.as_str()),
            "HKLM" => {
                let first = lower.split('\\').next().unwrap_or_default();
                if first == "system" && !lower.starts_with("system\\currentcontrolset") {
                    walk.find(&CONTROL_SET, entry.line, path.as_str());
                } else if ["sam", "security", "hardware", "bcd00000000"].contains(&first) {
                    walk.find(&FORBIDDEN_KEY, entry.line, path.as_str());
                }
                if lower.contains("audioengine\\audioprocessingobjects") && !is_audio(walk) {
                    walk.find(&AUDIO_KEY, entry.line, path.as_str());
                }
            }
            _ => continue,
        }
        if entry.value(2).is_empty() && entry.value(4).is_empty() {
            walk.find(&KEY, entry.line, path);
        } else {
            walk.find(&VALUE, entry.line, format!("{path}: {}", entry.value(2)));
        }
    }
    for kind in [Kind::Install, Kind::Interface, Kind::CoInstallers] {
        for section in walk.met(kind) {
            for copy in copies(walk, section) {
                // What has no number, or one that nobody knows, is said of [DestinationDirs].
                if let Some(dirid) = copy.dirid.filter(|dirid| *dirid != 13) {
                    let detail = format!("{} to directory {dirid}", copy.destination);
                    walk.find(&DESTINATION, copy.line, detail);
                }
            }
        }
    }
}

fn is_audio(walk: &Walk<'_>) -> bool {
    walk.document
        .section("Version")
        .and_then(|version| version.value("Class"))
        .is_some_and(|class| class.eq_ignore_ascii_case("AudioProcessingObject"))
}
