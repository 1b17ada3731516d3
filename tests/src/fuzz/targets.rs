//! Every parser of untrusted bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use image::ImageEncoder;
use t2f_data::{ClaimedCaptions, DataConfig, FilesConfig, FolderConfig, Image, LfwConfig, procedural};
use t2f_files::disk::OsDisk;
use t2f_files::json_lines;
use t2f_gan::Growth;
use t2f_metrics::oracle::Oracle;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;
use t2f_pictures::picture;
use t2f_text::Tokenizer;
use t2f_train::Error;
use t2f_train::checkpoint::{Checkpoint, Draft};
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::model::{Model, ModelFile, Provenance};
use t2f_train::pipeline::Pipeline;
use t2f_train::trainer::Progress;
use tempfile::TempDir;

use super::{Parse, Target};

/// All targets; a new parser is added here.
pub fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "config",
            seeds: Config::presets()
                .filter_map(|name| Config::preset(name).ok()?.to_toml().ok())
                .map(String::into_bytes)
                .collect(),
            words: &[
                "kind = \"wgan-gp\"",
                "[data]\n",
                "channels = [8, 8]\n",
                "epochs = [1]\n",
                "fade_kimg = [",
                "lr = ",
                "\n",
            ],
            parse: in_file("config.toml", |path| {
                Config::resolve(None, Some(path), &[]).is_ok_and(|config| config.check().is_ok())
            }),
        },
        Target {
            name: "override",
            seeds: seeds(&[
                "seed=7",
                "optimizer.generator.lr=1e-3",
                "loss.adversarial.kind=lsgan",
                "schedule.batch_sizes=[8,4]",
            ]),
            words: &["=", ".", "kind", "data", "gan.", "[", "]", "{", "'"],
            parse: text(|line| {
                Config::resolve(Some("quick"), None, &[line.to_owned()])
                    .is_ok_and(|config| config.check().is_ok())
            }),
        },
        Target {
            name: "face2text",
            seeds: seeds(&[
                r#"[{"img_id":1,"image":"A_B/A_B_0001.bmp","descriptions":[{"desc_id":0,"text":"a man"}]}]"#,
                r#"[{"filename":"A_B_0001.jpg","description":["x","y"]},{"filename":"A_B_0001.jpg","description":null}]"#,
            ]),
            words: &[
                "\"image\":",
                "\"text\":",
                "\"descriptions\":[",
                "{",
                "}",
                "[",
                "]",
                "null",
                "\\u0000",
                "../",
                ".bmp",
            ],
            parse: face2text(),
        },
        Target {
            name: "metadata-jsonl",
            seeds: seeds(&[
                "{\"file_name\":\"a.png\",\"text\":\"a man\"}\n{\"file_name\":\"a.png\",\"captions\":[\"x\",\"y\"]}\n",
                "{\"file_name\":\"a.png\",\"captions\":[\"a bald man\"],\"claims\":[{\"hair length\":[\"bald\"]}],\"attributes\":{\"sex\":\"man\"}}\n",
            ]),
            words: &["\"file_name\":", "\"attributes\":{", "\"claims\":[", "{", "}", "[", "]", "\n", "null"],
            parse: folder("metadata.jsonl"),
        },
        Target {
            name: "metadata-csv",
            seeds: seeds(&[
                "file_name,text\na.png,\"young, tall\"\n",
                "\u{feff}file_name,prompt\r\na.png,old\r\n",
            ]),
            words: &["\"", ",", "\r\n", "file_name", "a.png"],
            parse: folder("metadata.csv"),
        },
        Target {
            name: "image",
            seeds: images(),
            words: &["IHDR", "IDAT", "PLTE", "tRNS", "\u{0}", "JFIF", "Exif"],
            parse: image(),
        },
        Target {
            name: "picture",
            seeds: vec![png(4)],
            words: &["IHDR", "IDAT", "iTXt", "IEND"],
            parse: Box::new(|bytes| picture::from_png(bytes).is_ok()),
        },
        Target {
            name: "model",
            seeds: model().into_iter().collect(),
            words: &[
                "\"shape\":[",
                "\"dtype\":\"F32\"",
                "\"data_offsets\":[0,",
                "__metadata__",
                "\\\"format\\\":2",
            ],
            parse: Box::new(|bytes| {
                Model::from_bytes(&unsealed(bytes), &Device::Cpu, &Components::new()).is_ok()
            }),
        },
        Target {
            name: "oracle",
            seeds: vec![include_bytes!("../../../crates/metrics/assets/oracle-32.safetensors").to_vec()],
            words: &["\"shape\":[", "\"dtype\":\"F16\"", "\"data_offsets\":[0,", "__metadata__"],
            parse: Box::new(|bytes| Oracle::from_bytes(bytes).is_ok()),
        },
        Target {
            name: "manifest",
            seeds: file_of_checkpoint("manifest.json"),
            words: &["\"format\":", "\"files\":{", "../", "\"", "{", "}"],
            parse: in_checkpoint("manifest.json"),
        },
        Target {
            name: "trainer-state",
            seeds: file_of_checkpoint("trainer_state.json"),
            words: &["\"step\":", "\"sums\":{", "{", "}", "-"],
            parse: in_checkpoint("trainer_state.json"),
        },
        Target {
            name: "checkpoint-tensors",
            seeds: file_of_checkpoint("w.safetensors"),
            words: &["\"shape\":[", "\"dtype\":\"F32\"", "\"data_offsets\":[0,", "__metadata__"],
            parse: in_checkpoint("w.safetensors"),
        },
        Target {
            name: "tokenizer",
            seeds: tokenizer()
                .and_then(|tokenizer| tokenizer.to_json().ok())
                .map(String::into_bytes)
                .into_iter()
                .collect(),
            words: &[
                "\"type\":\"WordLevel\"",
                "\"type\":\"BPE\"",
                "\"vocab\":{",
                "\"Regex\":\"(a*)*b\"",
                "\"normalizer\":null",
                "{",
                "}",
                "[",
                "]",
            ],
            parse: text(|json| {
                Tokenizer::from_json(json)
                    .is_ok_and(|tokenizer| tokenizer.encode("a bald man, 20", 8).is_ok())
            }),
        },
        Target {
            name: "caption",
            seeds: seeds(&["a man with a beard.", "🙂 رجل ملتح", "a\u{0}b <pad> café 20"]),
            words: &["<pad>", "<unk>", "\u{feff}", "\u{202e}", "\u{0301}", "  "],
            parse: caption(),
        },
        Target {
            name: "stats",
            seeds: seeds(&["{\"Loss/D/total\":0.5,\"Progress/kimg\":1.0,\"step\":4.0}\n{\"step\":5.0}\n"]),
            words: &["\"check\":", "\"step\":", "{", "}", "\n", "1e400"],
            parse: Box::new(|bytes| json_lines::rows(bytes).1.is_empty()),
        },
        Target {
            name: "claimed-captions",
            seeds: seeds(&[
                "# class, caption, claims\nplain\ta man\tsex=man\n",
                "negation\tno glasses\tglasses=none;hair-colour=red|blond\r\n",
            ]),
            words: &["\t", "|", ";", "=", "\n", "#", "glasses", "none"],
            parse: text(|text| ClaimedCaptions::parse("mine", text, procedural::schema()).is_ok()),
        },
    ]
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A parser of text; invalid UTF-8 is replaced.
fn text(mut parse: impl FnMut(&str) -> bool + 'static) -> Parse {
    Box::new(move |bytes| parse(&String::from_utf8_lossy(bytes)))
}

