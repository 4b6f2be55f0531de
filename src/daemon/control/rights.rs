//! Who may ask the daemon for what. In: `[control]` of `rosterd.toml`, the credentials of a connection. Out: yes, or why not; and the
//! modes of the socket and the folders on the way to it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::words::ControlRight;
use crate::config::global::ControlTable;
use crate::identity::{PeerProcess, ROOT, gid_of, uid_of};

/// The rights, as the loop sets them and each connection reads them.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Rights(Arc<RwLock<ControlTable>>);

impl Rights {
    /// Takes over what the file says.
    pub(in crate::daemon) fn set(&self, table: &ControlTable) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = table.clone();
    }

    fn table(&self) -> ControlTable {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this account may ask for anything at all.
    pub(super) fn admits(&self, peer: &PeerProcess) -> bool {
        [ControlRight::Read, ControlRight::Approve, ControlRight::Operate]
            .iter()
            .any(|right| self.check(peer, *right).is_ok())
    }

    /// Whether an account has a right.
    pub(super) fn check(&self, peer: &PeerProcess, right: ControlRight) -> Result<(), String> {
        let own = rustix::process::geteuid().as_raw();
        if peer.identity.uid == own || peer.identity.uid == ROOT {
            return Ok(());
        }
        let table = self.table();
        let named = |list: &[String]| list.iter().any(|entry| names(entry, peer));
        let has = match right {
            // Approving and operating need to see what about.
            ControlRight::Read => named(&table.read) || named(&table.approve) || named(&table.operate),
            ControlRight::Approve => named(&table.approve),
            ControlRight::Operate => named(&table.operate),
        };
        match has {
            true => Ok(()),
            false => Err(format!(
                "{} may not do this: `[control] {}` of rosterd.toml names neither the account nor one of its groups; nothing was done",
                peer.identity,
                right.key()
            )),
        }
    }

    /// Opens the way to the socket to those who are named, or closes it to all others. The folders can be passed, not looked into.
    ///
    /// # Errors
    /// When the modes can't be set.
    pub(super) fn open_the_way(&self, socket: &Path) -> io::Result<()> {
        let open = !self.table().is_empty();
        let set = |path: &Path, mode: u32| {
            let is = std::fs::metadata(path)?.permissions().mode() & 0o7777;
            match is == mode {
                true => Ok(()),
                false => std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)),
            }
        };
        let folder = socket.parent().unwrap_or(Path::new("/"));
        let above = folder.parent().unwrap_or(Path::new("/"));
        if open {
            let is = std::fs::metadata(above)?.permissions().mode() & 0o7777;
            set(above, is | 0o011)?;
            set(folder, 0o711)?;
            // Each request is checked by the credentials of the connection.
            return set(socket, 0o666);
        }
        set(socket, 0o600)?;
        set(folder, 0o700)
    }
}

/// Whether an entry of a list means this account.
fn names(entry: &str, peer: &PeerProcess) -> bool {
    let number = |text: &str, by_name: fn(&str) -> Option<u32>| text.parse().ok().or_else(|| by_name(text));
    let is_user = |text: &str, number: Option<u32>| {
        number == Some(peer.identity.uid) || peer.identity.user.as_deref() == Some(text)
    };
    let is_group = |number: Option<u32>| number.is_some_and(|gid| peer.groups.contains(&gid));
    match entry.split_once(':') {
        Some(("user", user)) => is_user(user, number(user, uid_of)),
        Some(("group", group)) => is_group(number(group, gid_of)),
        Some(_) => false,
        None => is_user(entry, uid_of(entry)) || is_group(gid_of(entry)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::identity::Identity;

    fn peer(uid: u32, groups: &[u32]) -> PeerProcess {
        PeerProcess { identity: Identity::of_uid(uid), groups: groups.iter().copied().collect::<BTreeSet<u32>>() }
    }

    #[test]
    fn sec7_rights_are_given_by_account_or_group_and_each_by_itself() {
        let rights = Rights::default();
        let own = rustix::process::geteuid().as_raw();
        let stranger = peer(4_000_001, &[4_000_001]);
        assert!(
            rights.check(&peer(own, &[]), ControlRight::Operate).is_ok()
                && rights.check(&peer(0, &[]), ControlRight::Approve).is_ok()
        );
        assert!(!rights.admits(&stranger));
        let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        rights.set(&ControlTable {
            read: list(&["group:4000002"]),
            approve: list(&["user:4000003", "group:4000004"]),
            operate: list(&["user:4000005"]),
        });
        for (who, may) in [
            (stranger.clone(), [false, false, false]),
            (peer(4_000_001, &[1, 4_000_002]), [true, false, false]),
            (peer(4_000_003, &[]), [true, true, false]),
            (peer(4_000_001, &[4_000_004]), [true, true, false]),
            (peer(4_000_005, &[]), [true, false, true]),
            // A user's number is no group's.
            (peer(4_000_002, &[4_000_003]), [false, false, false]),
        ] {
            let found = [ControlRight::Read, ControlRight::Approve, ControlRight::Operate]
                .map(|right| rights.check(&who, right).is_ok());
            assert_eq!(found, may, "{who:?}");
            assert_eq!(rights.admits(&who), may.contains(&true));
        }
        let no = rights.check(&stranger, ControlRight::Approve).unwrap_err();
        assert!(
            no.contains("uid 4000001") && no.contains("`[control] approve`") && no.contains("nothing was done"),
            "{no}"
        );
        rights.set(&ControlTable {
            read: list(&["root", "no such group", "4000001", "other:x"]),
            ..ControlTable::default()
        });
        assert!(!rights.admits(&stranger), "a bare number is no name");
    }

    #[test]
    fn sec7_the_way_to_the_socket_is_open_only_where_an_account_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (state, folder) = (dir.path().join("state"), dir.path().join("state/.daemon"));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("control.sock");
        std::fs::write(&socket, "").unwrap();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
        let modes =
            || [&state, &folder, &socket].map(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777);
        let rights = Rights::default();
        rights.open_the_way(&socket).unwrap();
        assert_eq!(modes(), [0o700, 0o700, 0o600]);
        rights.set(&ControlTable { read: vec!["group:1".to_owned()], ..ControlTable::default() });
        rights.open_the_way(&socket).unwrap();
        assert_eq!(modes(), [0o711, 0o711, 0o666]);
        crate::store::Stores::on_disk(&state).daemon().set("note", "").unwrap();
        assert_eq!(modes(), [0o711, 0o711, 0o666], "the board that is written there does not close it");
        rights.set(&ControlTable::default());
        rights.open_the_way(&socket).unwrap();
        assert_eq!(modes(), [0o711, 0o700, 0o600]);
    }
}
