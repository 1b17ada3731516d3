//! The scores of a generator of drawn faces: what can be known because every caption's claims are.

use rayon::prelude::*;
use serde::Serialize;
use t2f_data::procedural::{RESERVED, render};
use t2f_data::{Caption, Claims, Dataset, Factor, Image};
use t2f_ops::rng::Key;

use crate::attributes::{Agreement, Judged, attribute_agreement, composition_gap};
use crate::diversity::{Diversity, Prior, diversity};
use crate::edits::{Edit, EditScores, SeenEdit, edit_scores, edits};
use crate::error::Result;
use crate::estimate::Estimate;
use crate::oracle::{Oracle, Prediction};
use crate::paraphrase::{ParaphraseScores, paraphrase_scores, paraphrases};
use crate::sample::{Draw, Request, draw_each, to_tensor};

/// Agreement on reserved pairs, and what it falls short of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Composition {
    /// CompGap, see [`composition_gap`]; `None` where a ceiling is not above chance.
    pub gap: Option<Estimate>,
    /// Agreement with the captions that ask for a reserved pair.
    pub reserved: Agreement,
}

/// All scores that need to know what a face shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaceScores {
    /// AA, chance, ceiling, AAn, exact@caption.
    pub agreement: Agreement,
    /// CompGap; `None` where fewer than two captions ask for a reserved pair that can be scored.
    pub composition: Option<Composition>,
    /// The edit test.
    pub edits: EditScores,
    /// The edit test of a perfect generator: both faces drawn from their factors. What its flip
    /// rate lacks of 1, and its leakage of 0, is the oracle's doing.
    pub edits_real: EditScores,
    /// Paraphrase consistency.
    pub paraphrase: ParaphraseScores,
    /// Diversity of what captions leave open.
    pub diversity: Diversity,
    /// The diversity of the captions' own pictures, one of each: the least distance to be had.
    pub diversity_real: Diversity,
}

/// What faces are judged by, and where captions come from.
pub struct FaceTest<'a> {
    /// What is judged.
    pub draw: &'a Draw<'a>,
    /// What judges.
    pub oracle: &'a Oracle,
    /// Faces and captions from the distribution of training.
    pub test: &'a dyn Dataset,
    /// Faces that show reserved pairs.
    pub test_comb: Option<&'a dyn Dataset>,
    /// Seed of the first face, and of what is drawn for intervals, edits and paraphrases.
    pub seed: u64,
}

