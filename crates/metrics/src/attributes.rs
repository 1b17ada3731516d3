//! Attribute agreement: how much of what a caption claims can be seen on the face drawn from it.

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::{Claims, Factor};
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::{Estimate, resamples};
use crate::oracle::Prediction;

/// A caption's claims, and what the oracle sees on the faces that belong to it.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// What the caption claims.
    pub claims: &'a Claims,
    /// On each face drawn from the caption, at least one.
    pub drawn: Vec<Prediction>,
    /// On the caption's own picture in the data.
    pub real: Prediction,
}

/// The scores of one factor, in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FactorAgreement {
    /// Claims about it.
    pub claims: usize,
    /// The share that is seen on the drawn faces.
    pub agreement: f64,
    /// The share that is seen on faces drawn from other captions.
    pub chance: f64,
    /// The share that the oracle sees on the captions' own pictures.
    pub ceiling: f64,
}

/// How well faces agree with their captions. The four shares are means over factors, so that a
/// factor weighs the same however often captions mention it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Captions with a claim about a scored factor.
    pub captions: usize,
    /// AA: the share of claims that is seen on the drawn faces.
    pub agreement: Estimate,
    /// The same, each face held against the other captions: what a generator that cannot read,
    /// and draws these faces, would reach.
    pub chance: Estimate,
    /// The same for the captions' own pictures: what the oracle lets a perfect generator reach.
    pub ceiling: Estimate,
    /// AAn = (AA - chance) / (ceiling - chance): 0 for a generator that cannot read, 1 for a
    /// perfect one. `None` where the ceiling is not above chance.
    pub normalised: Option<Estimate>,
    /// The share of drawn faces on which every claim about scored factors is seen.
    pub exact: Estimate,
    /// Factor by factor, those that captions claim something about.
    pub factors: BTreeMap<Factor, FactorAgreement>,
}

/// Sums over claims about one factor.
#[derive(Clone, Copy, Default)]
struct Sums {
    claims: f64,
    agreement: f64,
    chance: f64,
    ceiling: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.claims += other.claims;
        self.agreement += other.agreement;
        self.chance += other.chance;
        self.ceiling += other.ceiling;
    }
}

/// What a caption adds to the sums: a claim at most of each scored factor, in their order.
struct Part {
    factors: Vec<Sums>,
    exact: f64,
}

/// Scores faces against the claims of their captions, for the factors of `scored`
/// ([`Oracle::scored_factors`](super::oracle::Oracle::scored_factors)).
///
/// Chance is not sampled: it is the mean over all pairs of a caption and a face drawn from another
/// caption. Intervals come from resampling captions, with all faces of a caption together.
///
/// # Errors
/// If there are fewer than two captions, a caption has no face, or nothing is claimed about a
/// scored factor.
pub fn attribute_agreement(scored: &[Factor], judged: &[Judged], key: Key) -> Result<Agreement> {
    let parts = parts(scored, judged)?;
    let all = Scores::of(scored.len(), parts.iter());
    let resampled: Vec<Scores> = resamples(parts.len(), key)
        .map(|members| Scores::of(scored.len(), members.into_iter().map(|index| &parts[index])))
        .collect();
    let estimate = |of: fn(&Scores) -> f64| Estimate::new(of(&all), resampled.iter().map(of).collect());
    let normalised = all
        .normalised()
        .map(|value| Estimate::new(value, resampled.iter().filter_map(Scores::normalised).collect()));
    let shares = |sums: &Sums| FactorAgreement {
        claims: sums.claims as usize,
        agreement: sums.agreement / sums.claims,
        chance: sums.chance / sums.claims,
        ceiling: sums.ceiling / sums.claims,
    };
    let factors = scored.iter().zip(&all.factors).filter(|(_, sums)| sums.claims > 0.0);
    Ok(Agreement {
        captions: parts.len(),
        agreement: estimate(|scores| scores.mean(|sums| sums.agreement)),
        chance: estimate(|scores| scores.mean(|sums| sums.chance)),
        ceiling: estimate(|scores| scores.mean(|sums| sums.ceiling)),
        normalised,
        exact: estimate(|scores| scores.exact),
        factors: factors.map(|(factor, sums)| (*factor, shares(sums))).collect(),
    })
}

