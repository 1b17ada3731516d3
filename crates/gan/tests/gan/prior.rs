//! Attribute codes: their content, and the frequency of each.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use t2f_gan::{AttributePrior, Labels, PartialLabels, Result};
use t2f_ops::rng::{self, Key};

use crate::tiny::{self, EMBEDDING, Nets, SIZES, values};

/// Classes of the two attributes, and columns of the parameters for each: the second has one less.
const CLASSES: [usize; 2] = [3, 2];
const MOST: usize = 3;
/// The size of an attribute code.
const SIZE: usize = 5;

fn nets() -> Nets {
    Nets::with_loss(&tiny::config(), &tiny::with_heads(true), DType::F64).unwrap().shaken().unwrap()
}

/// Adds to one number of a parameter.
fn add(nets: &Nets, name: &str, place: usize, more: f64) {
    let var = nets.parameters.vars().into_iter().find(|(other, _)| other == name).unwrap().1;
    let mut numbers = values(&var);
    numbers[place] += more;
    var.set(&Tensor::from_vec(numbers, var.shape(), &Device::Cpu).unwrap()).unwrap();
}

/// The classes of attribute codes `(B, P)`.
fn classes_of(codes: &Tensor) -> Vec<[usize; 2]> {
    let scale = (SIZE as f64 / 2.0).sqrt();
    let class = |columns: &[f64]| {
        assert_eq!(columns.iter().filter(|value| **value != 0.0).count(), 1, "{columns:?}");
        columns.iter().position(|value| (value - scale).abs() < 1e-12).unwrap()
    };
    values(codes).chunks(SIZE).map(|code| [class(&code[..CLASSES[0]]), class(&code[CLASSES[0]..])]).collect()
}

fn sample(prior: &AttributePrior, text: &Tensor, count: usize) -> Vec<[usize; 2]> {
    let noise = rng::normal(Key::new(5), (count, SIZE), DType::F64, &Device::Cpu).unwrap();
    let texts = text.broadcast_as((count, EMBEDDING)).unwrap().contiguous().unwrap();
    classes_of(&prior.sample(&texts, &noise).unwrap())
}

/// `P(a_1, a_2 | text)`, by its formula.
fn probabilities(nets: &Nets, text: &[f64]) -> BTreeMap<[usize; 2], f64> {
    let parameters: BTreeMap<String, Vec<f64>> =
        nets.parameters.vars().into_iter().map(|(name, var)| (name, values(&var))).collect();
    let said = |column: usize| {
        let weight = &parameters["prior.said.weight"];
        let product: f64 = text.iter().enumerate().map(|(i, x)| x * weight[i * 2 * MOST + column]).sum();
        product + parameters["prior.said.bias"][column]
    };
    let softmax = |logits: Vec<f64>| {
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.into_iter().map(|logit| logit.exp() / sum).collect::<Vec<f64>>()
    };
    let columns = |attribute: usize| attribute * MOST..attribute * MOST + CLASSES[attribute];
    let says: [Vec<f64>; 2] = [0, 1].map(|attribute| softmax(columns(attribute).map(said).collect()));
    let of = |attribute: usize, given: &dyn Fn(usize) -> f64| {
        let bias = &parameters["prior.open.bias"];
        let open = softmax(columns(attribute).map(|column| bias[column] + given(column)).collect());
        let silent = says[attribute][0];
        let claimed = |class: usize| if class == 0 { 0.0 } else { says[attribute][class] };
        open.iter().enumerate().map(|(class, open)| silent * open + claimed(class)).collect::<Vec<f64>>()
    };
    let weight = |row: usize, column: usize| parameters["prior.open.weight"][row * 2 * MOST + column];
    // The first knows what the text says of the second, the second what the first is.
    let after = |column| (1..CLASSES[1]).map(|class| says[1][class] * weight(MOST + class, column)).sum();
    let mut all = BTreeMap::new();
    for (first, p) in of(0, &after).into_iter().enumerate() {
        for (second, q) in of(1, &|column| weight(first, column)).into_iter().enumerate() {
            all.insert([first, second], p * q);
        }
    }
    all
}

