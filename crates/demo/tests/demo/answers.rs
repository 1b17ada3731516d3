//! Answers to good requests.

use serde_json::{Value, json};
use t2f_pictures::picture::{from_png, to_png};
use t2f_pictures::provenance::Provenance;
use t2f_train::pipeline::Sampling;

use crate::client::Client;
use crate::running::{Running, model};

const FACES: &str = "/api/v1/faces";

fn decoded(png: &Value) -> Vec<u8> {
    base64::decode(png.as_str().unwrap()).unwrap()
}

fn images(client: &mut Client) -> u64 {
    client.get("/api/v1/status").json()["images"].as_u64().unwrap()
}

#[test]
fn faces_are_the_files_that_the_library_generates() {
    let (running, model) = (Running::start(), model());
    let mut client = Client::new(running.address);
    let request = json!({"captions": ["a bald man", "a woman & a \"zxcvb\""], "seeds": [7, 0, 9007199254740991u64],
                         "truncation": 0.7, "guidance": 1.5});
    let answer = client.post(FACES, &request.to_string());
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let sampling = Sampling { truncation: 0.7, guidance_scale: 1.5 };
    let faces = answer.json()["faces"].as_array().unwrap().clone();
    assert_eq!(faces.len(), 6);
    for (at, face) in faces.iter().enumerate() {
        let caption = request["captions"][at / 3].as_str().unwrap();
        let seed = request["seeds"][at % 3].as_u64().unwrap();
        assert_eq!((face["caption"].as_str(), face["seed"].as_u64()), (Some(caption), Some(seed)));
        let expected = model.generate_explained(&[caption.into()], &[seed], sampling).unwrap().remove(0);
        let origin = Provenance::generated(model.hash(), caption, &seed.to_string()).sampled(0.7, 1.5);
        let file = decoded(&face["png"]);
        assert_eq!(file, to_png(&expected.image, Some(&origin)).unwrap(), "{caption} {seed}");
        let names = expected.attributes.to_names(model.schema()).unwrap();
        assert_eq!(face["attributes"], serde_json::to_value(names).unwrap());
        assert_eq!(client.get(face["url"].as_str().unwrap()).body, file);
    }
}

#[test]
fn equal_requests_have_equal_answers() {
    let running = Running::start();
    let request = r#"{"captions": ["a man"], "seeds": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}"#;
    let mut client = Client::new(running.address);
    let first = client.post(FACES, request);
    assert_eq!(first.status, 200);
    assert_eq!(first.body, client.post(FACES, request).body);
    assert_eq!(first.body, Client::new(running.address).post(FACES, request).body);
    let defaults =
        r#"{"captions": ["a man"], "seeds": [1.0,2,3,4,5,6,7,8,9,1e1], "truncation": 1, "guidance": 1.0}"#;
    assert_eq!(first.body, client.post(FACES, defaults).body);
}

#[test]
fn a_client_that_has_a_file_is_told_so_without_a_generation() {
    let running = Running::start();
    let mut client = Client::new(running.address);
    for path in [
        "/api/v1/face.png?caption=a+man&seed=3",
        "/api/v1/walk.png?from=a+man&to=a+woman&seed=3&frames=4",
        "/api/v1/walk.gif?from=a+man&to=a+woman&seed=3&frames=4",
    ] {
        let first = client.get(path);
        let tag = first.header("etag").to_owned();
        assert!(first.status == 200 && tag.starts_with('"') && tag.len() > 10, "{tag}");
        let before = images(&mut client);
        for given in [tag.clone(), format!("\"other\", W/{tag}"), "*".into()] {
            client.request(&format!("GET {path}"), &format!("If-None-Match: {given}\r\n"), b"");
            let again = client.answer().unwrap();
            assert_eq!((again.status, again.header("etag"), again.body.len()), (304, &*tag, 0), "{given}");
        }
        assert_eq!(images(&mut client), before);
        client.request(&format!("GET {path}"), "If-None-Match: \"other\"\r\n", b"");
        assert_eq!(client.answer().unwrap().body, first.body);
        let other = client.get(&path.replace("seed=3", "seed=4"));
        assert_ne!(other.header("etag"), tag);
    }
}

