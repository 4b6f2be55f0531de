//! The keys of the cache's rows. One tree: the first letters say what a row is.
//!
//! | key | value |
//! |---|---|
//! | `meta` | how far the journal is folded, counters |
//! | `u/` id | a linked person: number, then JSON |
//! | `n/` number | the id of the person with this number |
//! | `g/` id | a linked group |
//! | `m/` length, id, block | members of a group (see [`numbers`](super::numbers)) |
//! | `d/` block | numbers whose link has ended; they may still stand in sets |
//! | `a/u/` app id, `a/g/` app id | the directory id linked to an app's object |
//! | `b/u/` app id | the directory id that was linked to an account when its link ended |
//! | `b/g/` app id | a group that was released: the directory id it was linked to, and its name |
//! | `b/m/` length, app id, block | its members by our doing when it was released |
//! | `f/u/` id, `f/g/` id | why an object is set aside |
//! | `l/` time, id | an end of access |
//! | `k/` time, id | how many members a group lost then |
//! | `t/` what | something that an undo put back |
//! | `j/` time, id | a deactivated account was activated again then |
//! | `own` | the account that the token belongs to |
//! | `takes` | what the app was seen to take in calls about members |
//! | `r/` run | a run's summary |

use jiff::Timestamp;

use super::record::UndoneEffect;
use crate::model::{AppId, ObjectRef, RunId, SourceId, UserNumber};

pub(super) const META: &[u8] = b"meta";
pub(super) const OWN: &[u8] = b"own";
pub(super) const TAKES: &[u8] = b"takes";
pub(super) const USERS: &[u8] = b"u/";
pub(super) const GROUPS: &[u8] = b"g/";
pub(super) const FAILED_USERS: &[u8] = b"f/u/";
pub(super) const FAILED_GROUPS: &[u8] = b"f/g/";
pub(super) const LET_GO: &[u8] = b"b/g/";
pub(super) const LOST: &[u8] = b"l/";
pub(super) const REDUCED: &[u8] = b"k/";
pub(super) const ACTIVATED: &[u8] = b"j/";
pub(super) const TAKEN_BACK: &[u8] = b"t/";
pub(super) const RUNS: &[u8] = b"r/";

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn user(id: &SourceId) -> Vec<u8> {
    join(&[USERS, id.as_str().as_bytes()])
}

pub(super) fn number(number: UserNumber) -> Vec<u8> {
    join(&[b"n/", &number.0.to_be_bytes()])
}

pub(super) fn group(id: &SourceId) -> Vec<u8> {
    join(&[GROUPS, id.as_str().as_bytes()])
}

/// The prefix of a group's membership blocks. The length keeps an id from being the prefix of another.
pub(super) fn members(group: &SourceId) -> Vec<u8> {
    blocks(b"m/", group.as_str())
}

/// The same for a group that was released, by the app's id.
pub(super) fn released_members(app_id: &AppId) -> Vec<u8> {
    blocks(b"b/m/", app_id.as_str())
}

fn blocks(room: &[u8], id: &str) -> Vec<u8> {
    join(&[room, &(id.len() as u64).to_be_bytes(), id.as_bytes()])
}

pub(super) fn member_block(group: &SourceId, block: u32) -> Vec<u8> {
    join(&[&members(group), &block.to_be_bytes()])
}

pub(super) fn released_block(app_id: &AppId, block: u32) -> Vec<u8> {
    join(&[&released_members(app_id), &block.to_be_bytes()])
}

