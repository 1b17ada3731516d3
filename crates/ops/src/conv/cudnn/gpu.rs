//! The calls of cuDNN. What it needs for a convolution is prepared once for each thread, device and shape:
//! descriptors, the algorithm, and the size of its working memory, which all convolutions of a thread share.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, CudnnDataType, CudnnError,
    FilterDescriptor, TensorDescriptor, sys,
};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr, ValidAsZeroBits};
use candle_core::cuda_backend::{CudaDType, CudaDevice, DeviceId};
use candle_core::{CudaStorage, Error, Layout, Result, Shape, bail};
use half::bf16;

use super::form::{Convolution, Term};
use crate::conv::shapes::Shapes;
use crate::cuda::{of_one_type, range};
use crate::tf32::allows_tf32;

pub(super) fn compute(
    op: &Convolution,
    a: (&CudaStorage, &Layout),
    b: (&CudaStorage, &Layout),
) -> Result<(CudaStorage, Shape)> {
    of_one_type!(a.0, T, _name => Ok((compute_in::<T>(op, a, b)?, op.shape())))
}

/// The type of the tensors of a convolution; sums are of `f32`.
trait Number: CudaDType + CudnnDataType + DeviceRepr + ValidAsZeroBits {
    const ZERO: Self;
    const ONE: Self;

    /// How products are computed: by default cuDNN rounds the operands of `f32` to 10 bits (TF32).
    fn math() -> sys::cudnnMathType_t;

    fn plans(handle: &mut Handle) -> &mut HashMap<Key, Plan<Self>>;
}

impl Number for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn math() -> sys::cudnnMathType_t {
        match allows_tf32() {
            true => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
            false => sys::cudnnMathType_t::CUDNN_FMA_MATH,
        }
    }

    fn plans(handle: &mut Handle) -> &mut HashMap<Key, Plan<Self>> {
        &mut handle.f32
    }
}

impl Number for bf16 {
    const ZERO: Self = bf16::ZERO;
    const ONE: Self = bf16::ONE;

    fn math() -> sys::cudnnMathType_t {
        sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH
    }

    fn plans(handle: &mut Handle) -> &mut HashMap<Key, Plan<Self>> {
        &mut handle.bf16
    }
}

/// What decides a plan.
type Key = (Term, Shapes, sys::cudnnMathType_t);

/// cuDNN on one device for one thread; a handle may not be used by two threads at once.
struct Handle {
    cudnn: Arc<Cudnn>,
    workspace: Option<CudaSlice<u8>>,
    f32: HashMap<Key, Plan<f32>>,
    bf16: HashMap<Key, Plan<bf16>>,
}

thread_local! {
    static HANDLES: RefCell<HashMap<DeviceId, Handle>> = RefCell::default();
}

fn with_handle<T>(device: &CudaDevice, f: impl FnOnce(&mut Handle) -> Result<T>) -> Result<T> {
    HANDLES.with_borrow_mut(|handles| {
        f(match handles.entry(device.id()) {
            Entry::Occupied(handle) => handle.into_mut(),
            Entry::Vacant(place) => {
                let cudnn = Cudnn::new(device.cuda_stream()).map_err(failed)?;
                place.insert(Handle { cudnn, workspace: None, f32: HashMap::new(), bf16: HashMap::new() })
            }
        })
    })
}

fn failed(error: CudnnError) -> Error {
    Error::wrap(error)
}

/// A convolution that is ready to be launched.
struct Plan<T: CudnnDataType> {
    conv: ConvDescriptor<f32>,
    x: TensorDescriptor<T>,
    w: FilterDescriptor<T>,
    y: TensorDescriptor<T>,
    algorithm: Algorithm,
    /// Bytes of working memory.
    workspace: usize,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Weights(sys::cudnnConvolutionBwdFilterAlgo_t),
    Output(sys::cudnnConvolutionFwdAlgo_t),
}

