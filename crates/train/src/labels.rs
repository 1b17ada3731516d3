//! The labels of a batch, for the attribute classifier and the attribute prior.

use candle_core::Device;
use t2f_data::attributes::Observation;
use t2f_data::{Batch, Item};
use t2f_gan::{Labels, PartialLabels, Result};

/// The labels of a batch. Images without attributes and captions without claims have no labels. Those of
/// content (`said`) are of the captions of the images and of [`Batch::texts`].
///
/// # Errors
/// If the device refuses the copy.
pub fn labels(batch: &Batch, device: &Device) -> Result<Labels> {
    let sizes = batch.schema.sizes();
    let all: Vec<&Item> = batch.items.iter().chain(&batch.texts).collect();
    // Class 0 is "not visible" or "not mentioned"; the class of a value is its index plus 1.
    let claimed = |item: usize, attribute: usize| -> Option<Vec<usize>> {
        let claim = all[item].claims.about(attribute)?;
        Some(claim.allowed.iter().map(|value| value + 1).collect())
    };
    let shown = |item: usize, attribute: usize| match all[item].attributes.as_ref()?.get(attribute) {
        Observation::Unknown => None,
        Observation::Hidden => Some(vec![0]),
        Observation::Value(value) => Some(vec![usize::from(value) + 1]),
    };
    let said = |item: usize, attribute: usize| {
        // A caption without known claims has no labels, unless it is empty.
        let noted = all[item].caption.is_empty() || !all[item].claims.is_empty();
        let claim = claimed(item, attribute).map(|allowed| {
            let seen = shown(item, attribute).filter(|seen| seen.iter().all(|class| allowed.contains(class)));
            seen.unwrap_or(allowed)
        });
        claim.or_else(|| noted.then(|| vec![0]))
    };
    let open =
        |item: usize, attribute: usize| shown(item, attribute).filter(|_| claimed(item, attribute).is_none());
    let partial = |count: usize, of: &dyn Fn(usize, usize) -> Option<Vec<usize>>| {
        PartialLabels::new(&sizes, count, device, of)
    };
    Ok(Labels {
        shown: partial(batch.len(), &shown)?,
        claimed: partial(batch.len(), &claimed)?,
        said: partial(all.len(), &said)?,
        open: partial(batch.len(), &open)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::Tensor;
    use t2f_data::Loader;
    use t2f_data::attributes::{Attributes, Claims};
    use t2f_data::procedural::{self, ProceduralFaces, Split};
    use t2f_gan::labels::nll;
    use t2f_ops::rng::Key;

    use super::*;

    /// Classes of the attribute with most values, "not visible" included.
    fn classes() -> usize {
        procedural::schema().sizes().into_iter().max().unwrap() + 1
    }

    /// Logits with one certain class for each attribute of each item, `(B, A, V)`.
    fn sure(items: usize, of: impl Fn(usize, usize) -> usize) -> Tensor {
        let (attributes, classes) = (procedural::schema().len(), classes());
        let mut logits = vec![0f32; items * attributes * classes];
        for (row, logits) in logits.chunks_exact_mut(classes).enumerate() {
            logits[of(row / attributes, row % attributes)] = 60.0;
        }
        Tensor::from_vec(logits, (items, attributes, classes), &Device::Cpu).unwrap()
    }

    /// Logits with these attributes as certain classes.
    fn sure_of(faces: &[Option<Attributes>]) -> Tensor {
        let class = |face: &Attributes, attribute: usize| face.value(attribute).map_or(0, |value| value + 1);
        sure(faces.len(), |item, attribute| faces[item].as_ref().map_or(0, |face| class(face, attribute)))
    }

    fn attributes(batch: &Batch) -> Vec<Option<Attributes>> {
        batch.items.iter().map(|item| item.attributes.clone()).collect()
    }

    fn nats(logits: &Tensor, labels: &PartialLabels) -> f32 {
        nll(logits, labels).unwrap().to_scalar().unwrap()
    }

    fn batch(size: usize) -> Batch {
        let faces = Arc::new(ProceduralFaces::new(Split::Train, 1, size, 8));
        Loader::new(faces, Key::new(1)).batch(0, size, 8).unwrap()
    }

    #[test]
    fn the_label_of_a_claim_with_several_values_is_the_value_of_the_image() {
        let batch = batch(40);
        let known = labels(&batch, &Device::Cpu).unwrap();
        let claim = |item: usize, attribute| batch.items[item].claims.about(attribute);
        let shown =
            |item: usize, attribute| batch.items[item].attributes.as_ref().unwrap().value(attribute).unwrap();
        let right =
            sure(40, |item, attribute| claim(item, attribute).map_or(0, |_| shown(item, attribute) + 1));
        assert_eq!(nats(&right, &known.said), 0.0);
        // Texts without images have labels of content, after those of the images, and no others.
        let beside = labels(&Batch { texts: batch.items.clone(), ..batch.clone() }, &Device::Cpu).unwrap();
        assert_eq!(nats(&Tensor::cat(&[&right, &right], 0).unwrap(), &beside.said), 0.0);
        assert_eq!(nats(&right, &beside.claimed), nats(&right, &known.claimed));
        // "Dark hair" for a face with black hair is labelled black and not brown.
        let other = sure(40, |item, attribute| {
            claim(item, attribute).map_or(0, |claim| {
                let others = claim.allowed.iter().find(|value| **value != shown(item, attribute));
                others.copied().unwrap_or_else(|| shown(item, attribute)) + 1
            })
        });
        assert_eq!(nats(&other, &known.claimed), 0.0);
        assert!(nats(&other, &known.said) > 0.1);
    }

    #[test]
    fn the_true_classes_and_missing_labels_have_no_loss() {
        let mut batch = batch(12);
        let known = labels(&batch, &Device::Cpu).unwrap();
        let truth = sure_of(&attributes(&batch));
        assert_eq!((nats(&truth, &known.shown), nats(&truth, &known.claimed)), (0.0, 0.0));
        // Captions mention few attributes, so their labels differ from those of their images.
        assert!(nats(&truth, &known.said) > 20.0);
        assert_eq!(nats(&truth, &known.open), 0.0);
        let mut moved = attributes(&batch);
        moved.rotate_left(1);
        let others = sure_of(&moved);
        for labels in [&known.shown, &known.claimed, &known.open] {
            assert!(nats(&others, labels) > 20.0);
        }
        // An empty caption mentions no attribute: the class is "not mentioned".
        for item in &mut batch.items {
            item.caption = String::new();
            item.claims = Claims::default();
        }
        let known = labels(&batch, &Device::Cpu).unwrap();
        assert_eq!(nats(&sure_of(&vec![None; 12]), &known.said), 0.0);
        // An unknown attribute has no label, a hidden one is class 0.
        let first = &mut batch.items[0];
        let unknown = first.attributes.take().unwrap().with(0, Observation::Unknown);
        first.attributes = Some(unknown.with(1, Observation::Hidden));
        let known = labels(&batch, &Device::Cpu).unwrap();
        let mut truth = attributes(&batch);
        assert_eq!(nats(&sure_of(&truth), &known.shown), 0.0);
        let lie = truth[0].take().unwrap().with(0, Observation::Value(1));
        truth[0] = Some(lie.clone());
        assert_eq!(nats(&sure_of(&truth), &known.shown), 0.0);
        truth[0] = Some(lie.with(1, Observation::Value(1)));
        assert!(nats(&sure_of(&truth), &known.shown) > 0.1);
        // Images without attributes and captions without claims have no loss.
        for item in &mut batch.items {
            item.caption = "somebody".into();
            item.attributes = None;
        }
        let unknown = labels(&batch, &Device::Cpu).unwrap();
        for labels in [&unknown.shown, &unknown.claimed, &unknown.said, &unknown.open] {
            assert_eq!(nats(&others, labels), 0.0);
        }
    }
}