#[test]
fn attribute_codes_have_the_frequencies_of_their_probabilities() -> Result<()> {
    let nets = nets();
    // The classes of either attribute depend on those of the other, and both are often left open.
    add(&nets, "prior.open.weight", 2 * MOST + MOST + 1, 2.0);
    add(&nets, "prior.open.weight", (MOST + 1) * 2 * MOST + 1, 3.0);
    for silent in [0, MOST] {
        add(&nets, "prior.said.bias", silent, 1.0);
    }
    let text = nets.normal("text", (1, EMBEDDING))?;
    let count = 20_000;
    let codes = sample(nets.prior.as_ref().unwrap(), &text, count);
    for (classes, p) in probabilities(&nets, &values(&text)) {
        let share = codes.iter().filter(|code| **code == classes).count() as f64 / count as f64;
        // Four standard deviations.
        let limit = 4.0 * (p * (1.0 - p) / count as f64).sqrt();
        assert!((share - p).abs() < limit, "{classes:?}: {share}, expected {p}");
    }
    Ok(())
}

#[test]
fn without_noise_the_most_probable_code_is_sampled() -> Result<()> {
    let nets = nets();
    for place in [1, MOST] {
        add(&nets, "prior.open.bias", place, 4.0);
    }
    let text = nets.normal("text", (1, EMBEDDING))?;
    let code =
        nets.prior.as_ref().unwrap().sample(&text, &Tensor::zeros((1, SIZE), DType::F64, &Device::Cpu)?)?;
    let all = probabilities(&nets, &values(&text));
    let best = all.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(classes_of(&code), [*best]);
    Ok(())
}

#[test]
fn a_low_temperature_squares_the_content_of_a_text() -> Result<()> {
    let nets = nets();
    // The first attribute is certainly mentioned; its first value is about three times as probable as the second.
    add(&nets, "prior.said.bias", 0, -60.0);
    add(&nets, "prior.said.bias", 1, 3f64.ln());
    let vb = nets.parameters.builder(DType::F64, &Device::Cpu);
    let prior = AttributePrior::new(&SIZES, EMBEDDING, &vb.pp("prior"))?.with_temperature(0.5);
    let text = Tensor::zeros((1, EMBEDDING), DType::F64, &Device::Cpu)?;
    let content = prior.content(&text)?.remove(0).remove(0);
    let (first, second) = (f64::from(content[1]), f64::from(content[2]));
    let share = |prior: &AttributePrior| {
        let codes = sample(prior, &text, 4000);
        codes.iter().filter(|code| code[0] == 1).count() as f64 / 4000.0
    };
    let (plain, squared) = (share(nets.prior.as_ref().unwrap()), share(&prior));
    assert!((plain - first).abs() < 0.03, "{plain}, expected {first}");
    let expected = first.powi(2) / (first.powi(2) + second.powi(2));
    assert!((squared - expected).abs() < 0.03 && expected > first + 0.05, "{squared}, expected {expected}");
    Ok(())
}

#[test]
fn a_certain_claim_is_sampled_even_when_the_data_never_shows_it() -> Result<()> {
    let nets = nets();
    let text = nets.normal("text", (1, EMBEDDING))?;
    // The second value of the second attribute, which is never seen beside any class of the first;
    // of that nothing is said.
    add(&nets, "prior.said.bias", 0, 60.0);
    add(&nets, "prior.said.bias", MOST + 1, 60.0);
    for class in 0..CLASSES[0] {
        add(&nets, "prior.open.weight", class * 2 * MOST + MOST + 1, -60.0);
    }
    let codes = sample(nets.prior.as_ref().unwrap(), &text, 500);
    assert!(codes.iter().all(|code| code[1] == 1));
    assert!((0..CLASSES[0]).all(|class| codes.iter().any(|code| code[0] == class)));
    Ok(())
}

#[test]
fn the_content_of_a_text_and_the_classes_of_a_code_are_read_back() -> Result<()> {
    let nets = nets();
    let prior = nets.prior.as_ref().unwrap();
    // Of the first attribute nothing is said, of the second its one value with probability 3/4.
    let text = Tensor::zeros((2, EMBEDDING), DType::F64, &Device::Cpu)?;
    for place in 0..2 * MOST {
        let now = values(
            &nets.parameters.vars().into_iter().find(|(name, _)| name == "prior.said.bias").unwrap().1,
        );
        let want = [60.0, 0.0, 0.0, 0.0, 3f64.ln(), 0.0][place];
        add(&nets, "prior.said.bias", place, want - now[place]);
    }
    let content = prior.content(&text)?;
    assert_eq!((content.len(), content[1][0].len(), content[1][1].len()), (2, CLASSES[0], CLASSES[1]));
    assert!((content[0][0][0] - 1.0).abs() < 1e-6 && content[0][0][1] < 1e-6, "{content:?}");
    assert!((content[1][1][0] - 0.25).abs() < 1e-6 && (content[1][1][1] - 0.75).abs() < 1e-6, "{content:?}");
    let code = Tensor::new(&[[0., 0., 1.6, 1.6, 0.], [1.6, 0., 0., 0., 1.6]], &Device::Cpu)?;
    assert_eq!(prior.classes_of(&code)?, [[2, 0], [0, 1]]);
    assert!(prior.classes_of(&code.narrow(1, 0, 4)?).is_err());
    Ok(())
}