impl<T: Number> Plan<T> {
    /// The fastest algorithm by the heuristics of cuDNN.
    fn new(cudnn: &Arc<Cudnn>, (result, s, math): Key) -> std::result::Result<Self, CudnnError> {
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let int = |size: usize| i32::try_from(size).expect("the sides of a tensor are below 2³¹");
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let mut conv = cudnn.create_conv2d([int(s.padding); 2], [1; 2], [1; 2], mode)?;
        conv.set_math_type(math)?;
        // Sides are in the order N, C, H, W whatever the format.
        let x = [s.batch, s.inputs, s.height, s.width].map(int);
        let y = [s.batch, s.outputs, s.out_height(), s.out_width()].map(int);
        let w = [s.outputs, s.inputs, s.kernel, s.kernel].map(int);
        let x = cudnn.create_4d_tensor(format, x)?;
        let y = cudnn.create_4d_tensor(format, y)?;
        let w = cudnn.create_4d_filter(format, w)?;
        let (algorithm, workspace) = match result {
            Term::Input => {
                let op = ConvBackwardData { conv: &conv, dx: &x, w: &w, dy: &y };
                let algorithm = op.pick_algorithm()?;
                (Algorithm::Input(algorithm), op.get_workspace_size(algorithm)?)
            }
            Term::Weights => {
                let op = ConvBackwardFilter { conv: &conv, x: &x, dw: &w, dy: &y };
                let algorithm = op.pick_algorithm()?;
                (Algorithm::Weights(algorithm), op.get_workspace_size(algorithm)?)
            }
            Term::Output => {
                let op = ConvForward { conv: &conv, x: &x, w: &w, y: &y };
                let algorithm = op.pick_algorithm()?;
                (Algorithm::Output(algorithm), op.get_workspace_size(algorithm)?)
            }
        };
        Ok(Self { conv, x, w, y, algorithm, workspace })
    }
}

fn compute_in<T: Number>(
    op: &Convolution,
    (a, a_layout): (&CudaStorage, &Layout),
    (b, b_layout): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let device = a.device().clone();
    let a = a.as_cuda_slice::<T>()?.slice(range(a_layout)?);
    let b = b.as_cuda_slice::<T>()?.slice(range(b_layout)?);
    let expected = op.operands().map(|term| Convolution { result: term, ..*op }.shape().elem_count());
    if [a.len(), b.len()] != expected {
        bail!("the operands of a convolution by cuDNN do not have its shapes");
    }
    // SAFETY: cuDNN writes every element of the result.
    let mut out = unsafe { device.alloc::<T>(op.shape().elem_count())? };
    with_handle(&device, |handle| {
        let key = (op.result, op.shapes, T::math());
        if !T::plans(handle).contains_key(&key) {
            let plan = Plan::new(&handle.cudnn, key).map_err(failed)?;
            T::plans(handle).insert(key, plan);
        }
        let needed = T::plans(handle)[&key].workspace;
        let mut workspace = handle.workspace.take();
        if workspace.as_ref().map_or(0, CudaSlice::len) < needed {
            // SAFETY: working memory is written before it is read.
            workspace = Some(unsafe { device.alloc::<u8>(needed)? });
        }
        let Plan { conv, x, w, y, algorithm, .. } = &T::plans(handle)[&key];
        let (memory, factors) = (workspace.as_mut(), (T::ONE, T::ZERO));
        // SAFETY: the descriptors are those of the tensors, whose lengths were compared with them, and the
        // working memory has the bytes that the algorithm asked for. All work of a device is in one stream.
        let launched = unsafe {
            match *algorithm {
                Algorithm::Input(algorithm) => ConvBackwardData { conv, dx: x, w, dy: y }
                    .launch(algorithm, memory, factors, &mut out, &a, &b),
                Algorithm::Weights(algorithm) => ConvBackwardFilter { conv, x, dw: w, dy: y }
                    .launch(algorithm, memory, factors, &a, &mut out, &b),
                Algorithm::Output(algorithm) => {
                    ConvForward { conv, x, w, y }.launch(algorithm, memory, factors, &a, &b, &mut out)
                }
            }
        };
        handle.workspace = workspace;
        launched.map_err(failed)
    })?;
    Ok(CudaStorage::wrap_cuda_slice(out, device))
}
