//! Names, shapes and counts of parameters against T2F's, and shapes of images and scores.

use std::collections::BTreeMap;

use candle_core::DType;
use t2f_gan::{Channels, Compat, GanConfig, Growth, Head, LossConfig, Result};

use crate::tiny;

/// `configs/1.conf` of T2F: 256 pixels, latent 512, embeddings of 512.
fn first() -> GanConfig {
    GanConfig {
        resolution: 256,
        latent_size: 512,
        code_size: 256,
        compressed_size: 128,
        channels: Channels::Halving(512),
        compat: Some(Compat::T2f),
        ..GanConfig::default()
    }
}

/// `configs/2.conf`: 64 pixels, latent 256, InferSent's embeddings of 4096.
fn second() -> GanConfig {
    GanConfig {
        resolution: 64,
        latent_size: 256,
        code_size: 128,
        compressed_size: 32,
        channels: Channels::Halving(256),
        compat: Some(Compat::T2f),
        ..GanConfig::default()
    }
}

fn table(
    config: &GanConfig,
    loss: &LossConfig,
    embedding_size: usize,
) -> Result<BTreeMap<String, Vec<usize>>> {
    let rows = config.parameter_table(loss, embedding_size, &tiny::SIZES)?;
    let names = rows.len();
    let table: BTreeMap<_, _> = rows.into_iter().map(|row| (row.name, row.shape)).collect();
    assert_eq!(table.len(), names, "a name was asked for twice");
    Ok(table)
}

fn count(table: &BTreeMap<String, Vec<usize>>, net: &str) -> usize {
    let of_net = table.iter().filter(|(name, _)| name.starts_with(net));
    of_net.map(|(_, shape)| shape.iter().product::<usize>()).sum()
}

/// T2F's `state_dict` shapes, its (O, I, K, K) read as (K, K, I, O); its first layer, (I, O, 4, 4),
/// as (1, 1, I, 4·4·O).
#[test]
fn parameters_of_t2f_have_its_shapes() -> Result<()> {
    let table = table(&first(), &LossConfig::default(), 512)?;
    let mut expected = vec![
        ("generator.initial_block.conv_1.weight".to_owned(), vec![1, 1, 512, 4 * 4 * 512]),
        ("generator.initial_block.conv_1.bias".to_owned(), vec![512]),
        ("generator.initial_block.conv_2.weight".to_owned(), vec![3, 3, 512, 512]),
        ("generator.initial_block.conv_2.conv_bias".to_owned(), vec![512]),
        ("discriminator.final_block.compressor.weight".to_owned(), vec![1, 1, 512, 128]),
        ("discriminator.final_block.conv_1.weight".to_owned(), vec![3, 3, 513, 512]),
        ("discriminator.final_block.conv_2.weight".to_owned(), vec![1, 1, 640, 512]),
        ("discriminator.final_block.conv_3.weight".to_owned(), vec![4, 4, 512, 512]),
        ("discriminator.final_block.conv_4.weight".to_owned(), vec![1, 1, 512, 1]),
        ("conditioning.transformer.weight".to_owned(), vec![1, 1, 512, 512]),
    ];
    let widths = [512, 512, 512, 512, 256, 128, 64];
    for (level, width) in widths.into_iter().enumerate() {
        expected.push((format!("generator.rgb_converters.{level}.weight"), vec![1, 1, width, 3]));
        expected.push((format!("discriminator.rgb_to_features.{level}.weight"), vec![1, 1, 3, width]));
    }
    for i in 0..6 {
        let (below, width) = (widths[i], widths[i + 1]);
        expected.push((format!("generator.layers.{i}.conv_1.weight"), vec![3, 3, below, width]));
        expected.push((format!("generator.layers.{i}.conv_2.weight"), vec![3, 3, width, width]));
        expected.push((format!("discriminator.layers.{i}.conv_1.weight"), vec![3, 3, width, width]));
        expected.push((format!("discriminator.layers.{i}.conv_2.weight"), vec![3, 3, width, below]));
    }
    for (name, shape) in expected {
        assert_eq!(table.get(&name), Some(&shape), "{name}");
    }
    Ok(())
}

/// 23.05M and 23.45M are the published counts; they come out only with two biases a layer.
#[test]
fn parameter_counts_equal_those_of_t2f() -> Result<()> {
    let compat = table(&first(), &LossConfig::default(), 512)?;
    assert_eq!(count(&compat, "generator."), 23_048_810);
    assert_eq!(count(&compat, "discriminator."), 23_454_786);
    assert_eq!(count(&compat, "conditioning."), 512 * 512 + 2 * 512);

    let ours = table(&GanConfig { compat: None, ..first() }, &LossConfig::default(), 512)?;
    assert_eq!(count(&ours, "generator."), 23_044_309);
    assert_eq!(count(&ours, "discriminator."), 23_446_209);
    Ok(())
}

