//! GUIDs in the registry's form.

/// Whether this is `{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}` in hexadecimal digits.
#[must_use]
pub fn is_guid(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        return false;
    };
    let groups: Vec<&str> = inner.split('-').collect();
    groups.len() == 5
        && groups.iter().zip([8, 4, 4, 4, 12]).all(|(group, length)| {
            group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_form_counts() {
        assert!(is_guid("{4d36e97d-e325-11ce-bfc1-08002be10318}"));
        for text in [
            "4d36e97d-e325-11ce-bfc1-08002be10318",
            "{4d36e97de32511cebfc108002be10318}",
            "{4d36e97d-e325-11ce-bfc1-08002be1031g}",
            "{4d36e97d-e325-11ce-bfc1}",
            "",
        ] {
            assert!(!is_guid(text), "{text}");
        }
    }
}
