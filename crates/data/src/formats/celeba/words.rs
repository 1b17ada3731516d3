//! The lexicon of the captions of CelebA: phrases, and the attributes that each phrase states.
//!
//! `{he}`, `{his}`, `{is}` and the like agree with the person; `{gray}`, `{moustache}` and the like
//! follow the spelling of a caption. The rates are those at which a caption of medium length mentions
//! an attribute, after the frequencies of Face2Text v0.1 (gender in 83 % of the captions, hair in
//! 67 %, age in 50 %, a smile in 27 %, nose 17 %, eyebrows 15 %).

use super::facts::Fact::{self, *};

/// The place of a phrase in a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// An adjective before the noun, with its rank in the order of adjectives.
    Adjective(u8),
    /// Directly after the noun: *in a hat*.
    Near,
    /// A noun phrase after *with* or *has*.
    With,
    /// A noun phrase after *wearing*.
    Worn,
    /// A verb phrase about the person: *is smiling*.
    Does,
    /// A sentence.
    Says,
    /// At the end of a sentence about the person: *without glasses*.
    After,
    /// An item of a list of traits.
    Item,
}

use Slot::{Adjective, After, Does, Item, Near, Says, With, Worn};

/// Phrases that state the same.
#[derive(Debug)]
pub(super) struct Entry {
    /// What the phrases are about, a set of the constants below; a caption speaks once about each.
    pub(super) about: u32,
    /// What they state.
    pub(super) claims: &'static [(Fact, bool)],
    /// What must also be true for them to be natural.
    pub(super) only_if: &'static [(Fact, bool)],
    /// The rate, or the weight among the absences.
    pub(super) rate: f64,
    pub(super) forms: &'static [(Slot, &'static str)],
}

pub(super) const AGE: u32 = 1;
pub(super) const LOOKS: u32 = 1 << 1;
pub(super) const PHOTO: u32 = 1 << 2;
pub(super) const BUILD: u32 = 1 << 3;
pub(super) const CHIN: u32 = 1 << 4;
pub(super) const GLASSES: u32 = 1 << 5;
pub(super) const HAT: u32 = 1 << 6;
pub(super) const EARRINGS: u32 = 1 << 7;
pub(super) const NECKLACE: u32 = 1 << 8;
pub(super) const TIE: u32 = 1 << 9;
pub(super) const LIPSTICK: u32 = 1 << 10;
pub(super) const MAKEUP: u32 = 1 << 11;
pub(super) const SMILE: u32 = 1 << 12;
pub(super) const MOUTH: u32 = 1 << 13;
pub(super) const BEARD: u32 = 1 << 14;
pub(super) const SIDEBURNS: u32 = 1 << 15;
pub(super) const BROWS: u32 = 1 << 16;
pub(super) const BAGS: u32 = 1 << 17;
pub(super) const EYES: u32 = 1 << 18;
pub(super) const NOSE: u32 = 1 << 19;
pub(super) const LIPS: u32 = 1 << 20;
pub(super) const CHEEKBONES: u32 = 1 << 21;
pub(super) const CHEEKS: u32 = 1 << 22;
pub(super) const FACE: u32 = 1 << 23;
pub(super) const SKIN: u32 = 1 << 24;
pub(super) const HAIR: u32 = 1 << 25;
pub(super) const FRINGE: u32 = 1 << 26;
pub(super) const HAIRLINE: u32 = 1 << 27;

/// An entry without a further condition.
const fn entry(
    about: u32,
    rate: f64,
    claims: &'static [(Fact, bool)],
    forms: &'static [(Slot, &'static str)],
) -> Entry {
    Entry { about, claims, only_if: &[], rate, forms }
}

impl Entry {
    const fn only_if(mut self, facts: &'static [(Fact, bool)]) -> Self {
        self.only_if = facts;
        self
    }
}

const MAN: &[(Fact, bool)] = &[(Male, true)];
const WOMAN: &[(Fact, bool)] = &[(Male, false)];