#[test]
fn open_attributes_depend_on_claims_alone() -> Result<()> {
    let nets = nets();
    let prior = nets.prior.as_ref().unwrap();
    // Two texts that are sure of the second attribute and silent on the first.
    add(&nets, "prior.said.bias", 0, 60.0);
    add(&nets, "prior.said.bias", MOST + 1, 60.0);
    let texts = [nets.normal("one", (1, EMBEDDING))?, nets.normal("another", (1, EMBEDDING))?];
    assert_eq!(sample(prior, &texts[0], 500), sample(prior, &texts[1], 500));
    Ok(())
}

#[test]
fn the_code_of_an_image_is_its_labels() -> Result<()> {
    let nets = nets();
    // Of the second image nothing is known.
    let shown = PartialLabels::new(&SIZES, 2, &Device::Cpu, |item, attribute| {
        (item == 0).then(|| vec![2 - 2 * attribute])
    })?;
    let code = values(&nets.prior.as_ref().unwrap().code_of(&shown)?);
    let s = 2.5f64.sqrt();
    let want = [0., 0., s, s, 0., s / 3., s / 3., s / 3., s / 2., s / 2.];
    assert!(code.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6), "{code:?}");
    Ok(())
}

#[test]
fn noise_of_another_size_is_refused() {
    let nets = nets();
    let text = nets.normal("text", (1, EMBEDDING)).unwrap();
    let noise = nets.normal("noise", (1, SIZE - 1)).unwrap();
    let prior = nets.prior.as_ref().unwrap();
    let message = prior.sample(&text, &noise).unwrap_err().to_string();
    assert_eq!(message, "noise of an attribute code is 4, expected 5");
    for (texts, samples) in [(1, 2), (2, 1)] {
        let text = nets.normal("text", (texts, EMBEDDING)).unwrap();
        let noise = nets.normal("noise", (samples, SIZE)).unwrap();
        let message = prior.sample(&text, &noise).unwrap_err().to_string();
        assert_eq!(message, format!("texts to sample attribute codes for is {texts}, expected {samples}"));
    }
}

#[test]
fn texts_without_images_have_a_likelihood_of_their_content_alone() {
    let nets = nets();
    let prior = nets.prior.as_ref().unwrap();
    let texts = rng::normal(Key::new(6), (3, EMBEDDING), DType::F64, &Device::Cpu).unwrap();
    let labels = |count: usize| {
        let partial = |count, class: usize| {
            PartialLabels::new(&SIZES, count, &Device::Cpu, |item, _| Some(vec![(item + class) % 2])).unwrap()
        };
        Labels { shown: partial(2, 1), claimed: partial(2, 0), said: partial(count, 0), open: partial(2, 1) }
    };
    let (two, three) = (texts.narrow(0, 0, 2).unwrap(), prior.nll(&texts, &labels(3)).unwrap());
    let two = prior.nll(&two, &labels(2)).unwrap();
    assert_eq!(values(&two.open), values(&three.open));
    // The mean over the labels, from the distribution of the content.
    let content = prior.content(&texts).unwrap();
    for (nll, count) in [(two, 2), (three, 3)] {
        let log = |item: usize, attribute: usize| f64::from(content[item][attribute][item % 2]).ln();
        let sum: f64 = (0..count).flat_map(|item| [log(item, 0), log(item, 1)]).sum();
        let expected = -sum / (2 * count) as f64;
        assert!((values(&nll.text)[0] - expected).abs() < 1e-5, "{expected}");
    }
}

#[test]
fn dependences_are_counted_by_their_size() -> Result<()> {
    let nets = nets();
    let (_, weight) =
        nets.parameters.vars().into_iter().find(|(name, _)| name == "prior.open.weight").unwrap();
    let prior = nets.prior.as_ref().unwrap();
    let dependence = |place: usize, w: f64| -> Result<f64> {
        weight.set(&weight.zeros_like()?)?;
        add(&nets, "prior.open.weight", place, w);
        Ok(prior.dependence()?.to_scalar::<f64>()?)
    };
    assert_eq!(dependence(MOST, 0.0)?, 0.0);
    assert!((dependence(MOST, -0.5)? - 0.5).abs() < 1e-12, "1/2 counts half");
    assert!((dependence(2, 50.0)? - 50.0 / 50.5).abs() < 1e-12, "a large one counts as one");
    Ok(())
}