/// The block number at the end of a key made by [`member_block`] or [`released_block`].
pub(super) fn block_of(key: &[u8]) -> Option<u32> {
    key.last_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

pub(super) fn dead_block(block: u32) -> Vec<u8> {
    join(&[b"d/", &block.to_be_bytes()])
}

pub(super) fn app_user(app_id: &AppId) -> Vec<u8> {
    join(&[b"a/u/", app_id.as_str().as_bytes()])
}

pub(super) fn app_group(app_id: &AppId) -> Vec<u8> {
    join(&[b"a/g/", app_id.as_str().as_bytes()])
}

pub(super) fn failure(object: &ObjectRef) -> Vec<u8> {
    let prefix = match object {
        ObjectRef::User(_) => FAILED_USERS,
        ObjectRef::Group(_) => FAILED_GROUPS,
    };
    join(&[prefix, object.id().as_str().as_bytes()])
}

/// Whose account it was when its link ended.
pub(super) fn linked_before(app_id: &AppId) -> Vec<u8> {
    join(&[b"b/u/", app_id.as_str().as_bytes()])
}

/// A group of the app that was released.
pub(super) fn let_go(app_id: &AppId) -> Vec<u8> {
    join(&[LET_GO, app_id.as_str().as_bytes()])
}

/// Sorts by time, also before 1970.
fn time(at: Timestamp) -> [u8; 16] {
    (at.as_nanosecond() ^ i128::MIN).to_be_bytes()
}

pub(super) fn lost(at: Timestamp, user: &SourceId) -> Vec<u8> {
    join(&[&lost_from(at), user.as_str().as_bytes()])
}

/// The lowest key of an end of access at or after an instant.
pub(super) fn lost_from(at: Timestamp) -> Vec<u8> {
    join(&[LOST, &time(at)])
}

/// Reads a key made by [`lost`].
pub(super) fn parse_lost(key: &[u8]) -> Option<(Timestamp, SourceId)> {
    parse_timed(LOST, key)
}

pub(super) fn activated(at: Timestamp, user: &SourceId) -> Vec<u8> {
    join(&[&activated_from(at), user.as_str().as_bytes()])
}

/// The lowest key of an activation at or after an instant.
pub(super) fn activated_from(at: Timestamp) -> Vec<u8> {
    join(&[ACTIVATED, &time(at)])
}

/// Reads a key made by [`activated`].
pub(super) fn parse_activated(key: &[u8]) -> Option<(Timestamp, SourceId)> {
    parse_timed(ACTIVATED, key)
}

fn parse_timed(prefix: &[u8], key: &[u8]) -> Option<(Timestamp, SourceId)> {
    let (time, id) = key.strip_prefix(prefix)?.split_first_chunk::<16>()?;
    let at = Timestamp::from_nanosecond(i128::from_be_bytes(*time) ^ i128::MIN).ok()?;
    Some((at, SourceId::from(std::str::from_utf8(id).ok()?)))
}

pub(super) fn reduced(at: Timestamp, group: &SourceId) -> Vec<u8> {
    join(&[&reduced_from(at), group.as_str().as_bytes()])
}

/// The lowest key of a group's loss at or after an instant.
pub(super) fn reduced_from(at: Timestamp) -> Vec<u8> {
    join(&[REDUCED, &time(at)])
}

/// The group of a key made by [`reduced`].
pub(super) fn parse_reduced(key: &[u8]) -> Option<SourceId> {
    let (_, id) = key.strip_prefix(REDUCED)?.split_first_chunk::<16>()?;
    Some(SourceId::from(std::str::from_utf8(id).ok()?))
}

/// Something that an undo put back. Lengths keep two ids apart from one.
pub(super) fn taken_back(what: &UndoneEffect) -> Vec<u8> {
    match what {
        UndoneEffect::Object(object) => {
            let kind: &[u8] = match object {
                ObjectRef::User(_) => b"u/",
                ObjectRef::Group(_) => b"g/",
            };
            join(&[TAKEN_BACK, kind, object.id().as_str().as_bytes()])
        }
        UndoneEffect::Member { group, user } => {
            let group = group.as_str().as_bytes();
            join(&[TAKEN_BACK, b"m/", &(group.len() as u64).to_be_bytes(), group, user.as_str().as_bytes()])
        }
    }
}

pub(super) fn run(run: &RunId) -> Vec<u8> {
    join(&[RUNS, run.as_str().as_bytes()])
}
