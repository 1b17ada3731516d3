//! Process-wide settings for training on the CPU: worker threads, environment variables and the
//! allocator.
//!
//! [`Runtime::install`] changes them once, on request, and returns a record of every change.
//! Nothing else in this crate calls it. Programs that do not call it compute the same numbers;
//! their steps take about half as long again.
//!
//! Workers that have run out of work *spin-wait* for [`SPIN`] before they sleep. The operators of
//! a training step follow one another within microseconds, and waking a sleeping thread takes
//! longer than that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use candle_core::Device;
use rayon::ThreadPool;

/// The process-wide settings that [`Runtime::install`] made.
///
/// ```
/// use t2f_ops::Runtime;
///
/// let runtime = Runtime::install(); // once, at the start of `main`
/// println!("{runtime}");
/// assert!(runtime.threads() >= 1);
/// assert!(std::ptr::eq(runtime, Runtime::install())); // further calls change nothing
/// ```
#[derive(Debug)]
pub struct Runtime {
    threads: usize,
    environment: Vec<(&'static str, String)>,
    allocator: Vec<(&'static str, i64)>,
    /// The pool whose first worker is the installing thread. [`INSTALLED`] is never dropped, so
    /// the pool and its sleeping workers live as long as the process.
    pool: Option<ThreadPool>,
}

/// Set by the first call of [`Runtime::install`].
static INSTALLED: OnceLock<Runtime> = OnceLock::new();

impl Runtime {
    /// Installs the settings, or returns those that an earlier call installed.
    ///
    /// Call it at the start of the program, on the thread that will train or generate, before the
    /// first operator on the CPU and before other threads read the environment. It does four
    /// things:
    ///
    /// 1. It sets `CANDLE_NUM_THREADS` to 1. candle's own workers otherwise spin beside rayon's,
    ///    which run the kernels of this crate; that costs a third of a training step.
    /// 2. It sets `RAYON_NUM_THREADS` to the size of rayon's global pool. candle otherwise reads
    ///    `/proc/cpuinfo` at every matrix product.
    /// 3. With glibc it tells `malloc` to keep freed memory (`M_MMAP_THRESHOLD` 32 MiB, no
    ///    trimming, one arena). Every operator allocates its result, and pages that return to the
    ///    system are mapped and zeroed again in every step.
    /// 4. It makes the calling thread the first worker of a new rayon pool, so that operators run
    ///    on this thread and on the others beside it. A thread that already belongs to a pool
    ///    stays in it. The pool lives as long as the process.
    ///
    /// A variable that is present in the environment (`CANDLE_NUM_THREADS`, `RAYON_NUM_THREADS`,
    /// `MALLOC_MMAP_THRESHOLD_`, `MALLOC_TRIM_THRESHOLD_`, `MALLOC_ARENA_MAX`) keeps its value.
    pub fn install() -> &'static Self {
        Self::install_on(None)
    }

    /// As [`install`](Self::install), with a number of threads, at least 1, in place of that of the
    /// environment: `RAYON_NUM_THREADS` is set to it. The numbers that operators compute do not depend on it.
    ///
    /// It has no effect on pools that rayon has started before, and none after a first call.
    pub fn install_on(threads: Option<usize>) -> &'static Self {
        INSTALLED.get_or_init(|| {
            let wanted = threads.map(|threads| set("RAYON_NUM_THREADS", threads.max(1).to_string()));
            let threads = rayon::current_num_threads();
            let variables = [("RAYON_NUM_THREADS", threads), ("CANDLE_NUM_THREADS", 1)];
            let absent = variables
                .into_iter()
                .filter_map(|(variable, value)| set_if_absent(variable, value.to_string()));
            let environment = wanted.into_iter().chain(absent).collect();
            Self { threads, environment, allocator: keep_freed_memory(), pool: join_new_pool() }
        })
    }

