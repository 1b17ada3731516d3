//! What a model understands of captions: `--explain`, and the warnings of `t2f generate` about denials.

use std::path::Path;

use serde_json::{Map, Value, json};
use t2f_data::attributes::{Attributes, Claim, Observation, Schema};
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::understanding::{Content, Generated, Understanding, UnreadDenial};

use crate::cli::{json_file, terminal};

/// The maximum number of phrases in a warning.
const MOST: usize = 10;
/// The maximum number of pictures in a warning.
const MOST_PICTURES: usize = 3;
/// The least probability of a mention that is printed.
const LEAST: f32 = 0.05;

/// The explanations of one command.
#[derive(Debug)]
pub struct Explanation<'a> {
    model: &'a Model,
    /// What is understood of each caption; empty without `--explain`.
    captions: Vec<(&'a str, Understanding)>,
    /// The JSON of the pictures of each caption.
    pictures: Vec<Vec<Value>>,
    /// The first contradictions, and the number of pictures that have one.
    contradictions: Vec<String>,
    contradictory: usize,
}

impl<'a> Explanation<'a> {
    /// Warns of denials that the model does not read and, with `explain`, prints what it understands of each
    /// caption.
    pub fn start(
        model: &'a Model,
        captions: &'a [String],
        sampling: Sampling,
        explain: bool,
    ) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        let denials = if explain {
            all = captions.iter().map(String::as_str).zip(model.understanding(captions, sampling)?).collect();
            all.iter().flat_map(|(_, understanding)| understanding.unread_denials.clone()).collect()
        } else {
            model.unread_denials(captions, sampling)?.concat()
        };
        warn_of_denials(&denials);
        if explain && !model.has_prior() {
            terminal::note(
                "note: the model has no attributes; only the words that it does not read are named",
            );
        }
        for (caption, understanding) in &all {
            terminal::result(&format!("\"{caption}\""));
            lines(model.schema(), understanding).iter().for_each(|line| terminal::result(line));
        }
        let pictures = vec![Vec::new(); all.len()];
        Ok(Self { model, captions: all, pictures, contradictions: Vec::new(), contradictory: 0 })
    }

    /// Takes a picture of the caption at a position, with its seed and the name of its file. The result is
    /// the line of its attributes, with `--explain` and a prior.
    pub fn add(
        &mut self,
        at: usize,
        caption: &str,
        seed: u64,
        file: &Path,
        of: &Generated,
    ) -> Option<String> {
        let schema = self.model.schema();
        let contradictions = of.contradictions();
        if !contradictions.is_empty() {
            self.contradictory += 1;
            if self.contradictory <= MOST_PICTURES {
                let each = contradictions.iter().map(|claim| contradiction(schema, claim, &of.attributes));
                let each = each.collect::<Vec<_>>().join(", ");
                self.contradictions.push(format!("seed {seed} of \"{caption}\": {each}"));
            }
        }
        let pictures = self.pictures.get_mut(at)?;
        let names = |claim: &Claim| schema.name(claim.attribute).to_owned();
        pictures.push(json!({
            "file": file.display().to_string(),
            "seed": seed,
            "attributes": of.attributes.to_names(schema).unwrap_or_default(),
            "contradictions": contradictions.iter().map(names).collect::<Vec<_>>(),
        }));
        let known = of.attributes.iter().enumerate().filter(|(_, it)| *it != Observation::Unknown);
        let known: Vec<String> = known
            .map(|(at, _)| format!("{} {}", schema.name(at), shown(schema, at, &of.attributes)))
            .collect();
        (!known.is_empty()).then(|| format!("  seed {seed}: {}", known.join(", ")))
    }

    /// Warns of the pictures whose attributes contradict their caption.
    pub fn warn(&self) {
        let pictures = match self.contradictory {
            0 => return,
            1 => "1 picture contradicts its caption as the model understood it".to_owned(),
            some => format!("{some} pictures contradict their captions as the model understood them"),
        };
        let more = if self.contradictory > MOST_PICTURES { "; …" } else { "" };
        terminal::warn(&format!("{pictures}: {}{more}", self.contradictions.join("; ")));
    }

    /// Writes the explanations as JSON, if a file is given.
    pub fn write(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let schema = self.model.schema();
        let captions = self.captions.iter().zip(&self.pictures);
        let captions = captions.map(|((caption, understanding), pictures)| {
            let Understanding { content, unknown_words, read_as, cut_words, unread_denials } = understanding;
            let denial = |denial: &UnreadDenial| {
                json!({"word": denial.word, "phrase": denial.phrase, "known": denial.known})
            };
            json!({
                "caption": caption,
                "attributes": attributes(schema, content),
                "unknown_words": unknown_words,
                "read_as": read_as,
                "cut_words": cut_words,
                "unread_denials": unread_denials.iter().map(denial).collect::<Vec<_>>(),
                "pictures": pictures,
            })
        });
        let captions: Vec<Value> = captions.collect();
        json_file::write(file, &json!({"model_hash": self.model.hash(), "captions": captions}))
    }
}

