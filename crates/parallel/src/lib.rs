//! Processes that train one model together.
//!
//! A [`Communicator`] is the group of processes as one of them sees it. The training loop needs three
//! operations of it: the sum of a tensor over all processes, bytes from process 0, and a barrier.
//! [`Single`] is one process, [`Threads`] are threads of one process, for tests and for experiments with the
//! interface; `Mpi` (feature `mpi`) and `Nccl` (feature `nccl`) are processes of `mpirun` or `srun`.

mod error;
mod launch;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "nccl")]
mod nccl;
mod pairwise;
mod single;
mod threads;

use std::fmt::Debug;

use candle_core::Tensor;

pub use error::{Error, Result};
pub use launch::Launch;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
#[cfg(feature = "nccl")]
pub use nccl::Nccl;
pub use pairwise::pairwise;
pub use single::Single;
pub use threads::Threads;

/// A group of processes, as one of them sees it. Every process must call the same operations in the same
/// order.
pub trait Communicator: Debug {
    /// The name of the implementation, for logs.
    fn name(&self) -> &str;

    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes, at least 1.
    fn size(&self) -> usize;

    /// The number of this process among those of its machine, from 0: the index of its GPU.
    fn local_rank(&self) -> usize {
        self.rank()
    }

    /// The sum of `values` over all processes, equal to the last bit on each of them.
    ///
    /// The order of the additions should be that of [`pairwise`] over the ranks, so that the same run gives
    /// the same bits twice; an implementation that cannot promise it says so.
    ///
    /// # Shapes
    /// `values`: `(N,)`, `f32`, the same N on every process.
    ///
    /// # Errors
    /// If a process is lost, or one does not answer in time.
    fn sum(&self, values: &Tensor) -> Result<Tensor>;

    /// The bytes of process 0, on every process; those of the others are ignored. There is no limit of time,
    /// because process 0 may be busy with output.
    ///
    /// # Errors
    /// If a process is lost.
    fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>>;

    /// Waits until every process has come to this call, without a limit of time.
    ///
    /// # Errors
    /// If a process is lost.
    fn barrier(&self) -> Result<()>;

    /// Ends all processes with an exit code.
    fn abort(&self, code: i32) -> !;
}
