//! The layouts of published data sets, as their authors publish them, with drawn images.

#![allow(dead_code, reason = "each test crate uses some of them")]

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use t2f_data::{
    CelebaConfig, CelebaDialogConfig, CocoConfig, DataConfig, Face2TextConfig, FfhqConfig, Flickr8kConfig,
    Image, LfwConfig, MmCelebaHqConfig, TextFilesConfig,
};

pub const CELEBA: &str = "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose \
    Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair \
    Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin \
    Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings \
    Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young ";

/// Writes a file and the folders above it.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A drawn image.
pub fn image(number: usize) -> Vec<u8> {
    Image::filled(32, 40, [number as u8, 100, 200]).encode_png().unwrap()
}

/// The attributes of an image of CelebA that the tests make: men have odd numbers, and so on.
pub fn cells(number: usize) -> Vec<bool> {
    let names: Vec<&str> = CELEBA.split_whitespace().collect();
    (0..names.len())
        .map(|at| match names[at] {
            "Male" => number % 2 == 1,
            "Young" | "No_Beard" => true,
            "Bald" | "5_o_Clock_Shadow" | "Goatee" | "Mustache" => false,
            _ => (number * 7 + at * 3).is_multiple_of(5),
        })
        .collect()
}

/// CelebA in the archives' folders: `count` images, 12 rows with CRLF, the published count, partition and
/// identities.
pub fn celeba(root: &Path, count: usize) -> DataConfig {
    let mut table = format!("202599\r\n{CELEBA}\r\n");
    let (mut partition, mut identity) = (String::new(), String::new());
    for number in 1..=12 {
        let name = format!("{number:06}.jpg");
        table += &name;
        for cell in cells(number) {
            table += if cell { "  1" } else { " -1" };
        }
        table += "\r\n";
        writeln!(partition, "{name} {}", [0, 0, 0, 0, 1, 2][number % 6]).unwrap();
        writeln!(identity, "{name} {}", number.div_ceil(3) + 2880).unwrap();
        if number <= count {
            write(&root.join("Img/img_align_celeba").join(name), image(number));
        }
    }
    write(&root.join("Anno/list_attr_celeba.txt"), table);
    write(&root.join("Anno/identity_CelebA.txt"), identity);
    write(&root.join("Eval/list_eval_partition.txt"), partition);
    DataConfig::Celeba(CelebaConfig { path: root.into(), ..CelebaConfig::default() })
}

/// CelebA-Dialog of CelebA-HQ: one entry is missing, one caption is null.
pub fn dialog(root: &Path) -> DataConfig {
    let mut captions = serde_json::Map::new();
    let mut grades = String::from("img_name Bangs Eyeglasses No_Beard Smiling Young\n");
    for number in 0..40 {
        write(&root.join(format!("image/{number}.jpg")), image(number));
        writeln!(grades, "{number}.jpg {} 0 {} 1 2", number % 6, (number + 1) % 6).unwrap();
        let entry = json!({
            "overall_caption": format!("This is caption {number}."),
            "attribute_wise_captions": {
                "Bangs": format!("She has bangs of grade {}.", number % 6),
                "Smiling": if number == 3 { json!(null) } else { json!("She smiles.") },
            },
        });
        if number != 5 {
            captions.insert(format!("{number}.jpg"), entry);
        }
    }
    write(&root.join("text/captions_hq.json"), json!(captions).to_string());
    write(&root.join("classification_label/combined_annotation_hq.txt"), grades);
    DataConfig::CelebaDialog(CelebaDialogConfig { path: root.into(), ..CelebaDialogConfig::default() })
}

/// Face2Text v2.1 over CelebA: nine of twelve images have two descriptions.
pub fn face2text(root: &Path) -> DataConfig {
    celeba(root, 12);
    let entry =
        |number: usize, text: &str| json!({"filename": format!("{number:06}.jpg"), "description": text});
    let parts = [("train", 1..=6), ("dev", 7..=8), ("test", 9..=9)];
    for (name, numbers) in parts {
        let entries: Vec<_> = numbers.flat_map(|n| [entry(n, "A person."), entry(n, "Smiling.")]).collect();
        write(&root.join(format!("texts/clean_{name}_2.1.json")), json!(entries).to_string());
    }
    let raw = json!([{"response_id": 1, "filename": "000001.jpg", "user_id": 2, "description": "A person."},
        {"response_id": 2, "filename": "000004.jpg", "user_id": 2, "description": "A man."}]);
    write(&root.join("texts/raw_2.1.json"), raw.to_string());
    let (images, captions) = (root.into(), root.join("texts"));
    DataConfig::Face2Text(Face2TextConfig { images, captions, ..Face2TextConfig::default() })
}

/// Thumbnails of FFHQ on both sides of the border of its parts.
pub fn ffhq(root: &Path) -> DataConfig {
    for number in [0, 1, 2, 59_999, 60_000, 69_999] {
        let name = format!("thumbnails128x128/{:05}/{number:05}.png", number / 1000 * 1000);
        write(&root.join(name), image(number % 200));
    }
    DataConfig::Ffhq(FfhqConfig { path: root.into(), ..FfhqConfig::default() })
}