/// A temporary folder, removed with the target.
fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be created")
}

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a temporary file can be written");
}

/// A parser of a file.
fn in_file(name: &'static str, mut parse: impl FnMut(&Path) -> bool + 'static) -> Parse {
    let home = scratch();
    Box::new(move |bytes| {
        let path = home.path().join(name);
        put(&path, bytes);
        parse(&path)
    })
}

fn png(side: usize) -> Vec<u8> {
    Image::filled(side, side, [200, 100, 50]).encode_png().unwrap_or_default()
}

/// A small JPEG and a small PNG.
fn images() -> Vec<Vec<u8>> {
    let pixels: Vec<u8> = (0..24 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 60);
    let encoded = encoder.write_image(&pixels, 24, 16, image::ExtendedColorType::Rgb8);
    [Some(png(8)), encoded.ok().map(|()| jpeg)].into_iter().flatten().collect()
}

fn folder(name: &'static str) -> Parse {
    let home = scratch();
    put(&home.path().join("a.png"), &png(8));
    let files = FilesConfig { allow_bad: true, ..FilesConfig::default() };
    let config = FolderConfig { path: home.path().into(), files, ..FolderConfig::default() };
    Box::new(move |bytes| {
        put(&home.path().join(name), bytes);
        DataConfig::Folder(config.clone()).open(8).is_ok()
    })
}

fn face2text() -> Parse {
    let home = scratch();
    let people = home.path().join("lfw/A_B");
    fs::create_dir_all(&people).expect("a temporary folder can be created");
    put(&people.join("A_B_0001.jpg"), &png(16));
    let config = LfwConfig {
        images: home.path().into(),
        captions: home.path().join("clean.json"),
        files: FilesConfig { allow_bad: true, ..FilesConfig::default() },
        ..LfwConfig::default()
    };
    Box::new(move |bytes| {
        put(&home.path().join("clean.json"), bytes);
        DataConfig::Lfw(config.clone()).open(8).is_ok()
    })
}

