//! Signals with manners: the first SIGINT or SIGTERM asks the run to stop and save, the second ends
//! it at once; SIGUSR1 asks it to save and go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// What was asked for since [`listen`](Self::listen).
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    save: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from here on.
    pub fn listen() -> io::Result<Self> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the handler that ends the process must not see the flag its own
            // signal sets.
            flag::register_conditional_shutdown(signal, 128 + signal, signals.stop.clone())?;
            flag::register(signal, signals.stop.clone())?;
        }
        flag::register(SIGUSR1, signals.save.clone())?;
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
