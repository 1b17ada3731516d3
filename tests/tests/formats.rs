//! Published data sets of every kind train.

use std::ops::ControlFlow;
use std::path::Path;

use t2f_data::DataConfig;
use t2f_train::components::Components;
use t2f_train::trainer::{Event, Trainer};

use crate::tiny;

#[path = "../../crates/data/tests/layouts/mod.rs"]
mod layouts;

/// Trains two steps on a data set.
fn trains(write: impl Fn(&Path) -> DataConfig) {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny::config(&[]);
    config.data = write(home.path());
    let mut trainer = Trainer::create(config, Components::new(), home.path().join("runs")).unwrap();
    let mut steps = 0;
    let mut watch = |event: &Event| {
        steps += usize::from(matches!(event, Event::Stepped { .. }));
        if steps < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    trainer.run(&mut watch).unwrap();
    assert_eq!(steps, 2);
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
fn a_data_set_without_captions_trains() {
    trains(layouts::ffhq);
}

#[test]
fn data_sets_with_a_text_file_for_each_image_train() {
    trains(layouts::mm_celeba_hq);
    trains(layouts::img2dataset);
}
