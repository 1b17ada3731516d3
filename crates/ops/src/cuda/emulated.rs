//! The text of the kernels, compiled as C: blocks and threads are loops. Tests run operators with them. This shows
//! what kernels compute and that launches state their arguments, not that a GPU runs them.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Layout, Result, Shape, bail};
use half::bf16;

use super::launch::Launch;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Whether operators on this thread run by the kernels for GPUs.
pub(super) fn is_on() -> bool {
    ON.get()
}

/// Runs operators of `f` by the kernels for GPUs, where they have one.
pub(crate) fn with<T>(f: impl FnOnce() -> T) -> T {
    let before = ON.replace(true);
    let result = f();
    ON.set(before);
    result
}

/// The result of an operator's kernel.
pub(super) fn run(
    launch: &Launch,
    operands: &[(&CpuStorage, &Layout)],
    result: &Shape,
) -> Result<CpuStorage> {
    fn start_of<T>(values: &[T], layout: &Layout) -> *mut libc::c_void {
        let (start, end) = layout.contiguous_offsets().expect("contiguous operands");
        values[start..end].as_ptr().cast_mut().cast()
    }
    let (elements, items) = (result.elem_count(), launch.grid.of(result).0);
    let (mut out, name) = match operands[0].0.dtype() {
        DType::F32 => (CpuStorage::F32(vec![f32::NAN; elements]), "f32"),
        DType::BF16 => (CpuStorage::BF16(vec![bf16::NAN; elements]), "bf16"),
        dtype => bail!("kernels of GPUs take F32 and BF16, not {dtype:?}"),
    };
    let mut tensors = vec![match &mut out {
        CpuStorage::F32(out) => out.as_mut_ptr().cast::<libc::c_void>(),
        CpuStorage::BF16(out) => out.as_mut_ptr().cast(),
        _ => unreachable!("the result is of one of both types"),
    }];
    for (storage, layout) in operands {
        tensors.push(match storage {
            CpuStorage::F32(values) => start_of(values, layout),
            CpuStorage::BF16(values) => start_of(values, layout),
            _ => bail!("kernels of GPUs take F32 and BF16"),
        });
    }
    let counts: Vec<u64> = launch.counts.iter().map(|count| *count as u64).chain([items as u64]).collect();
    let arguments: Vec<*const libc::c_void> = tensors
        .iter()
        .map(|tensor| std::ptr::from_ref(tensor).cast())
        .chain(launch.numbers.iter().map(|number| std::ptr::from_ref(number).cast()))
        .chain(counts.iter().map(|count| std::ptr::from_ref(count).cast()))
        .collect();
    let library = Library::locked();
    library.set_grid(3, 4);
    // SAFETY: the launch states the arguments of its kernel, and the operands' shapes fit.
    unsafe { library.call(&format!("{}_{name}", launch.kernel), &arguments) };
    Ok(out)
}

/// The kernels as a library of this process: its handle.
struct Library(usize);

