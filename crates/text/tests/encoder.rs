//! Properties of the encoder: PyTorch's values, no influence of padding, exact gradients.

use candle_core::{DType, Device, Tensor};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;
use t2f_text::{Compat, LstmConfig, Pooling, Result, SubwordConfig, TextConfig, TextEncoder, Tokenizer};

const POOLINGS: [Pooling; 3] = [Pooling::Max, Pooling::Mean, Pooling::Last];

/// `a`, `b`, `c` get the ids 2, 3, 4.
fn tokenizer() -> Tokenizer {
    Tokenizer::train(["a a a", "b b", "c"], 1, 100, None).unwrap()
}

/// Two layers and both directions, small enough for finite differences.
fn small() -> LstmConfig {
    LstmConfig { embedding_size: 3, hidden_size: 2, layers: 2, ..LstmConfig::default() }
}

/// T2F's three layers in one direction, with small sizes.
fn compat() -> LstmConfig {
    let compat = Some(Compat::T2f);
    LstmConfig { layers: 3, bidirectional: false, max_length: 6, compat, ..small() }
}

fn build(config: LstmConfig, parameters: &Parameters, dtype: DType) -> Result<Box<dyn TextEncoder>> {
    TextConfig::Lstm(config).build(tokenizer(), parameters.builder(dtype, &Device::Cpu))
}

fn parameters() -> Parameters {
    Parameters::drawn(Key::new(4))
}

/// As `fill` of [`pytorch`]: the k-th scalar of a parameter is `0.9 sin(0.7 k + phase)`.
fn filled(config: LstmConfig) -> Result<Box<dyn TextEncoder>> {
    let parameters = parameters();
    let encoder = build(config, &parameters, DType::F64)?;
    // In the order of names: `embedding.weight`, then the LSTM's parameters, as PyTorch sorts them.
    for (phase, (_, var)) in parameters.vars().into_iter().enumerate() {
        let values = (0..var.elem_count()).map(|k| 0.9 * (0.7 * k as f64 + phase as f64).sin());
        var.set(&Tensor::from_vec(values.collect::<Vec<_>>(), var.shape(), var.device())?)?;
    }
    Ok(encoder)
}

fn strings(captions: &[&str]) -> Vec<String> {
    captions.iter().map(|caption| (*caption).to_owned()).collect()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).and_then(|t| t.flatten_all()).and_then(|t| t.to_vec1()).unwrap()
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{a:?}\n{b:?}\ndiffer by {worst}");
}

/// PyTorch 2.13:
///
/// ```python
/// def fill(t, phase):
///     t.copy_((0.9 * torch.sin(0.7 * torch.arange(t.numel()).double() + phase)).view_as(t))
/// words = torch.nn.Embedding(5, 3).double()
/// lstm = torch.nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True).double()
/// fill(words.weight, 0)
/// for phase, (name, p) in enumerate(sorted(lstm.named_parameters())):
///     fill(p, 1 + phase)
/// ids, lengths = torch.tensor([[2, 3, 4, 2], [4, 3, 0, 0]]), torch.tensor([4, 2])
/// packed, (h, _) = lstm(pack_padded_sequence(words(ids), lengths, batch_first=True))
/// states, _ = pad_packed_sequence(packed, batch_first=True)
/// mask = (torch.arange(4) < lengths[:, None])[:, :, None]
/// states.masked_fill(~mask, -2).amax(1); (states * mask).sum(1) / lengths[:, None]; torch.cat([h[-2], h[-1]], 1)
/// ```
#[test]
fn pytorch_gives_the_same_embeddings() -> Result<()> {
    let golden: [[f64; 8]; 3] = [
        [
            -0.16874698447867797,
            -0.11916023855560418,
            -0.03415035570717916,
            -0.003615360457621835,
            -0.17492956992434186,
            -0.06110515703567485,
            -0.08506533768319284,
            0.029656662232077125,
        ],
        [
            -0.19139712457920632,
            -0.14717779922410928,
            -0.07540112145212388,
            -0.03943362109784615,
            -0.19642933978908117,
            -0.06637649487606913,
            -0.1087435497347467,
            0.01568726760401646,
        ],
        [
            -0.21181869248470597,
            -0.16127198868064013,
            -0.07732237417641015,
            -0.04960429768788494,
            -0.2179291096538205,
            -0.0716478327164634,
            -0.08506533768319284,
            0.0017178729759557952,
        ],
    ];
    for (pooling, golden) in POOLINGS.into_iter().zip(golden) {
        let encoder = filled(LstmConfig { pooling, ..small() })?;
        let embeddings = encoder.encode(&strings(&["a b c a", "c b"]))?;
        assert_eq!(embeddings.dims(), [2, encoder.embedding_size()]);
        assert_close(&values(&embeddings), &golden, 1e-14);
    }
    Ok(())
}

