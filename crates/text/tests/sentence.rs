//! The frozen sentence encoder: the values of PyTorch, the cache, and folders that are no encoder.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;
use t2f_text::{Result, SentenceConfig, SentenceEncoder, TextConfig, TextEncoder, Tokenizer};

/// A BERT of 2 layers with random weights and a vocabulary of 22 word pieces, made by the program below, and the
/// embeddings that it printed.
///
/// ```python
/// # torch 2.13.0, transformers, sentence-transformers
/// import json, torch
/// from transformers import BertConfig, BertModel
/// from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
/// torch.manual_seed(0)
/// words = "[PAD] [UNK] [CLS] [SEP] a an old young man woman with red long hair glass ##es beard no smil ##ing , .".split()
/// vocab = {w: i for i, w in enumerate(words)}
/// tok = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
/// tok.normalizer = normalizers.BertNormalizer()
/// tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
/// tok.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", [("[CLS]", 2), ("[SEP]", 3)])
/// tok.save("tokenizer.json")
/// config = BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=12)
/// model = BertModel(config, add_pooling_layer=False).eval()
/// for name, p in model.named_parameters():
///     if "LayerNorm" not in name: torch.nn.init.normal_(p, std=0.7)
/// model.save_pretrained(".")
/// json.dump({"pooling_mode_mean_tokens": True}, open("1_Pooling/config.json", "w"))
/// for text in ["An old man with glasses.", "a smiling woman, no beard", "xyz", "", "a man with red hair, long hair, a beard and glasses and red hair"]:
///     ids = torch.tensor([tok.encode(text).ids[:11] + [3] if len(tok.encode(text).ids) > 12 else tok.encode(text).ids])
///     with torch.no_grad():
///         mean = model(input_ids=ids).last_hidden_state[0].mean(0)
///     e = mean / mean.norm() * 8 ** 0.5
///     print(repr(text), ids.tolist(), [round(float(v), 5) for v in e])
/// ```
const EXPECTED: [(&str, [f32; 8]); 5] = [
    ("An old man with glasses.", [1.66874, -0.46717, 0.12316, -1.90301, 0.51208, 0.60929, -0.80983, 0.26673]),
    (
        "a smiling woman, no beard",
        [1.58833, -0.4083, -0.07738, -1.78758, 0.54956, 1.06217, -0.81649, -0.11031],
    ),
    ("xyz", [1.41868, 0.29051, 0.27181, -1.9761, 0.03401, -0.79164, -0.3353, 1.08803]),
    ("", [1.65342, -0.2677, 0.3776, -2.08182, 0.03746, 0.23493, -0.55154, 0.59765]),
    // Longer than the model's 12 tokens.
    (
        "a man with red hair, long hair, a beard and glasses and red hair",
        [1.87368, 0.38402, -0.09741, -1.76814, -0.01299, -0.21839, -0.83711, 0.67634],
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bert")
}

fn captions() -> Vec<String> {
    EXPECTED.iter().map(|(caption, _)| (*caption).to_owned()).collect()
}

/// A copy of the folder, in which a test damages a file.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("1_Pooling")).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"] {
        fs::copy(folder().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn open(folder: &Path) -> Result<SentenceEncoder> {
    SentenceEncoder::open(folder, &Device::Cpu)
}

#[test]
fn embeddings_are_those_of_pytorch() -> Result<()> {
    let embeddings = open(&folder())?.encode(&captions())?.to_vec2::<f32>()?;
    for ((caption, expected), embedding) in EXPECTED.iter().zip(embeddings) {
        for (got, want) in embedding.iter().zip(expected) {
            assert!((got - want).abs() < 1e-4, "{caption}: {embedding:?}, expected {expected:?}");
        }
    }
    Ok(())
}

#[test]
fn an_embedding_does_not_depend_on_the_other_captions_and_has_no_gradient() -> Result<()> {
    let together = open(&folder())?.encode(&captions())?;
    for (at, caption) in captions().into_iter().enumerate() {
        let alone = open(&folder())?.encode(&[caption])?;
        assert_eq!(alone.to_vec2::<f32>()?[0], together.get(at)?.to_vec1::<f32>()?);
    }
    assert!(!together.track_op());
    Ok(())
}

#[test]
fn poolings_differ_and_an_unknown_one_is_refused() -> Result<()> {
    let copy = copy();
    let mut seen = vec![open(&folder())?.encode(&captions())?.to_vec2::<f32>()?];
    for mode in ["cls_token", "max_tokens"] {
        let text = format!("{{\"pooling_mode_{mode}\": true, \"pooling_mode_mean_tokens\": false}}");
        fs::write(copy.path().join("1_Pooling/config.json"), text).unwrap();
        let embeddings = open(copy.path())?.encode(&captions())?.to_vec2::<f32>()?;
        assert!(!seen.contains(&embeddings), "{mode}");
        seen.push(embeddings);
    }
    for text in ["{}", "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_lasttoken\": true}"] {
        fs::write(copy.path().join("1_Pooling/config.json"), text).unwrap();
        let message = open(copy.path()).unwrap_err().to_string();
        assert!(message.contains("1_Pooling/config.json"), "{message}");
    }
    Ok(())
}

#[test]
fn a_cache_gives_the_same_embeddings_and_outlives_a_truncated_file() -> Result<()> {
    let home = tempfile::tempdir().unwrap();
    let cached = || open(&folder())?.with_cache(home.path().join("embeddings"));
    let expected = open(&folder())?.encode(&captions())?.to_vec2::<f32>()?;
    let encoder = cached()?;
    for _ in 0..2 {
        assert_eq!(encoder.encode(&captions())?.to_vec2::<f32>()?, expected);
    }
    let file = home.path().join("embeddings").join(format!("{}.embeddings", &encoder.hash()[..16]));
    let record = 16 + 4 * 8;
    assert_eq!(fs::read(&file).unwrap().len(), 5 * record);
    // Embeddings are read from the file: a changed one is returned.
    let mut bytes = fs::read(&file).unwrap();
    bytes[16..20].copy_from_slice(&7f32.to_le_bytes());
    bytes.truncate(3 * record - 1);
    fs::write(&file, &bytes).unwrap();
    let again = cached()?.encode(&captions())?.to_vec2::<f32>()?;
    assert_eq!(again[0][0], 7.0);
    assert_eq!(again[1..], expected[1..]);
    assert_eq!(fs::read(&file).unwrap().len(), 5 * record);
    Ok(())
}

#[test]
fn a_folder_that_is_no_encoder_is_refused_with_the_file() {
    let missing = |name: &str| {
        let copy = copy();
        fs::remove_file(copy.path().join(name)).unwrap();
        open(copy.path()).unwrap_err().to_string()
    };
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        assert!(missing(name).contains(name), "{}", missing(name));
    }
    let changed = |from: &str, to: &str| {
        let copy = copy();
        let file = copy.path().join("config.json");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        fs::write(file, text.replace(from, to)).unwrap();
        open(copy.path()).unwrap_err().to_string()
    };
    for (from, to, part) in [
        ("\"bert\"", "\"mpnet\"", "model_type = \"mpnet\", expected \"bert\""),
        ("\"gelu\"", "\"relu\"", "hidden_act"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "num_attention_heads = 3"),
        ("\"hidden_size\": 8", "\"hidden_size\": 16", "model.safetensors"),
    ] {
        let message = changed(from, to);
        assert!(message.contains(part), "{message}");
    }
    let copy = copy();
    fs::write(copy.path().join("model.safetensors"), b"not weights").unwrap();
    assert!(open(copy.path()).unwrap_err().to_string().contains("model.safetensors"));
}

#[test]
fn the_configuration_opens_the_encoder() -> Result<()> {
    let config = TextConfig::Sentence(SentenceConfig { path: folder(), cache: None });
    let tokenizer = Tokenizer::train(["a man"], 1, 100, None)?;
    let parameters = Parameters::drawn(Key::new(0));
    let encoder = config.build(tokenizer, parameters.builder(DType::F32, &Device::Cpu))?;
    assert_eq!(encoder.embedding_size(), 8);
    assert!(parameters.vars().is_empty(), "nothing is trained");
    assert!(encoder.reads_unknown_words() && encoder.unknown_words("xyz")?.is_empty());
    let message = TextConfig::Sentence(SentenceConfig::default()).check().unwrap_err().to_string();
    assert!(message.contains("text.path"), "{message}");
    Ok(())
}
