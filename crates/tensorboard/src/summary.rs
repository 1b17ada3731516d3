//! The values of one step.

use crate::histogram::Histogram;
use crate::message::Message;

/// `DT_FLOAT` and `DT_STRING` of TensorFlow's types.
const FLOAT: u64 = 1;
const STRING: u64 = 7;
/// `DATA_CLASS_TENSOR`.
const TENSOR: u64 = 2;

/// A hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A switch.
    Switch(bool),
    /// A text.
    Text(String),
}

/// Values under their names, the message `Summary`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary(Message);

impl Summary {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    fn value(self, value: &Message) -> Self {
        Self(self.0.message(1, value))
    }

    /// Adds a number, rounded to 32 bits.
    #[must_use]
    pub fn scalar(self, tag: &str, value: f64) -> Self {
        self.value(&Message::default().data(1, tag.as_bytes()).float(2, value as f32))
    }

    /// Adds a picture, as a PNG file of RGB.
    #[must_use]
    pub fn picture(self, tag: &str, (width, height): (usize, usize), png: &[u8]) -> Self {
        let image =
            Message::default().number(1, height as u64).number(2, width as u64).number(3, 3).data(4, png);
        self.value(&Message::default().data(1, tag.as_bytes()).message(4, &image))
    }

    /// Adds a histogram.
    #[must_use]
    pub fn histogram(self, tag: &str, histogram: &Histogram) -> Self {
        self.value(&Message::default().data(1, tag.as_bytes()).message(5, &histogram.message()))
    }

    /// Adds a text, which TensorBoard shows as Markdown.
    #[must_use]
    pub fn text(self, tag: &str, text: &str) -> Self {
        let tensor = Message::default().number(1, STRING).message(2, &shape(1)).data(8, text.as_bytes());
        let plugin = Message::default().data(1, b"text");
        let metadata = Message::default().message(1, &plugin).number(4, TENSOR);
        self.value(&Message::default().data(1, tag.as_bytes()).message(8, &tensor).message(9, &metadata))
    }

    /// Adds the hyperparameters of a run.
    #[must_use]
    pub fn settings<'a>(self, settings: impl IntoIterator<Item = (&'a str, &'a Setting)>) -> Self {
        let mut start = Message::default();
        for (name, setting) in settings {
            let value = match setting {
                Setting::Number(number) => Message::default().double(2, *number),
                Setting::Text(text) => Message::default().data(3, text.as_bytes()),
                Setting::Switch(switch) => Message::default().number(4, u64::from(*switch)),
            };
            start = start.message(1, &Message::default().data(1, name.as_bytes()).message(2, &value));
        }
        let content = Message::default().message(3, &start);
        let plugin = Message::default().data(1, b"hparams").data(2, content.bytes());
        let metadata = Message::default().message(1, &plugin);
        let tensor = Message::default().number(1, FLOAT).message(2, &shape(0));
        let tag = b"_hparams_/session_start_info";
        self.value(&Message::default().data(1, tag).message(8, &tensor).message(9, &metadata))
    }

    /// The message.
    pub(crate) fn message(&self) -> &Message {
        &self.0
    }
}

/// The shape of a list.
fn shape(length: u64) -> Message {
    Message::default().message(2, &Message::default().number(1, length))
}
