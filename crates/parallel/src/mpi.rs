//! Processes of MPI.

use std::cell::RefCell;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use ::mpi::Threading;
use ::mpi::environment::Universe;
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator as _, CommunicatorCollectives, Root};
use candle_core::Tensor;

use crate::launch::Launch;
use crate::pairwise::pairwise;
use crate::{Communicator, Error, Result};

/// A wait polls without a pause for this long, then once a millisecond, so that the processor is free.
const BUSY: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_millis(1);
/// The bytes of one broadcast: MPI counts in 31 bits.
const MOST_BYTES: usize = 1 << 30;
/// The exit code after a panic, as Rust's own.
const PANICKED: i32 = 101;

/// A process of MPI.
///
/// A sum over N processes sends and receives `2 (N-1)/N` of its bytes: each process adds one share of the
/// elements of all, pairwise in the order of ranks, and sends the result to all. `MPI_Allreduce` does not
/// promise an order.
pub struct Mpi {
    world: SimpleCommunicator,
    local_rank: usize,
    patience: Duration,
    /// Buffers of the sums, kept because new memory has to be mapped: own values, and those of all processes.
    buffers: RefCell<(Vec<f32>, Vec<f32>)>,
    /// MPI ends when it is dropped.
    _universe: Universe,
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("rank", &self.rank()).field("size", &self.size()).finish_non_exhaustive()
    }
}

impl Mpi {
    /// Joins the processes of the launcher. Call it once, on the thread that will communicate. A sum fails if
    /// the others do not come to it within `patience`.
    ///
    /// From then on a panic of any thread ends all processes: the others would wait for this one.
    ///
    /// # Errors
    /// If MPI runs already, or allows no thread beside the one that communicates.
    pub fn start(patience: Duration) -> Result<Self> {
        let started = ::mpi::initialize_with_threading(Threading::Funneled);
        let (universe, threading) = started.ok_or_else(|| Error::Start("MPI runs already".into()))?;
        if threading < Threading::Funneled {
            return Err(Error::Start("this MPI allows no thread beside the one that communicates".into()));
        }
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            SimpleCommunicator::world().abort(PANICKED);
        }));
        let local_rank = Launch::from_env().map_or(0, |launch| launch.local_rank);
        let buffers = RefCell::default();
        Ok(Self { world: universe.world(), local_rank, patience, buffers, _universe: universe })
    }

    /// Waits until all processes are here, at most for `limit`.
    fn meet(&self, limit: Option<Duration>) -> Result<()> {
        let start = Instant::now();
        let mut request = self.world.immediate_barrier();
        loop {
            request = match request.test() {
                Ok(_) => return Ok(()),
                Err(request) => request,
            };
            let waited = start.elapsed();
            if let Some(limit) = limit.filter(|limit| waited > *limit) {
                // A request that is not complete cannot be dropped; the caller ends the process.
                std::mem::forget(request);
                let seconds = limit.as_secs();
                return Err(Error::Stalled { rank: self.rank(), size: self.size(), seconds });
            }
            if waited < BUSY { thread::yield_now() } else { thread::sleep(PAUSE) }
        }
    }
}

impl Communicator for Mpi {
    fn name(&self) -> &str {
        "mpi"
    }

    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn local_rank(&self) -> usize {
        self.local_rank
    }

    fn sum(&self, values: &Tensor) -> Result<Tensor> {
        let (count, size) = (values.dims1()?, self.size());
        let share = count.div_ceil(size);
        let mut buffers = self.buffers.borrow_mut();
        let (own, shares) = &mut *buffers;
        own.clear();
        own.extend(values.to_vec1::<f32>()?);
        own.resize(share * size, 0.0);
        shares.resize(share * size, 0.0);
        self.meet(Some(self.patience))?;
        self.world.all_to_all_into(&own[..], &mut shares[..]);
        // Each sum replaces its first part; the last one is in the first place.
        pairwise::<usize, Error>((0..size).map(Ok), |a, b| {
            let (before, after) = shares.split_at_mut(b * share);
            let first = before[a * share..(a + 1) * share].iter_mut();
            first.zip(&after[..share]).for_each(|(a, b)| *a += b);
            Ok(a)
        })?;
        self.world.all_gather_into(&shares[..share], &mut own[..]);
        Ok(Tensor::from_slice(&own[..count], count, values.device())?)
    }

    fn broadcast(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        self.meet(None)?;
        let first = self.world.process_at_rank(0);
        let mut length = bytes.len() as u64;
        first.broadcast_into(&mut length);
        bytes.resize(length as usize, 0);
        for part in bytes.chunks_mut(MOST_BYTES) {
            first.broadcast_into(part);
        }
        Ok(bytes)
    }

    fn barrier(&self) -> Result<()> {
        self.meet(None)
    }

    fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }
}
