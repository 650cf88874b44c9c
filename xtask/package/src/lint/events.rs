//! `[DDInstall.Events]`: event providers, their channels, and trace sessions.
//!
//! Sources: "INF AddEventProvider Directive", "INF AddAutoLogger and UpdateAutoLogger
//! Directives".

use super::kind::Kind;
use super::rules;
use super::services::{KEY_INVALID, KEY_MISSING, require};
use super::walk::Walk;
use crate::inf::decoration::number;
use crate::inf::{Entry, Section};

rules! {
    CHANNEL_VALUE = 1180 "channel-value" Error,
        "the channels of a provider have different numbers", "give each its own Value";
    CHANNEL_TYPE = 1181 "channel-type" Error,
        "only Admin and Operational channels can be backed up", "remove LoggingAutoBackup";
    CHANNEL_RETENTION = 1182 "channel-retention" Error,
        "only a sequential log can be backed up", "add LoggingRetention=2";
    LOG_FILE = 1326 "log-file" Error,
        "a session's log stands under %%DriverData%%", "write %%DriverData%%\\<company>\\<file>.etl";
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    for section in walk.met(Kind::EventProvider) {
        require(
            walk,
            section,
            &KEY_MISSING,
            &["ProviderName", "ResourceFile"],
        );
        for entry in &section.entries {
            if ["ProviderName", "ImportChannel", "AddChannel"]
                .iter()
                .any(|key| entry.is(key))
            {
                name(walk, section, entry);
            }
        }
        channels(walk, section);
    }
    for section in walk.met(Kind::AutoLogger) {
        require(walk, section, &KEY_MISSING, &["Start"]);
        if let Some(entry) = section.entry("FileName")
            && !entry.value(0).to_lowercase().starts_with("%driverdata%\\")
        {
            walk.find(&LOG_FILE, entry.line, format!("\"{}\"", entry.value(0)));
        }
    }
}

fn name(walk: &mut Walk<'_>, section: &Section, entry: &Entry) {
    let name = entry.value(0);
    let bad = |c: char| u32::from(c) < 31 || "><&\"|\\:'`?*".contains(c);
    if name.chars().count() > 255 || name.contains(bad) {
        let detail = format!("{} \"{name}\" in [{}]", entry.key(), section.name);
        walk.find(&KEY_INVALID, entry.line, detail);
    }
}

fn channels(walk: &mut Walk<'_>, provider: &Section) {
    let mut names: Vec<String> = Vec::new();
    let mut values: Vec<u32> = Vec::new();
    for entry in &provider.entries {
        if !entry.is("AddChannel") && !entry.is("ImportChannel") {
            continue;
        }
        let name = entry.value(0).to_lowercase();
        if names.contains(&name) {
            let detail = format!("channel {name} in [{}]", provider.name);
            walk.find(&super::manufacturer::DUPLICATE_ID, entry.line, detail);
        }
        names.push(name);
        let Some(channel) = walk.document.section(entry.value(2)) else {
            continue;
        };
        let get = |key| channel.value(key).and_then(number);
        if let Some(value) = get("Value") {
            if values.contains(&value) {
                let line = channel.entry("Value").map_or(channel.line, |e| e.line);
                let detail = format!("{value} again, in [{}]", channel.name);
                walk.find(&CHANNEL_VALUE, line, detail);
            }
            values.push(value);
        }
        let Some(backup) = channel.entry("LoggingAutoBackup") else {
            continue;
        };
        if number(backup.value(0)) == Some(1) {
            let kind = number(entry.value(1)).unwrap_or(0);
            if kind > 2 {
                let detail = format!("LoggingAutoBackup=1 with channel type {kind}");
                walk.find(&CHANNEL_TYPE, backup.line, detail);
            } else if get("LoggingRetention") != Some(2) {
                let detail = format!("LoggingAutoBackup=1 in [{}]", channel.name);
                walk.find(&CHANNEL_RETENTION, backup.line, detail);
            }
        }
    }
}
