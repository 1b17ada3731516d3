//! Counts of words: the vocabulary of the captions of a data set.

use std::collections::HashMap;
use std::fmt;

use crate::config::LstmConfig;
use crate::error::Result;
use crate::tokenizer::Tokenizer;

/// The number of words in [`Vocabulary::frequent`].
const FREQUENT: usize = 20;

/// The words of the captions of a data set, as an encoder reads them. Punctuation marks count as words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vocabulary {
    /// The number of training captions.
    pub captions: usize,
    /// The number of words in them.
    pub words: usize,
    /// The number of different words.
    pub types: usize,
    /// The number of words that occur once.
    pub hapax: usize,
    /// The number of different words that occur fewer than `text.min_frequency` times.
    pub rare: usize,
    /// The number of different words that the vocabulary has, `<pad>` and `<unk>` excluded.
    pub known: usize,
    /// The share of the words that the vocabulary has, in `[0, 1]`; 1 for captions without words.
    pub coverage: f64,
    /// The number of words of the longest caption of any part.
    pub longest: usize,
    /// `text.max_length`.
    pub max_length: usize,
    /// The number of captions of any part with more words than `text.max_length`.
    pub cut: usize,
    /// The number of words of these captions that are not read.
    pub cut_words: usize,
    /// The most frequent words with their numbers, at most 20, the most frequent first.
    pub frequent: Vec<(String, usize)>,
    /// The number of captions of the other parts.
    pub other_captions: usize,
    /// The number of captions of the other parts with a word that the vocabulary lacks.
    pub other_unknown: usize,
}

/// The words of the runs between spaces. There are few different ones, so each is split once.
struct Runs {
    splitter: Tokenizer,
    /// The ids of a run's words in `words`.
    runs: HashMap<String, Vec<usize>>,
    ids: HashMap<String, usize>,
    words: Vec<String>,
}

impl Runs {
    /// The ids of the words of a caption, in order.
    fn of(&mut self, caption: &str) -> Result<Vec<usize>> {
        let mut all = Vec::new();
        for run in caption.split_whitespace() {
            if !self.runs.contains_key(run) {
                let mut ids = Vec::new();
                for word in self.splitter.words(run)? {
                    let next = self.words.len();
                    let id = *self.ids.entry(word.clone()).or_insert(next);
                    if id == next {
                        self.words.push(word);
                    }
                    ids.push(id);
                }
                self.runs.insert(run.to_owned(), ids);
            }
            all.extend_from_slice(&self.runs[run]);
        }
        Ok(all)
    }
}

impl Vocabulary {
    /// Counts the words of the training captions and of those of the other parts.
    pub(crate) fn count<S: AsRef<str>, T: AsRef<str>>(
        config: &LstmConfig,
        train: impl IntoIterator<Item = S>,
        others: impl IntoIterator<Item = T>,
    ) -> Result<Self> {
        let splitter = Tokenizer::train([""; 0], 1, config.vocabulary_size, config.compat)?;
        let mut runs = Runs { splitter, runs: HashMap::new(), ids: HashMap::new(), words: Vec::new() };
        let mut report = Self { max_length: config.max_length, ..Self::default() };
        let mut counts = Vec::new();
        for caption in train {
            let ids = runs.of(caption.as_ref())?;
            report.measure(ids.len());
            report.captions += 1;
            report.words += ids.len();
            counts.resize(runs.words.len(), 0);
            ids.into_iter().for_each(|id| counts[id] += 1);
        }
        report.types = counts.len();
        report.hapax = counts.iter().filter(|&&count| count == 1).count();
        report.rare = counts.iter().filter(|&&count| count < config.min_frequency).count();
        // The order of the tokenizer: by frequency, ties in alphabetical order.
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then_with(|| runs.words[a].cmp(&runs.words[b])));
        let frequent = order.iter().take(FREQUENT);
        report.frequent = frequent.map(|&id| (runs.words[id].clone(), counts[id])).collect();
        order.retain(|&id| counts[id] >= config.min_frequency);
        order.truncate(config.vocabulary_size - 2);
        report.known = order.len();
        let covered: usize = order.iter().map(|&id| counts[id]).sum();
        report.coverage = if report.words == 0 { 1.0 } else { covered as f64 / report.words as f64 };
        let mut known = vec![false; counts.len()];
        order.into_iter().for_each(|id| known[id] = true);
        for caption in others {
            let ids = runs.of(caption.as_ref())?;
            report.measure(ids.len());
            report.other_captions += 1;
            report.other_unknown +=
                usize::from(ids.iter().any(|&id| !known.get(id).is_some_and(|known| *known)));
        }
        Ok(report)
    }

    /// Counts a caption by its length.
    fn measure(&mut self, words: usize) {
        self.longest = self.longest.max(words);
        self.cut += usize::from(words > self.max_length);
        self.cut_words += words.saturating_sub(self.max_length);
    }
}

