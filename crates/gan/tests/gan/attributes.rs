//! The attribute classifier: its parameters, its cap, and its configuration.

use candle_core::{DType, Device, Tensor};
use t2f_gan::objective::AttributeClassifier;
use t2f_gan::{
    AttributesConfig, Conditioned, Growth, Labels, LossConfig, Objective, ObjectiveContext, PartialLabels,
    Result,
};
use t2f_ops::init::Parameters;
use t2f_ops::rng::{Key, normal};

use crate::tiny::{self, GeneratorBatch, SIZES, Texts, values};

#[test]
fn there_are_heads_where_there_are_attributes() {
    let of = |weight: f64, sizes: &[usize]| {
        let attributes = AttributesConfig { weight, classifier: vec![4], ..AttributesConfig::default() };
        let loss = LossConfig { attributes, ..LossConfig::default() };
        let rows = tiny::config().parameter_table(&loss, 4, sizes)?;
        Ok::<_, t2f_gan::Error>(rows.iter().filter(|row| row.name.contains(".attributes.")).count())
    };
    // Weight and bias of the encoder's one layer, and of the linear layers of images and of texts.
    assert_eq!(of(1.0, &SIZES).unwrap(), 6);
    assert_eq!((of(0.0, &SIZES).unwrap(), of(1.0, &[]).unwrap()), (0, 0));
    assert!(of(-1.0, &SIZES).unwrap_err().to_string().contains("loss.attributes.weight is -1"));
}

/// The configurations of the tests of the cap.
fn config(capped: bool) -> AttributesConfig {
    AttributesConfig {
        weight: 2.0,
        text_weight: 1.0,
        classifier: vec![4],
        prior: true,
        capped,
        ..AttributesConfig::default()
    }
}

/// A classifier on `parameters`, for data with attributes of `sizes`.
fn classifier(
    parameters: &Parameters,
    config: &AttributesConfig,
    sizes: &[usize],
) -> Result<AttributeClassifier> {
    let vb = parameters.builder(DType::F64, &Device::Cpu);
    let context = ObjectiveContext {
        embedding_size: 1,
        feature_channels: 1,
        noise_size: 0,
        attribute_sizes: sizes,
        g: vb.clone(),
        d: vb,
        d_frozen: parameters.frozen_builder(DType::F64, &Device::Cpu),
    };
    AttributeClassifier::new(config, &context)
}

/// The term of generated images beside real ones.
fn term(classifier: &AttributeClassifier, fake: &Tensor, real: &Tensor, labels: &Labels) -> Result<f64> {
    let none = Tensor::zeros((1, 1), DType::F64, &Device::Cpu)?;
    let conditioned = Conditioned { code: none.clone(), kl: none.sum_all()? };
    let batch = GeneratorBatch {
        fake,
        real,
        condition: &none,
        conditioned: &conditioned,
        inferred: None,
        at: Growth::stable(1),
    };
    let texts = Texts { embedding: &none, others: None, labels: Some(labels), key: Key::new(6) };
    let terms = classifier.generator_terms(&tiny::generator_inputs(&batch, &none, texts))?;
    assert_eq!(tiny::names(&terms), ["attributes"]);
    Ok(values(terms.get("attributes").unwrap())[0])
}

/// One image with two attributes, of which one is classified correctly and the other is not.
#[test]
fn capped_asks_for_the_likelihood_of_real_images_and_no_more() -> Result<()> {
    let cpu = Device::Cpu;
    let parameters = Parameters::drawn(Key::new(5));
    let (plain, capped) =
        (classifier(&parameters, &config(false), &SIZES)?, classifier(&parameters, &config(true), &SIZES)?);
    let image = |seed| normal(Key::new(seed), (1, 3, 8, 8), DType::F64, &cpu).unwrap();
    let known = || PartialLabels::new(&SIZES, 1, &cpu, |_, _| Some(vec![1])).unwrap();
    let labels = Labels { shown: known(), claimed: known(), said: known(), open: known() };
    let loss = |classifier: &AttributeClassifier, fake: u64, real: u64| {
        term(classifier, &image(fake), &image(real), &labels)
    };
    assert_eq!(loss(&capped, 1, 1)?, 0.0);
    // The second image has no label: the cap is the likelihood of the first.
    let first = || PartialLabels::new(&SIZES, 2, &cpu, |item, _| (item == 0).then(|| vec![1])).unwrap();
    let half = Labels { shown: first(), claimed: first(), said: first(), open: first() };
    let two = Tensor::cat(&[image(1), image(2)], 0)?;
    assert_eq!(term(&capped, &two, &two, &half)?, 0.0);
    let mut above = 0;
    for (fake, real) in [(1, 2), (2, 1), (3, 4), (4, 3)] {
        let capped = loss(&capped, fake, real)?;
        // In a mean over attributes, a loss below the cap of one does not offset another.
        let difference = loss(&plain, fake, 0)? - loss(&plain, real, 0)?;
        assert!(capped >= difference.max(0.0) - 1e-12 && capped <= loss(&plain, fake, 0)?);
        above += usize::from(capped > 0.0);
    }
    assert!(above >= 2, "one of two images is classified worse than the other");
    Ok(())
}

#[test]
fn settings_that_need_another_are_refused_by_name() {
    let parameters = Parameters::drawn(Key::new(5));
    let refused = |config: &AttributesConfig, part: &str| {
        let message = config.check().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert_eq!(classifier(&parameters, config, &SIZES).unwrap_err().to_string(), message);
    };
    let shared = AttributesConfig { classifier: Vec::new(), ..config(true) };
    refused(&shared, "loss.attributes.capped is true");
    refused(
        &AttributesConfig { noise: 0.3, capped: false, ..shared.clone() },
        "loss.attributes.noise is 0.3",
    );
    refused(&AttributesConfig { text_weight: 0.0, ..config(true) }, "loss.attributes.text_weight is 0");
    refused(&AttributesConfig { text_weight: -1.0, ..config(true) }, "loss.attributes.text_weight is -1");
    refused(
        &AttributesConfig { classifier: vec![4, 0], ..config(true) },
        "loss.attributes.classifier is [4, 0]",
    );
    // A classifier that is off needs nothing.
    assert!(AttributesConfig { weight: 0.0, noise: 0.3, ..shared }.check().is_ok());
    let none = classifier(&parameters, &config(false), &[]).unwrap_err().to_string();
    assert!(none.contains("attributes of the data set is none"), "{none}");
}

/// Without a prior generated images are held to the claims of their texts, with one to the labels of the
/// real images.
#[test]
fn generated_images_are_held_to_claims_or_to_the_attribute_code() -> Result<()> {
    let parameters = Parameters::drawn(Key::new(5));
    let class = |class: usize| PartialLabels::new(&SIZES, 1, &Device::Cpu, |_, _| Some(vec![class]));
    let labels = |shown, claimed| -> Result<Labels> {
        Ok(Labels { shown: class(shown)?, claimed: class(claimed)?, said: class(0)?, open: class(0)? })
    };
    let image = normal(Key::new(1), (1, 3, 8, 8), DType::F64, &Device::Cpu)?;
    for prior in [false, true] {
        let classifier = classifier(&parameters, &AttributesConfig { prior, ..config(false) }, &SIZES)?;
        let of = |shown, claimed| term(&classifier, &image, &image, &labels(shown, claimed)?);
        assert_eq!(of(1, 1)? == of(0, 1)?, !prior);
        assert_eq!(of(1, 1)? == of(1, 0)?, prior);
    }
    Ok(())
}