fn image() -> Parse {
    let home = scratch();
    put(&home.path().join("metadata.csv"), b"file_name,text\na.png,a man\n");
    let files = FilesConfig { max_megapixels: 1, ..FilesConfig::default() };
    let config = FolderConfig { path: home.path().into(), files, ..FolderConfig::default() };
    Box::new(move |bytes| {
        put(&home.path().join("a.png"), bytes);
        DataConfig::Folder(config.clone()).open(8).is_ok()
    })
}

fn tokenizer() -> Option<Tokenizer> {
    Tokenizer::train(["a bald man, 20", "a woman with red hair"], 1, 100, None).ok()
}

fn caption() -> Parse {
    let known = tokenizer();
    text(move |caption| {
        known.as_ref().is_some_and(|known| {
            known.encode(caption, 100).is_ok_and(|ids| ids.len() <= 100)
                && known.unknown_words(caption).is_ok()
        })
    })
}

/// The file of a tiny model.
fn model() -> Result<Vec<u8>, Error> {
    let set = |line: &str| line.to_owned();
    let config = Config::resolve(
        Some("quick"),
        None,
        &[
            set("gan.resolution=8"),
            set("gan.channels=[2,2]"),
            set("gan.latent_size=4"),
            set("gan.code_size=2"),
            set("schedule.batch_sizes=[4]"),
            set("schedule.fade_kimg=[0,1]"),
            set("schedule.stable_kimg=[1,1]"),
            set("text.embedding_size=2"),
            set("text.hidden_size=2"),
        ],
    )?;
    let tokenizer = Tokenizer::train(["a man"], 1, 10, None)?;
    let parameters = Parameters::drawn(Key::new(1));
    let schema = procedural::schema();
    let vb = parameters.builder(candle_core::DType::F32, &Device::Cpu);
    Pipeline::new(&config, &Components::new(), &tokenizer, &schema.sizes(), vb)?;
    let file = ModelFile {
        config: &config,
        schema,
        tokenizer: &tokenizer,
        tensors: parameters.tensors(),
        growth: Growth { level: 1, alpha: 1.0 },
        provenance: Provenance { version: "0".into(), data: "none".into(), kimg: 0.0 },
    };
    file.to_bytes()
}

/// The file without its hash, since the hash would refuse every mutation before it is parsed. Spaces
/// replace the hash, so that no length in the file changes.
fn unsealed(bytes: &[u8]) -> Vec<u8> {
    let start = b"\"t2f\":\"";
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(start.len()).position(|window| window == start) {
        let digits = bytes.iter_mut().skip(at + start.len()).take(64);
        digits.take_while(|byte| byte.is_ascii_hexdigit()).for_each(|byte| *byte = b' ');
    }
    bytes
}

fn draft() -> Result<Draft, Error> {
    let mut draft = Draft::new(1, &Progress::default())?;
    let tensor = Tensor::new(&[1f32, 2., 3.], &Device::Cpu)?;
    draft.tensors("w.safetensors", &BTreeMap::from([("w".to_owned(), tensor)]))?;
    Ok(draft)
}

fn committed(home: &Path) -> Option<std::path::PathBuf> {
    draft().ok()?.commit(&OsDisk, home, 1).ok()
}

fn file_of_checkpoint(name: &str) -> Vec<Vec<u8>> {
    let home = scratch();
    committed(home.path()).and_then(|path| fs::read(path.join(name)).ok()).into_iter().collect()
}

/// A checkpoint with the input as one of its files, and the hash of the input in the manifest.
fn in_checkpoint(name: &'static str) -> Parse {
    let home = scratch();
    let path = committed(home.path()).expect("a checkpoint can be written");
    let manifest = fs::read_to_string(path.join("manifest.json")).expect("a checkpoint has a manifest");
    let hash =
        fs::read(path.join(name)).map(|bytes| blake3::hash(&bytes).to_hex().to_string()).unwrap_or_default();
    let checkpoint = path.file_name().unwrap_or_default().to_owned();
    Box::new(move |bytes| {
        let path = home.path().join(&checkpoint);
        put(&path.join(name), bytes);
        if name != "manifest.json" {
            let fitting = manifest.replace(&hash, blake3::hash(bytes).to_hex().as_str());
            put(&path.join("manifest.json"), fitting.as_bytes());
        }
        Checkpoint::open(&path).is_ok_and(|checkpoint| {
            checkpoint.state::<Progress>().is_ok() && checkpoint.tensors("w.safetensors").is_ok()
        })
    })
}
