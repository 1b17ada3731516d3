//! The forms of denials: noun phrases, phrases after a noun, predicates.

use super::compose::Composer;
use super::nouns::{any, bare, joined};
use super::pieces::Denied;

impl Composer<'_> {
    /// `no a, b or c`: the denied phrases as a noun phrase.
    pub(super) fn no(&self, denied: &[Denied]) -> String {
        let bare: Vec<&str> = denied.iter().map(|denied| bare(&denied.text)).collect();
        match (bare.as_slice(), self.keys.below("no", 5)) {
            ([_], 0) => format!("no {} at all", bare[0]),
            ([_, _], 0) => format!("neither {} nor {}", denied[0].text, denied[1].text),
            ([_, _, _], 0) => {
                format!("neither {}, {} nor {}", denied[0].text, denied[1].text, denied[2].text)
            }
            ([_, _, ..], 1) => bare.iter().map(|it| format!("no {it}")).collect::<Vec<_>>().join(" and "),
            _ => format!("no {}", joined("or", &bare)),
        }
    }

    /// `without a, b or c`: the denied phrases after a noun.
    pub(super) fn without(&self, denied: &[Denied]) -> String {
        let full: Vec<&str> = denied.iter().map(|denied| denied.text.as_str()).collect();
        let any: Vec<String> = full.iter().map(|text| any(text)).collect();
        let bare: Vec<&str> = full.iter().map(|text| bare(text)).collect();
        let worn = denied.iter().all(|denied| denied.worn);
        match self.keys.below("without", 10) {
            0..=2 => format!("without {}", joined("or", &full)),
            3 => format!("without {}", joined("or", &any)),
            4 if worn => format!("not wearing {}", joined("or", &full)),
            5 if worn => format!("wearing no {}", joined("or", &bare)),
            6 => format!("lacking {}", joined("and", &full)),
            7 => format!("with no sign of {}", joined("or", &full)),
            8 if full.len() == 1 && !worn && bare == full => format!("free of {}", full[0]),
            9 if !worn => format!("not having {}", joined("or", &any)),
            _ => format!("with {}", self.no(denied)),
        }
    }

    /// A predicate that denies: `{doesn't} have a beard or a hat`.
    pub(super) fn denies(&self, denied: &[Denied]) -> String {
        let full: Vec<&str> = denied.iter().map(|denied| denied.text.as_str()).collect();
        let any: Vec<String> = full.iter().map(|text| any(text)).collect();
        let bare: Vec<&str> = full.iter().map(|text| bare(text)).collect();
        let worn = denied.iter().all(|denied| denied.worn);
        match (worn, self.keys.below("denies", 10)) {
            (_, 0) => format!("{{has}} {}", self.no(denied)),
            (true, 1 | 2) => format!("{{isn't}} wearing {}", joined("or", &any)),
            (true, 3) => format!("{{doesn't}} wear {}", joined("or", &any)),
            (true, 4) => format!("{{is}} not wearing {}", joined("or", &full)),
            (true, 5) => format!("never {{wears}} {}", joined("or", &full)),
            (true, 6) => format!("{{wears}} no {}", joined("or", &bare)),
            (_, 7) => format!("{{is}} without {}", joined("or", &full)),
            (false, 1 | 2) => format!("{{doesn't}} have {}", joined("or", &any)),
            (false, 3) => format!("{{doesn't}} have {}", joined("or", &full)),
            (false, 4) => format!("{{does}} not have {}", joined("or", &full)),
            (false, 5) => format!("{{lacks}} {}", joined("and", &full)),
            (_, 8) => format!("{{doesn't}} have {}", joined("or", &any)),
            _ => format!("{{has}} no {}", joined("or", &bare)),
        }
    }

    /// What follows *not*, as a predicate.
    pub(super) fn is_not(&self, text: &str) -> String {
        match self.keys.below(&format!("not {text}"), 9) {
            0..=2 => format!("{{is}} not {text}"),
            3..=5 => format!("{{isn't}} {text}"),
            6 if !text.contains(' ') && !text.ends_with("ing") => format!("{{is}} anything but {text}"),
            7 if !text.contains(' ') && !text.ends_with("ing") => format!("{{is}} far from {text}"),
            8 if !text.contains(' ') => format!("{{is}} certainly not {text}"),
            _ => format!("{{is}} not {text}"),
        }
    }
}
