//! Published parts.

use super::collection::Collection;
use crate::listing::{Listing, Part, Record};
use crate::notes::Notes;

/// The listing of a collection with its published parts, and with the notes on it. `remark` adds those on
/// the records and their parts.
pub(crate) fn listing_of(
    collection: Collection,
    name: &'static str,
    mut notes: Notes,
    remark: impl FnOnce(&[Record], &mut Notes),
) -> Listing {
    let mut listing = collection.finish(name);
    keep_or_draw(&mut listing.records, &mut notes);
    remark(&listing.records, &mut notes);
    listing.report.notes.extend(notes.lines());
    listing
}

/// Keeps the published parts, unless all images are in one of them: a copy of the first images of a data
/// set, or one file of captions, has no image to validate with. Then the parts are drawn, with a remark.
pub(crate) fn keep_or_draw(records: &mut [Record], notes: &mut Notes) {
    let Some(first) = records.first().and_then(|record| record.part) else { return };
    if records.len() > 1 && records.iter().all(|record| record.part == Some(first)) {
        records.iter_mut().for_each(|record| record.part = None);
        let name = match first {
            Part::Train => "training",
            Part::Val => "validation",
            Part::Test | Part::TestComb => "test",
        };
        notes.add(format!("all images are in the published {name} part: the parts are drawn"), String::new());
    }
}
