//! An encoder of somebody else's, plugged in through the library.

use candle_core::{Device, Tensor};
use candle_nn::{Init, VarBuilder};
use t2f_text::{TextEncoder, Tokenizer};
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::trainer::Trainer;

use crate::tiny::{config, run_to, run_whole};

/// The sum of the vectors of a caption's words, each word's in the row that its letters add up to.
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

#[test]
fn a_foreign_encoder_is_trained_resumed_saved_and_drawn_with() {
    let out = tempfile::tempdir().unwrap();
    let few = config(&["schedule.stable_kimg=[0.016,0]", "schedule.fade_kimg=[0,0.016]"]);
    let mut trainer = Trainer::create_with_text(few, &[], out.path(), &BagOfWords::build).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 3);
    drop(trainer);
    let mut trainer = Trainer::resume_with_text(&run, &BagOfWords::build).unwrap();
    run_whole(&mut trainer);

    let model = Model::load_with_text(&run, "cpu", &BagOfWords::build).unwrap();
    let draw = |caption: &str| model.draw(&[caption.to_owned()], &[1], Sampling::default()).unwrap();
    assert_eq!(draw("a bald man"), draw("a man bald"), "a bag has no order");
    assert_ne!(draw("a bald man"), draw("a young woman"));
    let message = Model::load(&run, "cpu").err().unwrap().to_string();
    assert!(message.contains("text.bag"), "{message}");
}
