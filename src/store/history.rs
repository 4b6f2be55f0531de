//! The last runs, for somebody who looks. In: a state folder. Out: the summaries at the journal's end.
//!
//! Only the end of the journal is read, beside whoever writes it: enough for a picture, never a reason to act. A line that is not
//! whole is left out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::handle::TenantStore;
use super::journal::good_lines;
use super::record::{JournalEvent, Record, RunSummary};
use crate::model::RunId;

/// How much of the journal's end is read.
const READ: u64 = 1 << 20;

impl TenantStore {
    /// The last runs, the oldest first, as far as they stand near the journal's end.
    ///
    /// # Errors
    /// When the journal is there and can't be read.
    pub fn recent_runs(&self, most: usize) -> Result<Vec<RunSummary>, StoreError> {
        let log = self.log();
        let mut left = READ;
        let mut runs: Vec<RunSummary> = Vec::new();
        for segment in log.segments()?.iter().rev() {
            let end = log.end(segment, left)?;
            left = left.saturating_sub(end.len() as u64);
            let ended = good_lines(&end).filter_map(|json| serde_json::from_slice::<Record>(json).ok());
            let mut earlier: Vec<RunSummary> = ended
                .filter_map(|record| match record.event {
                    JournalEvent::RunEnded(summary) => Some(*summary),
                    _ => None,
                })
                .collect();
            earlier.append(&mut runs);
            runs = earlier;
            if left == 0 || runs.len() >= most {
                break;
            }
        }
        runs.drain(..runs.len().saturating_sub(most));
        Ok(runs)
    }
}

/// A run that started, and of whose end there is no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptedRun {
    /// Its id.
    pub run: RunId,
    /// When it started.
    pub started: Timestamp,
}

impl TenantStore {
    /// The last run, if the journal's end shows its start and not its end, and no process is at work on the tenant now.
    ///
    /// # Errors
    /// When the journal is there and can't be read.
    pub fn interrupted_run(&self) -> Result<Option<InterruptedRun>, StoreError> {
        let log = self.log();
        let Some(last) = log.segments()?.pop() else { return Ok(None) };
        let end = log.end(&last, READ)?;
        let mut open = None;
        for record in good_lines(&end).filter_map(|json| serde_json::from_slice::<Record>(json).ok()) {
            match record.event {
                JournalEvent::RunStarted { run, .. } => open = Some(InterruptedRun { run, started: record.at }),
                JournalEvent::RunEnded(_) => open = None,
                _ => {}
            }
        }
        Ok(open.filter(|_| self.notes().holder().is_none()))
    }
}