impl FaceTest<'_> {
    /// Measures everything: `request.len()` captions and as many edits and paraphrases. `each` is
    /// shown the faces of the request as they are drawn, for metrics of other kinds.
    ///
    /// # Errors
    /// Those of drawing and of each score.
    pub fn measure(
        &self,
        request: &Request,
        each: &mut dyn FnMut(&[Image]) -> Result<()>,
    ) -> Result<FaceScores> {
        let (scored, key) = (self.oracle.scored_factors(), Key::new(self.seed));
        let judged = self.judge(request, self.test, each)?;
        let composition = self.composition(request, &judged, key.child("composition"))?;
        let prior = Prior::of(scored, self.test)?;
        let spread = |of: for<'j> fn(&'j Judged<'_>) -> &'j [Prediction]| {
            let seen: Vec<_> = judged.iter().map(|judged| (judged.claims, of(judged))).collect();
            diversity(&prior, &seen, key.child("diversity"))
        };
        let edits = edits(scored, self.test, request.len(), key.child("edits"))?;
        Ok(FaceScores {
            agreement: attribute_agreement(scored, &judged, key)?,
            composition,
            edits: self.edits(&edits, key.child("edits"))?,
            edits_real: self.real_edits(&edits, key.child("edits"))?,
            paraphrase: self.paraphrases(request.len(), key.child("paraphrases"))?,
            diversity: spread(|judged| &judged.drawn)?,
            diversity_real: spread(|judged| std::slice::from_ref(&judged.real))?,
        })
    }

    fn see(&self, images: &[Image]) -> Result<Vec<Prediction>> {
        self.oracle.predict(&to_tensor(images)?)
    }

    /// Draws the faces of a request, and looks at them and at the captions' own pictures.
    fn judge<'r>(
        &self,
        request: &'r Request,
        data: &dyn Dataset,
        each: &mut dyn FnMut(&[Image]) -> Result<()>,
    ) -> Result<Vec<Judged<'r>>> {
        let mut drawn = Vec::with_capacity(request.len() * request.faces());
        draw_each(self.draw, &request.texts(), &request.seeds(), &mut |images| {
            drawn.extend(self.see(images)?);
            each(images)
        })?;
        let mut real = Vec::with_capacity(request.len());
        request.each_real(data, &mut |images| {
            real.extend(self.see(images)?);
            Ok(())
        })?;
        let captions = request.captions().iter().zip(drawn.chunks(request.faces())).zip(real);
        let judged = captions.map(|((caption, drawn), real)| Judged {
            claims: &caption.claims,
            drawn: drawn.to_vec(),
            real,
        });
        Ok(judged.collect())
    }

    fn composition(&self, ordinary: &Request, judged: &[Judged], key: Key) -> Result<Option<Composition>> {
        let Some(faces) = self.test_comb else { return Ok(None) };
        let scored = self.oracle.scored_factors();
        let request = Request::new(faces, ordinary.len(), ordinary.faces(), self.seed, &mut |caption| {
            asks_for_reserved_pair(scored, &caption.claims)
        })?;
        if request.len() < 2 {
            return Ok(None);
        }
        let reserved = self.judge(&request, faces, &mut |_| Ok(()))?;
        Ok(Some(Composition {
            gap: composition_gap(scored, judged, &reserved, key)?,
            reserved: attribute_agreement(scored, &reserved, key)?,
        }))
    }

    fn edits(&self, edits: &[Edit], key: Key) -> Result<EditScores> {
        let faces = |of: fn(&Edit) -> &Caption| -> Result<Vec<Prediction>> {
            self.faces_of(edits.iter().map(|edit| of(edit).text.clone()).collect())
        };
        let seen = edits.iter().zip(faces(|edit| &edit.before.0)?).zip(faces(|edit| &edit.after.0)?);
        let seen: Vec<SeenEdit> =
            seen.map(|((edit, before), after)| SeenEdit { edit, before, after }).collect();
        edit_scores(self.oracle.scored_factors(), &seen, key)
    }

    fn real_edits(&self, edits: &[Edit], key: Key) -> Result<EditScores> {
        let side = self.test.resolution();
        let faces = |after: bool| -> Result<Vec<Prediction>> {
            let image = |(index, edit): (usize, &Edit)| {
                let (_, face) = if after { &edit.after } else { &edit.before };
                render(face, side, key.child("real").at(index as u64))
            };
            let images: Vec<Image> = edits.par_iter().enumerate().map(image).collect();
            self.see(&images)
        };
        let seen = edits.iter().zip(faces(false)?).zip(faces(true)?);
        let seen: Vec<SeenEdit> =
            seen.map(|((edit, before), after)| SeenEdit { edit, before, after }).collect();
        edit_scores(self.oracle.scored_factors(), &seen, key)
    }

    fn paraphrases(&self, count: usize, key: Key) -> Result<ParaphraseScores> {
        let (ones, others): (Vec<String>, Vec<String>) = paraphrases(self.test, count, key)?
            .into_iter()
            .map(|(one, other)| (one.text, other.text))
            .unzip();
        let seen: Vec<(Prediction, Prediction)> =
            self.faces_of(ones)?.into_iter().zip(self.faces_of(others)?).collect();
        paraphrase_scores(self.oracle.scored_factors(), &seen, key)
    }

    /// What is seen on a face of each caption, drawn with the noise of its position.
    fn faces_of(&self, captions: Vec<String>) -> Result<Vec<Prediction>> {
        let seeds: Vec<u64> = (0..captions.len() as u64).map(|index| self.seed.wrapping_add(index)).collect();
        let mut seen = Vec::with_capacity(captions.len());
        draw_each(self.draw, &captions, &seeds, &mut |images| {
            seen.extend(self.see(images)?);
            Ok(())
        })?;
        Ok(seen)
    }
}

/// Whether both values of a reserved pair are claimed outright, one of the two factors scored.
fn asks_for_reserved_pair(scored: &[Factor], claims: &Claims) -> bool {
    let states = |(factor, value): (Factor, &str)| {
        let wanted = factor.value_index(value).ok();
        claims.about(factor).is_some_and(|claim| matches!(claim.allowed[..], [only] if Some(only) == wanted))
    };
    RESERVED.into_iter().any(|(first, second)| {
        (scored.contains(&first.0) || scored.contains(&second.0)) && states(first) && states(second)
    })
}
