//! NVIDIA GPUs that sum by NCCL.

use candle_core::cuda_backend::cudarc::nccl::safe::{Comm, Id, ReduceOp};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Device, Storage, Tensor};

use crate::{Communicator, Error, Mpi, Result};

/// A process of MPI with a GPU of its own: sums stay on the GPUs, all else is MPI's.
///
/// NCCL adds in an order of its own. It is the same in two runs on the same machines, and another for another
/// number of processes.
pub struct Nccl {
    mpi: Mpi,
    comm: Comm,
}

impl std::fmt::Debug for Nccl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nccl").field("mpi", &self.mpi).finish_non_exhaustive()
    }
}

impl Nccl {
    /// Joins the GPUs of all processes of `mpi`; `device` is that of this process.
    ///
    /// # Errors
    /// If `device` is not a CUDA device, or NCCL fails.
    pub fn start(mpi: Mpi, device: &Device) -> Result<Self> {
        let failed = |error| Error::Start(format!("NCCL: {error:?}"));
        let own = Id::new().map_err(failed)?;
        let bytes = mpi.broadcast(own.internal().iter().map(|byte| *byte as u8).collect())?;
        let mut id = [0; 128];
        id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from as _);
        let stream = device.as_cuda_device()?.cuda_stream();
        let comm = Comm::from_rank(stream, mpi.rank(), mpi.size(), Id::uninit(id)).map_err(failed)?;
        Ok(Self { mpi, comm })
    }
}

impl Communicator for Nccl {
    fn name(&self) -> &str {
        "nccl"
    }

    fn rank(&self) -> usize {
        self.mpi.rank()
    }

    fn size(&self) -> usize {
        self.mpi.size()
    }

    fn local_rank(&self) -> usize {
        self.mpi.local_rank()
    }

    fn sum(&self, values: &Tensor) -> Result<Tensor> {
        let values = values.contiguous()?;
        let device = values.device().as_cuda_device()?.clone();
        let (storage, layout) = values.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else {
            return Err(Error::Start("NCCL sums tensors of a GPU alone".into()));
        };
        let count = layout.shape().elem_count();
        let start = layout.start_offset();
        let own = storage.as_cuda_slice::<f32>()?.slice(start..start + count);
        let mut sum = device.alloc_zeros::<f32>(count)?;
        self.comm.all_reduce(&own, &mut sum, &ReduceOp::Sum).map_err(|error| Error::Lost {
            rank: self.rank(),
            size: self.size(),
            reason: format!("NCCL: {error:?}"),
        })?;
        let sum = Storage::Cuda(CudaStorage::wrap_cuda_slice(sum, device));
        Ok(Tensor::from_storage(sum, layout.shape().clone(), BackpropOp::none(), false))
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        self.mpi.broadcast(bytes)
    }

    fn barrier(&self) -> Result<()> {
        self.mpi.barrier()
    }

    fn abort(&self, code: i32) -> ! {
        self.mpi.abort(code)
    }
}
