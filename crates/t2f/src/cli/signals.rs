//! Signals: the first SIGINT or SIGTERM stops a run after a checkpoint and a generation after a batch, the
//! second ends the process at once; SIGUSR1 writes a checkpoint and continues.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator;
use signal_hook::low_level::exit;

/// The requests since [`listen`](Self::listen).
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    save: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to listen.
    ///
    /// One thread receives all signals in order. With handlers, two simultaneous signals could run on two
    /// threads, and both could be taken for the first.
    pub fn listen() -> io::Result<Self> {
        let signals = Self::default();
        let mut arriving = iterator::Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
        let asked = signals.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in arriving.forever() {
                match signal {
                    SIGUSR1 => asked.save.store(true, Ordering::Relaxed),
                    _ if asked.stop.swap(true, Ordering::Relaxed) => exit(128 + signal),
                    _ => (),
                }
            }
        })?;
        Ok(signals)
    }

    /// Whether a stop or a checkpoint is requested.
    pub fn pending(&self) -> bool {
        self.stop() || self.save.load(Ordering::Relaxed)
    }

    /// Whether a stop is requested.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Clears the request of a checkpoint.
    pub fn saved(&self) {
        self.save.store(false, Ordering::Relaxed);
    }
}
