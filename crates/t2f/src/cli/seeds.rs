//! Lists of seeds: `7`, `0-7`, `0,1,4-6`.

use std::str::FromStr;

/// The maximum number of seeds; more are a typing error.
const MOST: u64 = 100_000;

/// Seeds in the given order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = "expected numbers and ranges such as `7`, `0-7` or `0,1,4-6`";
        let mut seeds = Vec::new();
        for part in text.split(',').map(str::trim) {
            let number = |text: &str| -> Result<u64, String> {
                text.trim().parse().map_err(|_| format!("`{part}` is neither a seed nor a range; {accepted}"))
            };
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if last < first {
                return Err(format!("the range `{part}` is backwards; {accepted}"));
            }
            if seeds.len() as u64 + (last - first).saturating_add(1) > MOST {
                return Err(format!("more than {MOST} seeds; {accepted}"));
            }
            seeds.extend(first..=last);
        }
        Ok(Self(seeds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(text: &str) -> Result<Vec<u64>, String> {
        text.parse::<Seeds>().map(|seeds| seeds.0)
    }

    #[test]
    fn numbers_and_ranges_keep_their_order() {
        assert_eq!(seeds("7").unwrap(), [7]);
        assert_eq!(seeds("0-3").unwrap(), [0, 1, 2, 3]);
        assert_eq!(seeds("0,1,4-6").unwrap(), [0, 1, 4, 5, 6]);
        assert_eq!(seeds(" 9 , 2-2").unwrap(), [9, 2]);
        assert_eq!(seeds("18446744073709551615").unwrap(), [u64::MAX]);
    }

    #[test]
    fn the_error_of_an_invalid_list_has_an_example() {
        for text in ["", "a", "1,,2", "1-", "-1", "1-2-3", "0x5", "1.5"] {
            assert!(seeds(text).unwrap_err().contains("`0,1,4-6`"), "{text}");
        }
        assert!(seeds("5-3").unwrap_err().contains("backwards"));
        assert!(seeds("0-18446744073709551615").unwrap_err().contains("more than"));
    }
}
