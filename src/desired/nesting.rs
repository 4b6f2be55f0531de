//! Groups inside groups. In: a snapshot. Out: everybody a group holds, directly or through others; cycles end by themselves.

use crate::model::Bits;
use crate::source::{GroupIx, Snapshot, UserIx};

/// Walks nested groups, reusing its memory from group to group.
pub(super) struct Nesting<'s> {
    snapshot: &'s Snapshot,
    /// In which walk a group was last visited: a fresh number for each walk saves clearing.
    visited: Vec<u32>,
    walk: u32,
}

impl<'s> Nesting<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        Self { snapshot, visited: vec![0; snapshot.groups().count()], walk: 0 }
    }

    /// All people in `group`, ascending, each once; and why they may not be all, if a group on the way could not be read.
    pub(super) fn all_members(&mut self, group: GroupIx) -> (Vec<UserIx>, Option<String>) {
        self.walk += 1;
        let mut members = Vec::new();
        let mut unread = None;
        let mut open = vec![group];
        while let Some(next) = open.pop() {
            match self.visited.get_mut(next.0 as usize) {
                Some(last) if *last != self.walk => *last = self.walk,
                _ => continue,
            }
            if let Some(row) = self.snapshot.group(next) {
                if let Some(why) = &row.unread {
                    unread = Some(if next == group { why.to_string() } else { format!("{} in it: {why}", row.name) });
                }
                members.extend_from_slice(&row.members);
                open.extend_from_slice(&row.subgroups);
            }
        }
        // A set of bits sorts and folds a large group faster than comparing does.
        if members.len() > 4096 {
            let mut set = Bits::new(self.snapshot.user_count());
            for member in &members {
                set.insert(member.0 as usize);
            }
            return (set.iter().map(|at| UserIx(at as u32)).collect(), unread);
        }
        members.sort_unstable();
        members.dedup();
        (members, unread)
    }
}
