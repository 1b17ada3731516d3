//! Published data sets: each layout as its authors publish it, with drawn images.

mod layouts;

use std::fmt::Write as _;

use serde_json::json;
use t2f_data::{
    CelebaConfig, CocoConfig, DataConfig, Dataset, Face2TextConfig, FfhqConfig, Flickr8kConfig, LfwConfig,
    SplitConfig, Splits,
};

use layouts::{CELEBA, celeba, cells, coco, dialog, face2text, ffhq, flickr8k, image, lfw, write};

fn open(config: DataConfig) -> Splits {
    config.open(16).unwrap_or_else(|error| panic!("{error}"))
}

fn reason(config: DataConfig) -> String {
    config.open(16).expect_err("an error").to_string()
}

fn sizes(splits: &Splits) -> [usize; 3] {
    [splits.train.len(), splits.val.len(), splits.test.len()]
}

fn texts(part: &dyn Dataset, index: usize) -> Vec<String> {
    part.captions(index).unwrap().into_iter().map(|caption| caption.text).collect()
}

#[test]
fn celeba_has_its_attributes_its_partition_and_captions_that_are_true() {
    let folder = tempfile::tempdir().unwrap();
    let splits = open(celeba(folder.path(), 12));
    assert_eq!(sizes(&splits), [8, 2, 2]);
    assert_eq!((splits.report.images, splits.report.captions, splits.report.bad.len()), (12, 60, 0));
    let schema = splits.schema();
    let male = schema.index("male").unwrap();
    assert_eq!((schema.len(), schema.values(male)), (40, ["false", "true"].map(String::from).as_slice()));
    assert!(["5-o-clock-shadow", "wavy-hair", "wearing-hat"].iter().all(|name| schema.index(name).is_some()));
    for part in [&splits.train, &splits.val, &splits.test] {
        for index in 0..part.len() {
            let attributes = part.attributes(index).unwrap();
            let number = usize::from(part.image(index).unwrap().pixel(8, 8)[0]);
            assert_eq!(attributes.value(male), Some(number % 2));
            let captions = part.captions(index).unwrap();
            assert_eq!(captions.len(), 5);
            assert!(
                captions
                    .iter()
                    .all(|caption| caption.claims.holds(&attributes) && !caption.claims.is_empty())
            );
        }
    }
    let several = "2 groups have images in several parts";
    assert!(splits.report.notes.iter().any(|note| note.contains(several)), "{:?}", splits.report.notes);
}

#[test]
fn kaggles_form_of_celeba_is_the_same_data_set() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let wanted = open(celeba(one.path(), 12));
    let root = other.path();
    let names: Vec<&str> = CELEBA.split_whitespace().collect();
    for (zero, quote) in [("-1", ""), ("0", "\"")] {
        let mut table = format!("\u{feff}image_id,{}\n", names.join(","));
        let mut partition = String::from("image_id,partition\n");
        for number in 1..=12 {
            let name = format!("{number:06}.jpg");
            let cells: Vec<&str> = cells(number).iter().map(|cell| if *cell { "1" } else { zero }).collect();
            writeln!(table, "{quote}{name}{quote},{}", cells.join(",")).unwrap();
            writeln!(partition, "{name},{}", [0, 0, 0, 0, 1, 2][number % 6]).unwrap();
            write(&root.join("img_align_celeba/img_align_celeba").join(name), image(number));
        }
        write(&root.join("list_attr_celeba.csv"), table);
        write(&root.join("list_eval_partition.csv"), partition);
        let splits = open(DataConfig::Celeba(CelebaConfig { path: root.into(), ..CelebaConfig::default() }));
        assert_eq!(sizes(&splits), sizes(&wanted));
        for (part, wanted) in [(&splits.train, &wanted.train), (&splits.test, &wanted.test)] {
            for index in 0..part.len() {
                assert_eq!(part.get(index).unwrap(), wanted.get(index).unwrap());
            }
        }
    }
}

#[test]
fn a_copy_of_the_first_images_of_celeba_is_split_by_person() {
    let folder = tempfile::tempdir().unwrap();
    let DataConfig::Celeba(mut config) = celeba(folder.path(), 3) else { unreachable!() };
    config.split = SplitConfig { validation_fraction: 0.5, test_fraction: 0.0, seed: 0 };
    let splits = open(DataConfig::Celeba(config.clone()));
    // The three images show one person.
    assert!(sizes(&splits).contains(&3), "{:?}", sizes(&splits));
    let notes = splits.report.notes.join("\n");
    for note in
        ["9 of 12 images with attributes are not there", "the published training part: the parts are drawn"]
    {
        assert!(notes.contains(note), "{notes}");
    }
    config.captions_per_image = 0;
    let splits = open(DataConfig::Celeba(config));
    assert_eq!((splits.report.images, splits.report.captions), (3, 0));
}