    /// The installed settings, if [`install`](Self::install) has been called.
    pub fn installed() -> Option<&'static Self> {
        INSTALLED.get()
    }

    /// Threads that operators run on.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(self.threads, ThreadPool::current_num_threads)
    }

    /// Environment variables that were set, with their values.
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    /// Parameters of `mallopt` that were set, with their values in bytes or arenas. Empty without
    /// glibc.
    pub fn allocator(&self) -> &[(&'static str, i64)] {
        &self.allocator
    }

    /// Whether the installing thread became the first worker of a new pool.
    pub fn has_pool(&self) -> bool {
        self.pool.is_some()
    }
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} threads", self.threads())?;
        for (variable, value) in &self.environment {
            write!(f, ", {variable}={value}")?;
        }
        for (parameter, value) in &self.allocator {
            write!(f, ", {parameter}={value}")?;
        }
        Ok(())
    }
}

/// Makes the calling thread the first worker of a new pool, or returns nothing if the thread
/// already belongs to one. The pool ends when the result is dropped.
pub(crate) fn join_new_pool() -> Option<ThreadPool> {
    rayon::ThreadPoolBuilder::new().use_current_thread().build().ok()
}

/// How long a worker without work spins before it sleeps.
const SPIN: Duration = Duration::from_micros(200);

thread_local! {
    /// The number of spinning workers in the pool whose first worker is this thread.
    static SPINNING: Arc<AtomicUsize> = Arc::default();
}

/// Makes the other workers of this thread's pool spin-wait. Does nothing unless this thread is the
/// pool's first worker.
pub(crate) fn keep_workers_awake() {
    if rayon::current_thread_index() != Some(0) {
        return;
    }
    let others = rayon::current_num_threads() - 1;
    SPINNING.with(|spinning| {
        for _ in spinning.load(Ordering::Relaxed)..others {
            let spinning = spinning.clone();
            spinning.fetch_add(1, Ordering::Relaxed);
            rayon::spawn(move || {
                if rayon::current_thread_index() != Some(0) {
                    spin();
                }
                spinning.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

/// Runs pending work until there has been none for [`SPIN`].
fn spin() {
    let mut last = Instant::now();
    while last.elapsed() < SPIN {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => last = Instant::now(),
            _ => std::thread::yield_now(),
        }
    }
}

/// Sets an environment variable that is absent and returns it with its value.
fn set_if_absent(variable: &'static str, value: String) -> Option<(&'static str, String)> {
    std::env::var_os(variable).is_none().then(|| set(variable, value))
}

/// Sets an environment variable and returns it with its value.
#[allow(unsafe_code)]
fn set(variable: &'static str, value: String) -> (&'static str, String) {
    // SAFETY: the standard library locks the environment for its own readers. A C library that
    // reads it at the same moment remains a hazard; the default build links none that does.
    unsafe { std::env::set_var(variable, &value) };
    (variable, value)
}

/// The peak resident memory of this process so far, in bytes: `VmHWM` of `/proc/self/status` on Linux; none
/// where the system does not report it.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// The memory in use on an accelerator, by all processes, in bytes: freed memory that candle keeps counts. None
/// for the CPU and where the driver does not report it.
pub fn device_memory(device: &Device) -> Option<u64> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        let (free, total) = device.cuda_stream().context().mem_get_info().ok()?;
        return Some((total - free) as u64);
    }
    let _ = device;
    None
}

/// The block size, in bytes, from which glibc maps a block of its own; this is its largest setting.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: libc::c_int = 32 << 20;

/// Tells glibc to keep freed memory; returns the parameters that it accepted.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn keep_freed_memory() -> Vec<(&'static str, i64)> {
    let parameters = [
        ("MALLOC_MMAP_THRESHOLD_", "M_MMAP_THRESHOLD", libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD),
        ("MALLOC_TRIM_THRESHOLD_", "M_TRIM_THRESHOLD", libc::M_TRIM_THRESHOLD, libc::c_int::MAX),
        // With one arena, memory that one thread frees serves all others.
        ("MALLOC_ARENA_MAX", "M_ARENA_MAX", libc::M_ARENA_MAX, 1),
    ];
    let mut accepted = Vec::new();
    for (variable, name, parameter, value) in parameters {
        // SAFETY: mallopt takes any value at any time. It returns 0 if it refuses the value, and
        // the allocator then works as before.
        if std::env::var_os(variable).is_none() && unsafe { libc::mallopt(parameter, value) } != 0 {
            accepted.push((name, i64::from(value)));
        }
    }
    accepted
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() -> Vec<(&'static str, i64)> {
    Vec::new()
}