impl Library {
    /// The library, for one thread at a time: the words of CUDA are its global variables.
    fn locked() -> MutexGuard<'static, Self> {
        static LIBRARY: OnceLock<Mutex<Library>> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| Mutex::new(Self::compile()));
        library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile() -> Self {
        let folder = std::env::temp_dir().join(format!("t2f-kernels-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/emulated.c");
        let library = folder.join("libkernels.so");
        let options = "-std=c11 -Wall -Wextra -Werror -O1 -ffp-contract=off -shared -fPIC -o";
        let mut compiler = Command::new("cc");
        let ran = compiler.args(options.split(' ')).args([&library, &source]).arg("-lm").output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let path = std::ffi::CString::new(library.to_str().unwrap()).unwrap();
        // SAFETY: the library has no constructors.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        std::fs::remove_dir_all(&folder).unwrap();
        Self(handle as usize)
    }

    /// A function of the library.
    ///
    /// # Safety
    /// `F` is a pointer to a function with its arguments.
    unsafe fn function<F: Copy>(&self, name: &str) -> F {
        let symbol = std::ffi::CString::new(name).unwrap();
        // SAFETY: the library is never closed, and `F` has the size of a pointer.
        unsafe {
            let symbol = libc::dlsym(self.0 as *mut libc::c_void, symbol.as_ptr());
            assert!(!symbol.is_null(), "no kernel {name}");
            assert_eq!(size_of::<F>(), size_of_val(&symbol));
            std::mem::transmute_copy(&symbol)
        }
    }

    fn set_grid(&self, blocks: u32, threads: u32) {
        // SAFETY: the arguments are those of the function.
        unsafe { self.function::<unsafe extern "C" fn(u32, u32)>("set_grid")(blocks, threads) }
    }

    /// Runs a kernel on the whole grid.
    ///
    /// # Safety
    /// The arguments point to those of the kernel, in its order and types.
    unsafe fn call(&self, kernel: &str, arguments: &[*const libc::c_void]) {
        type Run = unsafe extern "C" fn(*const *const libc::c_void);
        // SAFETY: by the caller's promise.
        unsafe { self.function::<Run>(&format!("run_{kernel}"))(arguments.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor, Var};

    use super::*;
    use crate::activation::bias_lrelu;
    use crate::grad::{gradients, input_gradient};
    use crate::rng::{Key, normal};
    use crate::{avg_pool2, fade, leaky_relu, modulated_pixel_norm, pixel_norm, upsample2};

    type Function = fn(&[Tensor]) -> Result<Tensor>;

    /// An operator with a kernel, on inputs of some shapes.
    struct Case {
        name: &'static str,
        shapes: &'static [&'static [usize]],
        of: Function,
        /// The same without a kernel, where that is another function.
        composed: Option<Function>,
    }

    const MAP: &[usize] = &[2, 4, 6, 5];

    const CASES: [Case; 6] = [
        Case {
            name: "bias and leaky rectifier",
            shapes: &[MAP, &[5]],
            of: |x| bias_lrelu(&x[0], &x[1].to_dtype(x[0].dtype())?, 0.2),
            composed: Some(|x| leaky_relu(&x[0].broadcast_add(&x[1].to_dtype(x[0].dtype())?)?, 0.2)),
        },
        Case { name: "pixel norm", shapes: &[MAP], of: |x| pixel_norm(&x[0]), composed: None },
        Case {
            name: "modulated pixel norm",
            shapes: &[MAP, &[2, 10]],
            of: |x| modulated_pixel_norm(&x[0], &x[1]),
            composed: None,
        },
        Case { name: "upsampling", shapes: &[MAP], of: |x| upsample2(&x[0]), composed: None },
        Case { name: "pooling", shapes: &[MAP], of: |x| avg_pool2(&x[0]), composed: None },
        Case {
            name: "the blend",
            shapes: &[MAP, MAP],
            of: |x| fade(&x[0], &x[1].to_dtype(x[0].dtype())?, 0.3),
            composed: None,
        },
    ];

    /// The value, the gradients of a loss in which the result has two consumers, and those of the square of the
    /// gradient of the first input.
    fn derivatives(case: &Case, of: Function, dtype: DType) -> Result<Vec<Vec<f32>>> {
        let draw = |(at, shape): (usize, &&[usize])| -> Result<Var> {
            let values =
                normal(Key::new(2).child(case.name).at(at as u64), *shape, DType::F32, &Device::Cpu)?;
            Var::from_tensor(&values)
        };
        let vars = case.shapes.iter().enumerate().map(draw).collect::<Result<Vec<_>>>()?;
        let mut inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        inputs[0] = inputs[0].to_dtype(dtype)?;
        let y = of(&inputs)?.to_dtype(DType::F32)?;
        let loss = y.sqr()?.mul(&y)?.add(&y)?.sum_all()?;
        let penalty = input_gradient(&loss, &vars[0])?.sqr()?.sum_all()?;
        let mut all = vec![y, penalty.clone()];
        for found in [gradients(&loss)?, gradients(&penalty)?] {
            all.extend(vars.iter().filter_map(|var| found.get(var)).cloned());
        }
        all.iter().map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
    }

    /// Values and first and second gradients by the kernels are those of the CPU's kernels, and of candle's operators.
    #[test]
    fn kernels_and_their_launches_have_the_derivatives_of_the_cpu() -> Result<()> {
        for (case, (dtype, tolerance)) in
            CASES.iter().flat_map(|case| [(DType::F32, 1e-5), (DType::BF16, 1e-2)].map(|of| (case, of)))
        {
            let want = derivatives(case, case.composed.unwrap_or(case.of), dtype)?;
            let got = with(|| derivatives(case, case.of, dtype))?;
            assert_eq!(got.len(), want.len(), "{}", case.name);
            assert!(got.len() > 1 + case.shapes.len(), "{}: {} tensors", case.name, got.len());
            for (which, (got, want)) in got.iter().zip(&want).enumerate() {
                let largest = want.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
                for (got, want) in got.iter().zip(want) {
                    assert!(
                        (got - want).abs() <= tolerance * largest,
                        "{}, {dtype:?}, tensor {which}: {got}, not {want}",
                        case.name
                    );
                }
            }
        }
        Ok(())
    }

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        normal(Key::new(seed), count, DType::F32, &Device::Cpu).and_then(|numbers| numbers.to_vec1()).unwrap()
    }

    /// Calls a kernel with pointers to tensors, numbers and a count, on a grid.
    macro_rules! call {
        ($library:expr, $kernel:expr, $($argument:expr),+) => {
            // SAFETY: each call has the arguments of its kernel, and the tensors have as many elements as it reads.
            unsafe { $library.call($kernel, &[$(std::ptr::from_ref(&$argument).cast()),+]) }
        };
    }

    /// Every element is updated once, on grids with fewer and with more threads than elements.
    #[test]
    fn updates_compute_their_formulas() {
        const COUNT: usize = 35;
        let library = Library::locked();
        let (a, b) = (numbers(COUNT, 1), numbers(COUNT, 2));
        let v: Vec<f32> = numbers(COUNT, 3).iter().map(|v| v * v).collect();
        let n = COUNT as u64;
        let near = |got: &[f32], want: &dyn Fn(usize) -> f32, name: &str| {
            for (i, got) in got.iter().enumerate() {
                let want = want(i);
                assert!((got - want).abs() <= 1e-6 * want.abs().max(1.0), "{name}, {i}: {got}, not {want}");
            }
        };
        for (blocks, threads) in [(1, 1), (3, 4), (8, 32)] {
            library.set_grid(blocks, threads);
            let (mut out, weight) = (a.clone(), 0.3f32);
            call!(library, "lerp", out.as_mut_ptr(), b.as_ptr(), weight, n);
            near(&out, &|i| a[i] + 0.3 * (b[i] - a[i]), "lerp");
            out.clone_from(&a);
            call!(library, "lerp_square", out.as_mut_ptr(), b.as_ptr(), weight, n);
            near(&out, &|i| a[i] + 0.3 * (b[i] * b[i] - a[i]), "lerp of squares");
            out.clone_from(&a);
            let (size, scale, epsilon) = (0.1f32, 1.5f32, 1e-3f32);
            call!(library, "adam_step", out.as_mut_ptr(), b.as_ptr(), v.as_ptr(), size, scale, epsilon, n);
            near(&out, &|i| a[i] - 0.1 * b[i] / ((1.5 * v[i]).sqrt() + 1e-3), "Adam");
        }
    }

    #[test]
    fn bf16_is_rounded_to_the_nearest_even() {
        let library = Library::locked();
        let mut x = numbers(1000, 4);
        x.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1e-40]);
        x.extend([0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x7f80_0001].map(f32::from_bits));
        let mut out = vec![bf16::ZERO; x.len()];
        let n = x.len() as u64;
        call!(library, "rounded_bf16", out.as_mut_ptr(), x.as_ptr(), n);
        for (x, got) in x.iter().zip(&out) {
            let want = bf16::from_f32(*x);
            assert!(
                got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                "{x}: {got}, not {want}"
            );
        }
    }
}
