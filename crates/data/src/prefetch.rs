//! Batches computed ahead of their use, on other threads, in the order they were asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};

use crate::error::{Error, Result};
use crate::loader::{Batch, Loader};

/// The arguments of one [`Loader::batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Images shown before this batch.
    pub position: u64,
    /// Images in the batch.
    pub size: usize,
    /// Their side in pixels.
    pub resolution: usize,
}

/// An iterator over the batches of a sequence of requests.
///
/// Worker threads take requests one at a time and compute them; the iterator yields the answers in
/// the order of the requests. Since a batch is a pure function of its request, the number of
/// workers changes nothing but the speed. At most two batches a worker are held.
/// Dropping the iterator ends the workers after the batch each is at.
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
                // The answer's place in the queue is taken under the same lock as the request,
                // so that the order of the queue is the order of the requests.
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
            // A worker that panicked has already shown as `WorkerStopped`.
            let _ = worker.join();
        }
    }
}