/// Both parts of COCO's captions, each with a caption of an image that it does not list.
pub fn coco(root: &Path) -> DataConfig {
    for (part, numbers) in [("train", 9..15), ("val", 42..45)] {
        let (mut images, mut captions) = (Vec::new(), Vec::new());
        for number in numbers {
            let name = format!("COCO_{part}2014_{number:012}.jpg");
            write(&root.join(format!("{part}2014/{name}")), image(number));
            images.push(json!({"license": 5, "file_name": name, "height": 40, "width": 32, "id": number}));
            for text in ["A man.", "A man with a hat. "] {
                captions.push(json!({"image_id": number, "id": number * 10, "caption": text}));
            }
        }
        captions.push(json!({"image_id": 1, "id": 1, "caption": "An image that is not listed."}));
        let file = json!({"info": {"year": 2014}, "images": images, "licenses": [], "annotations": captions});
        write(&root.join(format!("annotations/captions_{part}2014.json")), file.to_string());
    }
    let (images, captions) = (root.into(), root.join("annotations"));
    DataConfig::Coco(CocoConfig { images, captions, ..CocoConfig::default() })
}

/// Flickr8k in its own form, and the table of Kaggle under `kaggle/`.
pub fn flickr8k(root: &Path) -> DataConfig {
    let (mut tokens, mut table) = (String::new(), String::from("image,caption\n"));
    for number in 0..12 {
        let name = format!("{number}_693b08cb0e.jpg");
        write(&root.join("Flicker8k_Dataset").join(&name), image(number));
        for caption in 0..5 {
            writeln!(tokens, "{name}#{caption}\tA girl , {caption} times .").unwrap();
            writeln!(table, "{name},\"A girl , {caption} times .\"").unwrap();
        }
    }
    let list = |numbers: std::ops::Range<usize>| -> String {
        numbers.map(|number| format!("{number}_693b08cb0e.jpg\n")).collect()
    };
    write(&root.join("Flickr8k_text/Flickr8k.token.txt"), tokens);
    write(&root.join("kaggle/captions.txt"), table);
    for (name, numbers) in [("train", 0..6), ("dev", 6..8), ("test", 8..11)] {
        write(&root.join(format!("Flickr8k_text/Flickr_8k.{name}Images.txt")), list(numbers));
    }
    let (images, captions) = (root.join("Flicker8k_Dataset"), root.join("Flickr8k_text"));
    DataConfig::Flickr8k(Flickr8kConfig { images, captions, ..Flickr8kConfig::default() })
}

/// LFW with attributes and captions in the form of Face2Text v0.1: twenty people, two images each.
pub fn lfw(root: &Path) -> DataConfig {
    let mut rows = String::from("# lfw_attributes_v1.0\n");
    let mut captions = Vec::new();
    for person in 0..20 {
        for number in 1..=2 {
            let name = format!("Some_Body_{person}/Some_Body_{person}_{number:04}.jpg");
            write(&root.join("lfw_funneled").join(&name), image(person));
            let scores: Vec<String> =
                (0..73).map(|at| if (person + at) % 2 == 0 { "1.25" } else { "-0.5" }.to_owned()).collect();
            writeln!(rows, "Some Body {person}\t{number}\t{}", scores.join("\t")).unwrap();
            captions
                .push(json!({"image": name.replace("jpg", "bmp"), "descriptions": [{"text": "A person."}]}));
        }
    }
    write(&root.join("lfw_attributes.txt"), rows);
    write(&root.join("clean.json"), json!(captions).to_string());
    let (images, captions) = (root.into(), root.join("clean.json"));
    let attributes = Some(root.join("lfw_attributes.txt"));
    DataConfig::Lfw(LfwConfig { images, captions, attributes, ..LfwConfig::default() })
}

/// MM-CelebA-HQ: twelve images with ten captions each, nine for training and three for tests by pickled lists.
pub fn mm_celeba_hq(root: &Path) -> DataConfig {
    let pickled = |numbers: std::ops::Range<usize>| {
        let names: String = numbers.map(|number| format!("V{number}\na")).collect();
        format!("(lp0\n{names}.")
    };
    for number in 0..12 {
        write(&root.join(format!("image/images/{number}.jpg")), image(number));
        let lines: String = (0..10).map(|line| format!("The person {line} has hair {number}.\n")).collect();
        write(&root.join(format!("text/celeba-caption/{number}.txt")), lines);
    }
    write(&root.join("train/filenames.pickle"), pickled(0..9));
    write(&root.join("test/filenames.pickle"), pickled(9..12));
    DataConfig::MmCelebaHq(MmCelebaHqConfig { path: root.into(), ..MmCelebaHqConfig::default() })
}

/// The files of img2dataset: two shards of eight images.
pub fn img2dataset(root: &Path) -> DataConfig {
    for number in 0..16 {
        let file =
            |end: &str| root.join(format!("{:05}/{:05}{:04}.{end}", number / 8, number / 8, number % 8));
        let caption = format!("a face number {number}");
        write(&file("jpg"), image(number));
        write(&file("txt"), &caption);
        let row = json!({"caption": caption, "url": "https://a.org/b.jpg", "key": "0", "status": "success",
            "error_message": null, "width": 32, "height": 40, "exif": "{}", "sha256": "0"});
        write(&file("json"), row.to_string());
    }
    write(&root.join("00000_stats.json"), json!({"count": 8, "successes": 8}).to_string());
    DataConfig::TextFiles(TextFilesConfig { path: root.into(), ..TextFilesConfig::default() })
}
