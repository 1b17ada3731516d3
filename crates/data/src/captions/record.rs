//! Lists of particulars: *Sex: male. Hair: brown. Glasses: none.*

use super::keys::Keys;
use super::lexicon::Slot;
use super::nouns::bare;
use super::person::{Person, Subject};
use super::plan::{Plan, Said, Stance};

/// The particulars of a plan, in its order. The one about the attribute `sex` comes first, as in forms.
pub(super) fn record(plan: &Plan, sex: Option<usize>, person: &Person, keys: Keys) -> String {
    let pick = |name: &str, options: &[&'static str]| keys.pick(name, options);
    let colon = pick("colon", &[": ", ": ", ": ", " - ", " = "]);
    let (mut labelled, unlabelled): (Vec<&Said>, Vec<&Said>) =
        plan.said.iter().partition(|said| !said.subject.labels.is_empty());
    labelled.sort_by_key(|said| sex.is_none() || said.subject.attribute != sex);
    let mut lines: Vec<String> = labelled
        .into_iter()
        .map(|said| {
            let labels: Vec<&str> = said.subject.labels.iter().map(String::as_str).collect();
            let label = keys.pick(&format!("{} label", said.subject.name), &labels);
            let value = person.spell(&value(said, keys), Subject::Noun);
            // *Facial hair: full beard*, but *Smiling: yes* has no noun.
            format!("{label}{colon}{value}")
        })
        .collect();
    lines.extend(unlabelled.into_iter().map(|said| person.spell(&value(said, keys), Subject::Noun)));
    if let Some(remark) = plan.remarks.iter().find(|remark| remark.form.slot == Slot::Person) {
        lines.push(format!("Occupation{colon}{}", remark.text));
    }
    let heading =
        pick("heading", &["", "", "", "Wanted. ", "Missing person. ", "Description. ", "Profile: "]);
    format!("{heading}{}", lines.join(pick("lines", &[". ", ". ", ", ", "; ", " | "])))
}

fn value(said: &Said, keys: Keys) -> String {
    let name = said.subject.name.as_str();
    let text = bare(&said.chosen.text);
    match &said.stance {
        Stance::Affirmed => text.to_owned(),
        Stance::Denied if said.subject.absent.is_some() && whole(said) => {
            keys.pick(&format!("{name} none"), &["none", "none", "no", "not any", "-- none --"]).to_owned()
        }
        Stance::Denied => match said.chosen.form.slot {
            Slot::Has | Slot::Wears | Slot::No => format!("no {text}"),
            _ => format!("not {text}"),
        },
        Stance::Withdrawn => super::corrections::withdrawal(keys, name, &said.chosen.text),
        Stance::Contrasted(other) => super::corrections::contrast(keys, name, text, bare(&other.text)),
        Stance::Corrected(other) => {
            let marker = keys
                .pick(&format!("{name} marker"), &["... no, ", " - sorry, ", ", I mean ", ", correction: "]);
            format!("{}{marker}{text}", bare(&other.text))
        }
    }
}

/// Whether a denial leaves nothing but the value that stands for nothing.
fn whole(said: &Said) -> bool {
    let Some(absent) = said.subject.absent else { return false };
    let wide = |value: usize| said.chosen.form.meanings.iter().any(|meaning| meaning.wide.contains(&value));
    said.subject.values != 0 && (0..said.subject.values).all(|value| (value == absent) != wide(value))
}