#[test]
fn errors_about_celeba_name_the_file_the_line_and_the_column() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let config = celeba(root, 12);
    let table = root.join("Anno/list_attr_celeba.txt");
    let text = std::fs::read_to_string(&table).unwrap();
    write(&table, text.replacen("000002.jpg -1", "000002.jpg 7", 1));
    let found = reason(config.clone());
    assert!(
        found.contains("list_attr_celeba.txt: line 4, column 5_o_Clock_Shadow: 7, expected -1, 0 or 1"),
        "{found}"
    );
    write(&table, text);
    write(&root.join("Eval/list_eval_partition.txt"), "000001.jpg 3\n");
    assert!(
        reason(config.clone())
            .contains("list_eval_partition.txt: line 1: expected the name of an image and 0, 1 or 2")
    );
    std::fs::remove_file(table).unwrap();
    let found = reason(config);
    for part in
        ["no list_attr_celeba.txt or list_attr_celeba.csv", "identity_CelebA.txt", "mmlab.ie.cuhk.edu.hk"]
    {
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn celeba_dialog_has_captions_grades_and_claims() {
    let folder = tempfile::tempdir().unwrap();
    let splits = open(dialog(folder.path()));
    assert_eq!(sizes(&splits).iter().sum::<usize>(), 39);
    let report = &splits.report;
    assert_eq!((report.captions, report.dropped_captions, report.uncaptioned), (39 * 3 - 1, 1, 1));
    let schema = splits.schema();
    assert_eq!(schema.names().collect::<Vec<_>>(), ["bangs", "eyeglasses", "no-beard", "smiling", "young"]);
    assert_eq!(schema.values(0), ["0", "1", "2", "3", "4", "5"]);
    for index in 0..splits.train.len() {
        let (captions, attributes) =
            (splits.train.captions(index).unwrap(), splits.train.attributes(index).unwrap());
        let number: usize =
            captions[0].text.trim_matches(|letter: char| !letter.is_numeric()).parse().unwrap();
        assert_eq!(attributes.value(0), Some(number % 6));
        assert!(captions[0].claims.is_empty());
        assert_eq!(captions[1].claims.about(0).unwrap().allowed, [number % 6]);
    }
}

#[test]
fn the_lists_of_celeba_dialog_are_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let config = dialog(root);
    for (name, range) in [("train", 0..30), ("val", 30..35), ("test", 35..40)] {
        let lines: String = range.map(|number| format!("{number}.jpg 0 0 0 1 2\n")).collect();
        write(&root.join(format!("{name}_attr_list.txt")), lines);
    }
    assert_eq!(sizes(&open(config.clone())), [29, 5, 5]);
    let table = root.join("classification_label/combined_annotation_hq.txt");
    write(&table, "img_name Bangs Smiling\n0.jpg 6 0\n");
    assert!(reason(config.clone()).contains("line 2, column Bangs: 6, expected a grade from 0 to 5"));
    std::fs::remove_file(root.join("text/captions_hq.json")).unwrap();
    assert!(reason(config).contains("github.com/ziqihuangg/CelebA-Dialog"));
}

#[test]
fn face2text_has_its_three_parts_and_the_attributes_of_celeba() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    face2text(root);
    let config = |captions: &str| {
        let captions = root.join(captions);
        DataConfig::Face2Text(Face2TextConfig { images: root.into(), captions, ..Face2TextConfig::default() })
    };
    let splits = open(config("texts"));
    assert_eq!(sizes(&splits), [6, 2, 1]);
    assert_eq!(texts(splits.test.as_ref(), 0), ["A person.", "Smiling."]);
    assert_eq!((splits.schema().len(), splits.report.uncaptioned), (40, 3));
    let male = splits.schema().index("male").unwrap();
    assert_eq!(splits.test.attributes(0).unwrap().value(male), Some(1));
    assert_eq!(open(config("texts/raw_2.1.json")).report.images, 2);
    assert!(reason(config("Anno")).contains("neither clean_*.json nor raw*.json in it; Face2Text is given"));
}

