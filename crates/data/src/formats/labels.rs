//! The columns `attributes` and `claims` of a metadata file, and the schema that they imply.
//!
//! A folder without `schema.json` has an inferred schema:
//!
//! - Attributes are in the order of their names. A name counts if any row gives it a word, a number
//!   or a bool, in `attributes` or in a claim; `null` is unknown, `not-visible` is hidden.
//! - If every value is a number, or text that is one: up to 16 distinct numbers are values, in
//!   numeric order. More become 8 bins with equally many rows (fewer where numbers repeat), named by
//!   their range, such as `18 to 25`.
//! - Otherwise the values are the words in alphabetical order; bools are `false` and `true`.
//! - An attribute is left out if it has more than 255 words, or more than 16 words and more of them
//!   than half of its rows: that is free text.
//!
//! Rows with all 22 attributes of the procedural faces and with their words, and rows with claims
//! alone in the older form (`factor`), have the schema of the procedural faces.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::python;
use crate::attributes::{Attribute, Attributes, Claims, MOST_VALUES, NOT_VISIBLE, Observation, Schema};
use crate::notes::Notes;
use crate::procedural;

/// The most distinct numbers that are values of their own, and the most words that are never taken
/// for free text.
const FEW: usize = 16;
/// The number of bins of an attribute with many distinct numbers.
const BINS: usize = 8;

/// The column `attributes` of a row: a value for each name.
pub(crate) type RawAttributes = Map<String, Value>;

/// A claim in the words of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawClaim {
    name: String,
    allowed: Vec<Value>,
    /// Whether the attribute is called `factor`, as files of older versions do.
    old_form: bool,
}

/// The labels of one row: its attributes, and the claims of each of its captions.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawLabels {
    pub(crate) attributes: Option<RawAttributes>,
    pub(crate) claims: Vec<Vec<RawClaim>>,
}

impl RawLabels {
    /// Reads the columns of a row with so many captions. A column in another form is ignored, with a
    /// note about `place`.
    pub(crate) fn read(row: &Map<String, Value>, captions: usize, place: &str, notes: &mut Notes) -> Self {
        let mut labels = Self::default();
        match row.get("attributes").map(unquoted) {
            None | Some(Value::Null) => {}
            Some(Value::Object(attributes)) => labels.attributes = Some(attributes),
            Some(_) => notes.add(
                "column `attributes` is ignored: expected an object of names and values".into(),
                place.into(),
            ),
        }
        match row.get("claims").map(unquoted) {
            None | Some(Value::Null) => {}
            Some(claims) => match claims_of(&claims, captions) {
                Some(claims) => labels.claims = claims,
                None => notes.add(
                    "column `claims` is ignored: expected a list of {\"attribute\": …, \"allowed\": […]} for \
                     each caption"
                        .into(),
                    place.into(),
                ),
            },
        }
        labels
    }
}

/// The value, or the JSON or literal of Python in its text, as a table of text has it; empty text is null.
fn unquoted(value: &Value) -> Value {
    match value {
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) => match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => python::literal(text).unwrap_or_else(|| value.clone()),
        },
        value => value.clone(),
    }
}

/// The claims of each caption; `None` where the form is another one.
fn claims_of(value: &Value, captions: usize) -> Option<Vec<Vec<RawClaim>>> {
    let list = value.as_array()?;
    // The claims of a single caption need no list around them.
    if captions == 1 && !list.is_empty() && list.iter().all(|entry| entry.get("allowed").is_some()) {
        return Some(vec![list.iter().map(claim_of).collect::<Option<_>>()?]);
    }
    let of_caption = |entry: &Value| match entry {
        Value::Null => Some(Vec::new()),
        Value::Array(claims) => claims.iter().map(claim_of).collect(),
        Value::Object(values) => Some(values.iter().map(|(name, value)| named_claim(name, value)).collect()),
        _ => None,
    };
    list.iter().map(of_caption).collect()
}