/// As above, with `LSTM(3, 2, num_layers=3, batch_first=True)`, `words.weight[0] = 0`, captions
/// padded with 0 to six words, and `output[:, -1]`, as in T2F.
#[test]
fn t2f_encodes_the_padding() -> Result<()> {
    let encoder = filled(compat())?;
    let embeddings = encoder.encode(&strings(&["a b c a", "c b"]))?;
    let golden = [-0.012871306984596376, 0.07540665204582941, 0.08073627367702732, 0.044135276985661664];
    assert_close(&values(&embeddings), &golden, 1e-14);
    let longer = filled(LstmConfig { max_length: 9, ..compat() })?;
    let moved = values(&longer.encode(&strings(&["a b c a", "c b"]))?);
    assert!((moved[0] - golden[0]).abs() > 1e-3);
    Ok(())
}

#[test]
fn longer_captions_in_the_batch_do_not_change_an_embedding() -> Result<()> {
    for pooling in POOLINGS {
        let config = LstmConfig { pooling, ..small() };
        // The embedding of `b a` and the gradient of each parameter, alone and in a batch.
        let of = |captions: &[&str]| -> Result<Vec<Vec<f64>>> {
            let parameters = parameters();
            let encoder = build(config.clone(), &parameters, DType::F32)?;
            let embedding = encoder.encode(&strings(captions))?.narrow(0, 0, 1)?;
            let grads = gradients(&embedding.sqr()?.sum_all()?)?;
            let grads = parameters.vars().into_iter().map(|(_, var)| values(grads.get(&var).unwrap()));
            Ok(std::iter::once(values(&embedding)).chain(grads).collect())
        };
        let company = of(&["b a", "a b c a b c b b a", "", "c"])?;
        for (alone, beside) in of(&["b a"])?.iter().zip(&company) {
            assert_close(alone, beside, 1e-6);
        }
    }
    Ok(())
}

#[test]
fn gradients_equal_finite_differences() -> Result<()> {
    const STEP: f64 = 1e-6;
    let configs = POOLINGS.map(|pooling| LstmConfig { pooling, ..small() });
    for config in configs.into_iter().chain([compat()]) {
        let parameters = parameters();
        let encoder = build(config.clone(), &parameters, DType::F64)?;
        let captions = strings(&["a b c a", "", "c b", "b b a c c a", "c a"]);
        let weights = Tensor::arange(0f64, (5 * encoder.embedding_size()) as f64, &Device::Cpu)?.sin()?;
        let f =
            || -> Result<Tensor> { Ok(encoder.encode(&captions)?.flatten_all()?.mul(&weights)?.sum_all()?) };
        let grads = gradients(&f()?)?;
        for (name, var) in parameters.vars() {
            let (first, exact) = (values(&var), values(grads.get(&var).unwrap()));
            for i in 0..first.len() {
                let at = |shift: f64| -> Result<f64> {
                    let mut shifted = first.clone();
                    shifted[i] += shift;
                    var.set(&Tensor::from_vec(shifted, var.shape(), var.device())?)?;
                    Ok(f()?.to_scalar::<f64>()?)
                };
                let measured = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
                assert!(
                    (measured - exact[i]).abs() < 1e-8,
                    "{config:?} {name}[{i}]: gradient {}, measured {measured}",
                    exact[i]
                );
            }
            assert!(exact.iter().any(|g| g.abs() > 1e-6), "the gradient of {name} is zero in {config:?}");
            var.set(&Tensor::from_vec(first, var.shape(), var.device())?)?;
        }
    }
    Ok(())
}

