//! Signals with manners: the first SIGINT or SIGTERM asks the run to stop and save, the second ends
//! it at once; SIGUSR1 asks it to save and go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator;
use signal_hook::low_level::exit;

/// What was asked for since [`listen`](Self::listen).
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    save: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from here on.
    ///
    /// One thread takes every signal in turn. Handlers alone would not do: two signals at a time
    /// may be handled on two threads, and each would take itself for the first.
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

    /// Whether the run was asked to stop or to save.
    pub fn pending(&self) -> bool {
        self.stop() || self.save.load(Ordering::Relaxed)
    }

    /// Whether the run was asked to stop.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What was asked to be saved is.
    pub fn saved(&self) {
        self.save.store(false, Ordering::Relaxed);
    }
}