/// `{"attribute": name, "allowed": [words]}`.
fn claim_of(value: &Value) -> Option<RawClaim> {
    let old_form = value.get("attribute").is_none();
    let name = value.get(if old_form { "factor" } else { "attribute" })?.as_str()?;
    Some(RawClaim { name: name.into(), allowed: value.get("allowed")?.as_array()?.clone(), old_form })
}

/// `name: word` or `name: [words]`.
fn named_claim(name: &str, value: &Value) -> RawClaim {
    let allowed = match value {
        Value::Array(words) => words.clone(),
        word => vec![word.clone()],
    };
    RawClaim { name: name.into(), allowed, old_form: false }
}

/// The word of a word, a number or a bool; `None` for anything else.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(word) if !word.trim().is_empty() => Some(word.trim().to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => number.as_f64().map(|number| number.to_string()),
        _ => None,
    }
}

fn number(word: &str) -> Option<f64> {
    // A sum with zero makes one zero of the two.
    word.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number + 0.0)
}

/// The schema of a folder, and how the values of its files are read.
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    /// Whether the folder declares its schema. Contradictions between rows are errors then.
    pub(crate) declared: bool,
    /// The upper bounds of the bins of attributes that have bins.
    bins: BTreeMap<usize, Vec<f64>>,
    /// Whether an attribute's words are numbers, which may be written in several ways.
    numeric: BTreeSet<usize>,
    /// Names that the inferred schema leaves out for a reason that is noted.
    left_out: BTreeSet<String>,
}

impl Vocabulary {
    /// The vocabulary of a declared schema.
    pub(crate) fn declared(schema: Schema) -> Self {
        let numeric = |(_, attribute): &(usize, &Attribute)| {
            attribute.values.iter().all(|value| number(value).is_some())
        };
        let numeric =
            schema.attributes().iter().enumerate().filter(numeric).map(|(place, _)| place).collect();
        Self { schema, declared: true, bins: BTreeMap::new(), numeric, left_out: BTreeSet::new() }
    }

