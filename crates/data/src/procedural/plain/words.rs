//! The lexicon: the phrases of each factor, and the values that each phrase is true of.
//!
//! `{his}` is replaced by the possessive that fits the rest of the caption.

use super::super::factors::Factor;

/// Some words and the values that they are true of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase {
    pub(super) text: &'static str,
    pub(super) allowed: &'static [&'static str],
    /// Whether the phrase occurs in the test splits alone.
    pub(super) held_out: bool,
}

const fn common(text: &'static str, allowed: &'static [&'static str]) -> Phrase {
    Phrase { text, allowed, held_out: false }
}

const fn held_out(text: &'static str, allowed: &'static [&'static str]) -> Phrase {
    Phrase { text, allowed, held_out: true }
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
    common("woman", &["woman"]),
    common("woman", &["woman"]),
    common("lady", &["woman"]),
    common("female", &["woman"]),
    common("girl", &["woman"]),
    held_out("gal", &["woman"]),
    common("man", &["man"]),
    common("man", &["man"]),
    common("guy", &["man"]),
    common("male", &["man"]),
    common("gentleman", &["man"]),
    held_out("fellow", &["man"]),
];

const AGE: &[Phrase] = &[
    common("young", &["young"]),
    common("young", &["young"]),
    common("youthful", &["young"]),
    common("in {his} twenties", &["young"]),
    common("in {his} late 20s", &["young"]),
    common("about 25 years old", &["young"]),
    common("20-something", &["young"]),
    common("young looking", &["young"]),
    held_out("fresh-faced", &["young"]),
    held_out("barely out of college", &["young"]),
    common("middle-aged", &["middle"]),
    common("middle aged", &["middle"]),
    common("in {his} forties", &["middle"]),
    common("40ish", &["middle"]),
    common("in {his} mid 40s", &["middle"]),
    common("about 45 years old", &["middle"]),
    held_out("forty-something", &["middle"]),
    common("old", &["old"]),
    common("elderly", &["old"]),
    common("older", &["middle", "old"]),
    common("mature", &["middle", "old"]),
    common("in {his} seventies", &["old"]),
    common("around 70", &["old"]),
    common("wrinkled", &["old"]),
    held_out("aged", &["old"]),
    held_out("in {his} golden years", &["old"]),
];

const SKIN: &[Phrase] = &[
    common("very pale skin", &["pale"]),
    common("a pale complexion", &["pale"]),
    common("light skin", &["pale", "fair"]),
    common("white skin", &["pale", "fair"]),
    common("fair skin", &["fair"]),
    common("a fair complexion", &["fair"]),
    common("olive skin", &["olive"]),
    common("a mediterranean complexion", &["olive"]),
    common("tanned skin", &["tan"]),
    common("a tan", &["tan"]),
    common("brown skin", &["brown"]),
    common("a brown complexion", &["brown"]),
    common("dark skin", &["brown", "dark"]),
    common("a dark complexion", &["dark"]),
    common("very dark skin", &["dark"]),
    held_out("porcelain skin", &["pale"]),
    held_out("sun-kissed skin", &["tan"]),
    held_out("ebony skin", &["dark"]),
];

const FACE: &[Phrase] = &[
    common("a round face", &["round"]),
    common("a chubby face", &["round"]),
    common("chubby cheeks", &["round"]),
    common("an oval face", &["oval"]),
    common("an oval shaped face", &["oval"]),
    common("a square jaw", &["square"]),
    common("a square face", &["square"]),
    common("a strong jawline", &["square"]),
    common("a long face", &["long"]),
    common("a thin, elongated face", &["long"]),
    common("a narrow face", &["long"]),
    held_out("a moon face", &["round"]),
    held_out("an angular chin", &["square"]),
];

const HAIR_COLOUR: &[Phrase] = &[
    common("black", &["black"]),
    common("black", &["black"]),
    common("jet black", &["black"]),
    common("dark", &["black", "brown"]),
    common("dark coloured", &["black", "brown"]),
    common("brown", &["brown"]),
    common("brown", &["brown"]),
    common("chestnut", &["brown"]),
    common("dark brown", &["brown"]),
    common("brunette", &["brown"]),
    common("blond", &["blond"]),
    common("blonde", &["blond"]),
    common("golden", &["blond"]),
    common("fair", &["blond"]),
    common("light coloured", &["blond", "white"]),
    common("red", &["red"]),
    common("ginger", &["red"]),
    common("reddish", &["red"]),
    common("grey", &["grey"]),
    common("gray", &["grey"]),
    common("greying", &["grey"]),
    common("silver", &["grey", "white"]),
    common("white", &["white"]),
    common("snow white", &["white"]),
    held_out("raven", &["black"]),
    held_out("mousy", &["brown"]),
    held_out("straw-coloured", &["blond"]),
    held_out("copper", &["red"]),
    held_out("ashen", &["grey"]),
];

const HAIR_LENGTH: &[Phrase] = &[
    common("cropped", &["cropped"]),
    common("very short", &["cropped"]),
    common("buzz-cut", &["cropped"]),
    common("short", &["cropped", "short"]),
    common("short", &["cropped", "short"]),
    common("chin-length", &["bob"]),
    common("medium length", &["bob"]),
    common("bobbed", &["bob"]),
    common("long", &["long"]),
    common("long", &["long"]),
    common("long flowing", &["long"]),
    common("tied-up", &["bun"]),
    common("pulled up", &["bun"]),
    common("tied back", &["bun"]),
    held_out("close-cropped", &["cropped"]),
    held_out("mid-length", &["bob"]),
    held_out("flowing", &["long"]),
    held_out("pinned-up", &["bun"]),
];

const HAIR_TEXTURE: &[Phrase] = &[
    common("straight", &["straight"]),
    common("sleek", &["straight"]),
    common("wavy", &["wavy"]),
    common("slightly wavy", &["wavy"]),
    common("curly", &["curly"]),
    common("frizzy", &["curly"]),
    common("very curly", &["curly"]),
    held_out("smooth", &["straight"]),
    held_out("undulating", &["wavy"]),
    held_out("tightly coiled", &["curly"]),
];

const FRINGE: &[Phrase] = &[
    common("a fringe", &["fringe"]),
    common("bangs", &["fringe"]),
    common("a side parting", &["parted"]),
    common("a parting", &["parted"]),
    common("a high forehead", &["back"]),
    common("a high hairline", &["back"]),
    held_out("a full forelock", &["fringe"]),
];

const FACIAL_HAIR: &[Phrase] = &[
    common("no beard", &["none"]),
    common("a clean-shaven face", &["none"]),
    common("stubble", &["stubble"]),
    common("an unshaven face", &["stubble"]),
    common("a few days of stubble", &["stubble"]),
    common("some facial hair", &["stubble", "moustache", "goatee", "full"]),
    common("a moustache", &["moustache"]),
    common("a mustache", &["moustache"]),
    common("a goatee", &["goatee"]),
    common("a small chin beard", &["goatee"]),
    common("a beard", &["goatee", "full"]),
    common("a full beard", &["full"]),
    common("a bushy beard", &["full"]),
    common("a beard and moustache", &["full"]),
    held_out("five o'clock shadow", &["stubble"]),
    held_out("whiskers on {his} upper lip", &["moustache"]),
    held_out("a thick growth of beard", &["full"]),
];

const GLASSES: &[Phrase] = &[
    common("no glasses", &["none"]),
    common("glasses", &["round", "square"]),
    common("glasses", &["round", "square"]),
    common("spectacles", &["round", "square"]),
    common("round glasses", &["round"]),
    common("round spectacles", &["round"]),
    common("thick-rimmed glasses", &["square"]),
    common("rectangular glasses", &["square"]),
    common("square glasses", &["square"]),
    common("sunglasses", &["sun"]),
    common("dark glasses", &["sun"]),
    common("shades", &["sun"]),
    held_out("eyeglasses", &["round", "square"]),
    held_out("tinted lenses", &["sun"]),
];

const HAT: &[Phrase] = &[
    common("a cap", &["cap"]),
    common("a baseball cap", &["cap"]),
    common("a beanie", &["beanie"]),
    common("a woolly hat", &["beanie"]),
    common("a knitted hat", &["beanie"]),
    common("a wide hat", &["brim"]),
    common("a hat with a brim", &["brim"]),
    common("a hat", &["beanie", "brim"]),
    held_out("a bobble hat", &["beanie"]),
    held_out("a fedora", &["brim"]),
];

const MOUTH: &[Phrase] = &[
    common("looks serious", &["neutral"]),
    common("has a neutral expression", &["neutral"]),
    common("has a straight face", &["neutral"]),
    common("is not smiling", &["neutral", "open", "frown"]),
    common("is smiling", &["smile", "grin"]),
    common("is smiling", &["smile", "grin"]),
    common("has a slight smile", &["smile"]),
    common("smiles gently", &["smile"]),
    common("looks happy", &["smile", "grin"]),
    common("has a big smile", &["grin"]),
    common("is grinning", &["grin"]),
    common("laughs, showing {his} teeth", &["grin"]),
    common("looks surprised", &["open"]),
    common("has {his} mouth open", &["open"]),
    common("looks shocked", &["open"]),
    common("is frowning", &["frown"]),
    common("looks sad", &["frown"]),
    common("looks angry", &["frown"]),
    common("looks unhappy", &["frown"]),
    held_out("wears a deadpan look", &["neutral"]),
    held_out("beams with joy", &["grin"]),
    held_out("gasps in astonishment", &["open"]),
    held_out("scowls", &["frown"]),
];

/// The expression as an adjective.
pub(super) const EXPRESSION: &[Phrase] = &[
    common("serious", &["neutral"]),
    common("serious looking", &["neutral"]),
    common("smiling", &["smile", "grin"]),
    common("happy", &["smile", "grin"]),
    common("grinning", &["grin"]),
    common("laughing", &["grin"]),
    common("surprised", &["open"]),
    common("shocked", &["open"]),
    common("unhappy", &["frown"]),
    common("sad", &["frown"]),
    common("grumpy", &["frown"]),
    held_out("stern", &["neutral"]),
    held_out("gloomy", &["frown"]),
];

const EYES: &[Phrase] = &[
    common("brown eyes", &["brown"]),
    common("dark eyes", &["brown"]),
    common("blue eyes", &["blue"]),
    common("bright blue eyes", &["blue"]),
    common("light eyes", &["blue", "green", "grey"]),
    common("green eyes", &["green"]),
    common("grey eyes", &["grey"]),
    common("gray eyes", &["grey"]),
    held_out("hazel-brown eyes", &["brown"]),
    held_out("emerald eyes", &["green"]),
];

const BROWS: &[Phrase] = &[
    common("thin eyebrows", &["thin"]),
    common("fine brows", &["thin"]),
    common("thick eyebrows", &["thick"]),
    common("bushy eyebrows", &["thick"]),
    common("heavy brows", &["thick"]),
    common("arched eyebrows", &["arched"]),
    common("raised eyebrows", &["arched"]),
    held_out("plucked brows", &["thin"]),
];

const NOSE: &[Phrase] = &[
    common("a small nose", &["small"]),
    common("a little nose", &["small"]),
    common("a button nose", &["small"]),
    common("a medium sized nose", &["medium"]),
    common("an average nose", &["medium"]),
    common("a big nose", &["big"]),
    common("a large nose", &["big"]),
    common("a prominent nose", &["big"]),
    held_out("a tiny nose", &["small"]),
    held_out("a bulbous nose", &["big"]),
];

const LIPS: &[Phrase] = &[
    common("thin lips", &["thin"]),
    common("narrow lips", &["thin"]),
    common("full lips", &["full"]),
    common("big lips", &["full"]),
    common("plump lips", &["full"]),
    common("red lips", &["red"]),
    common("red lipstick", &["red"]),
    common("bright red lips", &["red"]),
    held_out("scarlet lips", &["red"]),
];

const EARRINGS: &[Phrase] = &[
    common("earrings", &["studs", "hoops"]),
    common("small earrings", &["studs"]),
    common("stud earrings", &["studs"]),
    common("hoop earrings", &["hoops"]),
    common("big earrings", &["hoops"]),
    common("large gold earrings", &["hoops"]),
    held_out("gold rings in {his} ears", &["hoops"]),
];

const MARKS: &[Phrase] = &[
    common("freckles", &["freckles"]),
    common("a freckled face", &["freckles"]),
    common("rosy cheeks", &["rosy"]),
    common("red cheeks", &["rosy"]),
    common("a mole on {his} cheek", &["mole"]),
    common("a beauty spot", &["mole"]),
    held_out("flushed cheeks", &["rosy"]),
    held_out("a birthmark on {his} cheek", &["mole"]),
];

const GAZE: &[Phrase] = &[
    common("looks straight at the camera", &["front"]),
    common("faces the camera", &["front"]),
    common("looks to the left", &["left"]),
    common("faces left", &["left"]),
    common("is turned to the left", &["left"]),
    common("looks to the right", &["right"]),
    common("faces right", &["right"]),
    common("is turned to the right", &["right"]),
    held_out("glances leftwards", &["left"]),
    held_out("glances rightwards", &["right"]),
];

const CLOTHES: &[Phrase] = &[
    common("a suit and tie", &["suit"]),
    common("a dark suit", &["suit"]),
    common("a suit", &["suit"]),
    common("a t-shirt", &["tshirt"]),
    common("a tee shirt", &["tshirt"]),
    common("a turtleneck", &["turtleneck"]),
    common("a polo neck", &["turtleneck"]),
    common("a high collar", &["turtleneck"]),
    common("a v-neck top", &["vneck"]),
    common("a v-neck sweater", &["vneck"]),
    held_out("business attire", &["suit"]),
    held_out("a rollneck", &["turtleneck"]),
];

const BACKGROUND: &[Phrase] = &[
    common("the background is grey", &["grey"]),
    common("the background is blue", &["blue"]),
    common("the photo has a blue background", &["blue"]),
    common("the background is green", &["green"]),
    common("the background is orange", &["warm"]),
    common("the photo was taken before a tan wall", &["warm"]),
    common("the background is dark", &["dark"]),
    common("the background is black", &["dark"]),
    common("the background is white", &["white"]),
    common("the photo was taken before a white wall", &["white"]),
];

const LIGHT: &[Phrase] = &[
    common("the light is even", &["even"]),
    common("the light comes from the left", &["left"]),
    common("the right side of the picture is in shadow", &["left"]),
    common("the light comes from the right", &["right"]),
    common("the left side of the picture is in shadow", &["right"]),
    common("the light is dim", &["dim"]),
    common("the photo is a bit dark", &["dim"]),
];

/// Remarks about no factor, such as guesses about the person.
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
