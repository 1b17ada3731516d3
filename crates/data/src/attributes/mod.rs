//! Attributes of images in the terms of the data set that has them.
//!
//! A [`Schema`] names the attributes and their values, [`Attributes`] hold one [`Observation`] of an
//! image for each attribute, and [`Claims`] hold the assertions of a caption. Attributes and values
//! are positions in the schema; files hold names. [`ClaimedCaptions`] are captions with claims and
//! without images.
//!
//! ```
//! use t2f_data::attributes::{Attribute, Attributes, Claims, Observation, Schema};
//!
//! let schema = Schema::new(vec![
//!     Attribute::new("hair", ["black", "brown", "blond"]),
//!     Attribute::new("glasses", ["false", "true"]),
//! ])?;
//! let face = Attributes::unknown(schema.len()).with(0, Observation::Value(1));
//! let mut claims = Claims::default();
//! claims.add(schema.index("hair").unwrap(), &[0, 1]); // "dark hair"
//! assert!(claims.holds(&face));
//! assert_eq!(face.get(1), Observation::Unknown);
//! # Ok::<(), t2f_data::Error>(())
//! ```

mod claimed;
mod claims;
mod observed;
mod schema;

pub use claimed::{ClaimedCaption, ClaimedCaptions};
pub use claims::{Claim, Claims};
pub use observed::{Attributes, Observation};
pub use schema::{Attribute, MOST_VALUES, NOT_VISIBLE, Schema};
