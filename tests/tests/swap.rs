//! A custom text encoder: trained, resumed, and recorded by name.

use candle_core::{Device, Tensor};
use candle_nn::{Init, VarBuilder};
use t2f_text::{TextEncoder, Tokenizer};
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::trainer::Trainer;

use crate::tiny::{config, run_to, run_whole};

/// The sum of the word vectors of a caption; the row of a word is the sum of its bytes.
#[derive(Debug)]
struct BagOfWords(Tensor);

const NORMAL: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

impl BagOfWords {
    fn build(_: Tokenizer, vb: VarBuilder) -> t2f_text::Result<Box<dyn TextEncoder>> {
        Ok(Box::new(Self(vb.get_with_hints((97, 10), "bag", NORMAL)?)))
    }
}

impl TextEncoder for BagOfWords {
    fn encode(&self, captions: &[String]) -> t2f_text::Result<Tensor> {
        let row = |word: &str| word.bytes().map(u32::from).sum::<u32>() % 97;
        let one = |caption: &String| {
            let rows: Vec<u32> = caption.split_whitespace().map(row).collect();
            let rows = Tensor::from_slice(&rows, rows.len(), &Device::Cpu)?;
            self.0.index_select(&rows, 0)?.sum_keepdim(0)
        };
        let sums = captions.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::cat(&sums, 0)?.tanh()?)
    }
    fn embedding_size(&self) -> usize {
        10
    }
    fn unknown_words(&self, _: &str) -> t2f_text::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn bag() -> Components {
    Components::new().with_text("bag-of-words", BagOfWords::build)
}

#[test]
fn a_custom_encoder_trains_resumes_saves_and_generates() {
    let out = tempfile::tempdir().unwrap();
    let few = config(&["schedule.stable_kimg=[0.016,0]", "schedule.fade_kimg=[0,0.016]"]);
    let mut trainer = Trainer::create(few, bag(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 3);
    drop(trainer);
    let refused = Trainer::resume(&run, Components::new()).unwrap_err().to_string();
    assert!(refused.contains("`bag-of-words`") && refused.contains("with_text"), "{refused}");
    let mut trainer = Trainer::resume(&run, bag()).unwrap();
    run_whole(&mut trainer);
    assert_eq!(trainer.run_dir().config().unwrap().components.text.as_deref(), Some("bag-of-words"));

    let model = Model::load(&run, "cpu", &bag()).unwrap();
    let generate = |caption: &str| model.generate(&[caption.to_owned()], &[1], Sampling::default()).unwrap();
    assert_eq!(generate("a bald man"), generate("a man bald"), "a bag has no order");
    assert_ne!(generate("a bald man"), generate("a young woman"));
    let message = Model::load(&run, "cpu", &Components::new()).unwrap_err().to_string();
    assert!(message.contains("`bag-of-words`"), "{message}");
    let other = Components::new().with_text("another", BagOfWords::build);
    let message = Model::load(&run, "cpu", &other).unwrap_err().to_string();
    assert!(message.contains("`bag-of-words`") && message.contains("`another`"), "{message}");
}
