//! Numbers in phrases: `{20-29}` is one of that range, in digits or in words.

use super::keys::Keys;

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The phrase with a number in place of its range, if it has one.
pub(super) fn resolve(text: &str, keys: Keys, name: &str) -> String {
    // Verbs and pronouns are in braces too.
    let range = |text: &str| -> Option<(usize, usize, usize, usize)> {
        let mut from = 0;
        while let Some(start) = text[from..].find('{').map(|at| from + at) {
            let end = start + text[start..].find('}')?;
            let numbers = text[start + 1..end].split_once('-');
            if let Some((Ok(low), Ok(high))) = numbers.map(|(low, high)| (low.parse(), high.parse())) {
                return Some((start, end, low, high));
            }
            from = end;
        }
        None
    };
    let Some((start, end, low, high)) = range(text) else { return text.to_owned() };
    let number = low + keys.below(&format!("{name} number"), high + 1 - low);
    let written =
        if keys.flip(&format!("{name} in digits"), 0.65) { number.to_string() } else { words(number) };
    format!("{}{written}{}", &text[..start], &text[end + 1..])
}

/// A number below 100 in words.
fn words(number: usize) -> String {
    match (number / 10, number % 10) {
        (0 | 1, _) => ONES[number].into(),
        (tens, 0) => TENS[tens].into(),
        (tens, ones) => format!("{}-{}", TENS[tens], ONES[ones]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_words() {
        assert_eq!(
            [words(8), words(16), words(40), words(73)],
            ["eight", "sixteen", "forty", "seventy-three"]
        );
    }
}
