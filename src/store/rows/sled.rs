//! Rows in sled 0.34.7, used by the rules that keep it well-behaved: small batches, no flush timer, one tree, every value in an
//! envelope with its checksum, and no trust that it can't panic.

use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::late::LateRows;
use super::{Batch, KeyValue, RowSpace, Rows, RowsError};
use crate::fail;
use crate::store::disk;
use crate::store::error::StoreError;

/// Resident memory follows it, plus about 55 MiB.
const CACHE_BYTES: u64 = 64 << 20;
/// The envelope's version.
const ENVELOPE: u8 = 1;
const ENVELOPE_BYTES: usize = 9;

/// An ordered map in a sled database.
pub(in crate::store) struct SledRows {
    /// Taken out only by `drop`.
    db: Option<sled::Db>,
}

/// sled's own lock on its file may outlive the handle that took it for a moment: a child process that is just being started has
/// inherited it. Nobody else works on the folder, since the tenant's lock is held; so that moment is waited for.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What sled says when its file is locked; its error has no kind of its own for that.
const LOCKED: &str = "could not acquire lock";

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(io) if io.to_string().contains(LOCKED))
}

impl SledRows {
    /// Opens the database in this folder, or makes it.
    pub(in crate::store) fn open(folder: &Path) -> Result<Self, RowsError> {
        guarded(|| {
            let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
            let config = config.flush_every_ms(None).mode(sled::Mode::LowSpace);
            let mut opened = config.open();
            for _ in 0..LOCK_TRIES {
                match &opened {
                    Err(error) if is_locked(error) => std::thread::sleep(LOCK_PAUSE),
                    _ => break,
                }
                opened = config.open();
            }
            Ok(Self { db: Some(opened?) })
        })
    }

    fn db(&self) -> Result<&sled::Db, sled::Error> {
        self.db.as_ref().ok_or_else(|| sled::Error::Unsupported("the cache is closed".to_owned()))
    }
}

impl Rows for SledRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        let found = guarded(|| self.db()?.get(key))?;
        found.map(|value| unwrap(key, &value).map(<[u8]>::to_vec)).transpose()
    }

    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyValue>, RowsError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let found = guarded(|| {
            let rows = self.db()?.range::<&[u8], _>((start, Bound::Unbounded));
            let wanted = rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)));
            wanted.take(limit).collect::<Result<Vec<_>, _>>()
        })?;
        found.iter().map(|(key, value)| Ok((key.to_vec(), unwrap(key, value)?.to_vec()))).collect()
    }

    fn apply(&self, batch: Batch) -> Result<(), RowsError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => changes.insert(key.as_slice(), wrap(&key, &value)),
                None => changes.remove(key),
            }
        }
        fail::point("cache.apply").map_err(RowsError::Io)?;
        guarded(|| self.db()?.apply_batch(changes))
    }

    fn flush(&self) -> Result<(), RowsError> {
        fail::point("cache.flush").map_err(RowsError::Io)?;
        guarded(|| self.db()?.flush().map(drop))
    }
}

impl Drop for SledRows {
    fn drop(&mut self) {
        // sled flushes when it closes and may panic on a broken disk. What it loses, the journal has.
        let db = self.db.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }
}

/// A database in a folder, with newer rows kept before it.
pub(in crate::store) struct SledRowSpace {
    folder: PathBuf,
    /// Where the last one that was broken is kept.
    aside: PathBuf,
}

impl SledRowSpace {
    pub(in crate::store) fn new(folder: PathBuf, aside: PathBuf) -> Self {
        Self { folder, aside }
    }
}

impl RowSpace for SledRowSpace {
    fn is_lasting(&self) -> bool {
        true
    }

    fn exists(&self) -> bool {
        self.folder.exists()
    }

    fn open(&self) -> Result<Arc<dyn Rows>, RowsError> {
        let made = disk::private_folder(&self.folder);
        made.map_err(|error| RowsError::Place(StoreError::io("make", &self.folder, error)))?;
        Ok(Arc::new(LateRows::before(SledRows::open(&self.folder)?)))
    }

    fn remove(&self) -> Result<(), StoreError> {
        unless_missing(fs::remove_dir_all(&self.folder)).map_err(|error| StoreError::io("remove", &self.folder, error))
    }

    fn set_aside(&self) -> Result<(), StoreError> {
        let moved = unless_missing(fs::remove_dir_all(&self.aside)).and_then(|()| {
            unless_missing(fs::rename(&self.folder, &self.aside))?;
            self.folder.parent().map_or(Ok(()), disk::sync_folder)
        });
        moved.map_err(|error| StoreError::io("move away", &self.folder, error))
    }
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn guarded<T>(act: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, RowsError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(|error| match error {
            sled::Error::Io(error) if !is_damage(&error) => RowsError::Io(error),
            damage => RowsError::Damaged(damage.to_string()),
        }),
        Err(_) => Err(RowsError::Damaged("the engine panicked".to_owned())),
    }
}

/// sled reports some damage as an error of the disk. What the disk itself says about space or rights is none.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | NotFound | UnexpectedEof)
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; 8] {
    let mut hash = Xxh3::new();
    hash.update(key);
    hash.update(value);
    hash.digest().to_le_bytes()
}

fn wrap(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENVELOPE_BYTES + value.len());
    bytes.push(ENVELOPE);
    bytes.extend_from_slice(&checksum(key, value));
    bytes.extend_from_slice(value);
    bytes
}

fn unwrap<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], RowsError> {
    let sealed = bytes.split_at_checked(ENVELOPE_BYTES).and_then(|(head, value)| head.split_first().zip(Some(value)));
    match sealed {
        Some(((&ENVELOPE, sum), value)) if *sum == checksum(key, value) => Ok(value),
        _ => Err(RowsError::Damaged(format!("row {:?} is not what was written", String::from_utf8_lossy(key)))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn p2_a_value_that_rotted_or_moved_is_not_believed() {
        let good = wrap(b"key", b"value");
        assert_eq!(unwrap(b"key", &good).unwrap(), b"value");
        assert!(unwrap(b"kez", &good).is_err(), "another row's value");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(unwrap(b"key", &bad).is_err(), "byte {at}");
            assert!(unwrap(b"key", &good[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_panic_inside_the_engine_is_damage_and_no_more() {
        let damage = guarded::<()>(|| panic!("on purpose"));
        assert!(matches!(damage, Err(RowsError::Damaged(_))));
    }

    #[test]
    fn p3_a_full_disk_is_not_taken_for_damage() {
        let full = guarded::<()>(|| Err(sled::Error::Io(io::ErrorKind::StorageFull.into())));
        assert!(matches!(full, Err(RowsError::Io(_))));
    }
}
