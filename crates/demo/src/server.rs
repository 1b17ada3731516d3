//! The server: accepts connections, limits their number and their times, and ends gracefully.
//!
//! `axum::serve` sets no timer, so that hyper's time limit of headers has no effect; this loop sets it. The same
//! limit ends idle connections, since hyper starts it when an answer is complete.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_io_timeout::TimeoutStream;

use crate::limits::{HEADER_BYTES, Limits};
use crate::problem::Problem;

/// Connections beyond the maximum that are told so; further ones wait until one of these ends.
const REFUSED: usize = 16;
/// The pause after a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is sent or dropped, then ends the connections.
pub(crate) fn serve(
    listener: std::net::TcpListener,
    app: Router,
    limits: Limits,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let connections = Connections::new(app, limits);
        tokio::select! {
            failed = connections.accept_all(TcpListener::from_std(listener)?) => return failed,
            _ = stop => {}
        }
        connections.end().await;
        Ok(())
    })
}

/// The connections of the server.
struct Connections {
    app: Router,
    busy: Router,
    limits: Limits,
    /// Connections that are answered.
    places: Arc<Semaphore>,
    /// Connections that are accepted.
    all: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl Connections {
    fn new(app: Router, limits: Limits) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            app,
            busy: Router::new().fallback(busy),
            limits,
            places: permits(limits.connections),
            all: permits(limits.connections + REFUSED),
            graceful: GracefulShutdown::new(),
        }
    }

    async fn accept_all(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let held = Arc::clone(&self.all).acquire_owned().await.map_err(io::Error::other)?;
            match listener.accept().await {
                Ok((stream, _)) => self.start(stream, held),
                Err(error) => {
                    tracing::warn!("a connection is not accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Answers the requests of a connection in a task of its own.
    fn start(&self, stream: TcpStream, held: OwnedSemaphorePermit) {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let app = if place.is_some() { &self.app } else { &self.busy };
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write_time));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_time)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app.clone()));
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks off or takes too long is no error of the server.
            let _ = connection.await;
            drop((place, held));
        });
    }

    /// Ends idle connections, and waits for those with a request in work, at most for the time of a stop.
    async fn end(self) {
        let _ = tokio::time::timeout(self.limits.stop_time, self.graceful.shutdown()).await;
    }
}

/// The answer to a connection beyond the maximum.
async fn busy() -> impl IntoResponse {
    let detail = "there are too many connections";
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        detail,
        "close other connections, or repeat in a second",
    );
    ([(CONNECTION, "close")], problem)
}
