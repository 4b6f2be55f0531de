//! The journal: files of lines, one record each. In: events. Out: records, each proven to follow the one before it.
//!
//! `journal/00000001.log` begins with record 1; every file is named after its first record, and each but the first opens with
//! [`Continued`](super::Continued), so that the last file alone is enough to go on. A line is the CRC-32 of its text, a blank
//! and the record as JSON.

mod copy;
mod line;
mod look;
mod read;
mod segment;
mod write;

pub(super) use copy::{Copy, prove};
pub(super) use line::good_lines;
pub(super) use line::hash as line_hash;
pub(super) use look::{Cut, Look, format_of, look};
pub(super) use read::{Entry, ReadError, Reader};
pub(super) use segment::{Segment, segments};
#[cfg(test)]
pub(super) use write::LogFile;
pub(super) use write::{Appender, Disk, RealDisk, cut_off};

/// A file is closed and the next one begun when it has grown this long: what is read whole at every start.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;

/// No record is longer; a reader does not take more memory than this for a line.
pub(super) const MAX_LINE: u64 = 32 << 20;
