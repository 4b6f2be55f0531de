//! How long work tells a person that it moves. In: counts from the edges and `apply`. Out: whatever the command line shows.
//!
//! Rooms below `cli` know only this trait, never a terminal.

/// Receives the progress of one piece of long work. All methods may be called from several tasks.
pub trait Progress: Send + Sync {
    /// A new stage begins: what it does, and how many steps it has if that is known.
    fn stage(&self, what: &str, total: Option<u64>);
    /// `n` more steps are done.
    fn advance(&self, n: u64);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
}
