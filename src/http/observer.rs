//! Who hears of calls, to count them. In: what was asked, how it was answered, how long it took. Out: nothing.
//!
//! An observer travels with the [`Pacer`](super::pace::Pacer) of a connection: whoever may make a call also has whom to tell of
//! it. It learns no address, no id and no body.

use std::time::Duration;

use super::Method;

/// Hears of the calls of one connection. May be called by several tasks at once, and must not block.
pub trait Observer: Send + Sync {
    /// A call waited so long for its turn: for its place among the calls in flight, and for the rate limit.
    fn waited(&self, wait: Duration);

    /// A call ended, with the status of its answer or without an answer.
    fn called(&self, method: Method, status: Option<u16>, took: Duration);

    /// A call is to be made again, and why: one of a few words.
    fn repeated(&self, why: &'static str);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn waited(&self, _: Duration) {}
    fn called(&self, _: Method, _: Option<u16>, _: Duration) {}
    fn repeated(&self, _: &'static str) {}
}
