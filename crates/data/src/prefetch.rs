//! Batches computed in advance on other threads, in the order of their requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::loader::Loader;

/// The arguments of one [`Loader::batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of images before this batch.
    pub position: u64,
    /// The number of images in the batch.
    pub size: usize,
    /// The side of the images in pixels.
    pub resolution: usize,
}

/// An iterator over the batches of a sequence of requests.
///
/// Worker threads take one request at a time; the iterator yields the batches in the order of the
/// requests. A batch is a pure function of its request, so the number of workers changes the speed
/// alone. At most two batches for each worker are in memory. Each worker ends after its current batch
/// when the iterator is dropped.
#[derive(Debug)]
pub struct Prefetch {
    answers: Option<Receiver<Receiver<Result<Batch>>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts `workers` threads (at least one) on the requests.
    pub fn new<R>(loader: Arc<Loader>, requests: R, workers: usize) -> Self
    where
        R: IntoIterator<Item = Request>,
        R::IntoIter: Send + 'static,
    {
        let workers = workers.max(1);
        let (queue, answers) = bounded::<Receiver<Result<Batch>>>(workers);
        let source = Arc::new(Mutex::new((requests.into_iter(), queue)));
        let work = move || {
            loop {
                // One lock for the request and its place in the queue keeps their orders equal.
                let (request, answer) = {
                    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(request) = source.0.next() else { return };
                    let (answer, place) = bounded(1);
                    if source.1.send(place).is_err() {
                        return;
                    }
                    (request, answer)
                };
                let batch = loader.batch(request.position, request.size, request.resolution);
                if answer.send(batch).is_err() {
                    return;
                }
            }
        };
        let workers = (0..workers).map(|_| std::thread::spawn(work.clone())).collect();
        Self { answers: Some(answers), workers }
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.answers.as_ref()?.recv().ok()?;
        Some(place.recv().unwrap_or(Err(Error::WorkerStopped)))
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.answers = None;
        for worker in self.workers.drain(..) {
            // The iterator reports a worker that panicked as `WorkerStopped`.
            let _ = worker.join();
        }
    }
}