    /// The vocabulary of rows without a declared schema.
    pub(crate) fn infer<'r>(rows: impl Iterator<Item = &'r RawLabels> + Clone, notes: &mut Notes) -> Self {
        if is_procedural(rows.clone()) {
            return Self::declared(procedural::schema().clone());
        }
        let mut found = BTreeMap::<&str, Counts>::new();
        for labels in rows {
            let claims = labels.claims.iter().flatten();
            let claimed = claims.flat_map(|claim| claim.allowed.iter().map(|value| (&claim.name, value)));
            for (name, value) in labels.attributes.iter().flatten().chain(claimed) {
                found.entry(name).or_default().count(value);
            }
        }
        let mut vocabulary = Self {
            schema: Schema::default(),
            declared: false,
            bins: BTreeMap::new(),
            numeric: BTreeSet::new(),
            left_out: BTreeSet::new(),
        };
        let mut attributes = Vec::new();
        for (name, counts) in found {
            match counts.values() {
                _ if name.trim().is_empty() => vocabulary.leave_out(name, "the name is empty".into(), notes),
                Err(reason) => vocabulary.leave_out(name, reason, notes),
                Ok(Values { names, numeric, bins }) => {
                    let place = attributes.len();
                    vocabulary.bins.extend(bins.map(|bins| (place, bins)));
                    vocabulary.numeric.extend(numeric.then_some(place));
                    attributes.push(Attribute::new(name, names));
                }
            }
        }
        match Schema::new(attributes) {
            Ok(schema) => Self { schema, ..vocabulary },
            Err(error) => {
                notes.add(format!("all attributes are ignored: {error}"), String::new());
                Self { bins: BTreeMap::new(), numeric: BTreeSet::new(), ..vocabulary }
            }
        }
    }

    fn leave_out(&mut self, name: &str, reason: String, notes: &mut Notes) {
        notes.add(format!("attribute `{name}` is ignored: {reason}"), String::new());
        self.left_out.insert(name.into());
    }

    /// The attributes of a row.
    pub(crate) fn attributes(
        &self,
        labels: &RawLabels,
        place: &str,
        notes: &mut Notes,
    ) -> Option<Attributes> {
        let named = labels.attributes.as_ref().filter(|_| !self.schema.is_empty())?;
        let mut attributes = Attributes::unknown(self.schema.len());
        for (name, value) in named {
            if let Some(attribute) = self.index(name, place, notes)
                && let Some(observation) = self.observation(attribute, value, place, notes)
            {
                attributes = attributes.with(attribute, observation);
            }
        }
        Some(attributes)
    }

    /// The claims of caption number `caption` of a row. A claim with an unknown name is left out.
    pub(crate) fn claims(
        &self,
        labels: &RawLabels,
        caption: usize,
        place: &str,
        notes: &mut Notes,
    ) -> Claims {
        let mut claims = Claims::default();
        for claim in labels.claims.get(caption).into_iter().flatten() {
            let Some(attribute) = self.index(&claim.name, place, notes) else { continue };
            let position = |value: &Value| match self.observation(attribute, value, place, notes) {
                Some(Observation::Value(value)) => Some(usize::from(value)),
                _ => None,
            };
            if let Some(allowed) = claim.allowed.iter().map(position).collect::<Option<Vec<usize>>>() {
                claims.add(attribute, &allowed);
            }
        }
        claims
    }

    fn index(&self, name: &str, place: &str, notes: &mut Notes) -> Option<usize> {
        let index = self.schema.index(name);
        if index.is_none() && !self.left_out.contains(name) {
            notes.add(format!("attribute `{name}` is not in the schema"), place.into());
        }
        index
    }

    /// The state that a value of a file stands for; `None` for a value that is not in the schema.
    fn observation(
        &self,
        attribute: usize,
        value: &Value,
        place: &str,
        notes: &mut Notes,
    ) -> Option<Observation> {
        if value.is_null() {
            return Some(Observation::Unknown);
        }
        let position = match word(value) {
            Some(word) if word == NOT_VISIBLE => return Some(Observation::Hidden),
            Some(word) => self.position(attribute, &word),
            None => None,
        };
        if position.is_none() {
            let name = self.schema.name(attribute);
            notes.add(format!("attribute `{name}`: {value} is not in the schema"), place.into());
        }
        position.map(|position| Observation::Value(position as u8))
    }

    fn position(&self, attribute: usize, word: &str) -> Option<usize> {
        let values = self.schema.values(attribute);
        if let Some(place) = values.iter().position(|value| value == word) {
            return Some(place);
        }
        let wanted = number(word).filter(|_| self.numeric.contains(&attribute))?;
        match self.bins.get(&attribute) {
            Some(bounds) => Some(bounds.partition_point(|bound| *bound < wanted).min(bounds.len() - 1)),
            None => values.iter().position(|value| number(value) == Some(wanted)),
        }
    }
}

/// Whether the labels are those that an export of procedural faces has.
fn is_procedural<'r>(rows: impl Iterator<Item = &'r RawLabels> + Clone) -> bool {
    let schema = procedural::schema();
    let known = |name: &str, value: &Value| {
        let value = value.as_str().unwrap_or_default();
        let attribute = schema.index(name);
        attribute
            .is_some_and(|attribute| value == NOT_VISIBLE || schema.value_index(attribute, value).is_ok())
    };
    let attributes = rows.clone().flat_map(|labels| labels.attributes.iter().flatten());
    let claims = rows.flat_map(|labels| labels.claims.iter().flatten());
    let names: BTreeSet<&str> = attributes.clone().map(|(name, _)| name.as_str()).collect();
    let old_form = claims.clone().next().is_some() && claims.clone().all(|claim| claim.old_form);
    (names.len() == schema.len() || names.is_empty() && old_form)
        && attributes.clone().all(|(name, value)| known(name, value))
        && claims.clone().all(|claim| claim.allowed.iter().all(|value| known(&claim.name, value)))
}

/// The words that rows give one attribute.
#[derive(Default)]
struct Counts {
    words: BTreeMap<String, usize>,
    all: usize,
}

/// The values of an inferred attribute.
struct Values {
    names: Vec<String>,
    numeric: bool,
    bins: Option<Vec<f64>>,
}