/// One line for each count.
impl fmt::Display for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { captions, words, types, hapax, rare, known, longest, max_length, .. } = self;
        writeln!(f, "{words} words in {captions} training captions, {types} different")?;
        writeln!(f, "{hapax} words occur once, {rare} fewer times than text.min_frequency")?;
        let coverage = 100.0 * self.coverage;
        writeln!(
            f,
            "the vocabulary has {known} words, {coverage:.1} % of the words of the training captions"
        )?;
        writeln!(f, "the longest caption has {longest} words, text.max_length is {max_length}")?;
        if self.cut > 0 {
            let (cut, words) = (self.cut, self.cut_words);
            writeln!(f, "{cut} captions are longer: {words} words at their ends are not read")?;
        }
        if self.other_captions > 0 {
            let (all, unknown) = (self.other_captions, self.other_unknown);
            writeln!(f, "{unknown} of {all} captions of the other parts have unknown words")?;
        }
        let frequent = self.frequent.iter().map(|(word, count)| format!("{word} {count}"));
        write!(f, "most frequent: {}", frequent.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAIN: [&str; 4] = ["A bald man.", "a bald man with a hat", "the man's HAT", ""];

    fn counted(config: &LstmConfig) -> Vocabulary {
        Vocabulary::count(config, TRAIN, ["a man", "an old man with a hat"]).unwrap()
    }

    #[test]
    fn words_are_counted_as_the_tokenizer_reads_them() {
        let config = LstmConfig { min_frequency: 2, max_length: 5, ..LstmConfig::default() };
        let report = counted(&config);
        assert_eq!((report.captions, report.words, report.types), (4, 15, 9), "{report:?}");
        assert_eq!((report.hapax, report.rare, report.longest), (5, 5, 6));
        assert_eq!(report.frequent[..2], [("a".to_owned(), 3), ("man".to_owned(), 3)]);
        assert_eq!((report.cut, report.cut_words), (2, 2), "one caption of each part has six words");
        assert_eq!((report.other_captions, report.other_unknown), (2, 1));
    }

    #[test]
    fn the_vocabulary_is_that_of_the_tokenizer() {
        for (min_frequency, vocabulary_size) in [(1, 100), (2, 100), (1, 5), (3, 4)] {
            let config = LstmConfig { min_frequency, vocabulary_size, ..LstmConfig::default() };
            let tokenizer = Tokenizer::train(TRAIN, min_frequency, vocabulary_size, None).unwrap();
            let report = counted(&config);
            assert_eq!(report.known + 2, tokenizer.vocabulary_size());
            let words: Vec<String> = TRAIN.iter().flat_map(|it| tokenizer.words(it).unwrap()).collect();
            let known = words.iter().filter(|word| tokenizer.knows(word)).count();
            assert!((report.coverage - known as f64 / words.len() as f64).abs() < 1e-12, "{report:?}");
        }
    }

    #[test]
    fn a_data_set_without_captions_has_a_report() {
        let report = Vocabulary::count(&LstmConfig::default(), [""; 0], [""; 0]).unwrap();
        assert_eq!((report.words, report.coverage, report.longest), (0, 1.0, 0));
        assert!(report.to_string().contains("0 words in 0 training captions"));
    }
}
