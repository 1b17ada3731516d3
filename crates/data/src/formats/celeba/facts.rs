//! The forty attributes of CelebA.

use std::sync::LazyLock;

use crate::attributes::{Attribute, Schema};

/// The published names, in the published order.
pub(super) const NAMES: [&str; 40] = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let attributes = NAMES.iter().map(|name| Attribute::new(spelled(name), ["false", "true"])).collect();
    Schema::new(attributes).expect("the names are different")
});

/// The schema of CelebA: each attribute is `false` or `true`.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

/// A published name in this project's spelling: small letters, hyphens for spaces and underscores, no
/// apostrophes.
pub(crate) fn spelled(name: &str) -> String {
    let letters = name.trim().chars().filter(|letter| *letter != '\'');
    letters
        .map(|letter| if matches!(letter, '_' | ' ') { '-' } else { letter.to_ascii_lowercase() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_in_small_letters_with_hyphens() {
        assert_eq!(spelled("5_o_Clock_Shadow"), "5-o-clock-shadow");
        assert_eq!(spelled("5 o' Clock Shadow"), "5-o-clock-shadow");
        assert_eq!(spelled(" Strong Nose-Mouth Lines"), "strong-nose-mouth-lines");
        assert_eq!(schema().len(), 40);
        assert_eq!(schema().name(33), "wavy-hair");
        assert_eq!(schema().name(39), "young");
        assert_eq!(schema().values(0), ["false", "true"]);
    }
}
