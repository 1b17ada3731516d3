//! A made-up data set with a schema of its own: coloured shapes, and generators of them.

use t2f_data::attributes::{Attribute, Attributes, Claims, Observation, Schema};
use t2f_data::{Caption, Dataset, Image, Result};
use t2f_ops::rng::{Key, below};

pub const SIDE: usize = 16;
const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [200, 30, 30]), ("green", [30, 180, 40]), ("blue", [40, 60, 220])];
const SHAPES: [&str; 3] = ["square", "bar", "cross"];
const GROUNDS: [(&str, [u8; 3]); 2] = [("dark", [20, 20, 20]), ("light", [235, 235, 235])];

/// Shapes of a colour on a ground. One image in fifty has luck, which nothing shows; one in nine has
/// an unknown shape.
pub struct Shapes {
    schema: Schema,
    len: usize,
    key: Key,
}

/// The values of colour, shape and ground.
pub type Values = [usize; 3];

impl Shapes {
    pub fn new(purpose: &str, len: usize) -> Self {
        let colours = COLOURS.map(|(name, _)| name);
        let schema = Schema::new(vec![
            Attribute::new("colour", colours),
            Attribute::new("shape", SHAPES),
            Attribute::new("ground", GROUNDS.map(|(name, _)| name)),
            Attribute::new("luck", ["no", "yes"]),
        ]);
        Self { schema: schema.unwrap(), len, key: Key::new(5).child(purpose) }
    }

    pub fn values(&self, index: usize) -> Values {
        let mut stream = self.key.at(index as u64).child("values").rng();
        [COLOURS.len(), SHAPES.len(), GROUNDS.len()].map(|values| below(&mut stream, values))
    }
}

/// An image of the values, at a position drawn from `key`.
pub fn draw([colour, shape, ground]: Values, key: Key) -> Image {
    let mut image = Image::filled(SIDE, SIDE, GROUNDS[ground].1);
    let mut stream = key.rng();
    let (x, y) = (2 + below(&mut stream, 5), 2 + below(&mut stream, 5));
    for (row, column) in (0..7).flat_map(|row| (0..7).map(move |column| (row, column))) {
        let inside = match shape {
            0 => true,
            1 => (2..5).contains(&row),
            _ => row == column || row + column == 6,
        };
        if inside {
            let at = 3 * ((y + row) * SIDE + x + column);
            image.pixels[at..at + 3].copy_from_slice(&COLOURS[colour].1);
        }
    }
    image
}

/// The values of a caption's words.
pub fn read(caption: &str) -> Values {
    let has = |word: &str| caption.split(' ').any(|other| other == word);
    let position = |found: Option<usize>| found.expect("a caption names every value");
    [
        position(COLOURS.iter().position(|(name, _)| has(name))),
        position(SHAPES.iter().position(|name| has(name))),
        position(GROUNDS.iter().position(|(name, _)| has(name))),
    ]
}

impl Dataset for Shapes {
    fn name(&self) -> &str {
        "shapes"
    }
    fn len(&self) -> usize {
        self.len
    }
    fn resolution(&self) -> usize {
        SIDE
    }
    fn image(&self, index: usize) -> Result<Image> {
        Ok(draw(self.values(index), self.key.at(index as u64).child("position")))
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        let values = self.values(index);
        let mut claims = Claims::default();
        values.iter().enumerate().for_each(|(attribute, value)| claims.add(attribute, &[*value]));
        let [colour, shape, ground] = [COLOURS[values[0]].0, SHAPES[values[1]], GROUNDS[values[2]].0];
        let texts = [
            format!("a {colour} {shape} on a {ground} ground"),
            format!("on {ground} a {shape} in {colour}"),
        ];
        Ok(texts.map(|text| Caption::new(text, claims.clone())).into())
    }
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        let value = |value: usize| Observation::Value(value as u8);
        let [colour, shape, ground] = self.values(index).map(value);
        let shape = if index % 9 == 8 { Observation::Unknown } else { shape };
        Some(Attributes::new([colour, shape, ground, value(usize::from(index % 50 == 49))]))
    }
}
