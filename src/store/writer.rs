//! One thread owns the journal's end. In: events, in order, from many tasks. Out: their numbers, once they are written or on
//! the disk.
//!
//! Group commit: while one `fdatasync` runs, events pile up; the next one takes them all. Where many calls are under way it waits
//! for a few more, as PostgreSQL does with `commit_delay`; an event that comes alone goes at once. After an error nothing is written
//! any more, because what came after it in the journal would be a lie.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::cache::Cache;
use super::error::StoreError;
use super::journal::{Appender, Entry};
use super::record::JournalEvent;
use super::tail::Tail;

/// Events that may wait before `append` itself waits.
const QUEUE: usize = 1024;
/// Events written at once.
const GROUP: usize = 256;
/// Where several events arrive at a time more will come: the disk is asked once for all that come within a few of these times, or
/// until nobody came within one.
const GATHER: Duration = Duration::from_millis(2);
/// How many.
const GATHERED: u32 = 4;

/// When an appended event is answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// It is written: in order, and visible to readers of this process.
    Written,
    /// It and everything before it is on the disk.
    OnDisk,
}

struct WriterCommand {
    event: Option<(Timestamp, JournalEvent)>,
    until: Until,
    reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// The way to the thread. Dropping it waits until everything is on the disk.
pub(super) struct JournalWriter {
    commands: Option<mpsc::Sender<WriterCommand>>,
    thread: Option<JoinHandle<()>>,
    /// In a simulated world the caller does the work: no thread, one order, one seed.
    #[cfg(test)]
    inline: Option<Mutex<(WriterWork, Option<String>)>>,
}

/// What the thread works on.
pub(super) struct WriterWork {
    pub(super) appender: Appender,
    pub(super) tail: Arc<Mutex<Tail>>,
    pub(super) cache: Arc<Cache>,
}

impl JournalWriter {
    pub(super) fn start(work: WriterWork) -> std::io::Result<Self> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || work.run(queue))?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
            #[cfg(test)]
            inline: None,
        })
    }

    /// A writer without a thread.
    #[cfg(test)]
    pub(super) fn inline(work: WriterWork) -> Self {
        Self { commands: None, thread: None, inline: Some(Mutex::new((work, None))) }
    }

    /// Appends an event and returns its number.
    pub(super) async fn append(&self, at: Timestamp, event: JournalEvent, until: Until) -> Result<u64, StoreError> {
        self.send(Some((at, event)), until).await
    }

    /// Returns when everything appended is on the disk.
    pub(super) async fn sync(&self) -> Result<(), StoreError> {
        self.send(None, Until::OnDisk).await.map(drop)
    }

    async fn send(&self, event: Option<(Timestamp, JournalEvent)>, until: Until) -> Result<u64, StoreError> {
        let gone = || StoreError::Stopped("its thread ended".to_owned());
        let (reply, answer) = oneshot::channel();
        #[cfg(test)]
        if let Some(inline) = &self.inline {
            do_now(inline, WriterCommand { event, until, reply });
            return answer.await.map_err(|_| gone())?;
        }
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.send(WriterCommand { event, until, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
fn do_now(inline: &Mutex<(WriterWork, Option<String>)>, command: WriterCommand) {
    let mut guard = inline.lock().unwrap_or_else(PoisonError::into_inner);
    let (work, stopped) = &mut *guard;
    work.next(vec![command], stopped);
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked; the next start reads what it wrote");
        }
    }
}

impl WriterWork {
    fn run(mut self, mut queue: mpsc::Receiver<WriterCommand>) {
        let mut stopped: Option<String> = None;
        let mut together = false;
        while let Some(first) = queue.blocking_recv() {
            if together {
                gather(&queue);
            }
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = queue.try_recv()
            {
                group.push(next);
            }
            together = group.len() > 1;
            self.next(group, &mut stopped);
        }
        if stopped.is_none()
            && let Err(error) = self.appender.sync()
        {
            tracing::error!(%error, "the journal's last records may not be on the disk");
        }
        self.cache.flush();
    }

    /// Writes a group; after an error none is written any more.
    fn next(&mut self, group: Vec<WriterCommand>, stopped: &mut Option<String>) {
        if let Some(why) = stopped {
            refuse(group.into_iter().map(|command| command.reply), why);
        } else if let Err(why) = self.group(group) {
            tracing::error!(%why, "the journal stopped");
            *stopped = Some(why);
        }
    }

    /// Writes a group, lets the cache follow, and answers. The error has been given to everybody waiting.
    fn group(&mut self, group: Vec<WriterCommand>) -> Result<(), String> {
        let mut events = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        for command in group {
            let has_event = command.event.is_some();
            events.extend(command.event);
            waiting.push((command.until, command.reply, has_event));
        }
        let written = match self.write(events) {
            Ok(written) => written,
            Err(error) => {
                let why = error.to_string();
                refuse(waiting.into_iter().map(|(_, reply, _)| reply), &why);
                return Err(why);
            }
        };
        let mut written = written.into_iter();
        let mut on_disk = Vec::new();
        for (until, reply, has_event) in waiting {
            let number = if has_event { written.next().unwrap_or(Ok(0)) } else { Ok(0) };
            match until {
                Until::OnDisk => on_disk.push((reply, number)),
                Until::Written => answer(reply, number),
            }
        }
        if on_disk.is_empty() {
            return Ok(());
        }
        match self.appender.sync() {
            Ok(()) => on_disk.into_iter().for_each(|(reply, number)| answer(reply, number)),
            Err(error) => {
                let why = error.to_string();
                refuse(on_disk.into_iter().map(|(reply, _)| reply), &why);
                return Err(why);
            }
        }
        Ok(())
    }

    /// Writes events and lets tail and cache follow. Returns their numbers.
    fn write(&mut self, events: Vec<(Timestamp, JournalEvent)>) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        let Some((at, _)) = events.first() else { return Ok(Vec::new()) };
        if self.appender.is_full() {
            let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let continued = self.appender.rotate(&tail, *at)?;
            self.follow(&[continued]);
        }
        let results = self.appender.append(events)?;
        let mut entries = Vec::with_capacity(results.len());
        let mut numbers = Vec::with_capacity(results.len());
        for result in results {
            numbers.push(result.map(|entry| {
                let seq = entry.record.seq;
                entries.push(entry);
                seq
            }));
        }
        self.follow(&entries);
        Ok(numbers)
    }

    fn follow(&self, entries: &[Entry]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            tail.record(&entry.record, &entry.hash);
        }
        drop(tail);
        self.cache.follow(entries);
    }
}

/// Waits while events keep coming. Whoever they belong to may all be waiting here by then: silence ends it.
fn gather(queue: &mpsc::Receiver<WriterCommand>) {
    let mut waiting = queue.len();
    for _ in 0..GATHERED {
        std::thread::sleep(GATHER);
        let now = queue.len();
        if now == waiting {
            return;
        }
        waiting = now;
    }
}

fn answer(reply: oneshot::Sender<Result<u64, StoreError>>, result: Result<u64, StoreError>) {
    // Whoever asked may have gone away; the record stands all the same.
    let _ = reply.send(result);
}

fn refuse(replies: impl Iterator<Item = oneshot::Sender<Result<u64, StoreError>>>, why: &str) {
    replies.for_each(|reply| answer(reply, Err(StoreError::Stopped(why.to_owned()))));
}