/// The phrases of all attributes but the sex and hair, the special ones before the general ones.
pub(super) const ENTRIES: &[Entry] = &[
    entry(
        AGE,
        0.25,
        &[(Young, false)],
        &[(Adjective(4), "elderly"), (Adjective(4), "old"), (Adjective(4), "elderly")],
    )
    .only_if(&[(GrayHair, true)]),
    entry(
        AGE,
        0.50,
        &[(Young, true)],
        &[
            (Adjective(4), "young"),
            (Adjective(4), "young"),
            (Adjective(4), "young"),
            (Adjective(4), "young"),
            (Adjective(4), "young"),
            (Adjective(4), "youthful"),
            (Does, "{looks} young"),
            (Item, "young"),
        ],
    ),
    entry(
        AGE,
        0.55,
        &[(Young, false)],
        &[
            (Adjective(4), "middle-aged"),
            (Adjective(4), "older"),
            (Adjective(4), "mature"),
            (Does, "{looks} middle-aged"),
            (Does, "{is} middle-aged"),
            (Item, "middle-aged"),
        ],
    ),
    entry(LOOKS, 0.05, &[(Attractive, true)], &[(Adjective(0), "handsome"), (Item, "handsome")]).only_if(MAN),
    entry(
        LOOKS,
        0.05,
        &[(Attractive, true)],
        &[(Adjective(0), "beautiful"), (Adjective(0), "pretty"), (Item, "pretty")],
    )
    .only_if(WOMAN),
    entry(
        LOOKS,
        0.04,
        &[(Attractive, true)],
        &[
            (Adjective(0), "attractive"),
            (Adjective(0), "good-looking"),
            (Does, "{is} attractive"),
            (Does, "{is} good-looking"),
        ],
    ),
    entry(
        PHOTO,
        0.15,
        &[(Blurry, true)],
        &[
            (Says, "The photo is blurry"),
            (Says, "The picture is out of focus"),
            (Says, "The image is blurred"),
            (Item, "blurry photo"),
            (Item, "out of focus"),
        ],
    ),
    entry(
        BUILD | CHIN,
        0.15,
        &[(Chubby, true), (DoubleChin, true)],
        &[(With, "a chubby face and a double chin")],
    ),
    entry(
        BUILD,
        0.35,
        &[(Chubby, true)],
        &[
            (Adjective(2), "chubby"),
            (Adjective(2), "plump"),
            (Adjective(2), "heavy-set"),
            (With, "a chubby face"),
            (With, "chubby cheeks"),
            (With, "a fleshy face"),
            (Does, "{is} rather chubby"),
            (Says, "{His} face is chubby"),
            (Item, "chubby"),
        ],
    ),
    entry(
        CHIN,
        0.25,
        &[(DoubleChin, true)],
        &[(With, "a double chin"), (With, "a double chin"), (With, "a soft double chin")],
    ),
    entry(
        GLASSES | HAT,
        0.3,
        &[(Eyeglasses, true), (Hat, true)],
        &[(Worn, "glasses and a hat"), (Worn, "a hat and glasses"), (Near, "in a hat and glasses")],
    ),
    entry(
        GLASSES,
        0.8,
        &[(Eyeglasses, true)],
        &[
            (Worn, "glasses"),
            (Worn, "glasses"),
            (Worn, "eyeglasses"),
            (Worn, "a pair of glasses"),
            (Worn, "spectacles"),
            (With, "glasses"),
            (With, "glasses on {his} nose"),
            (Near, "in glasses"),
            (Adjective(3), "bespectacled"),
        ],
    ),
    entry(
        HAT,
        0.75,
        &[(Hat, true)],
        &[
            (Worn, "a hat"),
            (Worn, "a hat"),
            (Worn, "a hat on {his} head"),
            (Worn, "some kind of hat"),
            (Worn, "headgear"),
            (Near, "in a hat"),
            (With, "a hat on {his} head"),
            (Says, "There is a hat on {his} head"),
        ],
    ),
    entry(
        EARRINGS | NECKLACE,
        0.2,
        &[(Earrings, true), (Necklace, true)],
        &[
            (Worn, "earrings and a necklace"),
            (Worn, "a necklace and earrings"),
            (With, "earrings and a necklace"),
        ],
    ),
    entry(
        EARRINGS,
        0.35,
        &[(Earrings, true)],
        &[
            (Worn, "earrings"),
            (Worn, "earrings"),
            (Worn, "a pair of earrings"),
            (With, "earrings"),
            (With, "earrings in {his} ears"),
            (Says, "Earrings hang from {his} ears"),
        ],
    ),
    entry(
        NECKLACE,
        0.3,
        &[(Necklace, true)],
        &[
            (Worn, "a necklace"),
            (Worn, "a necklace"),
            (Worn, "a necklace around {his} neck"),
            (With, "a necklace around {his} neck"),
            (Says, "There is a necklace around {his} neck"),
        ],
    ),
    entry(
        TIE,
        0.4,
        &[(Necktie, true)],
        &[
            (Worn, "a tie"),
            (Worn, "a tie"),
            (Worn, "a necktie"),
            (Near, "in a tie"),
            (Does, "{has} a tie on"),
        ],
    ),
    entry(
        LIPS | LIPSTICK,
        0.06,
        &[(BigLips, true), (Lipstick, true)],
        &[(With, "full painted lips"), (With, "full lips with lipstick on them")],
    ),
    entry(
        MAKEUP | LIPSTICK,
        0.1,
        &[(HeavyMakeup, true), (Lipstick, true)],
        &[(Worn, "heavy {makeup} and lipstick"), (Worn, "lipstick and a lot of {makeup}")],
    )
    .only_if(WOMAN),
    entry(
        LIPSTICK,
        0.2,
        &[(Lipstick, true)],
        &[
            (Worn, "lipstick"),
            (Worn, "lipstick"),
            (With, "lipstick on {his} lips"),
            (With, "painted lips"),
            (Says, "{His} lips are painted"),
        ],
    ),
    entry(
        MAKEUP,
        0.2,
        &[(HeavyMakeup, true)],
        &[
            (Worn, "heavy {makeup}"),
            (Worn, "heavy {makeup}"),
            (Worn, "a lot of {makeup}"),
            (Worn, "thick {makeup}"),
            (With, "heavy {makeup}"),
            (Says, "{His} {makeup} is heavy"),
        ],
    ),
    entry(
        SMILE | MOUTH,
        0.12,
        &[(Smiling, true), (MouthOpen, true)],
        &[
            (Does, "{is} smiling with {his} mouth slightly open"),
            (Does, "{smiles} with parted lips"),
            (With, "an open-mouthed smile"),
            (With, "an open smile"),
            (Item, "smiling with an open mouth"),
        ],
    ),
    entry(
        SMILE | MOUTH,
        0.1,
        &[(Smiling, true), (MouthOpen, false)],
        &[
            (Does, "{is} smiling with {his} mouth closed"),
            (Does, "{smiles} with closed lips"),
            (With, "a closed-mouth smile"),
            (Item, "smiling with a closed mouth"),
        ],
    ),
    entry(
        SMILE,
        0.45,
        &[(Smiling, true)],
        &[
            (Adjective(1), "smiling"),
            (Adjective(1), "smiling"),
            (Does, "{is} smiling"),
            (Does, "{is} smiling"),
            (Does, "{smiles}"),
            (Does, "{has} a smile on {his} face"),
            (With, "a smile on {his} face"),
            (With, "a smile"),
            (Says, "There is a smile on {his} face"),
            (Item, "smiling"),
        ],
    ),
    entry(
        SMILE,
        0.14,
        &[(Smiling, false)],
        &[
            (Adjective(1), "serious"),
            (Adjective(1), "serious-looking"),
            (With, "a serious expression"),
            (With, "a neutral expression"),
            (Does, "{looks} serious"),
            (Does, "{keeps} a straight face"),
            (Says, "{His} expression is neutral"),
            (Item, "neutral expression"),
        ],
    ),
    entry(
        MOUTH,
        0.12,
        &[(MouthOpen, true)],
        &[
            (With, "a slightly open mouth"),
            (With, "parted lips"),
            (After, "with {his} mouth slightly open"),
            (Does, "{has} {his} mouth slightly open"),
            (Says, "{His} mouth is slightly open"),
            (Says, "{His} lips are parted"),
            (Item, "mouth slightly open"),
        ],
    ),
    entry(
        MOUTH,
        0.05,
        &[(MouthOpen, false)],
        &[
            (After, "with {his} mouth closed"),
            (Says, "{His} mouth is closed"),
            (Says, "{His} lips are closed"),
            (Item, "mouth closed"),
        ],
    ),
    entry(
        BEARD,
        0.55,
        &[(Mustache, true), (Goatee, true)],
        &[
            (With, "a {moustache} and a goatee"),
            (With, "a goatee and a {moustache}"),
            (With, "a {moustache} with a goatee"),
        ],
    ),
    entry(
        BEARD,
        0.65,
        &[(Goatee, true)],
        &[
            (With, "a goatee"),
            (With, "a goatee"),
            (With, "a goatee on {his} chin"),
            (With, "a chin beard"),
            (Does, "{has} grown a goatee"),
            (Says, "There is a goatee on {his} chin"),
        ],
    ),
    entry(
        BEARD,
        0.5,
        &[(Mustache, true), (NoBeard, false)],
        &[
            (With, "a beard and a {moustache}"),
            (With, "a {moustache} and a beard"),
            (With, "a {moustache} and beard"),
        ],
    )
    .only_if(&[(Goatee, false), (Shadow, false)]),
    entry(
        BEARD,
        0.65,
        &[(Mustache, true)],
        &[
            (With, "a {moustache}"),
            (With, "a {moustache}"),
            (With, "a {moustache} above {his} lip"),
            (Does, "{has} grown a {moustache}"),
            (Says, "There is a {moustache} on {his} upper lip"),
        ],
    ),
    entry(
        BEARD,
        0.5,
        &[(Shadow, true)],
        &[
            (With, "a five o'clock shadow"),
            (With, "a five o'clock shadow"),
            (With, "a 5 o'clock shadow"),
            (With, "stubble"),
            (With, "stubble on {his} chin"),
            (With, "a stubbly chin"),
            (With, "a day's growth of beard"),
            (Adjective(3), "unshaven"),
            (Says, "{His} chin is stubbly"),
        ],
    )
    .only_if(MAN),
    entry(
        BEARD,
        0.75,
        &[(NoBeard, false)],
        &[
            (With, "a beard"),
            (With, "a beard"),
            (With, "facial hair"),
            (With, "a beard on {his} chin"),
            (Adjective(3), "bearded"),
            (Adjective(3), "bearded"),
            (Does, "{has} grown a beard"),
            (Says, "A beard covers {his} chin"),
            (Item, "beard"),
        ],
    )
    .only_if(&[(Male, true), (Goatee, false), (Shadow, false)]),
    entry(
        SIDEBURNS,
        0.2,
        &[(Sideburns, true)],
        &[
            (With, "sideburns"),
            (With, "sideburns"),
            (With, "side whiskers"),
            (With, "sideburns in front of {his} ears"),
        ],
    )
    .only_if(MAN),
    entry(
        BROWS,
        0.1,
        &[(ArchedEyebrows, true), (BushyEyebrows, true)],
        &[
            (With, "thick arched eyebrows"),
            (With, "bushy, arched eyebrows"),
            (Says, "{His} eyebrows are thick and arched"),
        ],
    ),
    entry(
        BROWS,
        0.14,
        &[(ArchedEyebrows, true)],
        &[
            (With, "arched eyebrows"),
            (With, "arched eyebrows"),
            (With, "arched brows"),
            (With, "curved eyebrows"),
            (Says, "{His} eyebrows are arched"),
        ],
    ),
    entry(
        BROWS,
        0.2,
        &[(BushyEyebrows, true)],
        &[
            (With, "bushy eyebrows"),
            (With, "bushy brows"),
            (With, "thick eyebrows"),
            (With, "heavy eyebrows"),
            (Says, "{His} eyebrows are thick"),
            (Says, "{His} eyebrows are bushy"),
        ],
    ),
    entry(
        BAGS | EYES,
        0.05,
        &[(BagsUnderEyes, true), (NarrowEyes, true)],
        &[(With, "narrow eyes with bags under them")],
    ),
    entry(
        BAGS,
        0.16,
        &[(BagsUnderEyes, true)],
        &[
            (With, "bags under {his} eyes"),
            (With, "bags under {his} eyes"),
            (With, "bags beneath {his} eyes"),
            (With, "puffy bags under {his} eyes"),
            (With, "baggy eyes"),
            (Says, "There are bags under {his} eyes"),
        ],
    ),
    entry(
        EYES,
        0.16,
        &[(NarrowEyes, true)],
        &[
            (With, "narrow eyes"),
            (With, "narrow eyes"),
            (With, "narrowed eyes"),
            (With, "squinting eyes"),
            (Says, "{His} eyes are narrow"),
        ],
    ),
    entry(
        NOSE,
        0.1,
        &[(BigNose, true), (PointyNose, true)],
        &[
            (With, "a big, pointy nose"),
            (With, "a large pointed nose"),
            (Says, "{His} nose is large and pointed"),
        ],
    ),
    entry(
        NOSE,
        0.19,
        &[(BigNose, true)],
        &[
            (With, "a big nose"),
            (With, "a big nose"),
            (With, "a large nose"),
            (With, "a prominent nose"),
            (With, "a broad nose"),
            (Says, "{His} nose is big"),
            (Says, "{His} nose is rather large"),
        ],
    ),
    entry(
        NOSE,
        0.15,
        &[(PointyNose, true)],
        &[
            (With, "a pointy nose"),
            (With, "a pointed nose"),
            (With, "a sharp nose"),
            (Says, "{His} nose is pointed"),
        ],
    ),
    entry(
        LIPS,
        0.15,
        &[(BigLips, true)],
        &[
            (With, "full lips"),
            (With, "full lips"),
            (With, "big lips"),
            (With, "plump lips"),
            (With, "thick lips"),
            (Says, "{His} lips are full"),
        ],
    ),
    entry(
        CHEEKBONES | CHEEKS,
        0.05,
        &[(HighCheekbones, true), (RosyCheeks, true)],
        &[(With, "high cheekbones and rosy cheeks"), (With, "rosy cheeks and high cheekbones")],
    ),
    entry(
        CHEEKBONES,
        0.12,
        &[(HighCheekbones, true)],
        &[
            (With, "high cheekbones"),
            (With, "high cheekbones"),
            (With, "prominent cheekbones"),
            (With, "pronounced cheekbones"),
            (Says, "{His} cheekbones are high"),
        ],
    ),
    entry(
        CHEEKS,
        0.2,
        &[(RosyCheeks, true)],
        &[
            (With, "rosy cheeks"),
            (With, "rosy cheeks"),
            (With, "pink cheeks"),
            (With, "flushed cheeks"),
            (With, "a blush on {his} cheeks"),
            (Adjective(2), "rosy-cheeked"),
            (Says, "{His} cheeks are rosy"),
        ],
    ),
    entry(
        FACE | SKIN,
        0.06,
        &[(OvalFace, true), (PaleSkin, true)],
        &[(With, "a pale oval face"), (Says, "{His} face is oval and pale")],
    ),
    entry(
        FACE,
        0.13,
        &[(OvalFace, true)],
        &[
            (With, "an oval face"),
            (With, "an oval face"),
            (With, "an oval-shaped face"),
            (Says, "{His} face is oval"),
        ],
    ),
    entry(
        SKIN,
        0.25,
        &[(PaleSkin, true)],
        &[
            (With, "pale skin"),
            (With, "pale skin"),
            (With, "a pale complexion"),
            (With, "very light skin"),
            (Adjective(2), "pale"),
            (Adjective(2), "pale-skinned"),
            (Says, "{His} skin is pale"),
        ],
    ),
    entry(
        HAIR | HAIRLINE,
        0.85,
        &[(Bald, true)],
        &[
            (Adjective(3), "bald"),
            (Adjective(3), "bald"),
            (Adjective(3), "bald"),
            (Adjective(3), "bald-headed"),
            (With, "a bald head"),
            (Does, "{is} bald"),
            (Says, "{His} head is bald"),
        ],
    ),
    entry(
        HAIRLINE,
        0.35,
        &[(RecedingHairline, true)],
        &[
            (With, "a receding hairline"),
            (With, "a receding hairline"),
            (With, "a hairline that is receding"),
            (Says, "{His} hairline is receding"),
            (Says, "{His} hair is receding"),
        ],
    )
    .only_if(&[(Bald, false)]),
    entry(FRINGE, 0.2, &[(Bangs, true)], &[(With, "{a-fringe}"), (With, "{a-fringe} over {his} forehead")]),
];