#[test]
fn the_understanding_of_a_caption_has_its_words_and_its_attributes() {
    let (running, model) = (Running::start(), model());
    let caption = "A bald man, without a Zxcvb’s hat!";
    let request = json!({"captions": [caption, ""]}).to_string();
    let answer = Client::new(running.address).post("/api/v1/understanding", &request).json();
    let of = &answer["captions"][0];
    let pieces = of["pieces"].as_array().unwrap();
    let text = |piece: &Value| piece["text"].as_str().unwrap().to_owned();
    assert_eq!(pieces.iter().map(text).collect::<String>(), caption);
    let unread = pieces.iter().filter(|piece| piece["reading"] == "ignored").map(text).collect::<Vec<_>>();
    assert!(unread.contains(&"Zxcvb’s".into()) && !unread.contains(&"bald".into()), "{unread:?}");
    assert_eq!(
        of["unread_denials"][0],
        json!({"word": "without", "phrase": "without a Zxcvb’s", "known": false})
    );

    let expected = model.understanding(&[caption.into()], Sampling::default()).unwrap().remove(0);
    let attributes = of["attributes"].as_array().unwrap();
    assert_eq!(attributes.len(), model.schema().len());
    for (said, content) in attributes.iter().zip(&expected.content) {
        assert_eq!(said["mentioned"].as_f64().unwrap() as f32, content.mentioned());
        let values = said["values"].as_array().unwrap().iter();
        let values: Vec<f32> = values.map(|of| of["probability"].as_f64().unwrap() as f32).collect();
        assert_eq!(values, content.values);
    }
    assert_eq!(answer["captions"][1]["pieces"], json!([]));
}

#[test]
fn words_after_the_maximum_are_marked() {
    let (running, model) = (Running::start(), model());
    let read = "a ".repeat(model.config().text.max_length());
    let request = json!({"captions": [format!("{read}with a hat")]}).to_string();
    let answer = Client::new(running.address).post("/api/v1/understanding", &request).json();
    let pieces = answer["captions"][0]["pieces"].as_array().unwrap();
    let cut: Vec<&str> = pieces
        .iter()
        .filter(|piece| piece["reading"] == "cut")
        .map(|piece| piece["text"].as_str().unwrap())
        .collect();
    assert_eq!(cut, ["with", "a", "hat"]);
}

#[test]
fn a_walk_leads_from_the_face_of_one_caption_to_that_of_the_other() {
    let (running, model) = (Running::start(), model());
    let mut client = Client::new(running.address);
    let request = json!({"from": "a bald man", "to": "a young woman", "seed": 5, "frames": 6}).to_string();
    let answer = client.post("/api/v1/walk", &request).json();
    let frames: Vec<_> =
        answer["frames"].as_array().unwrap().iter().map(|frame| from_png(&decoded(frame)).unwrap()).collect();
    let captions = ["a bald man".into(), "a young woman".into()];
    let ends = model.generate(&captions, &[5, 5], Sampling::default()).unwrap();
    assert_eq!((frames.len(), &frames[0], &frames[5]), (6, &ends[0], &ends[1]));
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1]), "every frame differs");

    let file = client.get(answer["url"].as_str().unwrap());
    assert_eq!(file.header("content-type"), "image/apng");
    assert_eq!(from_png(&file.body).unwrap(), ends[0], "the first frame");
    let count = file.body.windows(4).filter(|name| name == b"fcTL").count();
    assert_eq!(count, 10, "there and back without the ends twice");
}

#[test]
fn the_facts_are_those_of_the_model() {
    let (running, model) = (Running::start(), model());
    let facts = Client::new(running.address).get("/api/v1/model").json();
    assert_eq!(facts["hash"], model.hash());
    assert_eq!(facts["name"], "tiny");
    assert_eq!(facts["resolution"], 8);
    assert_eq!(facts["attributes"].as_array().unwrap().len(), model.schema().len());
    assert_eq!(facts["words"].as_u64().unwrap() as usize, model.words_known());
    for example in facts["examples"].as_array().unwrap() {
        assert_eq!(model.unknown_words(example.as_str().unwrap()), [""; 0]);
    }
}
