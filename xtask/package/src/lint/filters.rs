//! `[DDInstall.Filters]`.
//!
//! Sources: "INF AddFilter Directive", "Device filter driver ordering".

use super::kind::Kind;
use super::rules;
use super::services::DIRECTIVE_MISSING;
use super::walk::Walk;

rules! {
    LEVEL_AND_POSITION = 1087 "level-and-position" Error,
        "a filter has a level or a position, not both", "remove one of them";
    FILTER_SERVICE = 2501 "filter-service" Error,
        "a filter is a service that this file installs", "add its AddService";
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    let services: Vec<String> = walk
        .entries(Kind::Services, "AddService")
        .iter()
        .map(|(_, entry)| entry.value(0).to_lowercase())
        .collect();
    for (section, entry) in walk.entries(Kind::Filters, "AddFilter") {
        let name = entry.value(0);
        let needs = section.entry("Needs").is_some();
        if !name.is_empty() && !needs && !services.contains(&name.to_lowercase()) {
            walk.find(&FILTER_SERVICE, entry.line, name);
        }
    }
    for section in walk.met(Kind::Filter) {
        match (
            section.entry("FilterLevel"),
            section.entry("FilterPosition"),
        ) {
            (Some(_), Some(position)) => {
                let detail = format!("FilterLevel and FilterPosition in [{}]", section.name);
                walk.find(&LEVEL_AND_POSITION, position.line, detail);
            }
            (None, None) => {
                let detail = format!("FilterLevel or FilterPosition in [{}]", section.name);
                walk.find(&DIRECTIVE_MISSING, section.line, detail);
            }
            _ => {}
        }
    }
}
