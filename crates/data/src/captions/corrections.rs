//! Contrasts and corrections: a phrase beside another one that does not hold.

use super::keys::Keys;

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
    const MARKERS: [&str; 16] = [
        " - no, sorry, ",
        "... wait, ",
        "... no, ",
        ", sorry, ",
        ", no wait, ",
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
    ];
    let marker = keys.pick(&format!("{name} marker"), &MARKERS);
    format!("{wrong}{marker}{right}{}", if marker.contains('(') { ")" } else { "" })
}

/// A sentence that takes a phrase back: *sorry, I meant a cap, not a beanie*.
pub(super) fn correction_at_end(keys: Keys, name: &str, wrong: &str, right: &str) -> String {
    match keys.below(&format!("{name} correction at the end"), 10) {
        0 => format!("sorry, I meant {right}, not {wrong}"),
        1 => format!("actually, make that {right} instead of {wrong}"),
        2 => format!("correction: {right}, not {wrong}"),
        3 => format!("I said {wrong} but I meant {right}"),
        4 => format!("no wait, {right}, not {wrong}"),
        5 => format!("scratch that, not {wrong} but {right}"),
        6 => format!("oops, not {wrong}, I meant {right}"),
        7 => format!("I mean {right}, not {wrong}"),
        8 => format!("well, {right} rather than {wrong}, actually"),
        _ => format!("no, not {wrong}: {right}"),
    }
}
