//! The lexicon: for each factor, phrases and the values each of them is true of.
//!
//! `{his}` stands for the possessive that fits the rest of the caption.

use super::factors::Factor;

/// Which of the lexicon's phrases a caption may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wording {
    /// The phrases of training and validation.
    Common,
    /// Also the phrases that are kept for the test splits.
    Full,
}

/// Some words and the values they are true of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase {
    pub(super) text: &'static str,
    pub(super) allowed: &'static [&'static str],
    /// Whether the phrase is kept for the test splits.
    pub(super) kept: bool,
}

const fn say(text: &'static str, allowed: &'static [&'static str]) -> Phrase {
    Phrase { text, allowed, kept: false }
}

const fn keep(text: &'static str, allowed: &'static [&'static str]) -> Phrase {
    Phrase { text, allowed, kept: true }
}

/// The phrases of a factor: nouns for sex, adjectives for age and hair, noun phrases for features
/// and clothes, predicates for mouth, gaze, background and light.
pub(super) fn phrases(factor: Factor) -> &'static [Phrase] {
    match factor {
        Factor::Sex => SEX,
        Factor::Age => AGE,
        Factor::Skin => SKIN,
        Factor::Face => FACE,
        Factor::HairColour => HAIR_COLOUR,
        Factor::HairLength => HAIR_LENGTH,
        Factor::HairTexture => HAIR_TEXTURE,
        Factor::Fringe => FRINGE,
        Factor::FacialHair => FACIAL_HAIR,
        Factor::Glasses => GLASSES,
        Factor::Hat => HAT,
        Factor::Mouth => MOUTH,
        Factor::Eyes => EYES,
        Factor::Brows => BROWS,
        Factor::Nose => NOSE,
        Factor::Lips => LIPS,
        Factor::Earrings => EARRINGS,
        Factor::Marks => MARKS,
        Factor::Gaze => GAZE,
        Factor::Clothes => CLOTHES,
        Factor::Background => BACKGROUND,
        Factor::Light => LIGHT,
    }
}

const SEX: &[Phrase] = &[
    say("woman", &["woman"]),
    say("woman", &["woman"]),
    say("lady", &["woman"]),
    say("female", &["woman"]),
    say("girl", &["woman"]),
    keep("gal", &["woman"]),
    say("man", &["man"]),
    say("man", &["man"]),
    say("guy", &["man"]),
    say("male", &["man"]),
    say("gentleman", &["man"]),
    keep("fellow", &["man"]),
];

const AGE: &[Phrase] = &[
    say("young", &["young"]),
    say("young", &["young"]),
    say("youthful", &["young"]),
    say("in {his} twenties", &["young"]),
    say("in {his} late 20s", &["young"]),
    say("about 25 years old", &["young"]),
    say("20-something", &["young"]),
    say("young looking", &["young"]),
    keep("fresh-faced", &["young"]),
    keep("barely out of college", &["young"]),
    say("middle-aged", &["middle"]),
    say("middle aged", &["middle"]),
    say("in {his} forties", &["middle"]),
    say("40ish", &["middle"]),
    say("in {his} mid 40s", &["middle"]),
    say("about 45 years old", &["middle"]),
    keep("forty-something", &["middle"]),
    say("old", &["old"]),
    say("elderly", &["old"]),
    say("older", &["middle", "old"]),
    say("mature", &["middle", "old"]),
    say("in {his} seventies", &["old"]),
    say("around 70", &["old"]),
    say("wrinkled", &["old"]),
    keep("aged", &["old"]),
    keep("in {his} golden years", &["old"]),
];

const SKIN: &[Phrase] = &[
    say("very pale skin", &["pale"]),
    say("a pale complexion", &["pale"]),
    say("light skin", &["pale", "fair"]),
    say("white skin", &["pale", "fair"]),
    say("fair skin", &["fair"]),
    say("a fair complexion", &["fair"]),
    say("olive skin", &["olive"]),
    say("a mediterranean complexion", &["olive"]),
    say("tanned skin", &["tan"]),
    say("a tan", &["tan"]),
    say("brown skin", &["brown"]),
    say("a brown complexion", &["brown"]),
    say("dark skin", &["brown", "dark"]),
    say("a dark complexion", &["dark"]),
    say("very dark skin", &["dark"]),
    keep("porcelain skin", &["pale"]),
    keep("sun-kissed skin", &["tan"]),
    keep("ebony skin", &["dark"]),
];

const FACE: &[Phrase] = &[
    say("a round face", &["round"]),
    say("a chubby face", &["round"]),
    say("chubby cheeks", &["round"]),
    say("an oval face", &["oval"]),
    say("an oval shaped face", &["oval"]),
    say("a square jaw", &["square"]),
    say("a square face", &["square"]),
    say("a strong jawline", &["square"]),
    say("a long face", &["long"]),
    say("a thin, elongated face", &["long"]),
    say("a narrow face", &["long"]),
    keep("a moon face", &["round"]),
    keep("an angular chin", &["square"]),
];

const HAIR_COLOUR: &[Phrase] = &[
    say("black", &["black"]),
    say("black", &["black"]),
    say("jet black", &["black"]),
    say("dark", &["black", "brown"]),
    say("dark coloured", &["black", "brown"]),
    say("brown", &["brown"]),
    say("brown", &["brown"]),
    say("chestnut", &["brown"]),
    say("dark brown", &["brown"]),
    say("brunette", &["brown"]),
    say("blond", &["blond"]),
    say("blonde", &["blond"]),
    say("golden", &["blond"]),
    say("fair", &["blond"]),
    say("light coloured", &["blond", "white"]),
    say("red", &["red"]),
    say("ginger", &["red"]),
    say("reddish", &["red"]),
    say("grey", &["grey"]),
    say("gray", &["grey"]),
    say("greying", &["grey"]),
    say("silver", &["grey", "white"]),
    say("white", &["white"]),
    say("snow white", &["white"]),
    keep("raven", &["black"]),
    keep("mousy", &["brown"]),
    keep("straw-coloured", &["blond"]),
    keep("copper", &["red"]),
    keep("ashen", &["grey"]),
];

const HAIR_LENGTH: &[Phrase] = &[
    say("cropped", &["cropped"]),
    say("very short", &["cropped"]),
    say("buzz-cut", &["cropped"]),
    say("short", &["cropped", "short"]),
    say("short", &["cropped", "short"]),
    say("chin-length", &["bob"]),
    say("medium length", &["bob"]),
    say("bobbed", &["bob"]),
    say("long", &["long"]),
    say("long", &["long"]),
    say("long flowing", &["long"]),
    say("tied-up", &["bun"]),
    say("pulled up", &["bun"]),
    say("tied back", &["bun"]),
    keep("close-cropped", &["cropped"]),
    keep("mid-length", &["bob"]),
    keep("flowing", &["long"]),
    keep("pinned-up", &["bun"]),
];

const HAIR_TEXTURE: &[Phrase] = &[
    say("straight", &["straight"]),
    say("sleek", &["straight"]),
    say("wavy", &["wavy"]),
    say("slightly wavy", &["wavy"]),
    say("curly", &["curly"]),
    say("frizzy", &["curly"]),
    say("very curly", &["curly"]),
    keep("smooth", &["straight"]),
    keep("undulating", &["wavy"]),
    keep("tightly coiled", &["curly"]),
];

const FRINGE: &[Phrase] = &[
    say("a fringe", &["fringe"]),
    say("bangs", &["fringe"]),
    say("a side parting", &["parted"]),
    say("a parting", &["parted"]),
    say("a high forehead", &["back"]),
    say("a high hairline", &["back"]),
    keep("a full forelock", &["fringe"]),
];

const FACIAL_HAIR: &[Phrase] = &[
    say("no beard", &["none"]),
    say("a clean-shaven face", &["none"]),
    say("stubble", &["stubble"]),
    say("an unshaven face", &["stubble"]),
    say("a few days of stubble", &["stubble"]),
    say("some facial hair", &["stubble", "moustache", "goatee", "full"]),
    say("a moustache", &["moustache"]),
    say("a mustache", &["moustache"]),
    say("a goatee", &["goatee"]),
    say("a small chin beard", &["goatee"]),
    say("a beard", &["goatee", "full"]),
    say("a full beard", &["full"]),
    say("a bushy beard", &["full"]),
    say("a beard and moustache", &["full"]),
    keep("five o'clock shadow", &["stubble"]),
    keep("whiskers on {his} upper lip", &["moustache"]),
    keep("a thick growth of beard", &["full"]),
];

const GLASSES: &[Phrase] = &[
    say("no glasses", &["none"]),
    say("glasses", &["round", "square"]),
    say("glasses", &["round", "square"]),
    say("spectacles", &["round", "square"]),
    say("round glasses", &["round"]),
    say("round spectacles", &["round"]),
    say("thick-rimmed glasses", &["square"]),
    say("rectangular glasses", &["square"]),
    say("square glasses", &["square"]),
    say("sunglasses", &["sun"]),
    say("dark glasses", &["sun"]),
    say("shades", &["sun"]),
    keep("eyeglasses", &["round", "square"]),
    keep("tinted lenses", &["sun"]),
];

const HAT: &[Phrase] = &[
    say("a cap", &["cap"]),
    say("a baseball cap", &["cap"]),
    say("a beanie", &["beanie"]),
    say("a woolly hat", &["beanie"]),
    say("a knitted hat", &["beanie"]),
    say("a wide hat", &["brim"]),
    say("a hat with a brim", &["brim"]),
    say("a hat", &["beanie", "brim"]),
    keep("a bobble hat", &["beanie"]),
    keep("a fedora", &["brim"]),
];

const MOUTH: &[Phrase] = &[
    say("looks serious", &["neutral"]),
    say("has a neutral expression", &["neutral"]),
    say("has a straight face", &["neutral"]),
    say("is not smiling", &["neutral", "open", "frown"]),
    say("is smiling", &["smile", "grin"]),
    say("is smiling", &["smile", "grin"]),
    say("has a slight smile", &["smile"]),
    say("smiles gently", &["smile"]),
    say("looks happy", &["smile", "grin"]),
    say("has a big smile", &["grin"]),
    say("is grinning", &["grin"]),
    say("laughs, showing {his} teeth", &["grin"]),
    say("looks surprised", &["open"]),
    say("has {his} mouth open", &["open"]),
    say("looks shocked", &["open"]),
    say("is frowning", &["frown"]),
    say("looks sad", &["frown"]),
    say("looks angry", &["frown"]),
    say("looks unhappy", &["frown"]),
    keep("wears a deadpan look", &["neutral"]),
    keep("beams with joy", &["grin"]),
    keep("gasps in astonishment", &["open"]),
    keep("scowls", &["frown"]),
];

/// The expression as an adjective.
pub(super) const EXPRESSION: &[Phrase] = &[
    say("serious", &["neutral"]),
    say("serious looking", &["neutral"]),
    say("smiling", &["smile", "grin"]),
    say("happy", &["smile", "grin"]),
    say("grinning", &["grin"]),
    say("laughing", &["grin"]),
    say("surprised", &["open"]),
    say("shocked", &["open"]),
    say("unhappy", &["frown"]),
    say("sad", &["frown"]),
    say("grumpy", &["frown"]),
    keep("stern", &["neutral"]),
    keep("gloomy", &["frown"]),
];

const EYES: &[Phrase] = &[
    say("brown eyes", &["brown"]),
    say("dark eyes", &["brown"]),
    say("blue eyes", &["blue"]),
    say("bright blue eyes", &["blue"]),
    say("light eyes", &["blue", "green", "grey"]),
    say("green eyes", &["green"]),
    say("grey eyes", &["grey"]),
    say("gray eyes", &["grey"]),
    keep("hazel-brown eyes", &["brown"]),
    keep("emerald eyes", &["green"]),
];

const BROWS: &[Phrase] = &[
    say("thin eyebrows", &["thin"]),
    say("fine brows", &["thin"]),
    say("thick eyebrows", &["thick"]),
    say("bushy eyebrows", &["thick"]),
    say("heavy brows", &["thick"]),
    say("arched eyebrows", &["arched"]),
    say("raised eyebrows", &["arched"]),
    keep("plucked brows", &["thin"]),
];

const NOSE: &[Phrase] = &[
    say("a small nose", &["small"]),
    say("a little nose", &["small"]),
    say("a button nose", &["small"]),
    say("a medium sized nose", &["medium"]),
    say("an average nose", &["medium"]),
    say("a big nose", &["big"]),
    say("a large nose", &["big"]),
    say("a prominent nose", &["big"]),
    keep("a tiny nose", &["small"]),
    keep("a bulbous nose", &["big"]),
];

const LIPS: &[Phrase] = &[
    say("thin lips", &["thin"]),
    say("narrow lips", &["thin"]),
    say("full lips", &["full"]),
    say("big lips", &["full"]),
    say("plump lips", &["full"]),
    say("red lips", &["red"]),
    say("red lipstick", &["red"]),
    say("bright red lips", &["red"]),
    keep("scarlet lips", &["red"]),
];

const EARRINGS: &[Phrase] = &[
    say("earrings", &["studs", "hoops"]),
    say("small earrings", &["studs"]),
    say("stud earrings", &["studs"]),
    say("hoop earrings", &["hoops"]),
    say("big earrings", &["hoops"]),
    say("large gold earrings", &["hoops"]),
    keep("gold rings in {his} ears", &["hoops"]),
];

const MARKS: &[Phrase] = &[
    say("freckles", &["freckles"]),
    say("a freckled face", &["freckles"]),
    say("rosy cheeks", &["rosy"]),
    say("red cheeks", &["rosy"]),
    say("a mole on {his} cheek", &["mole"]),
    say("a beauty spot", &["mole"]),
    keep("flushed cheeks", &["rosy"]),
    keep("a birthmark on {his} cheek", &["mole"]),
];

const GAZE: &[Phrase] = &[
    say("looks straight at the camera", &["front"]),
    say("faces the camera", &["front"]),
    say("looks to the left", &["left"]),
    say("faces left", &["left"]),
    say("is turned to the left", &["left"]),
    say("looks to the right", &["right"]),
    say("faces right", &["right"]),
    say("is turned to the right", &["right"]),
    keep("glances leftwards", &["left"]),
    keep("glances rightwards", &["right"]),
];

const CLOTHES: &[Phrase] = &[
    say("a suit and tie", &["suit"]),
    say("a dark suit", &["suit"]),
    say("a suit", &["suit"]),
    say("a t-shirt", &["tshirt"]),
    say("a tee shirt", &["tshirt"]),
    say("a turtleneck", &["turtleneck"]),
    say("a polo neck", &["turtleneck"]),
    say("a high collar", &["turtleneck"]),
    say("a v-neck top", &["vneck"]),
    say("a v-neck sweater", &["vneck"]),
    keep("business attire", &["suit"]),
    keep("a rollneck", &["turtleneck"]),
];

const BACKGROUND: &[Phrase] = &[
    say("the background is grey", &["grey"]),
    say("the background is blue", &["blue"]),
    say("the photo has a blue background", &["blue"]),
    say("the background is green", &["green"]),
    say("the background is orange", &["warm"]),
    say("the photo was taken before a tan wall", &["warm"]),
    say("the background is dark", &["dark"]),
    say("the background is black", &["dark"]),
    say("the background is white", &["white"]),
    say("the photo was taken before a white wall", &["white"]),
];

const LIGHT: &[Phrase] = &[
    say("the light is even", &["even"]),
    say("the light comes from the left", &["left"]),
    say("the right side of the picture is in shadow", &["left"]),
    say("the light comes from the right", &["right"]),
    say("the left side of the picture is in shadow", &["right"]),
    say("the light is dim", &["dim"]),
    say("the photo is a bit dark", &["dim"]),
];

/// Remarks about no factor: what people guess from a face.
pub(super) const REMARKS: &[&str] = &[
    "probably a politician",
    "could be a teacher",
    "might work in an office",
    "looks like an actor",
    "looks like somebody famous",
    "seems confident",
    "looks trustworthy",
    "could be a sports coach",
    "reminds me of a neighbour",
    "probably a musician",
    "seems to be at an event",
    "looks like a scientist",
    "could be a news reader",
    "perhaps a lawyer",
    "looks ready for an interview",
    "possibly a writer",
];