#[test]
fn every_caption_has_an_embedding() -> Result<()> {
    let long = "a ".repeat(10_000);
    let strange = ["", " \n\t", "🙂🙂", "رجل ملتح", "a\0b", "<pad> <unk>", "\u{feff}", long.as_str()];
    for config in POOLINGS.map(|pooling| LstmConfig { pooling, ..small() }).into_iter().chain([compat()]) {
        let parameters = parameters();
        let encoder = build(config, &parameters, DType::F32)?;
        let together = values(&encoder.encode(&strings(&strange))?);
        assert!(together.iter().all(|value| value.is_finite()));
        for (caption, embedding) in strange.iter().zip(together.chunks(encoder.embedding_size())) {
            assert_close(&values(&encoder.encode(&strings(&[caption]))?), embedding, 1e-6);
        }
        assert!(encoder.encode(&[]).is_err());
    }
    Ok(())
}

#[test]
fn unknown_words_are_ignored() -> Result<()> {
    let captions = strings(&["a b", "a purple b", "purple a b dog", "purple", ""]);
    let encoder = build(small(), &parameters(), DType::F32)?;
    let embeddings = values(&encoder.encode(&captions)?);
    let rows: Vec<&[f64]> = embeddings.chunks(4).collect();
    assert_close(rows[1], rows[0], 1e-6);
    assert_close(rows[2], rows[0], 1e-6);
    assert_close(rows[3], rows[4], 1e-6);
    assert_ne!(rows[3], rows[0]);
    let original = build(compat(), &parameters(), DType::F32)?;
    assert_ne!(values(&original.encode(&captions[..1])?), values(&original.encode(&captions[1..2])?));
    Ok(())
}

#[test]
fn words_unknown_to_the_vocabulary_are_read_by_their_n_grams() -> Result<()> {
    let config = LstmConfig { subwords: Some(SubwordConfig::default()), ..small() };
    let encoder = build(config.clone(), &parameters(), DType::F32)?;
    assert!(
        encoder.reads_unknown_words() && !build(small(), &parameters(), DType::F32)?.reads_unknown_words()
    );
    let captions = strings(&["a b", "a purple b", "a purpel b", "purple", "", "a b"]);
    let embeddings = values(&encoder.encode(&captions)?);
    let rows: Vec<&[f64]> = embeddings.chunks(4).collect();
    assert_eq!(rows[0], rows[5]);
    for (at, other) in [(0, 1), (1, 2), (3, 4), (1, 3)] {
        assert_ne!(rows[at], rows[other], "rows {at} and {other}");
    }
    assert_eq!(encoder.unknown_words("a purple b")?, ["purple"]);
    assert_eq!([encoder.similar_word("a")?, encoder.similar_word("two words")?], [None, None]);
    assert_eq!(build(small(), &parameters(), DType::F32)?.similar_word("purple")?, None);
    let wrong = |subwords: SubwordConfig, compat| {
        let config = LstmConfig { subwords: Some(subwords), compat, ..small() };
        TextConfig::Lstm(config).check().unwrap_err().to_string()
    };
    let default = SubwordConfig::default();
    let longest = wrong(SubwordConfig { longest: 2, ..default }, None);
    assert_eq!(longest, "text.subwords.longest is 2, expected text.subwords.shortest, 3, to 12");
    assert!(wrong(SubwordConfig { buckets: 0, ..default }, None).starts_with("text.subwords.buckets is 0"));
    assert!(wrong(SubwordConfig { shortest: 0, ..default }, None).starts_with("text.subwords.shortest is 0"));
    assert!(wrong(default, Some(Compat::T2f)).starts_with("text.subwords is set, expected none"));
    Ok(())
}

#[test]
fn words_after_max_length_are_ignored() -> Result<()> {
    let encoder = build(LstmConfig { max_length: 2, ..small() }, &parameters(), DType::F32)?;
    let embeddings = values(&encoder.encode(&strings(&["a b", "a b c", "a c"]))?);
    let [cut, whole, other] = [0, 1, 2].map(|row| &embeddings[4 * row..][..4]);
    assert_eq!(cut, whole);
    assert_ne!(cut, other);
    assert_eq!(encoder.cut_words("a b c a")?, ["c", "a"]);
    assert_eq!(encoder.cut_words("a b")?, [""; 0]);
    Ok(())
}

