//! Convolution on NVIDIA GPUs by cuDNN, in candle's graph.
//!
//! cuDNN has the convolution and its two gradients. They are the three partial derivatives of one trilinear
//! form, so that the backward of each consists of the other two, and gradients of every order are exact. Images
//! are NHWC, as in all of this crate; cuDNN reads weights as `(O, K, K, I)`.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::shapes::Shapes;
use crate::graph::asked;

/// `conv(x, w)` of images and weights of one type.
///
/// # Shapes
/// `x`: `(B, H, W, I)`, `w`: `(K, K, I, O)`; result: `(B, H', W', O)`.
pub(super) fn convolve(x: &Tensor, w: &Tensor, padding: usize) -> Result<Tensor> {
    let (batch, height, width, inputs) = x.dims4()?;
    let (kernel, _, _, outputs) = w.dims4()?;
    let shapes = Shapes { batch, height, width, inputs, outputs, kernel, padding, up: false };
    let w = w.permute((3, 0, 1, 2))?.contiguous()?;
    x.contiguous()?.apply_op2(&w, Convolution { result: Term::Output, shapes })
}

/// The tensors of the form `⟨conv(x, w), y⟩`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Term {
    Input,
    Weights,
    Output,
}

/// The derivative of the form with respect to one tensor, of the other two in the order of [`Term`].
#[derive(Clone, Copy, Debug)]
struct Convolution {
    result: Term,
    shapes: Shapes,
}

impl Convolution {
    fn operands(&self) -> [Term; 2] {
        match self.result {
            Term::Input => [Term::Weights, Term::Output],
            Term::Weights => [Term::Input, Term::Output],
            Term::Output => [Term::Input, Term::Weights],
        }
    }

    fn shape(&self) -> Shape {
        let s = &self.shapes;
        match self.result {
            Term::Input => (s.batch, s.height, s.width, s.inputs).into(),
            Term::Weights => (s.outputs, s.kernel, s.kernel, s.inputs).into(),
            Term::Output => (s.batch, s.out_height(), s.out_width(), s.outputs).into(),
        }
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "cudnn-convolution"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        #[cfg(test)]
        return tests::on_the_cpu(self, (a, a_layout), (b, b_layout));
        #[cfg(not(test))]
        {
            let _ = (a, a_layout, b, b_layout);
            candle_core::bail!("cuDNN computes on NVIDIA GPUs alone")
        }
    }