#[test]
fn parameters_of_the_second_configuration_add_up() -> Result<()> {
    let table = table(&second(), &LossConfig::default(), 4096)?;
    let conv3 = |i: usize, o: usize| 9 * i * o + 2 * o;
    let conv1 = |i: usize, o: usize| i * o + 2 * o;
    let generator = 16 * 256 * 256 + 256 + 7 * conv3(256, 256) // the first block and three levels
        + conv3(256, 128) + conv3(128, 128)
        + 4 * conv1(256, 3) + conv1(128, 3);
    let discriminator = 4 * conv1(3, 256)
        + conv1(3, 128)
        + 6 * conv3(256, 256)
        + conv3(128, 128)
        + conv3(128, 256)
        + conv1(4096, 32)
        + conv3(257, 256)
        + conv1(288, 256)
        + 16 * 256 * 256
        + 2 * 256
        + conv1(256, 1);
    assert_eq!(count(&table, "generator."), generator);
    assert_eq!(count(&table, "discriminator."), discriminator);
    assert_eq!(count(&table, "conditioning."), conv1(4096, 256));
    Ok(())
}

#[test]
fn the_table_lists_the_parameters_that_the_networks_take() -> Result<()> {
    let mut cases = tiny::variants().map(|it| (it, LossConfig::default())).to_vec();
    cases.push((tiny::config(), tiny::with_reconstruction()));
    for prior in [true, false] {
        cases.push((tiny::projection(), tiny::with_heads(prior)));
        cases.push((tiny::compat(), tiny::with_all(prior)));
    }
    for (config, loss) in &cases {
        let nets = tiny::Nets::with_loss(config, loss, DType::F32)?;
        let taken: BTreeMap<_, _> =
            nets.parameters.tensors().into_iter().map(|(name, t)| (name, t.dims().to_vec())).collect();
        assert_eq!(table(config, loss, tiny::EMBEDDING)?, taken);
    }
    Ok(())
}

/// The names and shapes of the files of version 0.1: contrastive heads of size 2, three classes each of two
/// attributes, encoders of one layer of 2 channels at 4x4, noise of size 3.
#[test]
fn parameters_of_the_objectives_keep_their_names() -> Result<()> {
    let networks = |table: &BTreeMap<String, Vec<usize>>| -> Vec<(String, Vec<usize>)> {
        let beside = |name: &str| {
            ["contrast.", "attributes."].iter().any(|part| name.starts_with(&format!("discriminator.{part}")))
                || ["prior.", "encoder."].iter().any(|part| name.starts_with(part))
        };
        table
            .iter()
            .filter(|(name, _)| beside(name))
            .map(|(name, shape)| (name.clone(), shape.clone()))
            .collect()
    };
    let encoder: [(&str, &[usize]); 4] = [
        ("encoder.linear.bias", &[6]),
        ("encoder.linear.weight", &[32, 6]),
        ("encoder.reader.0.mix.bias", &[2]),
        ("encoder.reader.0.mix.weight", &[3, 3, 12, 2]),
    ];
    let image: [(&str, &[usize]); 4] = [
        ("discriminator.attributes.image.bias", &[6]),
        ("discriminator.attributes.image.weight", &[32, 6]),
        ("discriminator.attributes.reader.0.mix.bias", &[2]),
        ("discriminator.attributes.reader.0.mix.weight", &[3, 3, 12, 2]),
    ];
    let text: [(&str, &[usize]); 2] =
        [("discriminator.attributes.text.bias", &[6]), ("discriminator.attributes.text.weight", &[3, 6])];
    let contrast: [(&str, &[usize]); 4] = [
        ("discriminator.contrast.image.bias", &[2]),
        ("discriminator.contrast.image.weight", &[1, 1, 3, 2]),
        ("discriminator.contrast.text.bias", &[2]),
        ("discriminator.contrast.text.weight", &[1, 1, 3, 2]),
    ];
    let prior: [(&str, &[usize]); 4] = [
        ("prior.open.bias", &[6]),
        ("prior.open.weight", &[6, 6]),
        ("prior.said.bias", &[6]),
        ("prior.said.weight", &[3, 6]),
    ];
    let owned = |groups: &[&[(&str, &[usize])]]| -> Vec<(String, Vec<usize>)> {
        groups.concat().into_iter().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect()
    };
    let got = |prior| Ok::<_, t2f_gan::Error>(networks(&table(&tiny::config(), &tiny::with_all(prior), 3)?));
    assert_eq!(got(false)?, owned(&[&image, &text, &contrast, &encoder]));
    assert_eq!(got(true)?, owned(&[&image, &contrast, &encoder, &prior]));
    // The attribute code, of three and two classes, is part of the latent and of the condition.
    let with_code = table(&tiny::config(), &tiny::with_all(true), 3)?;
    assert_eq!(with_code["generator.initial_block.conv_1.weight"], [1, 1, tiny::LATENT + 5, 48]);
    assert_eq!(with_code["discriminator.final_block.compressor.weight"], [1, 1, 3 + 5, 2]);
    Ok(())
}