#[test]
fn a_frozen_encoder_gives_equal_embeddings_without_gradients() -> Result<()> {
    let parameters = parameters();
    let trainable = build(small(), &parameters, DType::F32)?;
    let vb = parameters.frozen_builder(DType::F32, &Device::Cpu);
    let frozen = TextConfig::Lstm(small()).build(tokenizer(), vb)?;
    let captions = strings(&["a b c", "b"]);
    let (a, b) = (trainable.encode(&captions)?, frozen.encode(&captions)?);
    assert_eq!(values(&a), values(&b));
    assert!(a.track_op() && !b.track_op());
    Ok(())
}

/// T2F's `1.conf`: 2763 words, 128 → 512, three layers.
#[test]
fn t2fs_encoder_has_5_870_976_parameters() -> Result<()> {
    let config = TextConfig::Lstm(LstmConfig { embedding_size: 128, hidden_size: 512, ..compat() });
    let words = (0..2761).map(|n: u32| {
        let letter = |n: u32| char::from(b'a' + (n % 26) as u8);
        String::from_iter([letter(n / 676), letter(n / 26), letter(n)])
    });
    let tokenizer = Tokenizer::train(words, 1, 10_000, Some(Compat::T2f))?;
    assert_eq!(tokenizer.vocabulary_size(), 2763);
    let parameters = parameters();
    config.build(tokenizer, parameters.builder(DType::F32, &Device::Cpu))?;
    assert_eq!(parameters.count(), 5_870_976);
    let tensors = parameters.tensors();
    assert_eq!(tensors.len(), 13);
    assert_eq!(tensors["embedding.weight"].dims(), [2763, 128]);
    assert_eq!(tensors["lstm.weight_ih_l0"].dims(), [2048, 128]);
    assert_eq!(tensors["lstm.weight_ih_l2"].dims(), [2048, 512]);
    assert_eq!(tensors["lstm.weight_hh_l2"].dims(), [2048, 512]);
    assert_eq!(tensors["lstm.bias_hh_l1"].dims(), [2048]);
    Ok(())
}

#[test]
fn a_setting_out_of_range_is_named() {
    let zero = [
        ("text.embedding_size", LstmConfig { embedding_size: 0, ..small() }),
        ("text.hidden_size", LstmConfig { hidden_size: 0, ..small() }),
        ("text.layers", LstmConfig { layers: 0, ..small() }),
        ("text.max_length", LstmConfig { max_length: 0, ..small() }),
    ];
    for (key, config) in zero {
        let message = TextConfig::Lstm(config).check().unwrap_err().to_string();
        assert_eq!(message, format!("{key} is 0, expected at least 1"));
    }
}

#[test]
fn configurations_have_their_kind_and_refuse_unknown_keys() {
    let json = serde_json::to_string(&TextConfig::Lstm(compat())).unwrap();
    assert!(json.starts_with(r#"{"kind":"lstm","#) && json.contains(r#""compat":"t2f""#), "{json}");
    assert_eq!(serde_json::from_str::<TextConfig>(&json).unwrap(), TextConfig::Lstm(compat()));
    let default: TextConfig = serde_json::from_str(r#"{"kind":"lstm"}"#).unwrap();
    assert_eq!(default, TextConfig::default());
    assert_eq!(default.max_length(), 1000);
    let t2f: TextConfig = serde_json::from_str(r#"{"kind":"lstm","compat":"t2f"}"#).unwrap();
    assert_eq!(t2f.max_length(), 100, "T2F pads to its own length");
    let given: TextConfig = serde_json::from_str(r#"{"kind":"lstm","max_length":7}"#).unwrap();
    assert_eq!(given.max_length(), 7);
    for wrong in [r#"{"kind":"lstm","hidden":3}"#, r#"{"kind":"bert"}"#, "{}"] {
        assert!(serde_json::from_str::<TextConfig>(wrong).is_err(), "{wrong}");
    }
}