    #[cfg(feature = "cudnn")]
    fn cuda_fwd(
        &self,
        a: &candle_core::CudaStorage,
        a_layout: &Layout,
        b: &candle_core::CudaStorage,
        b_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        Ok((gpu::compute(self, (a, a_layout), (b, b_layout))?, self.shape()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let terms = self.operands();
        // The derivative with respect to one operand is of the other and of the gradient of the result.
        let with_respect_to = |operand: usize| -> Result<Option<Tensor>> {
            if !asked([a, b][operand]) {
                return Ok(None);
            }
            let derivative = Self { result: terms[operand], shapes: self.shapes };
            let tensor = |term: Term| if term == self.result { &gradient } else { [b, a][operand] };
            let [first, second] = derivative.operands().map(tensor);
            first.apply_op2(second, derivative).map(Some)
        };
        Ok((with_respect_to(0)?, with_respect_to(1)?))
    }
}

#[cfg(feature = "cudnn")]
mod gpu {
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
    use candle_core::{CudaStorage, DType, Error, Layout, Result, bail};
    use half::bf16;

    use super::super::shapes::Shapes;
    use super::{Convolution, Term};
    use crate::tf32::allows_tf32;

    pub(super) fn compute(
        op: &Convolution,
        a: (&CudaStorage, &Layout),
        b: (&CudaStorage, &Layout),
    ) -> Result<CudaStorage> {
        match a.0.dtype() {
            DType::F32 => compute_in::<f32>(op, a, b),
            DType::BF16 => compute_in::<bf16>(op, a, b),
            dtype => bail!("a convolution of {dtype:?} by cuDNN, expected F32 or BF16"),
        }
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
        let (Some((a_start, a_end)), Some((b_start, b_end))) =
            (a_layout.contiguous_offsets(), b_layout.contiguous_offsets())
        else {
            bail!("cuDNN reads contiguous tensors");
        };
        let a = a.as_cuda_slice::<T>()?.slice(a_start..a_end);
        let b = b.as_cuda_slice::<T>()?.slice(b_start..b_end);
        let sides =
            [op.operands()[0], op.operands()[1]].map(|term| Convolution { result: term, ..*op }.shape());
        if [a_end - a_start, b_end - b_start] != sides.map(|shape| shape.elem_count()) {
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
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::super::{ConvOptions, composed, conv2d, kernel};
    use super::*;
    use crate::cpu::Level;
    use crate::grad::{gradients, input_gradient};
    use crate::rng::{Key, normal};

    /// In place of cuDNN: the kernels of the CPU, of weights in cuDNN's order.
    pub(super) fn on_the_cpu(
        op: &Convolution,
        (a, a_layout): (&CpuStorage, &Layout),
        (b, b_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let slice = |storage: &CpuStorage, layout: &Layout| {
            let (start, end) = layout.contiguous_offsets().expect("contiguous operands");
            storage.as_slice::<f32>().map(|values| values[start..end].to_vec())
        };
        let (a, b, s) = (slice(a, a_layout)?, slice(b, b_layout)?, &op.shapes);
        let (taps, level) = (s.kernel * s.kernel * s.inputs, Level::detect());
        // (O, K·K·I) to (K·K·I, O), and back.
        let transposed = |w: &[f32], rows: usize| -> Vec<f32> {
            let columns = w.len() / rows;
            (0..w.len()).map(|at| w[at % rows * columns + at / rows]).collect()
        };
        let result = match op.result {
            Term::Output => {
                let w = transposed(&b, s.outputs);
                kernel::forward(level, s, &a, (&w, 1.0), None, None, None)
            }
            Term::Input => kernel::input_gradient(level, s, (&b, None), (&transposed(&a, s.outputs), 1.0)),
            Term::Weights => transposed(&kernel::weight_gradient(level, s, &a, (&b, None), 1.0), taps),
        };
        Ok((CpuStorage::F32(result), op.shape()))
    }

    /// Values, gradients, and gradients of the input's gradient, against those of [`conv2d`], where one tensor is
    /// input and gradient of two consumers.
    #[test]
    fn derivatives_of_every_order_are_those_of_the_kernels() -> Result<()> {
        type Conv = fn(&Tensor, &Tensor, &Tensor, ConvOptions) -> Result<Tensor>;
        let by_kernels: Conv = |x, w, bias, options| conv2d(x, w, Some(bias), options);
        let by_cudnn: Conv = |x, w, bias, options| composed(x, w, Some(bias), options, convolve);
        for (kernel, padding, upsample) in [(3, 1, false), (3, 1, true), (1, 0, false), (4, 0, false)] {
            let options =
                ConvOptions { padding, upsample, scale: 0.3, slope: Some(0.2), ..ConvOptions::default() };
            let draw = |name: &str, shape: &[usize]| -> Result<Var> {
                Var::from_tensor(&normal(Key::new(1).child(name), shape, DType::F32, &Device::Cpu)?)
            };
            let (x, w) = (draw("x", &[2, 5, 6, 3])?, draw("w", &[kernel, kernel, 3, 4])?);
            let bias = draw("bias", &[4])?;
            let derivatives = |conv: Conv| -> Result<Vec<Vec<f32>>> {
                let y = conv(&x, &w, &bias, options)?;
                let loss = y.mul(&y)?.add(&y)?.sum_all()?;
                let mut all = vec![y.clone()];
                let first = gradients(&loss)?;
                let penalty = gradients(&input_gradient(&loss, &x)?.sqr()?.sum_all()?)?;
                for found in [first, penalty] {
                    all.extend([&x, &w, &bias].into_iter().filter_map(|var| found.get(var)).cloned());
                }
                all.iter().map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
            };
            let (want, got) = (derivatives(by_kernels)?, derivatives(by_cudnn)?);
            assert_eq!(got.len(), want.len());
            assert!(got.len() >= 6, "{} tensors", got.len());
            for (which, (got, want)) in got.iter().zip(&want).enumerate() {
                let largest = want.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
                for (got, want) in got.iter().zip(want) {
                    assert!(
                        (got - want).abs() <= 1e-4 * largest,
                        "{options:?}, tensor {which}: {got}, not {want}"
                    );
                }
            }
        }
        Ok(())
    }
}
