//! `t2f metrics --save DIR`: the generated images that are measured, as an image folder.

use std::path::{Path, PathBuf};

use t2f_data::Image;
use t2f_metrics::metric::{Accumulator, Batch, Report};
use t2f_metrics::{Context, Error, Metric, Result};
use t2f_pictures::picture;
use t2f_pictures::provenance::Provenance;

use crate::cli::failure::{because, usage};
use crate::cli::manifest::Manifest;

/// The name of the metric that writes images.
pub const NAME: &str = "save";
/// The schema of an image folder.
const SCHEMA: &str = "schema.json";

/// Creates the folder of `--save`, or checks that it is empty.
pub fn check(folder: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    let name = folder.display();
    let filled = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if filled || folder.is_file() {
        let what = if filled { "a folder that is not empty" } else { "a file" };
        return Err(usage(format!("`--save {name}` is {what}"), "give a new or an empty folder"));
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| because(error, format!("cannot create `{name}`"), "check `--save`"))
}

/// Gives the provenance of an image from its caption and its seed.
type Origin = dyn Fn(&str, &str) -> Provenance + Send + Sync;

/// Writes the images of the request as they are generated: it has the form of a metric, and no values.
pub struct SavedImages {
    /// The folder.
    pub folder: PathBuf,
    /// The provenance of each image.
    pub origin: Box<Origin>,
}

impl Metric for SavedImages {
    fn name(&self) -> &'static str {
        NAME
    }
    fn about(&self) -> &'static str {
        "the generated images as files"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let manifest = Manifest::open(&self.folder).map_err(error)?;
        Ok(Box::new(Saving { images: self, context, manifest, written: 0 }))
    }
}

struct Saving<'a> {
    images: &'a SavedImages,
    context: &'a Context<'a>,
    manifest: Manifest,
    written: usize,
}

impl Accumulator for Saving<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        batch.images().iter().try_for_each(|image| self.write(image).map_err(error))
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let (folder, schema) = (&self.images.folder, self.context.data().schema());
        let note = format!("{} images in {}", self.written, folder.display());
        if !schema.is_empty() {
            let schema = serde_json::to_vec_pretty(schema).map_err(|cause| error(cause.into()))?;
            picture::write_whole(&folder.join(SCHEMA), &schema).map_err(|cause| error(cause.into()))?;
        }
        self.manifest.save().map_err(error)?;
        Ok(Report::default().with_note(note))
    }
}

impl Saving<'_> {
    /// Writes the next image of the request and adds its row.
    fn write(&mut self, image: &Image) -> anyhow::Result<()> {
        let (request, schema) = (self.context.request(), self.context.data().schema());
        let caption = &request.captions()[self.written / request.per_caption()];
        let seed = request.seed_of(self.written);
        let name = format!("{:06}.png", self.written);
        let origin = (self.images.origin)(&caption.text, &seed.to_string());
        picture::write(&self.images.folder.join(&name), image, Some(&origin))?;
        let claims = if schema.is_empty() { None } else { Some(caption.claims.to_json(schema)?) };
        self.manifest.add(&name, &caption.text, seed, claims)?;
        self.written += 1;
        Ok(())
    }
}

fn error(cause: anyhow::Error) -> Error {
    Error::State(format!("{cause:#}"))
}
