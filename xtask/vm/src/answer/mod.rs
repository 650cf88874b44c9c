//! The answer file: what Windows Setup would ask, answered.
//!
//! Sources: "Windows Setup Configuration Passes", "Unattended Windows Setup Reference". Setup
//! looks for `Autounattend.xml` in the root of removable media ("Methods for running Windows
//! Setup"), so the file is on the disk that carries the package.

mod check;
mod documented;

pub use check::check;

/// Its name in the root of the disk.
pub const NAME: &str = "Autounattend.xml";

const TEMPLATE: &str = include_str!("../../guest/autounattend.xml");

/// What a person chooses.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'c> {
    /// The edition: the name or the number of an image on the medium; without one, its first.
    pub edition: Option<&'c str>,
    /// The product key, where the medium asks for one. Evaluation media do not.
    pub product_key: Option<&'c str>,
    /// The language of the medium.
    pub language: &'c str,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The answer file.
#[must_use]
pub fn file(choices: &Choices<'_>) -> String {
    let edition = choices.edition.unwrap_or("1");
    let key = if edition.bytes().all(|byte| byte.is_ascii_digit()) {
        "/IMAGE/INDEX"
    } else {
        "/IMAGE/NAME"
    };
    let product = choices
        .product_key
        .map(|key| format!("<Key>{}</Key>", escaped(key)))
        .unwrap_or_default();
    TEMPLATE
        .replace("@LANGUAGE@", &escaped(choices.language))
        .replace("@IMAGE-KEY@", key)
        .replace("@IMAGE@", &escaped(edition))
        .replace("@PRODUCT-KEY@", &product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_gives_a_file_that_is_documented_and_holds_it() {
        for (edition, product_key, language, wanted) in [
            (
                None,
                None,
                "en-US",
                "<Key>/IMAGE/INDEX</Key>\n              <Value>1</Value>",
            ),
            (Some("6"), None, "de-DE", "<Value>6</Value>"),
            (
                Some("Windows 11 Pro <N> & more"),
                Some("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"),
                "en-GB",
                "<Key>/IMAGE/NAME</Key>\n              <Value>Windows 11 Pro &lt;N&gt; &amp; more</Value>",
            ),
        ] {
            let file = file(&Choices {
                edition,
                product_key,
                language,
            });
            assert_eq!(check(&file), [""; 0]);
            assert!(file.contains(wanted), "{file}");
            assert!(!file.contains('@'), "{file}");
            assert_eq!(file.matches(language).count(), 9);
            let key = product_key.is_some_and(|key| file.contains(&format!("<Key>{key}</Key>")));
            assert_eq!(key, product_key.is_some());
        }
    }
}
