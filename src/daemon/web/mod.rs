//! The status page. In: what the loop shows ([`Pane`]), what runs leave on the disk, the numbers. Out: pages and endpoints on
//! loopback, for reading only.
//!
//! It runs on a thread and a runtime of its own: whatever a client does, the loop goes on, and a loop that hangs is seen from here
//! (`/livez`). Connections are few, short and bounded; those that say nothing make room for those that ask. A port that is taken
//! stops no tenant: the daemon runs without its page, reports that, and tries again.

mod gather;
mod overview;
mod page;
mod plot;
mod routes;
mod tenant;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
mod words;

pub(super) use gather::standing;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::pane::Pane;
use crate::clock::Clock;
use crate::store::Stores;
use crate::telemetry::Telemetry;

/// So many connections there are at a time, and so many of them that have not asked anything yet.
const CONNECTIONS: usize = 128;
const SILENT: usize = 64;

/// So many pages are made at a time; `/livez` and `/readyz` need no such place, and `/metrics` has its own.
const PAGES: usize = 3;

/// A request has to be there after so long.
const REQUEST_LIMIT: Duration = Duration::from_secs(3);

/// One connection takes no longer than this, whatever happens on it.
const CONNECTION_LIMIT: Duration = Duration::from_secs(20);

/// Requests here are small.
const REQUEST_BYTES: usize = 16 << 10;

/// How long a port that is taken is left alone.
const AGAIN: Duration = Duration::from_secs(15);

/// What the pages are made of.
pub(super) struct PageView {
    pub(super) pane: Arc<Pane>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) stores: Stores,
    pub(super) config: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
}

/// The page, if there is to be one.
pub(super) struct StatusServer {
    view: Arc<PageView>,
    open: Option<OpenPage>,
    refused: Option<Refused>,
}

struct OpenPage {
    listen: SocketAddr,
    /// Where that is: with port 0 the system chose one.
    address: SocketAddr,
    /// Dropping it closes the page.
    _stop: oneshot::Sender<()>,
}

struct Refused {
    listen: SocketAddr,
    why: String,
    at: Instant,
}

impl StatusServer {
    pub(super) fn new(view: PageView) -> Self {
        Self { view: Arc::new(view), open: None, refused: None }
    }

    /// Serves the page there, or nowhere. One that is served there already goes on.
    pub(super) fn serve(&mut self, listen: Option<SocketAddr>) {
        if self.open.as_ref().map(|open| open.listen) == listen {
            self.refused = None;
            return;
        }
        (self.open, self.refused) = (None, None);
        if let Some(listen) = listen {
            self.try_at(listen);
        }
    }

    /// Tries again where it was refused, from time to time. Says whether that changed anything.
    pub(super) fn again(&mut self) -> bool {
        let Some(Refused { listen, .. }) = self.refused.take_if(|refused| refused.at.elapsed() >= AGAIN) else {
            return false;
        };
        self.try_at(listen);
        self.refused.is_none()
    }

    /// Why there is no page although there should be one.
    pub(super) fn trouble(&self) -> Option<String> {
        self.refused.as_ref().map(|refused| refused.why.clone())
    }

    fn try_at(&mut self, listen: SocketAddr) {
        match open(listen, Arc::clone(&self.view)) {
            Ok(open) => {
                tracing::info!(address = %open.address, "status page listening");
                self.open = Some(open);
            }
            Err(error) => {
                let why = format!(
                    "no status page: can't listen on {listen}: {error}; runs continue, and it is tried again every {} s. `ss \
                     -ltnp` shows which process has the port",
                    AGAIN.as_secs()
                );
                tracing::error!("{why}");
                self.refused = Some(Refused { listen, why, at: Instant::now() });
            }
        }
    }
}

fn open(listen: SocketAddr, view: Arc<PageView>) -> std::io::Result<OpenPage> {
    if !listen.ip().is_loopback() {
        // The file's check says so with the place; this holds for whoever calls.
        return Err(std::io::Error::other("the page shows names without authentication: it is for loopback only"));
    }
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(PAGES + 1).build()?;
    let (stop, stopped) = oneshot::channel();
    let router = routes::router(view);
    std::thread::Builder::new().name("status-page".to_owned()).spawn(move || {
        runtime.block_on(accept(listener, router, stopped));
        // A page that is being made is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(OpenPage { listen, address, _stop: stop })
}

async fn accept(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the status page could not be served"),
    };
    let mut places = Places::default();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            Some(ended) = places.tasks.join_next_with_id() => {
                places.left(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => places.take(stream, router.clone()),
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection to the status page");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The connections. A new one is always let in, so that a question such as `/livez` never waits: where there are too many, the oldest goes
/// that has not asked anything yet.
#[derive(Default)]
struct Places {
    tasks: JoinSet<()>,
    /// In the order in which they came.
    open: VecDeque<PageLocation>,
}

struct PageLocation {
    task: AbortHandle,
    /// Whether a whole request has come.
    has_asked: Arc<AtomicBool>,
}

impl Places {
    fn take(&mut self, stream: TcpStream, router: Router) {
        let silent = |place: &PageLocation| !place.has_asked.load(Ordering::Relaxed);
        if self.open.iter().filter(|place| silent(place)).count() >= SILENT {
            self.let_go(self.open.iter().position(silent));
        }
        if self.open.len() >= CONNECTIONS {
            self.let_go(Some(0));
        }
        let has_asked = Arc::new(AtomicBool::new(false));
        let task = self.tasks.spawn(connection(stream, router, Arc::clone(&has_asked)));
        self.open.push_back(PageLocation { task, has_asked });
    }

    fn let_go(&mut self, at: Option<usize>) {
        if let Some(place) = at.and_then(|at| self.open.remove(at)) {
            place.task.abort();
        }
    }

    fn left(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.open.retain(|place| place.task.id() != id);
    }
}

async fn connection(stream: TcpStream, router: Router, has_asked: Arc<AtomicBool>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        router.call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        .max_buf_size(REQUEST_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_LIMIT, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the status page broke"),
        Err(_) => tracing::debug!("closed a slow connection to the status page"),
    }
}
