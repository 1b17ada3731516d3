//! Data sets that wrap another one.

/// The methods of [`Dataset`](crate::Dataset) of a wrapper that answers with those of `self.inner`;
/// `$at` maps an index of the wrapper to one of the inner data set.
macro_rules! forward_dataset {
    ($at:ident) => {
        fn name(&self) -> &str {
            self.inner.name()
        }
        fn resolution(&self) -> usize {
            self.inner.resolution()
        }
        fn schema(&self) -> &$crate::attributes::Schema {
            self.inner.schema()
        }
        fn captions(&self, index: usize) -> $crate::Result<Vec<$crate::Caption>> {
            self.inner.captions(self.$at(index)?)
        }
        fn attributes(&self, index: usize) -> Option<$crate::attributes::Attributes> {
            self.inner.attributes(self.$at(index).ok()?)
        }
        fn has_captions(&self) -> bool {
            self.inner.has_captions()
        }
        fn file_name(&self, index: usize) -> Option<&str> {
            self.inner.file_name(self.$at(index).ok()?)
        }
        fn file(&self, index: usize) -> Option<&std::path::Path> {
            self.inner.file(self.$at(index).ok()?)
        }
        fn encoded(&self, indices: &[usize]) -> $crate::Result<Option<Vec<Vec<u8>>>> {
            let indices: $crate::Result<Vec<usize>> = indices.iter().map(|index| self.$at(*index)).collect();
            self.inner.encoded(&indices?)
        }
        fn group(&self, index: usize) -> Option<&str> {
            self.inner.group(self.$at(index).ok()?)
        }
        fn hard_negative(
            &self,
            index: usize,
            caption: usize,
            key: t2f_ops::rng::Key,
        ) -> $crate::Result<Option<$crate::Caption>> {
            self.inner.hard_negative(self.$at(index)?, caption, key)
        }
        fn edit(
            &self,
            index: usize,
            attribute: usize,
            value: usize,
            key: t2f_ops::rng::Key,
        ) -> $crate::Result<Option<$crate::CaptionEdit>> {
            self.inner.edit(self.$at(index)?, attribute, value, key)
        }
        fn paraphrase(
            &self,
            index: usize,
            key: t2f_ops::rng::Key,
        ) -> $crate::Result<Option<[$crate::Caption; 2]>> {
            self.inner.paraphrase(self.$at(index)?, key)
        }
        fn render(
            &self,
            attributes: &$crate::attributes::Attributes,
            key: t2f_ops::rng::Key,
        ) -> $crate::Result<Option<$crate::Image>> {
            self.inner.render(attributes, key)
        }
        fn dependents(&self, attribute: usize) -> Vec<usize> {
            self.inner.dependents(attribute)
        }
        fn held_out_pairs(&self) -> Vec<[(usize, usize); 2]> {
            self.inner.held_out_pairs()
        }
    };
}

pub(crate) use forward_dataset;
