//! A local web page and JSON API that generate faces from descriptions with a t2f model.
//!
//! [`Demo::run`] answers requests until it is told to stop. The model stays on the calling thread, which
//! generates for one request at a time; connections are served by another thread. The demo listens on 127.0.0.1
//! alone, has no state besides the model, and answers equal requests with equal bytes.
//!
//! ```no_run
//! use t2f_demo::{Demo, Limits};
//! use t2f_train::components::Components;
//! use t2f_train::model::Model;
//!
//! let model = Model::load("runs/00000-procedural-quick", "auto", &Components::new())?;
//! let demo = Demo::bind(7860, Limits::default())?;
//! println!("{}", demo.url());
//! demo.run(&model, "quick", || false)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api;
mod caching;
mod error;
mod extract;
mod faces;
mod facts;
mod guard;
mod limits;
mod page;
mod problem;
mod refusals;
mod server;
mod state;
mod understanding;
mod values;
mod walk;
mod words;
mod worker;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::http::StatusCode;
use t2f_train::model::Model;
use tokio::sync::oneshot;

pub use error::{Error, Result};
pub use limits::Limits;
use problem::Problem;
use state::App;

/// A demo that listens and does not answer yet.
#[derive(Debug)]
pub struct Demo {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Demo {
    /// Listens on a port of 127.0.0.1; 0 is any free port.
    ///
    /// # Errors
    /// If the port is taken or not allowed.
    pub fn bind(port: u16, limits: Limits) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).map_err(|cause| Error::Bind { address, cause })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, limits })
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers requests with `model`, shown under `name`, until `stop` returns true. `stop` is called about
    /// twenty times a second.
    ///
    /// Requests in work are answered before the end, for at most [`Limits::stop_time`].
    ///
    /// # Errors
    /// If the server fails.
    pub fn run(self, model: &Model, name: &str, stop: impl Fn() -> bool) -> Result<()> {
        let (queue, worker) = worker::queue(self.limits.requests);
        let facts = Arc::new(facts::Facts::of(model, name));
        let app =
            router(App { queue, facts, limits: self.limits, images: state::Images::default() }, self.address);
        let (stopping, stopped) = oneshot::channel();
        let (listener, limits) = (self.listener, self.limits);
        let server = thread::Builder::new()
            .name("server".into())
            .spawn(move || server::serve(listener, app, limits, stopped))?;
        let mut stopping = Some(stopping);
        worker.run(model, || {
            if stop() {
                stopping.take();
            }
        });
        server.join().map_err(|_| Error::Panicked)??;
        Ok(())
    }
}

/// The page and the API, behind the guard.
fn router(app: App, address: SocketAddr) -> Router {
    let hosts = guard::Hosts::of(address);
    let guard = axum::middleware::from_fn_with_state(hosts, guard::guard);
    api::router(app).merge(page::router()).fallback(nothing_there).layer(guard)
}

async fn nothing_there() -> Problem {
    let detail = "there is nothing at this address";
    Problem::new(StatusCode::NOT_FOUND, detail, "the page is at /, the API at /api/v1/openapi.json")
}
