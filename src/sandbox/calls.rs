//! What was called: counters that never forget, and the last calls in full.
//!
//! In: each call as it ends. Out: copies. Bounded: it holds `KEPT` calls, each clipped. It never sees a header or a body.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode, Uri};

/// How many calls are kept in full.
const KEPT: usize = 1024;
/// How many bytes of a path or a query are kept.
const CLIP: usize = 512;

/// One call, as it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query as it was sent, percent-encoded.
    pub query: Option<String>,
    /// The status the client saw.
    pub status: u16,
}

/// How many calls of each method there were since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodCounts {
    /// GET.
    pub get: u64,
    /// POST to `/.search`, which is a read.
    pub search: u64,
    /// Any other POST.
    pub post: u64,
    /// PUT.
    pub put: u64,
    /// PATCH.
    pub patch: u64,
    /// DELETE.
    pub delete: u64,
    /// Anything else.
    pub other: u64,
}

impl MethodCounts {
    /// Calls that are made to change something.
    pub fn writes(&self) -> u64 {
        self.post + self.put + self.patch + self.delete
    }

    /// All calls.
    pub fn total(&self) -> u64 {
        self.get + self.search + self.other + self.writes()
    }

    fn add(&mut self, call: CallMethod) {
        let counter = match call {
            CallMethod::Get => &mut self.get,
            CallMethod::Search => &mut self.search,
            CallMethod::Post => &mut self.post,
            CallMethod::Put => &mut self.put,
            CallMethod::Patch => &mut self.patch,
            CallMethod::Delete => &mut self.delete,
            CallMethod::Other => &mut self.other,
        };
        *counter += 1;
    }
}

/// What kind of call one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallMethod {
    Get,
    Search,
    Post,
    Put,
    Patch,
    Delete,
    Other,
}

impl CallMethod {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::POST if uri.path().ends_with("/.search") => Self::Search,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => Self::Other,
        }
    }

    /// Whether it is made to change something.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch | Self::Delete)
    }
}

/// The log of a running server.
#[derive(Debug, Default)]
pub(super) struct CallLog(Mutex<(MethodCounts, VecDeque<Logged>)>);

impl CallLog {
    fn lock(&self) -> MutexGuard<'_, (MethodCounts, VecDeque<Logged>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, method: &Method, uri: &Uri, status: StatusCode) {
        let logged = Logged {
            method: clip(method.as_str()),
            path: clip(uri.path()),
            query: uri.query().map(clip),
            status: status.as_u16(),
        };
        let (counts, calls) = &mut *self.lock();
        counts.add(CallMethod::of(method, uri));
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(logged);
    }

    pub(super) fn counts(&self) -> MethodCounts {
        self.lock().0
    }

    pub(super) fn last(&self) -> Vec<Logged> {
        self.lock().1.iter().cloned().collect()
    }
}

fn clip(text: &str) -> String {
    text.get(..text.floor_char_boundary(CLIP)).unwrap_or(text).to_owned()
}
