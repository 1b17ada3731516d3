//! The choice of vector instructions at run time: AVX-512, AVX2 with FMA, NEON, or plain arrays.

#[cfg(any(target_arch = "aarch64", test))]
use super::neon;
use super::plain;
use super::simd::Kernel;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};

/// A set of vector instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(any(target_arch = "aarch64", test))]
    Neon,
    Plain,
}

impl Level {
    /// The fastest level that this processor has.
    pub(crate) fn detect() -> Self {
        Self::available()[0]
    }

    /// Every level that this processor has, the fastest first.
    pub(crate) fn available() -> &'static [Self] {
        static LEVELS: std::sync::OnceLock<Vec<Level>> = std::sync::OnceLock::new();
        LEVELS.get_or_init(|| {
            let mut levels = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512f") {
                    levels.push(Self::Avx512(Avx512(())));
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    levels.push(Self::Avx2(Avx2(())));
                }
            }
            #[cfg(any(target_arch = "aarch64", test))]
            levels.push(Self::Neon);
            levels.push(Self::Plain);
            levels
        })
    }

    /// The name of the instructions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(any(target_arch = "aarch64", test))]
            Self::Neon => "NEON",
            Self::Plain => "plain",
        }
    }

    pub(crate) fn run(self, kernel: impl Kernel) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token exists only if AVX-512F was detected.
            Self::Avx512(token) => unsafe { run_avx512(token, kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token exists only if AVX2 and FMA were detected.
            Self::Avx2(token) => unsafe { run_avx2(token, kernel) },
            #[cfg(any(target_arch = "aarch64", test))]
            Self::Neon => kernel.run(neon::Neon),
            Self::Plain => kernel.run(plain::Plain),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn run_avx512(token: Avx512, kernel: impl Kernel) {
    kernel.run(token);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(token: Avx2, kernel: impl Kernel) {
    kernel.run(token);
}
