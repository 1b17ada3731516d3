//! A demo that runs on a thread, with a model of three training steps at 8x8.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;

use t2f_demo::{Demo, Limits};
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::device;
use t2f_train::model::Model;
use t2f_train::trainer::{Event, Trainer};

/// Settings that make the preset `quick` tiny.
const SMALL: [&str; 22] = [
    "device=cpu",
    "gan.resolution=8",
    "gan.channels=[8,8]",
    "gan.latent_size=12",
    "gan.code_size=8",
    "gan.compressed_size=8",
    "loss.attributes.classifier=[8]",
    "loss.reconstruction.encoder=[8]",
    "loader.caption_dropout=0.1",
    "text.embedding_size=8",
    "text.hidden_size=8",
    "text.max_length=12",
    "data.train_images=64",
    "data.val_images=4",
    "data.test_images=4",
    "schedule.batch_sizes=[4]",
    "schedule.fade_kimg=[0,0.004]",
    "schedule.stable_kimg=[0.004,0.004]",
    "schedule.anneal_kimg=0",
    "output.tick_kimg=0.004",
    "output.sample_kimg=1",
    "output.samples=2",
];

/// The bytes of the model, which is trained once.
fn trained() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let lines: Vec<String> = SMALL.map(String::from).into();
        let config = Config::resolve(Some("quick"), None, &lines).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = Trainer::create(config, Components::new(), folder.path()).unwrap();
        trainer.run(|_: &Event| ControlFlow::Continue(())).unwrap();
        std::fs::read(trainer.run_dir().path().join("model.safetensors")).unwrap()
    })
}

/// The model.
pub fn model() -> Model {
    Model::from_bytes(trained(), &device::open("cpu").unwrap(), &Components::new()).unwrap()
}

/// A running demo; it stops when it is dropped.
pub struct Running {
    pub address: SocketAddr,
    control: Arc<Control>,
    thread: Option<JoinHandle<t2f_demo::Result<()>>>,
}

#[derive(Default)]
struct Control {
    stopped: AtomicBool,
    /// Whether the worker should wait, and whether it does.
    pause: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Control {
    /// Called on the thread of the worker, between requests.
    fn stop(&self) -> bool {
        let mut pause = self.pause.lock().unwrap();
        while pause.0 {
            pause.1 = true;
            self.changed.notify_all();
            pause = self.changed.wait(pause).unwrap();
        }
        pause.1 = false;
        self.stopped.load(Ordering::Relaxed)
    }
}

impl Running {
    /// Starts a demo with the default limits.
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    /// Starts a demo.
    pub fn with(limits: Limits) -> Self {
        let demo = Demo::bind(0, limits).unwrap();
        let (address, control) = (demo.address(), Arc::<Control>::default());
        let of_thread = Arc::clone(&control);
        let thread = std::thread::spawn(move || demo.run(&model(), "tiny", || of_thread.stop()));
        Self { address, control, thread: Some(thread) }
    }

    /// Makes the worker wait before the next request.
    pub fn pause(&self) {
        let mut pause = self.control.pause.lock().unwrap();
        pause.0 = true;
        while !pause.1 {
            pause = self.control.changed.wait(pause).unwrap();
        }
    }

    /// Lets the worker continue.
    pub fn resume(&self) {
        self.control.pause.lock().unwrap().0 = false;
        self.control.changed.notify_all();
    }

    /// Asks the demo to stop.
    pub fn ask_to_stop(&self) {
        self.control.stopped.store(true, Ordering::Relaxed);
        self.resume();
    }

    /// Stops the demo and returns its result.
    pub fn stop(mut self) -> t2f_demo::Result<()> {
        self.ask_to_stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
