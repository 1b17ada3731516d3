//! The metrics of this crate.

use crate::agreement::AttributeAgreement;
use crate::composition::CompositionGap;
use crate::distances::FeatureDistances;
use crate::diversity::AttributeDiversity;
use crate::edits::EditTest;
use crate::error::{Error, Result};
use crate::memorisation::NearestImages;
use crate::metric::Metric;
use crate::ms_ssim::StructuralSimilarity;
use crate::paraphrase::ParaphraseConsistency;
use crate::people::PeoplesCaptions;
use crate::retrieval::RPrecision;
use crate::sliced_wasserstein::SlicedWasserstein;
use crate::stripes::Stripes;

/// All metrics of this crate, in the order of reports. A metric of one's own is pushed to the list.
pub fn all() -> Vec<Box<dyn Metric>> {
    vec![
        Box::new(AttributeAgreement),
        Box::new(CompositionGap),
        Box::new(EditTest),
        Box::new(ParaphraseConsistency),
        Box::new(AttributeDiversity),
        Box::new(PeoplesCaptions::default()),
        Box::new(FeatureDistances),
        Box::new(SlicedWasserstein),
        Box::new(StructuralSimilarity),
        Box::new(Stripes),
        Box::new(NearestImages),
        Box::new(RPrecision::default()),
    ]
}

/// The metrics of `list` whose name or group is among `names`, in the order of `list`.
///
/// # Errors
/// If a name is unknown; the error lists the names.
pub fn select(list: Vec<Box<dyn Metric>>, names: &[&str]) -> Result<Vec<Box<dyn Metric>>> {
    let is = |metric: &dyn Metric, name: &str| metric.name() == name || metric.group() == Some(name);
    if let Some(unknown) = names.iter().find(|name| !list.iter().any(|metric| is(metric.as_ref(), name))) {
        let known = list.iter().map(|metric| metric.name()).collect::<Vec<_>>().join(", ");
        return Err(Error::Config(format!("unknown metric `{unknown}`, expected one of {known}")));
    }
    Ok(list.into_iter().filter(|metric| names.iter().any(|name| is(metric.as_ref(), name))).collect())
}
