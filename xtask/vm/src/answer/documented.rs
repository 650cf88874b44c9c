//! What Microsoft documents of each setting: where it stands, in which passes it counts, and what
//! it takes.

/// The passes, in the order in which they run. Source: "Windows Setup Configuration Passes".
pub const PASSES: [&str; 7] = [
    "windowsPE",
    "offlineServicing",
    "generalize",
    "specialize",
    "auditSystem",
    "auditUser",
    "oobeSystem",
];

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Settings of its own.
    Group,
    /// A number.
    Number,
    /// Text of up to so many characters.
    Text(usize),
    /// One of these words, between bars.
    One(&'static str),
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The component.
    pub component: &'static str,
    /// The names from the component to the setting.
    pub path: &'static str,
    /// The passes in which it counts, between commas.
    pub passes: &'static str,
    /// What it takes.
    pub form: Form,
}

/// All that is known.
pub fn settings() -> impl Iterator<Item = Setting> {
    include_str!("documented.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let [component, path, passes, form] = [(); 4].map(|()| fields.next());
            let form = match form? {
                "group" => Form::Group,
                "number" => Form::Number,
                "text" => Form::Text(usize::MAX),
                form => match form.split_once(' ')? {
                    ("one", words) => Form::One(words),
                    (_, length) => Form::Text(length.parse().ok()?),
                },
            };
            Some(Setting {
                component: component?,
                path: path?,
                passes: passes?,
                form,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_names_passes_that_there_are() {
        let lines = include_str!("documented.tsv").lines();
        let count = lines.filter(|line| !line.starts_with('#')).count();
        let all: Vec<Setting> = settings().collect();
        assert_eq!(all.len(), count);
        for setting in all {
            assert!(
                setting.passes.split(',').all(|pass| PASSES.contains(&pass)),
                "{setting:?}"
            );
        }
    }
}
