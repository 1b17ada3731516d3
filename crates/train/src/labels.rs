//! What a batch knows of its attributes, in the form that the discriminator's heads learn from.

use candle_core::Device;
use t2f_data::{Batch, Factor};
use t2f_gan::{Labels, PartialLabels, Result};
use t2f_ops::rng::Key;

/// The labels of a batch, with noise from `key`. Images without attributes and captions without
/// claims say nothing.
///
/// # Errors
/// If the device refuses the copy.
pub fn labels(batch: &Batch, key: Key, device: &Device) -> Result<Labels> {
    // Class 0 is "hidden" or "not spoken of"; a value's class follows its position.
    let claimed = |item: usize, attribute: usize| -> Option<Vec<usize>> {
        let claim = batch.claims.get(item)?.about(Factor::ALL[attribute])?;
        Some(claim.allowed.iter().map(|value| value + 1).collect())
    };
    let shown = |item: usize, attribute: usize| {
        let attributes = batch.attributes[item].as_ref()?;
        Some(vec![attributes.get(Factor::ALL[attribute]).map_or(0, |value| value + 1)])
    };
    let said = |item: usize, attribute: usize| {
        // A caption whose claims nobody noted has none: it may say anything, unless it is empty.
        let empty = batch.captions[item].is_empty();
        let noted = empty || batch.claims.get(item).is_some_and(|claims| !claims.is_empty());
        let claim = claimed(item, attribute).map(|allowed| {
            let seen = shown(item, attribute).filter(|seen| seen.iter().all(|class| allowed.contains(class)));
            seen.unwrap_or(allowed)
        });
        claim.or_else(|| noted.then(|| vec![0]))
    };
    let open =
        |item: usize, attribute: usize| shown(item, attribute).filter(|_| claimed(item, attribute).is_none());
    let possible = |of: &dyn Fn(usize, usize) -> Option<Vec<usize>>| {
        PartialLabels::new(&Factor::sizes(), batch.len(), device, of)
    };
    Ok(Labels {
        shown: possible(&shown)?,
        claimed: possible(&claimed)?,
        said: possible(&said)?,
        open: possible(&open)?,
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use candle_core::Tensor;
    use t2f_data::procedural::{ProceduralFaces, Split};
    use t2f_data::{Attributes, Loader};
    use t2f_gan::attributes::nll;

    /// Logits of somebody who is sure of a class of each attribute of each item, `(B, 22, 7)`.
    fn sure(items: usize, of: impl Fn(usize, Factor) -> usize) -> Tensor {
        let mut logits = vec![0f32; items * 22 * 7];
        for (row, logits) in logits.chunks_exact_mut(7).enumerate() {
            logits[of(row / 22, Factor::ALL[row % 22])] = 60.0;
        }
        Tensor::from_vec(logits, (items, 22, 7), &Device::Cpu).unwrap()
    }

    /// Logits of somebody who is sure of these attributes.
    fn sure_of(faces: &[Option<Attributes>]) -> Tensor {
        sure(faces.len(), |item, factor| {
            faces[item].and_then(|face| face.get(factor)).map_or(0, |value| value + 1)
        })
    }

    fn nats(logits: &Tensor, possible: &PartialLabels) -> f32 {
        nll(logits, possible).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn of_what_a_text_allows_it_says_what_its_image_shows() {
        let faces = Arc::new(ProceduralFaces::new(Split::Train, 1, 40, 8));
        let batch = Loader::new(faces, Key::new(1)).batch(0, 40, 8).unwrap();
        let known = labels(&batch, Key::new(2), &Device::Cpu).unwrap();
        let claim = |item: usize, factor| batch.claims[item].about(factor);
        let shown = |item: usize, factor| batch.attributes[item].unwrap().get(factor).unwrap();
        let right = sure(40, |item, factor| claim(item, factor).map_or(0, |_| shown(item, factor) + 1));
        assert_eq!(nats(&right, &known.said), 0.0);
        // "Dark hair" of a face with black hair does not say that it is brown.
        let other = sure(40, |item, factor| {
            claim(item, factor).map_or(0, |claim| {
                let others = claim.allowed.iter().find(|value| **value != shown(item, factor));
                others.copied().unwrap_or_else(|| shown(item, factor)) + 1
            })
        });
        assert_eq!(nats(&other, &known.claimed), 0.0);
        assert!(nats(&other, &known.said) > 0.1);
    }

    #[test]
    fn who_sees_the_truth_is_not_surprised_by_images_or_their_captions() {
        let faces = Arc::new(ProceduralFaces::new(Split::Train, 1, 12, 8));
        let mut batch = Loader::new(faces, Key::new(1)).batch(0, 12, 8).unwrap();
        let known = labels(&batch, Key::new(2), &Device::Cpu).unwrap();
        let truth = sure_of(&batch.attributes);
        assert_eq!((nats(&truth, &known.shown), nats(&truth, &known.claimed)), (0.0, 0.0));
        // Captions leave most unsaid, so that what is said is not what is shown.
        assert!(nats(&truth, &known.said) > 20.0);
        assert_eq!(nats(&truth, &known.open), 0.0);
        batch.attributes.rotate_left(1);
        let others = sure_of(&batch.attributes);
        for possible in [&known.shown, &known.claimed, &known.open] {
            assert!(nats(&others, possible) > 20.0);
        }
        // An empty caption speaks of nothing, and who says so is right.
        batch.captions.fill(String::new());
        batch.claims.fill(t2f_data::Claims::default());
        let known = labels(&batch, Key::new(2), &Device::Cpu).unwrap();
        assert_eq!(nats(&sure_of(&[None; 12]), &known.said), 0.0);
        batch.captions.fill("somebody".into());
        // Of pictures that nobody knows anything of nothing is asked.
        batch.attributes.fill(None);
        batch.claims.clear();
        let unknown = labels(&batch, Key::new(2), &Device::Cpu).unwrap();
        for possible in [&unknown.shown, &unknown.claimed, &unknown.said, &unknown.open] {
            assert_eq!(nats(&others, possible), 0.0);
        }
    }
}