#[test]
fn ffhq_has_no_captions_and_its_two_parts() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let config = ffhq(root);
    let splits = open(config.clone());
    assert_eq!((sizes(&splits), splits.report.captions), ([4, 2, 0], 0));
    let entry = |category: &str| json!({"category": category, "image": {"file_path": "images1024x1024/…"}});
    write(
        &root.join("ffhq-dataset-v2.json"),
        json!({"0": entry("validation"), "1": entry("training")}).to_string(),
    );
    assert_eq!(sizes(&open(config.clone())), [3, 3, 0]);
    write(&root.join("ffhq-dataset-v2.json"), json!({"0": entry("dream")}).to_string());
    assert!(reason(config).contains("`0` has the category `dream`, expected training or validation"));
    let empty = tempfile::tempdir().unwrap();
    let config = DataConfig::Ffhq(FfhqConfig { path: empty.path().into(), ..FfhqConfig::default() });
    assert!(reason(config).contains("github.com/NVlabs/ffhq-dataset"));
}

#[test]
fn coco_has_a_part_for_each_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    coco(root);
    let config = |captions: &str| {
        let (images, captions) = (root.into(), root.join(captions));
        DataConfig::Coco(CocoConfig { images, captions, ..CocoConfig::default() })
    };
    let splits = open(config("annotations"));
    assert_eq!((sizes(&splits), splits.report.captions), ([6, 3, 0], 18));
    assert_eq!(texts(splits.val.as_ref(), 0), ["A man.", "A man with a hat."]);
    assert!(splits.report.notes[0].contains("(2 rows, the first: "), "{:?}", splits.report.notes);
    let one = open(config("annotations/captions_train2014.json"));
    assert_eq!(one.report.images, 6);
    assert!(one.report.notes.iter().any(|note| note.contains("the parts are drawn")));
    write(&root.join("annotations/captions_val2014.json"), "{\"images\": [],\n \"annotations\": 3}");
    let found = reason(config("annotations"));
    assert!(found.contains("captions_val2014.json") && found.contains("line 2 column"), "{found}");
    assert!(reason(config("train2014")).contains("cocodataset.org"));
}

#[test]
fn flickr8k_has_the_parts_of_its_lists() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    flickr8k(root);
    let config = |captions: &str| {
        let (images, captions) = (root.join("Flicker8k_Dataset"), root.join(captions));
        DataConfig::Flickr8k(Flickr8kConfig { images, captions, ..Flickr8kConfig::default() })
    };
    for captions in ["Flickr8k_text", "Flickr8k_text/Flickr8k.token.txt"] {
        let splits = open(config(captions));
        assert_eq!((sizes(&splits), splits.report.captions), ([6, 2, 3], 55));
        assert_eq!(texts(splits.test.as_ref(), 0)[4], "A girl , 4 times .");
    }
    let splits = open(config("kaggle"));
    assert_eq!((splits.report.images, splits.report.captions), (12, 60));
    assert_eq!(texts(splits.train.as_ref(), 0)[4], "A girl , 4 times .");
}

#[test]
fn lfw_has_attributes_with_or_without_captions() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let DataConfig::Lfw(whole) = lfw(root) else { unreachable!() };
    let mut config = LfwConfig { images: root.into(), ..LfwConfig::default() };
    assert!(reason(DataConfig::Lfw(config.clone())).contains("data.attributes"));
    config.attributes = whole.attributes;
    let bare = open(DataConfig::Lfw(config.clone()));
    config.captions = whole.captions;
    let captioned = open(DataConfig::Lfw(config));
    for (splits, captions) in [(&bare, 0), (&captioned, 40)] {
        assert_eq!((splits.report.images, splits.report.captions, splits.schema().len()), (40, captions, 73));
        let mut people: Vec<Vec<u8>> = Vec::new();
        for part in [&splits.train, &splits.val, &splits.test] {
            let mut here: Vec<u8> =
                (0..part.len()).map(|at| part.image(at).unwrap().pixel(8, 8)[0]).collect();
            for (at, person) in here.iter().enumerate() {
                assert_eq!(part.attributes(at).unwrap().value(0), Some(usize::from(person % 2 == 0)));
            }
            here.dedup();
            people.push(here);
        }
        assert_eq!(people.concat().len(), 20, "nobody is in two parts: {people:?}");
    }
}
