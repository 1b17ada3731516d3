//! The queue of requests for the model, and the worker that answers them one at a time.
//!
//! The model stays on the thread that owns it, which is the first thread of the operators' thread pool. A
//! request has a place in the queue while it waits, and it leaves the queue with its connection: only a request
//! that somebody waits for reaches the worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use axum::http::StatusCode;
use t2f_train::model::Model;
use tokio::sync::{Semaphore, oneshot};

use crate::problem::Problem;

/// The time between two checks for a stop.
const CHECK: Duration = Duration::from_millis(50);

/// The work of one request.
type Job = Box<dyn FnOnce(&Model) + Send>;

/// The entrance to the worker, for requests.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    places: Arc<Semaphore>,
    size: usize,
    /// One permit: of the request in work.
    turn: Arc<Semaphore>,
    jobs: Sender<Job>,
}

/// The receiving end of a [`Queue`].
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: Receiver<Job>,
}

/// A queue of `size` requests, that in work included, and its worker.
pub(crate) fn queue(size: usize) -> (Queue, Worker) {
    let (sender, jobs) = channel();
    let [places, turn] = [size, 1].map(|permits| Arc::new(Semaphore::new(permits)));
    (Queue { places, size, turn, jobs: sender }, Worker { jobs })
}

impl Queue {
    /// The requests in the queue, that in work included.
    pub fn requests(&self) -> usize {
        self.size - self.places.available_permits()
    }

    /// Runs `work` on the model when its turn has come. `work` is also given a function that says whether
    /// nobody waits for the result any more.
    ///
    /// # Errors
    /// If the queue is full, `work` panics, or the program stops.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Model, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.places.try_acquire().map_err(|_| {
            let detail = format!("{} requests wait for the model already", self.size);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail, "repeat the request in a second")
        })?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| stopped())?;
        let (answer, result) = oneshot::channel();
        let job = move |model: &Model| {
            if !answer.is_closed() {
                let result = work(model, &|| answer.is_closed());
                let _ = answer.send(result);
            }
            drop(turn);
        };
        self.jobs.send(Box::new(job)).map_err(|_| stopped())?;
        result.await.map_err(|_| Problem::internal("the request was not finished"))
    }
}

fn stopped() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the program stops", "start `t2f demo` again")
}

impl Worker {
    /// Answers requests on this thread until the last [`Queue`] is dropped. `check` is called at least every
    /// [`CHECK`] while there is no request, and after each request.
    pub fn run(self, model: &Model, mut check: impl FnMut()) {
        loop {
            match self.jobs.recv_timeout(CHECK) {
                Ok(job) => {
                    // A request that panics is answered as failed; the model has no state to damage.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(model)));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            check();
        }
    }
}
