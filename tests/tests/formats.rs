//! Published data sets of every kind train.

use std::ops::ControlFlow;
use std::path::Path;

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{
    DataConfig, Dataset, FolderConfig, Form, ParquetConfig, Pixels, SplitConfig, WebdatasetConfig, convert,
};
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::trainer::{Event, Trainer};

use crate::tiny;

#[path = "../../crates/data/tests/layouts/mod.rs"]
mod layouts;

/// Trains two steps on a data set.
fn trains(write: impl Fn(&Path) -> DataConfig) {
    trained(write, |_| {});
}

/// Trains two steps on a data set, and gives the trainer to a check.
fn trained(write: impl Fn(&Path) -> DataConfig, check: impl Fn(&Trainer)) {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny::config(&["loader.caption_dropout=0"]);
    config.data = write(home.path());
    let mut trainer = Trainer::create(config, Components::new(), home.path().join("runs")).unwrap();
    let mut steps = 0;
    let mut watch = |event: &Event| {
        steps += usize::from(matches!(event, Event::Stepped { .. }));
        if steps < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    trainer.run(&mut watch).unwrap();
    assert_eq!(steps, 2);
    check(&trainer);
}

#[test]
fn data_sets_with_attributes_train() {
    trains(|root| layouts::celeba(root, 12));
    trains(layouts::dialog);
    trains(layouts::face2text);
    trains(layouts::lfw);
}

#[test]
fn data_sets_with_captions_alone_train() {
    trains(layouts::coco);
    trains(layouts::flickr8k);
}

#[test]
fn a_data_set_without_captions_trains_and_its_model_generates_from_no_caption() {
    trained(layouts::ffhq, |trainer| {
        assert_eq!(trainer.example_caption("a man"), "");
        let model = Model::load(trainer.run_dir().path(), "cpu", &Components::new()).unwrap();
        assert!(model.has_empty_caption());
        assert_eq!(model.generate(&[String::new()], &[0], Sampling::default()).unwrap().len(), 1);
    });
}

#[test]
fn folders_with_the_names_of_labels_train() {
    let faces = ProceduralFaces::new(Split::Train, 0, 24, 16);
    trains(|root| {
        let path = root.join("faces");
        for index in 0..24 {
            let folder = path.join(["smiling", "sad"][index % 2]);
            std::fs::create_dir_all(&folder).unwrap();
            let png = faces.image(index).unwrap().encode_png().unwrap();
            std::fs::write(folder.join(format!("{index}.png")), png).unwrap();
        }
        let config = DataConfig::Folder(FolderConfig { path, ..FolderConfig::default() });
        let splits = config.open(8).unwrap();
        assert_eq!(splits.schema().values(0), ["sad", "smiling"]);
        let example = splits.train.get(0).unwrap();
        assert!(example.captions[0].claims.holds(&example.attributes.unwrap()), "{:?}", example.captions);
        config
    });
}

/// By `augment.adaptive.measure` and `schedule.reference_images`.
#[test]
fn the_number_of_images_sets_length_and_augmentation() {
    let faces = ProceduralFaces::new(Split::Train, 0, 24, 16);
    let home = tempfile::tempdir().unwrap();
    for index in 0..24 {
        let png = faces.image(index).unwrap().encode_png().unwrap();
        std::fs::write(home.path().join(format!("{index}.png")), png).unwrap();
    }
    let settled = |fraction: f64, more: &[&str]| {
        let mut config = tiny::config(&[&["augment.adaptive.measure=held-out"], more].concat());
        let split = SplitConfig { validation_fraction: fraction, test_fraction: 0.0, seed: 0 };
        let folder = FolderConfig { path: home.path().to_owned(), split, ..FolderConfig::default() };
        config.data = DataConfig::Folder(folder);
        let splits = config.data.open(8).unwrap();
        config.settle(&splits).unwrap();
        config
    };
    assert_eq!(settled(0.0, &[]).augment.adaptive, None);
    assert!(settled(0.5, &[]).augment.adaptive.is_some());
    // 400 images are the least, a sixteenth of 6400: half of the length.
    let schedule = settled(0.0, &["schedule.reference_images=6400"]).schedule;
    assert_eq!((schedule.reference_images, schedule.stable_kimg), (None, Some(vec![0.032, 0.024])));
    assert_eq!(schedule.anneal_kimg, 0.02);
    // Lengths that are given later are used as they are.
    let lines = ["schedule.reference_images=6400", "schedule.stable_kimg=[0.064]"];
    assert_eq!(settled(0.0, &lines).schedule.stable_kimg, Some(vec![0.064]));
}

#[test]
fn data_sets_with_a_text_file_for_each_image_train() {
    trains(layouts::mm_celeba_hq);
    trains(layouts::img2dataset);
}

#[test]
fn tars_and_parquet_files_train() {
    let faces = ProceduralFaces::new(Split::Train, 0, 24, 16);
    let write = |root: &Path, form| {
        convert(&[("train", &faces)], root, form, Pixels::Square, |_| {}).unwrap();
        root.to_path_buf()
    };
    trains(|root| {
        let path = write(root, Form::Webdataset { shard_images: 10 });
        DataConfig::Webdataset(WebdatasetConfig { path, ..WebdatasetConfig::default() })
    });
    trains(|root| {
        let path = write(root, Form::Parquet { shard_images: 10 });
        DataConfig::Parquet(ParquetConfig { path, ..ParquetConfig::default() })
    });
}
