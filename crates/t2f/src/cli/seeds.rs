//! Lists of seeds, `7`, `0-7`, `0,1,4-6`, and the seeds of each picture.

use std::collections::HashMap;
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

/// The seeds of every caption of a list. Each picture of a caption has a seed of its own: where the list
/// of seeds or of captions has repetitions, a picture has the next seed that its caption does not have yet.
#[derive(Debug)]
pub struct SeedPlan {
    columns: Vec<u64>,
    /// The number of pictures with another seed than the given one.
    repeated: usize,
    /// The seeds that a caption has, of captions with repetitions.
    taken: HashMap<String, TakenSeeds>,
}

/// Taken seeds, each with a seed after it from which a free one is searched.
#[derive(Clone, Debug, Default)]
struct TakenSeeds(HashMap<u64, u64>);

impl TakenSeeds {
    /// Takes the first free seed from `seed`.
    fn take(&mut self, seed: u64) -> u64 {
        let mut free = seed;
        let mut passed = Vec::new();
        while let Some(&next) = self.0.get(&free) {
            passed.push(free);
            free = next;
        }
        let next = free.wrapping_add(1);
        self.0.insert(free, next);
        // So that the next search is short.
        self.0.extend(passed.into_iter().map(|seed| (seed, next)));
        free
    }
}

impl SeedPlan {
    /// A plan for captions with given seeds.
    pub fn new(captions: &[String], seeds: &[u64]) -> Self {
        let mut of_column = TakenSeeds::default();
        let columns: Vec<u64> = seeds.iter().map(|&seed| of_column.take(seed)).collect();
        let shifted = columns.iter().zip(seeds).filter(|(column, seed)| column != seed).count();
        let mut counts = HashMap::<&String, usize>::new();
        captions.iter().for_each(|caption| *counts.entry(caption).or_default() += 1);
        let again = captions.len() - counts.len();
        let taken = counts.into_iter().filter(|(_, count)| *count > 1);
        let taken = taken.map(|(caption, _)| (caption.clone(), TakenSeeds::default())).collect();
        let repeated = shifted * (captions.len() - again) + again * seeds.len();
        Self { columns, repeated, taken }
    }

    /// The seeds of a caption that is not repeated.
    pub fn columns(&self) -> &[u64] {
        &self.columns
    }

    /// The number of pictures that have another seed than the given one.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// The seeds of the next occurrence of a caption.
    pub fn seeds_of(&mut self, caption: &str) -> Vec<u64> {
        match self.taken.get_mut(caption) {
            None => self.columns.clone(),
            Some(taken) => self.columns.iter().map(|&seed| taken.take(seed)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_captions_and_seeds_have_the_next_free_seeds() {
        let captions = ["a", "b", "a", "a"].map(String::from);
        let mut plan = SeedPlan::new(&captions, &[0, 1, 4]);
        assert_eq!((plan.columns(), plan.repeated()), (&[0, 1, 4][..], 6));
        let seeds: Vec<Vec<u64>> = captions.iter().map(|caption| plan.seeds_of(caption)).collect();
        assert_eq!(seeds, [[0, 1, 4], [0, 1, 4], [2, 3, 5], [6, 7, 8]]);
        let plan = SeedPlan::new(&captions[..2], &[1, 1, u64::MAX, u64::MAX]);
        assert_eq!((plan.columns(), plan.repeated()), (&[1, 2, u64::MAX, 0][..], 4));
    }

    #[test]
    fn many_equal_captions_have_different_seeds_at_once() {
        let captions = vec!["a man".to_owned(); 50_000];
        let mut plan = SeedPlan::new(&captions, &[7]);
        let seeds: Vec<u64> = captions.iter().flat_map(|caption| plan.seeds_of(caption)).collect();
        assert_eq!(seeds, (7..50_007).collect::<Vec<_>>());
    }

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
