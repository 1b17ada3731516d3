//! Contrasts, corrections and withdrawals: a phrase beside another one that does not hold.

use super::keys::Keys;
use super::nouns::bare;

/// The first phrase rather than the second: *a cap, not a beanie*.
pub(super) fn contrast(keys: Keys, name: &str, right: &str, wrong: &str) -> String {
    match keys.below(&format!("{name} contrast"), 6) {
        0 => format!("{right}, not {wrong}"),
        1 => format!("{right} rather than {wrong}"),
        2 => format!("{right} instead of {wrong}"),
        3 => format!("{right} and not {wrong}"),
        _ => format!("not {wrong} but {right}"),
    }
}

/// The first phrase taken back for the second: *a beanie... wait, a cap*.
pub(super) fn correction(keys: Keys, name: &str, wrong: &str, right: &str) -> String {
    const MARKERS: [&str; 32] = [
        " - no, sorry, ",
        "... wait, ",
        "... no, ",
        ", sorry, ",
        ", no wait ",
        ", I mean ",
        ", or rather ",
        " - scratch that - ",
        ", correction: ",
        ", no, ",
        "... actually ",
        ", hmm, no, ",
        ", oops, ",
        "... make that ",
        " (sorry, I meant ",
        " - or no, ",
        ", nah, ",
        " no wait ",
        ", no hang on, ",
        ", forget that, ",
        ", actually more like ",
        ", on reflection rather ",
        ", on second thought ",
        "? no, ",
        ", well, more like ",
        ", err, ",
        " (make that ",
        " - strike that, ",
        ", not really, ",
        ", well no, ",
        ", change that to ",
        ", my mistake, ",
    ];
    let marker = keys.pick(&format!("{name} marker"), &MARKERS);
    format!("{wrong}{marker}{right}{}", if marker.contains('(') { ")" } else { "" })
}

/// A sentence that takes a phrase back: *sorry, I meant a cap, not a beanie*.
pub(super) fn correction_at_end(keys: Keys, name: &str, wrong: &str, right: &str) -> String {
    const FORMS: [&str; 34] = [
        "sorry, I meant {right}, not {wrong}",
        "actually, make that {right} instead of {wrong}",
        "correction: {right}, not {wrong}",
        "I said {wrong} but I meant {right}",
        "no wait, {right}, not {wrong}",
        "scratch that, not {wrong} but {right}",
        "oops, not {wrong}, I meant {right}",
        "I mean {right}, not {wrong}",
        "well, {right} rather than {wrong}, actually",
        "no, not {wrong}: {right}",
        "looking closer, {right}, not {wrong}",
        "looking again, that is {right}",
        "I looked again, and it was {right}",
        "forget {wrong}, let's go for {right}",
        "forget {wrong}, {right}",
        "on second thought, {right}",
        "change {wrong} to {right}",
        "please change {wrong} to {right}",
        "replace {wrong} with {right}",
        "hang on, not {wrong}, just {right}",
        "the file says {right}",
        "my mistake: {right}",
        "no, {right}",
        "not {wrong}! {right}",
        "{wrong}? no, {right}",
        "swap {wrong} for {right}",
        "it turned out to be {right}",
        "wait, I got that wrong, {right}",
        "let me correct that: {right}",
        "at first I thought {wrong}, but it was {right}",
        "or was it {right}? yes, {right}",
        "I take back {wrong}: {right}",
        "final answer: {right}",
        "{wrong} is wrong, it should be {right}",
    ];
    let form = keys.pick(&format!("{name} correction at the end"), &FORMS);
    form.replace("{wrong}", wrong).replace("{right}", right)
}

/// A phrase and its denial: *a beanie... no, without*.
pub(super) fn withdrawal(keys: Keys, name: &str, wrong: &str) -> String {
    const FORMS: [&str; 14] = [
        "{a}... no, without",
        "{a}, no, without",
        "{a}, no wait, no {bare}",
        "{a} - actually no {bare}",
        "{a}, or rather no {bare}",
        "{a}, sorry, no {bare}",
        "{a} (no, without {a})",
        "{a} - scratch that, no {bare}",
        "{a}, hmm, no {bare} after all",
        "{a}, I mean no {bare}",
        "{a}, no, forget the {bare}",
        "{a}... wait, no {bare}",
        "{a}? no, no {bare}",
        "{a} no wait without {a}",
    ];
    form(keys.pick(&format!("{name} withdrawal"), &FORMS), wrong)
}

/// A sentence that takes a phrase back: *scratch the beanie*.
pub(super) fn withdrawal_at_end(keys: Keys, name: &str, wrong: &str) -> String {
    const FORMS: [&str; 22] = [
        "no wait, no {bare}",
        "actually, no {bare}",
        "actually, without {a}",
        "delete the {bare}",
        "forget the {bare}",
        "drop the {bare}",
        "remove the {bare}",
        "scratch the {bare}",
        "on second thought, no {bare}",
        "on second thought, lose the {bare}",
        "sorry, no {bare}",
        "sorry, I meant without {a}",
        "I was wrong about the {bare}, there is none",
        "no, take the {bare} away again",
        "oh, and no {bare} after all",
        "the {bare}? no, leave that out",
        "please change that to no {bare}",
        "get rid of the {bare}",
        "not {a}, none at all",
        "correction: no {bare}",
        "I take back the {bare}",
        "looking again, there is no {bare}",
    ];
    form(keys.pick(&format!("{name} withdrawal at the end"), &FORMS), wrong)
}

fn form(form: &str, wrong: &str) -> String {
    form.replace("{a}", wrong).replace("{bare}", bare(wrong))
}