/// CompGap: AAn on captions of ordinary faces less AAn on captions that ask for reserved pairs of
/// values ([`RESERVED`](t2f_data::procedural::RESERVED)), which training never shows together.
/// About 0 for a generator that has learnt the factors, above it for one that has learnt faces.
///
/// Each side has its own chance and ceiling; the interval resamples both. `None` where a ceiling is
/// not above chance.
///
/// # Errors
/// As for [`attribute_agreement`], for either set.
pub fn composition_gap(
    scored: &[Factor],
    ordinary: &[Judged],
    reserved: &[Judged],
    key: Key,
) -> Result<Option<Estimate>> {
    let sides = [parts(scored, ordinary)?, parts(scored, reserved)?];
    let normalised = |side: usize, members: &[usize]| {
        Scores::of(scored.len(), members.iter().map(|&index| &sides[side][index])).normalised()
    };
    let all = |side: usize| normalised(side, &(0..sides[side].len()).collect::<Vec<_>>());
    let (Some(first), Some(second)) = (all(0), all(1)) else { return Ok(None) };
    let pairs = resamples(sides[0].len(), key.child("ordinary"))
        .zip(resamples(sides[1].len(), key.child("reserved")));
    let gap =
        |(first, second): (Vec<usize>, Vec<usize>)| Some(normalised(0, &first)? - normalised(1, &second)?);
    Ok(Some(Estimate::new(first - second, pairs.filter_map(gap).collect())))
}

/// The parts of all captions that claim anything about a scored factor.
fn parts(scored: &[Factor], judged: &[Judged]) -> Result<Vec<Part>> {
    let faces: usize = judged.iter().map(|caption| caption.drawn.len()).sum();
    if judged.len() < 2 || judged.iter().any(|caption| caption.drawn.is_empty()) {
        return Err(Error::State(format!(
            "attribute agreement of {} captions and {faces} faces, expected at least two captions and a face of each",
            judged.len()
        )));
    }
    let parts: Vec<Part> = judged.iter().filter_map(|caption| part(scored, judged, caption, faces)).collect();
    if parts.is_empty() {
        return Err(Error::State("no caption claims anything about a factor that is scored".into()));
    }
    Ok(parts)
}

fn part(scored: &[Factor], judged: &[Judged], caption: &Judged, faces: usize) -> Option<Part> {
    let claims: Vec<_> = scored.iter().map(|factor| caption.claims.about(*factor)).collect();
    if claims.iter().all(Option::is_none) {
        return None;
    }
    let own = caption.drawn.len() as f64;
    let sums = |claim: &t2f_data::Claim| {
        let seen = |drawn: &[Prediction]| drawn.iter().filter(|face| face.fulfils(claim)).count() as f64;
        let everywhere: f64 = judged.iter().map(|other| seen(&other.drawn)).sum();
        Sums {
            claims: 1.0,
            agreement: seen(&caption.drawn) / own,
            chance: (everywhere - seen(&caption.drawn)) / (faces as f64 - own),
            ceiling: f64::from(u8::from(caption.real.fulfils(claim))),
        }
    };
    let exact = |face: &&Prediction| claims.iter().flatten().all(|claim| face.fulfils(claim));
    Some(Part {
        exact: caption.drawn.iter().filter(exact).count() as f64 / own,
        factors: claims.iter().map(|claim| claim.map_or_else(Sums::default, sums)).collect(),
    })
}

/// The sums over a set of captions.
struct Scores {
    factors: Vec<Sums>,
    exact: f64,
}

impl Scores {
    fn of<'a>(factors: usize, parts: impl Iterator<Item = &'a Part>) -> Self {
        let mut scores = Self { factors: vec![Sums::default(); factors], exact: 0.0 };
        let mut count = 0;
        for part in parts {
            scores.factors.iter_mut().zip(&part.factors).for_each(|(sums, more)| sums.add(more));
            scores.exact += part.exact;
            count += 1;
        }
        scores.exact /= f64::from(count);
        scores
    }

    /// The mean over the factors that something is claimed about.
    fn mean(&self, of: fn(&Sums) -> f64) -> f64 {
        let shares = self.factors.iter().filter(|sums| sums.claims > 0.0).map(|sums| of(sums) / sums.claims);
        let (sum, count) = shares.fold((0.0, 0.0), |(sum, count), share| (sum + share, count + 1.0));
        sum / count
    }

    fn normalised(&self) -> Option<f64> {
        let chance = self.mean(|sums| sums.chance);
        let room = self.mean(|sums| sums.ceiling) - chance;
        (room > 1e-9).then(|| (self.mean(|sums| sums.agreement) - chance) / room)
    }
}