impl Counts {
    fn count(&mut self, value: &Value) {
        if let Some(word) = word(value).filter(|word| word != NOT_VISIBLE) {
            *self.words.entry(word).or_default() += 1;
            self.all += 1;
        }
    }

    /// The values, or the reason why there are none.
    fn values(&self) -> Result<Values, String> {
        if self.words.is_empty() {
            return Err("no row gives it a word, a number or a bool".into());
        }
        if let Some(numbers) = self.numbers() {
            return Ok(numbers);
        }
        let distinct = self.words.len();
        if distinct > MOST_VALUES || distinct > FEW && 2 * distinct > self.all {
            return Err(format!("{distinct} different words in {} rows are free text", self.all));
        }
        Ok(Values { names: self.words.keys().cloned().collect(), numeric: false, bins: None })
    }

    /// The values of an attribute whose words are all numbers.
    fn numbers(&self) -> Option<Values> {
        let mut all = Vec::with_capacity(self.all);
        for (word, count) in &self.words {
            all.extend(std::iter::repeat_n(number(word)?, *count));
        }
        all.sort_by(f64::total_cmp);
        let mut distinct = all.clone();
        distinct.dedup();
        if distinct.len() <= FEW {
            let names = distinct.iter().map(f64::to_string).collect();
            return Some(Values { names, numeric: true, bins: None });
        }
        let mut bounds: Vec<f64> = (1..=BINS).map(|bin| all[(all.len() * bin).div_ceil(BINS) - 1]).collect();
        bounds.dedup();
        let mut names = Vec::with_capacity(bounds.len());
        let mut start = 0;
        for bound in &bounds {
            let end = distinct.partition_point(|number| number <= bound);
            let (low, high) = (distinct[start], distinct[end - 1]);
            names.push(if low == high { low.to_string() } else { format!("{low} to {high}") });
            start = end;
        }
        Some(Values { names, numeric: true, bins: Some(bounds) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(values: &[Value]) -> Vec<RawLabels> {
        let row = |value: &Value| {
            RawLabels::read(
                json!({"attributes": {"a": value}}).as_object().unwrap(),
                1,
                "line 1",
                &mut Notes::default(),
            )
        };
        values.iter().map(row).collect()
    }

    /// The inferred values of the attribute `a`, the states of all rows, and the notes.
    fn inferred(values: &[Value]) -> (Vec<String>, Vec<Observation>, Vec<String>) {
        let (rows, mut notes) = (rows(values), Notes::default());
        let vocabulary = Vocabulary::infer(rows.iter(), &mut notes);
        let names =
            vocabulary.schema.attributes().first().map_or_else(Vec::new, |known| known.values.clone());
        let state = |labels| {
            vocabulary.attributes(labels, "line 1", &mut notes).map(|a| a.get(0)).unwrap_or_default()
        };
        let states = rows.iter().map(state).collect();
        (names, states, notes.lines())
    }

    #[test]
    fn words_bools_and_few_numbers_are_values_in_order() {
        use Observation::{Hidden, Unknown, Value as V};
        let (names, states, notes) =
            inferred(&[json!("red"), json!("blue"), json!(null), json!("not-visible")]);
        assert_eq!((names, states), (vec!["blue".into(), "red".into()], vec![V(1), V(0), Unknown, Hidden]));
        assert!(notes.is_empty());
        assert_eq!(inferred(&[json!(true), json!(false)]).0, ["false", "true"]);
        let (names, states, _) = inferred(&[json!(10), json!(-1), json!(2.5), json!("10.0")]);
        assert_eq!(
            (names, states),
            (["-1", "2.5", "10"].map(String::from).into(), vec![V(2), V(0), V(1), V(2)])
        );
        assert_eq!(inferred(&[json!("x"), json!(1), json!(true)]).0, ["1", "true", "x"]);
    }

    #[test]
    fn many_numbers_become_bins_with_equally_many_rows() {
        let numbers: Vec<Value> = (0..80).map(|i| json!(i)).collect();
        let (names, states, _) = inferred(&numbers);
        assert_eq!((names.len(), names[0].as_str(), names[7].as_str()), (8, "0 to 9", "70 to 79"));
        for (number, state) in states.iter().enumerate() {
            assert_eq!(*state, Observation::Value((number / 10) as u8));
        }
        // A number in half of the rows fills the bins that it reaches into.
        let repeated: Vec<Value> = (0..80).map(|i| json!(if i < 40 { 0 } else { i })).collect();
        let (names, states, _) = inferred(&repeated);
        assert_eq!((names.len(), names[0].as_str()), (5, "0"));
        assert_eq!(states.iter().filter(|state| **state == Observation::Value(0)).count(), 40);
    }

    #[test]
    fn free_text_and_lists_are_left_out_with_a_note() {
        let words: Vec<Value> = (0..30).map(|i| json!(format!("person {i}"))).collect();
        let (names, states, notes) = inferred(&words);
        assert!(names.is_empty() && states.iter().all(|state| *state == Observation::Unknown));
        assert_eq!(notes, ["attribute `a` is ignored: 30 different words in 30 rows are free text"]);
        assert_eq!(inferred(&words[..16]).0.len(), 16);
        let (names, _, notes) = inferred(&[json!([1]), json!({"b": 1})]);
        assert!(names.is_empty() && notes[0].contains("no row gives it a word"), "{notes:?}");
        let (names, states, notes) = inferred(&[json!("x"), json!([1]), json!([1])]);
        assert_eq!((names.len(), states[1]), (1, Observation::Unknown));
        assert_eq!(notes, ["attribute `a`: [1] is not in the schema (2 rows, the first: line 1)"]);
    }

    #[test]
    fn claims_of_every_form_are_read_and_others_noted() {
        let read = |claims: Value, captions| {
            let mut notes = Notes::default();
            let row = json!({"attributes": {"sex": "man", "hat": true}, "claims": claims});
            let labels = RawLabels::read(row.as_object().unwrap(), captions, "line 1", &mut notes);
            let vocabulary = Vocabulary::infer(std::iter::once(&labels), &mut notes);
            let claims = (0..captions).map(|at| vocabulary.claims(&labels, at, "line 1", &mut notes));
            (
                claims.map(|claims| claims.to_json(&vocabulary.schema).unwrap()).collect::<Vec<_>>(),
                notes.lines(),
            )
        };
        let man = json!([{"attribute": "sex", "allowed": ["man"]}]);
        for form in [
            json!([[], [{"attribute": "sex", "allowed": ["man"]}]]),
            json!([null, {"sex": "man"}]),
            json!([[], {"sex": ["man"]}]),
            json!("[[], [{\"factor\": \"sex\", \"allowed\": [\"man\"]}]]"),
        ] {
            assert_eq!(read(form, 2), (vec![json!([]), man.clone()], vec![]));
        }
        assert_eq!(read(man.clone(), 1).0, [man]);
        for form in [json!(["is smiling"]), json!("smiling"), json!(7), json!([[{"attribute": "sex"}]])] {
            let (claims, notes) = read(form, 1);
            assert_eq!(claims, [json!([])]);
            assert!(
                notes[0].starts_with("column `claims` is ignored") && notes[0].contains("line 1"),
                "{notes:?}"
            );
        }
        assert!(read(json!(null), 1).1.is_empty() && read(json!(""), 1).1.is_empty());
    }

    #[test]
    fn a_declared_schema_is_kept_and_unknown_words_are_noted() {
        let schema = Schema::new(vec![Attribute::new("a", ["1", "2"])]).unwrap();
        let vocabulary = Vocabulary::declared(schema);
        let (rows, mut notes) = (rows(&[json!(2), json!("1.0"), json!(3)]), Notes::default());
        let states: Vec<Observation> =
            rows.iter().map(|row| vocabulary.attributes(row, "line 1", &mut notes).unwrap().get(0)).collect();
        assert_eq!(states, [Observation::Value(1), Observation::Value(0), Observation::Unknown]);
        assert_eq!(notes.lines(), ["attribute `a`: 3 is not in the schema (line 1)"]);
    }
}
