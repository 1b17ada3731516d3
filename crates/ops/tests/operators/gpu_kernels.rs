//! The text of the kernels, compiled as C: blocks and threads are loops. This shows what a kernel computes, not that
//! a GPU runs it.

#![allow(unsafe_code)]

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use half::bf16;

use t2f_ops::rng::{Key, normal};
use t2f_ops::{DType, Device};

/// The kernels as a library of this process: its handle.
struct Library(usize);

impl Library {
    /// The library, for one test at a time: the words of CUDA are its global variables.
    fn locked() -> MutexGuard<'static, Self> {
        static LIBRARY: OnceLock<Mutex<Library>> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| Mutex::new(Self::compile()));
        library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile() -> Self {
        let folder = std::env::temp_dir().join(format!("t2f-kernels-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (source, kernels) = (here.join("tests/operators/gpu_kernels.c"), here.join("src/cuda"));
        let library = folder.join("libkernels.so");
        let mut compiler = Command::new("cc");
        compiler.args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-O1",
            "-ffp-contract=off",
            "-shared",
            "-fPIC",
            "-I",
        ]);
        let ran = compiler.arg(kernels).arg("-o").args([&library, &source]).arg("-lm").output().unwrap();
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
    unsafe fn function<F: Copy>(&self, name: &std::ffi::CStr) -> F {
        // SAFETY: the library is never closed, and `F` has the size of a pointer.
        unsafe {
            let symbol = libc::dlsym(self.0 as *mut libc::c_void, name.as_ptr());
            assert!(!symbol.is_null(), "{name:?}");
            assert_eq!(size_of::<F>(), size_of_val(&symbol));
            std::mem::transmute_copy(&symbol)
        }
    }

    fn set_grid(&self, blocks: u32, threads: u32) {
        // SAFETY: the arguments are those of the function.
        unsafe { self.function::<unsafe extern "C" fn(u32, u32)>(c"set_grid")(blocks, threads) }
    }
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    normal(Key::new(seed), count, DType::F32, &Device::Cpu).and_then(|numbers| numbers.to_vec1()).unwrap()
}

type Update = unsafe extern "C" fn(*mut f32, *const f32, f32, u64);
type Step = unsafe extern "C" fn(*mut f32, *const f32, *const f32, f32, f32, f32, u64);
type Bias<T> = unsafe extern "C" fn(*mut T, *const T, *const T, f32, u64, u64);
type Masked<T> = unsafe extern "C" fn(*mut T, *const T, *const T, f32, u64);

/// Every element is computed once, on grids with fewer and with more threads than elements.
#[test]
fn kernels_compute_their_formulas() {
    const CHANNELS: usize = 5;
    const COUNT: usize = 7 * CHANNELS;
    let library = Library::locked();
    let (a, b) = (numbers(COUNT, 1), numbers(COUNT, 2));
    let v: Vec<f32> = numbers(COUNT, 3).iter().map(|v| v * v).collect();
    let n = COUNT as u64;
    let near = |got: &[f32], want: &dyn Fn(usize) -> f32, name: &str| {
        for (i, got) in got.iter().enumerate() {
            assert!(
                (got - want(i)).abs() <= 1e-6 * want(i).abs().max(1.0),
                "{name}, {i}: {got}, not {}",
                want(i)
            );
        }
    };
    for (blocks, threads) in [(1, 1), (3, 4), (8, 32)] {
        library.set_grid(blocks, threads);
        let mut out = a.clone();
        // SAFETY: all vectors have `n` elements, and the bias those of the channels.
        unsafe {
            library.function::<Update>(c"run_lerp")(out.as_mut_ptr(), b.as_ptr(), 0.3, n);
            near(&out, &|i| a[i] + 0.3 * (b[i] - a[i]), "lerp");
            out.clone_from(&a);
            library.function::<Update>(c"run_lerp_square")(out.as_mut_ptr(), b.as_ptr(), 0.3, n);
            near(&out, &|i| a[i] + 0.3 * (b[i] * b[i] - a[i]), "lerp of squares");
            out.clone_from(&a);
            let step = library.function::<Step>(c"run_adam_step");
            step(out.as_mut_ptr(), b.as_ptr(), v.as_ptr(), 0.1, 1.5, 1e-3, n);
            near(&out, &|i| a[i] - 0.1 * b[i] / ((1.5 * v[i]).sqrt() + 1e-3), "Adam");

            let lrelu = |sum: f32| if sum > 0.0 { sum } else { 0.2 * sum };
            let fused = library.function::<Bias<f32>>(c"run_bias_lrelu_f32");
            fused(out.as_mut_ptr(), a.as_ptr(), b.as_ptr(), 0.2, CHANNELS as u64, n);
            near(&out, &|i| lrelu(a[i] + b[i % CHANNELS]), "bias and rectifier");
            library.function::<Masked<f32>>(c"run_masked_f32")(
                out.as_mut_ptr(),
                a.as_ptr(),
                b.as_ptr(),
                0.2,
                n,
            );
            near(&out, &|i| if b[i] > 0.0 { a[i] } else { 0.2 * a[i] }, "mask");

            let rounded = |x: &[f32]| -> Vec<bf16> { x.iter().map(|x| bf16::from_f32(*x)).collect() };
            let (a, b, mut out) = (rounded(&a), rounded(&b), vec![bf16::ZERO; COUNT]);
            let fused = library.function::<Bias<bf16>>(c"run_bias_lrelu_bf16");
            fused(out.as_mut_ptr(), a.as_ptr(), b.as_ptr(), 0.2, CHANNELS as u64, n);
            let want = |i: usize| bf16::from_f32(lrelu(a[i].to_f32() + b[i % CHANNELS].to_f32()));
            assert!(out.iter().enumerate().all(|(i, got)| *got == want(i)));
            library.function::<Masked<bf16>>(c"run_masked_bf16")(
                out.as_mut_ptr(),
                a.as_ptr(),
                b.as_ptr(),
                0.2,
                n,
            );
            let want =
                |i: usize| if b[i].to_f32() > 0.0 { a[i] } else { bf16::from_f32(0.2 * a[i].to_f32()) };
            assert!(out.iter().enumerate().all(|(i, got)| *got == want(i)));
        }
    }
}

#[test]
fn bf16_is_rounded_to_the_nearest_even() {
    let library = Library::locked();
    let mut x = numbers(1000, 4);
    x.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1e-40]);
    x.extend([0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x7f80_0001].map(f32::from_bits));
    let mut out = vec![bf16::ZERO; x.len()];
    type Rounding = unsafe extern "C" fn(*mut bf16, *const f32, u64);
    // SAFETY: both vectors have as many elements.
    unsafe {
        library.function::<Rounding>(c"run_rounded_bf16")(out.as_mut_ptr(), x.as_ptr(), x.len() as u64)
    };
    for (x, got) in x.iter().zip(&out) {
        let want = bf16::from_f32(*x);
        assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()), "{x}: {got}, not {want}");
    }
}
