//! What a process that trains should settle before it starts: who works in parallel, and what
//! happens to memory that is given back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// Turns candle's own workers off, tells it how many threads rayon has, keeps freed memory, and
/// makes the calling thread a worker of a pool of its own. The first three are left alone where
/// the environment has a word on them. Only the first call does anything; it must come before
/// candle's first operator on the CPU.
///
/// - On the CPU candle hands even small operators to worker threads of its own and spins until
///   they are done; beside rayon's workers, which run our kernels, that takes a third of a step.
/// - It counts the processor's cores anew, by reading `/proc/cpuinfo`, at every matrix product
///   that the environment does not answer for.
/// - Every operator allocates its result, and glibc returns large blocks to the system when they
///   are freed: their pages are then mapped, and zeroed, again in every step.
pub fn prepare() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        set("RAYON_NUM_THREADS", &rayon::current_num_threads().to_string());
        set("CANDLE_NUM_THREADS", "1");
        keep_memory();
        join_pool();
    });
}

/// Makes the calling thread one of a new pool's workers, so that our operators run on it and on
/// others beside it. To a thread outside, rayon hands the whole operator over, and both change
/// threads twice for each. A thread that is in a pool stays there.
pub(crate) fn join_pool() {
    if let Ok(pool) = rayon::ThreadPoolBuilder::new().use_current_thread().build() {
        // Its workers sleep, and end with the process.
        std::mem::forget(pool);
    }
}

/// How long a worker that has nothing to do waits for more before it sleeps.
const LINGER: Duration = Duration::from_micros(200);

thread_local! {
    /// Workers that linger, of the pool whose first worker this thread is.
    static LINGERING: Arc<AtomicUsize> = Arc::default();
}

/// Keeps the workers beside this thread, the first of its pool, awake for a while: from one
/// operator to the next there is less to do alone than it takes to wake them.
pub(crate) fn attend() {
    if rayon::current_thread_index() != Some(0) {
        return;
    }
    let helpers = rayon::current_num_threads() - 1;
    LINGERING.with(|lingering| {
        for _ in lingering.load(Ordering::Relaxed)..helpers {
            let lingering = lingering.clone();
            lingering.fetch_add(1, Ordering::Relaxed);
            rayon::spawn(move || {
                if rayon::current_thread_index() != Some(0) {
                    linger();
                }
                lingering.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

/// Does what work there is until there has been none for a while.
fn linger() {
    let mut last = Instant::now();
    while last.elapsed() < LINGER {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => last = Instant::now(),
            _ => std::thread::yield_now(),
        }
    }
}

#[allow(unsafe_code)]
fn set(variable: &str, value: &str) {
    if std::env::var_os(variable).is_none() {
        // SAFETY: the standard library locks the environment for its own readers; a C library that
        // reads it at the same moment is the hazard left, and none is linked by default.
        unsafe { std::env::set_var(variable, value) };
    }
}

/// The size, in bytes, from which glibc still maps a block of its own: its largest setting.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 32 << 20;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn keep_memory() {
    let settings = [
        ("MALLOC_MMAP_THRESHOLD_", libc::M_MMAP_THRESHOLD, MAPPED),
        ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, libc::c_int::MAX),
        // One heap: what one thread frees serves the next.
        ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, 1),
    ];
    for (variable, setting, value) in settings {
        if std::env::var_os(variable).is_none() {
            // SAFETY: mallopt takes any value, may be called at any time, and refuses by returning
            // 0, after which memory is returned as before.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_memory() {}