/// Warns of the denials that the model does not read.
fn warn_of_denials(denials: &[UnreadDenial]) {
    let listed = |known: bool, of: fn(&UnreadDenial) -> &str| {
        let mut phrases: Vec<String> = Vec::new();
        for denial in denials.iter().filter(|denial| denial.known == known) {
            let phrase = format!("\"{}\"", of(denial));
            if !phrases.contains(&phrase) {
                phrases.push(phrase);
            }
        }
        let more = if phrases.len() > MOST { ", …" } else { "" };
        phrases.truncate(MOST);
        (!phrases.is_empty()).then(|| phrases.join(", ") + more)
    };
    let [word, phrase]: [fn(&UnreadDenial) -> &str; 2] = [|denial| &denial.word, |denial| &denial.phrase];
    if let (Some(words), Some(phrases)) = (listed(false, word), listed(false, phrase)) {
        terminal::warn(&format!(
            "the model does not know words that deny ({words}) and ignores them: what is denied may be drawn ({phrases})"
        ));
    }
    if let Some(phrases) = listed(true, phrase) {
        terminal::warn(&format!(
            "the model does not read denials, though it knows their words: what is denied may be drawn ({phrases})"
        ));
    }
}

/// The lines of what is understood of a caption.
fn lines(schema: &Schema, of: &Understanding) -> Vec<String> {
    let width = schema.names().map(|name| name.chars().count()).max().unwrap_or(0);
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    for (at, content) in of.content.iter().enumerate() {
        if content.mentioned() < LEAST {
            others.push(schema.name(at));
            continue;
        }
        let mut values: Vec<(&String, f32)> = content
            .allowed()
            .iter()
            .map(|&value| (&schema.values(at)[value], content.values[value]))
            .collect();
        values.sort_by(|a, b| b.1.total_cmp(&a.1));
        let values: Vec<String> = values.iter().map(|(name, p)| format!("{name} {p:.2}")).collect();
        let mentioned = content.mentioned();
        lines.push(format!("  {:<width$}  mentioned {mentioned:.2}  {}", schema.name(at), values.join(", ")));
    }
    let quoted =
        |words: &[String]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    if !others.is_empty() {
        lines.push(format!("  not mentioned: {}", others.join(", ")));
    }
    if !of.unknown_words.is_empty() {
        let words = of.unknown_words.iter().map(|word| match of.read_as.get(word) {
            Some(known) => format!("\"{word}\" (read like \"{known}\")"),
            None => format!("\"{word}\""),
        });
        lines.push(format!("  unknown words: {}", words.collect::<Vec<_>>().join(", ")));
    }
    if !of.cut_words.is_empty() {
        lines.push(format!("  words after the maximum length, not read: {}", quoted(&of.cut_words)));
    }
    if !of.unread_denials.is_empty() {
        let phrases: Vec<String> = of.unread_denials.iter().map(|denial| denial.phrase.clone()).collect();
        lines.push(format!("  denials that are not read: {}", quoted(&phrases)));
    }
    lines
}

/// Each attribute with the probability that it is mentioned and those of its values.
fn attributes(schema: &Schema, content: &[Content]) -> Map<String, Value> {
    let each = content.iter().enumerate().map(|(at, of)| {
        let values: Map<String, Value> =
            schema.values(at).iter().cloned().zip(of.values.iter().map(|p| rounded(*p))).collect();
        (schema.name(at).to_owned(), json!({"mentioned": rounded(of.mentioned()), "values": values}))
    });
    each.collect()
}

/// A probability with four decimals.
fn rounded(probability: f32) -> Value {
    json!((f64::from(probability) * 1e4).round() / 1e4)
}

/// `glasses is round, understood none or sun`.
fn contradiction(schema: &Schema, claim: &Claim, attributes: &Attributes) -> String {
    let Claim { attribute, allowed } = claim;
    let allowed: Vec<&str> = allowed.iter().map(|value| schema.values(*attribute)[*value].as_str()).collect();
    let name = schema.name(*attribute);
    format!("{name} is {}, understood {}", shown(schema, *attribute, attributes), allowed.join(" or "))
}

/// The name of an attribute's value.
fn shown<'a>(schema: &'a Schema, attribute: usize, attributes: &Attributes) -> &'a str {
    match attributes.value(attribute) {
        Some(value) => &schema.values(attribute)[value],
        None => "not visible",
    }
}
