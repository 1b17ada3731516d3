//! The named terms that a loss is the sum of.

use candle_core::Tensor;

use crate::error::Result;

/// The named scalar terms of a loss, in a fixed order; the loss is their sum.
#[derive(Clone, Debug, Default)]
pub struct LossTerms(Vec<(String, Tensor)>);

impl LossTerms {
    /// A loss of one term.
    pub fn one(name: impl Into<String>, value: Tensor) -> Self {
        Self(vec![(name.into(), value)])
    }

    /// Adds a term, a scalar.
    pub fn push(&mut self, name: impl Into<String>, value: Tensor) {
        self.0.push((name.into(), value));
    }

    /// Adds all terms of another loss.
    pub fn extend(&mut self, terms: Self) {
        self.0.extend(terms.0);
    }

    /// The terms and their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The term of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The loss: the sum of the terms.
    ///
    /// # Errors
    /// If there is no term, or one is not a scalar.
    pub fn total(&self) -> Result<Tensor> {
        let mut values = self.0.iter().map(|(_, value)| value);
        let first = values.next().ok_or_else(|| candle_core::Error::Msg("a loss without terms".into()))?;
        Ok(values.try_fold(first.clone(), |sum, value| sum.add(value))?)
    }
}
