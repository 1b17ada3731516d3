//! The training of the attribute prior as a term of the generator's loss.

use super::attribute_classifier::AttributesConfig;
use super::interface::{GeneratorInputs, Objective, ObjectiveContext};
use crate::error::Result;
use crate::loss::LossTerms;
use crate::prior::AttributePrior;

/// The likelihood of texts and images under the [`AttributePrior`].
///
/// The terms are `text`, the weighted negative log-likelihood of the content of the texts, from which
/// the text encoder learns, and `prior`, that of the attributes that the texts do not mention, with the
/// weighted [`AttributePrior::dependence`].
#[derive(Debug)]
pub struct PriorObjective {
    prior: AttributePrior,
    text_weight: f64,
    dependence: f64,
}

impl PriorObjective {
    /// Shares the parameters `prior.…` with the prior that samples attribute codes.
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn new(config: &AttributesConfig, context: &ObjectiveContext<'_>) -> Result<Self> {
        let vb = context.g.pp("prior");
        let prior = AttributePrior::new(context.attribute_sizes, context.embedding_size, &vb)?;
        Ok(Self { prior, text_weight: config.text_weight, dependence: config.dependence })
    }
}

impl Objective for PriorObjective {
    fn name(&self) -> &str {
        "attribute-prior"
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        let Some(labels) = inputs.labels else { return Ok(LossTerms::default()) };
        let nll = self.prior.nll(inputs.texts, labels)?;
        let mut terms = LossTerms::one("text", nll.text.affine(self.text_weight, 0.0)?);
        let open = match self.dependence {
            0.0 => nll.open,
            weight => nll.open.add(&self.prior.dependence()?.affine(weight, 0.0)?)?,
        };
        terms.push("prior", open);
        Ok(terms)
    }
}
