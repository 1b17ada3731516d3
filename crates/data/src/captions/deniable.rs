//! Which phrases can be denied.

/// Whether a phrase can be denied: *no a few days of stubble* and *not not smiling* cannot.
pub(super) fn deniable(text: &str) -> bool {
    const STARTS: [&str; 38] = [
        "no ",
        "not ",
        "nothing",
        "neither ",
        "without ",
        "unsmiling",
        "un",
        "free of ",
        "devoid ",
        "{doesn't}",
        "some ",
        "very ",
        "slightly ",
        "rather ",
        "quite ",
        "a bit",
        "a few ",
        "a hint",
        "about ",
        "around ",
        "hair ",
        "with ",
        "{his} ",
        "from ",
        "of ",
        "something ",
        "never ",
        "rarely ",
        "hardly ",
        "barely ",
        "{is}",
        "{isn't}",
        "{does}",
        "{has}",
        "{can't}",
        "{could}",
        "{refuses}",
        "{forgot}",
    ];
    let starts = STARTS.iter().any(|start| text.starts_with(start));
    let inner =
        [" and ", " with ", " or so", " but ", " without ", ", "].iter().any(|part| text.contains(part));
    let ends = [" on", " in", " up"].iter().any(|end| text.ends_with(end));
    !(starts || inner || ends || text.contains(|c: char| c.is_ascii_digit()))
}