/// The phrases of absences; each caption has at most one of them, by weight.
pub(super) const ABSENCES: &[Entry] = &[
    entry(
        GLASSES,
        3.0,
        &[(Eyeglasses, false)],
        &[
            (With, "no glasses"),
            (Worn, "no glasses"),
            (After, "without glasses"),
            (After, "without any glasses"),
            (Does, "{is} not wearing glasses"),
            (Does, "{is} not wearing any glasses"),
            (Does, "{does} not wear glasses"),
            (Does, "{has} no glasses on"),
            (Says, "There are no glasses on {his} face"),
            (Item, "no glasses"),
            (Item, "without glasses"),
        ],
    ),
    entry(
        HAT,
        1.5,
        &[(Hat, false)],
        &[
            (With, "no hat"),
            (Worn, "no hat"),
            (After, "without a hat"),
            (Does, "{is} not wearing a hat"),
            (Does, "{has} no hat on"),
            (Adjective(3), "hatless"),
            (Item, "no hat"),
        ],
    ),
    entry(
        GLASSES | HAT,
        1.5,
        &[(Eyeglasses, false), (Hat, false)],
        &[
            (With, "neither glasses nor a hat"),
            (With, "no glasses and no hat"),
            (After, "without glasses or a hat"),
            (Does, "{wears} neither a hat nor glasses"),
            (Does, "{is} not wearing a hat or glasses"),
            (Item, "no hat, no glasses"),
        ],
    ),
    entry(
        GLASSES | HAT,
        20.0,
        &[(Hat, true), (Eyeglasses, false)],
        &[(Worn, "a hat but no glasses"), (Near, "in a hat but without glasses")],
    ),
    entry(
        GLASSES | HAT,
        8.0,
        &[(Eyeglasses, true), (Hat, false)],
        &[(Worn, "glasses but no hat"), (With, "glasses but no hat")],
    ),
    entry(
        BEARD,
        3.0,
        &[(NoBeard, true)],
        &[
            (With, "no beard"),
            (After, "without a beard"),
            (Does, "{has} no beard"),
            (Does, "{does} not have a beard"),
            (Does, "{is} not bearded"),
            (Adjective(3), "beardless"),
            (Item, "no beard"),
        ],
    )
    .only_if(MAN),
    entry(
        BEARD,
        5.0,
        &[(NoBeard, true), (Mustache, false), (Goatee, false), (Shadow, false)],
        &[
            (With, "no facial hair"),
            (With, "no facial hair at all"),
            (With, "a clean-shaven face"),
            (After, "without facial hair"),
            (After, "without any facial hair"),
            (Adjective(3), "clean-shaven"),
            (Adjective(3), "clean-shaven"),
            (Does, "{is} clean-shaven"),
            (Does, "{does} not have any facial hair"),
            (Does, "{has} neither a beard nor a {moustache}"),
            (Says, "There is no hair on {his} face"),
            (Item, "clean-shaven"),
            (Item, "no facial hair"),
        ],
    )
    .only_if(MAN),
    entry(
        BEARD,
        20.0,
        &[(Mustache, true), (NoBeard, true)],
        &[(With, "a {moustache} but no beard"), (With, "a {moustache}, but no beard")],
    ),
    entry(
        BEARD,
        20.0,
        &[(NoBeard, false), (Mustache, false)],
        &[(With, "a beard but no {moustache}"), (With, "a beard without a {moustache}")],
    )
    .only_if(&[(Male, true), (Shadow, false), (Goatee, false)]),
    entry(
        SMILE,
        5.0,
        &[(Smiling, false)],
        &[
            (With, "no smile"),
            (With, "no smile on {his} face"),
            (After, "without a smile"),
            (Adjective(1), "unsmiling"),
            (Does, "{is} not smiling"),
            (Does, "{is} not smiling"),
            (Does, "{does} not smile"),
            (Says, "There is no smile on {his} face"),
            (Item, "not smiling"),
            (Item, "no smile"),
        ],
    ),
    entry(
        SMILE | GLASSES,
        1.5,
        &[(Smiling, false), (Eyeglasses, false)],
        &[
            (With, "neither glasses nor a smile"),
            (Does, "{is} neither smiling nor wearing glasses"),
            (Item, "no glasses, no smile"),
        ],
    ),
    entry(
        EARRINGS,
        1.5,
        &[(Earrings, false)],
        &[
            (With, "no earrings"),
            (After, "without earrings"),
            (Does, "{is} not wearing earrings"),
            (Does, "{wears} no earrings"),
            (Item, "no earrings"),
        ],
    )
    .only_if(WOMAN),
    entry(
        EARRINGS | NECKLACE,
        2.5,
        &[(Earrings, false), (Necklace, false)],
        &[
            (Worn, "neither earrings nor a necklace"),
            (Worn, "no {jewellery}"),
            (After, "without {jewellery}"),
            (Does, "{is} not wearing any {jewellery}"),
            (Item, "no {jewellery}"),
        ],
    )
    .only_if(WOMAN),
    entry(
        EARRINGS | NECKLACE,
        4.0,
        &[(Earrings, true), (Necklace, false)],
        &[(Worn, "earrings but no necklace")],
    ),
    entry(
        EARRINGS | NECKLACE,
        4.0,
        &[(Earrings, false), (Necklace, true)],
        &[(Worn, "a necklace but no earrings")],
    ),
    entry(
        LIPSTICK,
        3.0,
        &[(Lipstick, false)],
        &[
            (With, "no lipstick"),
            (Worn, "no lipstick"),
            (After, "without lipstick"),
            (Does, "{is} not wearing lipstick"),
            (Item, "no lipstick"),
        ],
    )
    .only_if(WOMAN),
    entry(
        MAKEUP,
        2.0,
        &[(HeavyMakeup, false)],
        &[
            (Worn, "no heavy {makeup}"),
            (After, "without heavy {makeup}"),
            (Does, "{is} not heavily made up"),
            (Item, "not much {makeup}"),
        ],
    )
    .only_if(WOMAN),
    entry(
        MAKEUP | LIPSTICK,
        3.0,
        &[(Lipstick, true), (HeavyMakeup, false)],
        &[(Worn, "lipstick but not much {makeup}"), (Worn, "lipstick but no heavy {makeup}")],
    ),
    entry(
        TIE,
        1.0,
        &[(Necktie, false)],
        &[
            (After, "without a tie"),
            (Does, "{is} not wearing a tie"),
            (Does, "{wears} no tie"),
            (Item, "no tie"),
        ],
    )
    .only_if(MAN),
    entry(
        FRINGE,
        1.0,
        &[(Bangs, false)],
        &[
            (With, "no {fringe}"),
            (After, "without {a-fringe}"),
            (Does, "{does} not have {a-fringe}"),
            (Item, "no {fringe}"),
        ],
    )
    .only_if(&[(Bald, false), (Male, false), (Hat, false)]),
    entry(
        HAIR | HAIRLINE,
        20.0,
        &[(Bald, true)],
        &[
            (With, "no hair"),
            (With, "no hair on {his} head"),
            (After, "without any hair on {his} head"),
            (Does, "{has} no hair"),
            (Does, "{has} no hair left"),
            (Item, "no hair"),
        ],
    ),
    entry(
        HAIRLINE,
        5.0,
        &[(Bald, false), (RecedingHairline, true)],
        &[(Does, "{is} not bald but {has} a receding hairline"), (Item, "receding hairline, but not bald")],
    ),
    entry(
        AGE,
        1.5,
        &[(Young, false)],
        &[
            (Does, "{is} no longer young"),
            (Does, "{is} not young any more"),
            (Item, "no longer young"),
            (Item, "not young"),
        ],
    ),
    entry(
        AGE,
        0.5,
        &[(Young, true)],
        &[(Does, "{is} not old"), (Does, "{does} not look old"), (Item, "not old")],
    ),
    entry(BUILD, 0.5, &[(Chubby, false)], &[(Does, "{is} not chubby"), (Item, "not chubby")]),
    entry(BAGS, 0.4, &[(BagsUnderEyes, false)], &[(With, "no bags under {his} eyes")])
        .only_if(&[(Young, false)]),
];
