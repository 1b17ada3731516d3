//! Remarks about a data set that do not stop it, each once, with a count and an example.

/// Remarks in the order in which they are first made.
#[derive(Default)]
pub(crate) struct Notes(Vec<(String, usize, String)>);

impl Notes {
    /// Makes a remark about one place, such as a line of a file.
    pub(crate) fn add(&mut self, remark: String, place: String) {
        match self.0.iter_mut().find(|(known, ..)| *known == remark) {
            Some((_, count, _)) => *count += 1,
            None => self.0.push((remark, 1, place)),
        }
    }

    /// Adds the remarks of another list.
    pub(crate) fn append(&mut self, other: Self) {
        for (remark, count, place) in other.0 {
            match self.0.iter_mut().find(|(known, ..)| *known == remark) {
                Some((_, all, _)) => *all += count,
                None => self.0.push((remark, count, place)),
            }
        }
    }

    /// One line for each remark.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(remark, count, place): &(String, usize, String)| match (*count, place.is_empty()) {
            (_, true) => remark.clone(),
            (1, false) => format!("{remark} ({place})"),
            (count, false) => format!("{remark} ({count} rows, the first: {place})"),
        };
        self.0.iter().map(line).collect()
    }
}