#[test]
fn every_level_has_its_shapes() -> Result<()> {
    for config in tiny::variants() {
        let nets = tiny::Nets::new(&config, DType::F32)?;
        let size = tiny::LATENT + config.noise_map_size();
        assert_eq!((nets.generator.latent_size(), nets.generator.max_level()), (size, 2));
        for level in 0..=2 {
            for alpha in [0.3, 1.0] {
                let at = Growth { level, alpha };
                let images = nets.generator.forward(&nets.normal("latent", (6, size))?, at)?;
                let r = 4 << level;
                assert_eq!(images.dims(), [6, 3, r, r]);
                let text = nets.normal("text", (6, tiny::EMBEDDING))?;
                assert_eq!(nets.discriminator.forward(&images, &text, at)?.dims(), [6]);
            }
        }
    }
    Ok(())
}

#[test]
fn wrong_sizes_are_errors_that_name_them() -> Result<()> {
    let nets = tiny::Nets::new(&tiny::config(), DType::F32)?;
    let latent = nets.normal("latent", (2, tiny::LATENT))?;
    let images = nets.generator.forward(&latent, Growth::stable(1))?;
    let errors = [
        (nets.generator.forward(&latent, Growth::stable(3)), "level is 3, expected at most 2"),
        (nets.generator.forward(&latent, Growth { level: 1, alpha: 1.5 }), "alpha is 1.5"),
        (nets.generator.forward(&images, Growth::stable(1)), "unexpected rank"),
        (nets.generator.forward(&nets.normal("x", (2, 3))?, Growth::stable(1)), "latent is 3, expected 5"),
        (nets.discriminator.features(&images, Growth::stable(2)), "image size is 8x8, expected 16"),
        (Growth::stable(62).reals(&images), "image size is 8x8"),
        (Growth::stable(64).reals(&images), "image size is 8x8"),
    ];
    for (result, part) in errors {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    Ok(())
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let base = GanConfig::default;
    let wrong = [
        (GanConfig { resolution: 48, ..base() }, "gan.resolution is 48"),
        (GanConfig { resolution: 2, ..base() }, "gan.resolution is 2"),
        (
            GanConfig { code_size: 257, ..base() },
            "gan.code_size is 257, expected 1 to gan.latent_size, which is 256",
        ),
        (
            GanConfig { channels: Channels::List(vec![8; 3]), ..base() },
            "gan.channels is [8, 8, 8], expected 5 numbers",
        ),
        (GanConfig { channels: Channels::Halving(1), ..base() }, "[1, 1, 1, 1, 0]"),
        (GanConfig { residual: true, ..second() }, "gan.residual is true, expected false with gan.compat"),
        (GanConfig { stddev_group: 0, ..base() }, "gan.stddev_group is 0"),
        (
            GanConfig { generator: "dcgan".into(), ..base() },
            "gan.generator is dcgan, expected one of progressive",
        ),
        (
            GanConfig { discriminator: "dcgan".into(), ..base() },
            "gan.discriminator is dcgan, expected one of progressive",
        ),
    ];
    for (config, part) in wrong {
        let message = config.check().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    assert!(base().check().is_ok());
}

#[test]
fn configurations_read_with_our_names_and_those_of_t2f() {
    let read = |text: &str| serde_json::from_str::<GanConfig>(text);
    let ours = read(r#"{"code_size": 64, "compressed_size": 32, "channels": [8, 8, 4], "resolution": 16}"#);
    let theirs =
        read(r#"{"ca_out_size": 64, "compressed_latent_size": 32, "channels": [8, 8, 4], "resolution": 16}"#);
    let ours = ours.unwrap();
    assert_eq!(ours, theirs.unwrap());
    assert_eq!((ours.max_level(), ours.noise_size()), (2, 192));
    let compat = read(r#"{"compat": "t2f", "conditioning": "relu", "head": "projection", "channels": 64}"#);
    assert_eq!(compat.as_ref().unwrap().head, Head::Projection);
    let text = serde_json::to_string(compat.as_ref().unwrap()).unwrap();
    assert_eq!(read(&text).unwrap(), compat.unwrap());
    assert!(read(r#"{"latent": 3}"#).unwrap_err().to_string().contains("latent"));
}
