//! The forms of denials: noun phrases, phrases after a noun, predicates, sentences.

use super::compose::Composer;
use super::nouns::{any, bare, joined, plural};
use super::pieces::Denied;

/// What a form of denials needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// Any phrases.
    All,
    /// Things that are worn.
    Worn,
    /// Things that are not worn.
    Unworn,
    /// One phrase.
    One,
    /// One phrase of one word with an article: *a beard*.
    Word,
}

/// A form, how often it is used, and what it needs. Of the denied phrases *a hat* and *glasses*, `{a}` is *a hat or
/// glasses*, `{any}` *a hat or any glasses*, `{bare}` *hat or glasses*, `{both}` *a hat and glasses*, `{the}` *the
/// hat and the glasses*, `{all}` *hats and glasses*.
type Form = (&'static str, usize, For);

/// After a noun.
const AFTER: [Form; 19] = [
    ("without {a}", 6, For::All),
    ("without {any}", 2, For::All),
    ("not wearing {a}", 2, For::Worn),
    ("wearing no {bare}", 2, For::Worn),
    ("lacking {both}", 1, For::All),
    ("with no sign of {a}", 1, For::All),
    ("free of {bare}", 1, For::Unworn),
    ("not having {any}", 1, For::Unworn),
    ("minus {the}", 1, For::All),
    ("sans {bare}", 1, For::All),
    ("without so much as {a}", 1, For::Word),
    ("without a trace of {bare}", 1, For::Unworn),
    ("with no {bare} whatsoever", 1, For::All),
    ("with no {bare} of any kind", 1, For::One),
    ("with not a single {bare}", 1, For::Word),
    ("who refuses to wear {a}", 1, For::Worn),
    ("devoid of {bare}", 1, For::Unworn),
    ("with zero {bare}", 1, For::All),
    ("{bare}-free", 1, For::Word),
];

/// Predicates.
const PREDICATES: [Form; 19] = [
    ("{isn't} wearing {any}", 2, For::Worn),
    ("{doesn't} wear {any}", 1, For::Worn),
    ("{is} not wearing {a}", 1, For::Worn),
    ("never {wears} {a}", 1, For::Worn),
    ("{wears} no {bare}", 2, For::Worn),
    ("{hates} wearing {all}", 1, For::Worn),
    ("{refuses} to wear {all}", 1, For::Worn),
    ("{has} taken {the} off", 1, For::Worn),
    ("{is} without {a}", 1, For::All),
    ("{doesn't} have {any}", 3, For::Unworn),
    ("{doesn't} have {a}", 1, For::Unworn),
    ("{does} not have {a}", 1, For::Unworn),
    ("{lacks} {both}", 1, For::Unworn),
    ("{doesn't} have {any}", 1, For::All),
    ("{has} no {bare}", 3, For::All),
    ("{has} no {bare} at all", 1, For::One),
    ("{hasn't} got {any}", 1, For::All),
    ("{has} never had {any}", 1, For::Unworn),
    ("{does} without {both}", 1, For::All),
];

/// Sentences of their own.
const STATEMENTS: [Form; 16] = [
    ("there is no {bare}", 2, For::All),
    ("there is no {bare} to be seen", 1, For::All),
    ("no {bare} to be seen", 1, For::All),
    ("I don't see {any}", 1, For::All),
    ("I see no {bare}", 1, For::All),
    ("absolutely no {bare}", 1, For::All),
    ("definitely no {bare}", 1, For::All),
    ("no {bare} at all", 1, For::One),
    ("not a single {bare}", 1, For::Word),
    ("not {a} in sight", 1, For::Word),
    ("{bare}? no", 1, For::One),
    ("{bare}: none", 1, For::One),
    ("no trace of {a}", 1, For::All),
    ("don't expect {any}", 1, For::All),
    ("{he} can't stand {all}", 1, For::All),
    ("{he} would never want {all}", 1, For::All),
];

/// Requests.
const WISHES: [Form; 30] = [
    ("no {bare} please", 3, For::All),
    ("don't add {a}", 1, For::All),
    ("don't add {any}", 1, For::All),
    ("do not give {him} {a}", 1, For::All),
    ("don't give {him} {any}", 1, For::All),
    ("don't give {him} {bare}", 1, For::All),
    ("please leave out {a}", 1, For::All),
    ("leave out {the}", 1, For::All),
    ("leave {the} off", 1, For::All),
    ("skip {a}", 1, For::All),
    ("skip {the}", 1, For::All),
    ("don't draw {a}", 1, For::All),
    ("hold {the}", 1, For::All),
    ("lose {the}", 1, For::All),
    ("drop {the}", 1, For::All),
    ("forget {the}", 1, For::All),
    ("omit {the}", 1, For::All),
    ("get rid of {the}", 1, For::All),
    ("please avoid {all}", 1, For::All),
    ("avoid {all}", 1, For::All),
    ("I can't stand {all}", 1, For::All),
    ("I hate {all}", 1, For::All),
    ("I don't like {all}", 1, For::All),
    ("I don't want {any}", 2, For::All),
    ("I don't want to see {any}", 1, For::All),
    ("there should be no {bare}", 1, For::All),
    ("make sure there is no {bare}", 1, For::All),
    ("{he} must not have {any}", 1, For::All),
    ("{he} should not have {any}", 1, For::All),
    ("and no {bare}, thanks", 1, For::All),
];

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
        match self.keys.flip("with no", 0.1) {
            true => format!("with {}", self.no(denied)),
            false => self.denial("without", &AFTER, denied),
        }
    }

    /// A predicate that denies: `{doesn't} have a beard or a hat`.
    pub(super) fn denies(&self, denied: &[Denied]) -> String {
        match self.keys.flip("has no", 0.1) {
            true => format!("{{has}} {}", self.no(denied)),
            false => self.denial("denies", &PREDICATES, denied),
        }
    }

    /// A sentence that denies: `there is no beard`.
    pub(super) fn statement(&self, denied: &[Denied]) -> String {
        self.denial("statement", &STATEMENTS, denied)
    }

    /// A request to leave something out: `lose the hat`.
    pub(super) fn wish(&self, denied: &[Denied]) -> String {
        self.denial("wish", &WISHES, denied)
    }

    /// One of the forms that the phrases allow.
    fn denial(&self, name: &str, forms: &[Form], denied: &[Denied]) -> String {
        let full: Vec<&str> = denied.iter().map(|denied| denied.text.as_str()).collect();
        let worn = denied.iter().all(|denied| denied.worn);
        let plurals: Option<Vec<String>> = full.iter().map(|text| plural(text)).collect();
        let fits = |(form, _, needs): &&Form| {
            let needed = match needs {
                For::All => true,
                For::Worn => worn,
                For::Unworn => !worn,
                For::One => full.len() == 1,
                For::Word => full.len() == 1 && full[0].starts_with("a ") && full[0].split(' ').count() == 2,
            };
            needed && (plurals.is_some() || !form.contains("{all}"))
        };
        let weighted = forms.iter().filter(fits).flat_map(|form| std::iter::repeat_n(form.0, form.1));
        let form = self.keys.pick(name, &weighted.collect::<Vec<_>>());
        let of = |map: &dyn Fn(&str) -> String| full.iter().map(|text| map(text)).collect::<Vec<_>>();
        let several = full.last().is_some_and(|text| text.ends_with('s') && !text.starts_with("a "));
        let form = if several { form.replace("there is no", "there are no") } else { form.to_owned() };
        form.replace("{any}", &joined("or", &of(&any)))
            .replace("{a}", &joined("or", &full))
            .replace("{bare}", &joined("or", &of(&|text| bare(text).to_owned())))
            .replace("{both}", &joined("and", &full))
            .replace("{the}", &joined("and", &of(&|text| format!("the {}", bare(text)))))
            .replace("{all}", &joined("and", &plurals.unwrap_or_default()))
    }

    /// What follows *not*, as a predicate.
    pub(super) fn is_not(&self, text: &str) -> String {
        let word = !text.contains(' ');
        match self.keys.below(&format!("not {text}"), 14) {
            0..=2 => format!("{{is}} not {text}"),
            3..=5 => format!("{{isn't}} {text}"),
            6 if word && !text.ends_with("ing") => format!("{{is}} anything but {text}"),
            7 if word && !text.ends_with("ing") => format!("{{is}} far from {text}"),
            8 if word => format!("{{is}} certainly not {text}"),
            9 if word => format!("{{isn't}} {text} at all"),
            10 if word => format!("{{is}} by no means {text}"),
            11 if word => format!("{{is}} not at all {text}"),
            12 if word => format!("{{is}} not in the least {text}"),
            _ => format!("{{is}} not {text}"),
        }
    }
}
