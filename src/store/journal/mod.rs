//! The journal: a log of lines, one record each. In: events. Out: records, each proven to follow the one before it.
//!
//! Every segment but the first opens with [`Continued`](super::Continued), so that the last one alone is enough to go on. A line
//! is the CRC-32 of its text, a blank and the record as JSON. Where the lines lie is the [`Log`](super::backend::Log)'s business.

mod append;
mod copy;
mod line;
mod look;
mod read;

pub(super) use append::Appender;
pub(super) use copy::{Copy, prove};
pub(super) use line::good_lines;
pub(super) use line::hash as line_hash;
pub(super) use look::{Look, look, newer_format};
pub(super) use read::{Entry, ReadError, Reader};

/// No record is longer; a reader does not take more memory than this for a line.
const MAX_LINE: u64 = 32 << 20;
