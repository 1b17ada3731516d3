//! The measurement of a generator by a list of metrics.

use t2f_data::Image;

use crate::error::{Error, Result};
use crate::metric::{Accumulator, Batch, Context, Images, Metric, Report};

/// A metric that was not computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub metric: String,
    /// The reason.
    pub reason: String,
}

/// The reports of all metrics that were computed, in the order of the list, and the others with their
/// reasons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement {
    /// The name of each metric and its report.
    pub reports: Vec<(String, Report)>,
    /// The metrics that were not computed.
    pub left_out: Vec<LeftOut>,
}

/// A metric that is being computed, or the reason why it is not.
struct Running<'a> {
    name: &'a str,
    state: Result<Box<dyn Accumulator + 'a>, String>,
}

impl Running<'_> {
    fn needs(&self, images: Images) -> bool {
        self.state.as_ref().is_ok_and(|accumulator| accumulator.images() == images)
    }

    fn observe(&mut self, batch: &Batch) -> Result<()> {
        if let Ok(accumulator) = &mut self.state
            && let Err(error) = accumulator.observe(batch)
        {
            self.state = Err(reason(error)?);
        }
        Ok(())
    }
}

/// Generates the images of the request once and computes each metric, a `Box` or an `Arc`. A metric
/// that fails is left out with its reason and does not affect the others.
///
/// # Errors
/// If the generator fails.
pub fn measure<'m, M>(context: &Context, metrics: &[M]) -> Result<Measurement>
where
    M: AsRef<dyn Metric + 'm>,
{
    let mut running = Vec::with_capacity(metrics.len());
    for metric in metrics.iter().map(AsRef::as_ref) {
        let state = match metric.start(context) {
            Ok(accumulator) => Ok(accumulator),
            Err(error) => Err(reason(error)?),
        };
        running.push(Running { name: metric.name(), state });
    }
    let keep = running.iter().any(|metric| metric.needs(Images::All));
    let mut generated: Vec<Image> = Vec::new();
    if keep || running.iter().any(|metric| metric.needs(Images::Batches)) {
        context.request().each_generated(context.generate(), &mut |images| {
            let batch = Batch::new(images, context);
            running.iter_mut().try_for_each(|metric| metric.observe(&batch))?;
            if keep {
                generated.extend_from_slice(images);
            }
            Ok(())
        })?;
    }
    let mut measurement = Measurement::default();
    for Running { name, state } in running {
        let report = match state.map(|accumulator| accumulator.finish(&generated)) {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(error)) => Err(reason(error)?),
            Err(reason) => Err(reason),
        };
        match report {
            Ok(report) => measurement.reports.push((name.into(), report)),
            Err(reason) => measurement.left_out.push(LeftOut { metric: name.into(), reason }),
        }
    }
    Ok(measurement)
}

/// The reason of an error of a metric. An error of the generator ends the measurement.
fn reason(error: Error) -> Result<String> {
    match error {
        Error::Generator(_) => Err(error),
        other => Ok(other.to_string()),
    }
}
