//! Accounts of this machine: who asked for something. In: a process id, or what a unix socket says of its other end. Out: an
//! [`Identity`].
//!
//! What the kernel says is evidence: the user id of a process, and the login user id, which a session keeps through `sudo`, `su` and
//! `runuser`. What the environment says is a claim, and is kept as one. Names come from `/etc/passwd` and `/etc/group`; an account
//! that is only known to a directory service is shown by its number. Must not depend on files of rosterd, the network or a terminal.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

/// The superuser.
pub const ROOT: u32 = 0;

/// What `/proc/PID/loginuid` holds for a process that no login led to.
const NO_LOGIN: u32 = u32::MAX;

/// Account files are small; more than this is not read.
const LARGEST: u64 = 4 << 20;

/// No claim is kept longer than this, in characters.
const LONGEST_CLAIM: usize = 100;

/// Who asked for something, as far as this machine knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user id of the process.
    pub uid: u32,
    /// The name of that account, if `/etc/passwd` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user id under which the session was logged in; `None` if the kernel knows of no login, or does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// The name of that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The process, if it was another one than the one that wrote this down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// What the asker's environment claims, where that is something else. Not evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

impl Identity {
    /// The account that runs this process.
    pub fn of_this_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        Self::new(uid, login_uid("self", None), None).claiming(claim_of_the_environment().as_deref())
    }

    /// The other end of a unix socket, by its credentials.
    pub fn of_peer(uid: u32, process: Option<i32>) -> Self {
        let process = process.and_then(|process| u32::try_from(process).ok()).filter(|process| *process > 0);
        // A number that another process has by now is not the peer's.
        let login = process.and_then(|process| login_uid(&process.to_string(), Some(uid)));
        Self::new(uid, login, process)
    }

    /// An account by its number alone, such as the owner of a file.
    pub fn of_uid(uid: u32) -> Self {
        Self::new(uid, None, None)
    }

    fn new(uid: u32, login_uid: Option<u32>, process: Option<u32>) -> Self {
        let accounts = Accounts::read();
        let (user, login) = (accounts.user(uid), login_uid.and_then(|login| accounts.user(login)));
        Self { uid, user, login_uid, login, process, says: None }
    }

    /// The same with what the asker claims to be, where that is something else.
    #[must_use]
    pub fn claiming(mut self, claim: Option<&str>) -> Self {
        let known = |claim: &str| self.user.as_deref() == Some(claim) || self.login.as_deref() == Some(claim);
        let claim = claim.map(str::trim).filter(|claim| !claim.is_empty() && !known(claim));
        self.says = claim.map(|claim| claim.chars().take(LONGEST_CLAIM).collect());
        self
    }

    /// The account's name, or its number.
    pub fn name(&self) -> String {
        name_of(self.uid, self.user.as_deref())
    }

    /// Whether this is certainly another person: neither the accounts nor the logins are the same, and neither logged in as the
    /// other. Two people who share an account can't be told apart, and count as one.
    pub fn is_another_person(&self, other: &Self) -> bool {
        let numbers = |one: &Self| [Some(one.uid), one.login_uid];
        let mine = numbers(self);
        let shared = numbers(other).into_iter().flatten().any(|number| mine.contains(&Some(number)));
        !shared
    }
}

fn name_of(uid: u32, name: Option<&str>) -> String {
    name.map_or_else(|| format!("uid {uid}"), ToOwned::to_owned)
}

/// `ann (uid 1000)`, `rosterd (uid 998, logged in as ann, uid 1000)`, and what the environment claims.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "{user} (uid {}", self.uid)?,
            None => write!(f, "uid {} (no name in /etc/passwd", self.uid)?,
        }
        match (self.login_uid, &self.login) {
            (Some(uid), _) if uid == self.uid => {}
            (Some(uid), Some(login)) => write!(f, ", logged in as {login}, uid {uid}")?,
            (Some(uid), None) => write!(f, ", logged in as uid {uid}")?,
            (None, _) => {}
        }
        if let Some(says) = &self.says {
            write!(f, ", says {says:?}")?;
        }
        f.write_str(")")
    }
}

/// What `SUDO_USER`, `USER` or `LOGNAME` says.
fn claim_of_the_environment() -> Option<String> {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.trim().is_empty())
}

/// What this process claims, for the other end of a socket to keep beside what it knows.
pub fn claim() -> Option<String> {
    claim_of_the_environment().map(|claim| claim.chars().take(LONGEST_CLAIM).collect())
}

/// The login user id of a process. With `owner`, only if the process is that user's.
fn login_uid(process: &str, owner: Option<u32>) -> Option<u32> {
    let folder = format!("/proc/{process}");
    if owner.is_some_and(|owner| std::fs::metadata(&folder).map(|found| found.uid()).ok() != Some(owner)) {
        return None;
    }
    let text = std::fs::read_to_string(format!("{folder}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

/// A process as a group of this machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerProcess {
    /// Who it is.
    pub identity: Identity,
    /// Its groups: the one of the process, and those that `/etc/group` gives to the account.
    pub groups: BTreeSet<u32>,
}

impl PeerProcess {
    /// The other end of a unix socket.
    pub fn new(uid: u32, gid: u32, process: Option<i32>) -> Self {
        let identity = Identity::of_peer(uid, process);
        let mut groups = BTreeSet::from([gid]);
        if let Some(user) = &identity.user {
            groups.extend(Accounts::read().groups_of(user));
        }
        Self { identity, groups }
    }
}

/// The number of an account, by its name.
pub fn uid_of(name: &str) -> Option<u32> {
    number_of(&Accounts::read().passwd, name)
}

/// The number of a group, by its name.
pub fn gid_of(name: &str) -> Option<u32> {
    number_of(&Accounts::read().group, name)
}

/// `/etc/passwd` and `/etc/group` as they are now.
struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    fn read() -> Self {
        Self { passwd: text_of("/etc/passwd"), group: text_of("/etc/group") }
    }

    fn user(&self, uid: u32) -> Option<String> {
        let line = lines(&self.passwd).find(|fields| fields.get(2).and_then(|uid| uid.parse().ok()) == Some(uid))?;
        line.first().map(|name| (*name).to_owned())
    }

    fn groups_of(&self, user: &str) -> BTreeSet<u32> {
        let primary = lines(&self.passwd).find(|fields| fields.first() == Some(&user));
        let primary = primary.and_then(|fields| fields.get(3)?.parse().ok());
        let is_member = |fields: &Vec<&str>| {
            fields.get(3).is_some_and(|members| members.split(',').any(|member| member.trim() == user))
        };
        let more = lines(&self.group).filter(is_member).filter_map(|fields| fields.get(2)?.parse().ok());
        more.chain(primary).collect()
    }
}

/// The fields of each entry; comments and lines of other forms are left out.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let entry = |line: &&str| !line.starts_with(['#', '+', '-']) && !line.trim().is_empty();
    text.lines().filter(entry).map(|line| line.split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 3)
}

fn number_of(text: &str, name: &str) -> Option<u32> {
    let entry = lines(text).find(|fields| fields.first() == Some(&name))?;
    entry.get(2)?.parse().ok()
}

/// A file that can't be read names no account: everybody has a number all the same.
fn text_of(path: &str) -> String {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    match read {
        Ok(_) => text,
        Err(error) => {
            tracing::debug!(path, %error, "accounts are shown by their numbers");
            String::new()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn person(uid: u32, login_uid: Option<u32>) -> Identity {
        Identity { uid, user: None, login_uid, login: None, process: None, says: None }
    }

    #[test]
    fn sec7_two_accounts_of_one_login_are_one_person() {
        for (one, other, differ) in [
            (person(1000, Some(1000)), person(1001, Some(1001)), true),
            (person(1000, None), person(1001, None), true),
            (person(1000, Some(1000)), person(1000, Some(1000)), false),
            (person(1000, None), person(1000, Some(1001)), false),
            // By sudo, from her own session and from another one.
            (person(1000, Some(1000)), person(0, Some(1000)), false),
            (person(0, Some(1000)), person(1000, None), false),
            // Two people through the service's account.
            (person(998, Some(1000)), person(998, Some(1001)), false),
        ] {
            assert_eq!(one.is_another_person(&other), differ, "{one:?} {other:?}");
            assert_eq!(other.is_another_person(&one), differ, "{other:?} {one:?}");
        }
    }

    #[test]
    fn sec6_what_is_claimed_is_shown_as_a_claim() {
        let ann = Identity { user: Some("ann".into()), ..person(1000, Some(1000)) };
        assert_eq!(ann.clone().claiming(Some("ann")).says, None, "that is known");
        let claimed = ann.claiming(Some(" the-ciso "));
        assert_eq!((claimed.name().as_str(), claimed.says.as_deref()), ("ann", Some("the-ciso")));
        assert_eq!(claimed.to_string(), "ann (uid 1000, says \"the-ciso\")");
        assert_eq!(person(4_000_000, None).to_string(), "uid 4000000 (no name in /etc/passwd)");
        let behind = Identity { user: Some("rosterd".into()), login: Some("ann".into()), ..person(998, Some(1000)) };
        assert_eq!(behind.to_string(), "rosterd (uid 998, logged in as ann, uid 1000)");
        let long = person(1, None).claiming(Some(&"x".repeat(1000)));
        assert_eq!(long.says.unwrap().len(), LONGEST_CLAIM);
    }

    #[test]
    fn accounts_are_read_as_the_files_have_them() {
        let accounts = Accounts {
            passwd: "root:x:0:0::/root:/bin/sh\n# x\n+::::::\nann:x:1000:1000::/:/bin/sh\nbroken\nbo:x:oops:1\n"
                .to_owned(),
            group: "root:x:0:\nops:x:2000:bo,ann\nann:x:1000:\nann-too:x:2001:annie\nbad:x:no:ann\n".to_owned(),
        };
        assert_eq!(accounts.user(1000).as_deref(), Some("ann"));
        assert_eq!(accounts.user(7), None);
        assert_eq!(accounts.groups_of("ann"), BTreeSet::from([1000, 2000]));
        assert_eq!(number_of(&accounts.group, "ops"), Some(2000));
        assert_eq!(number_of(&accounts.passwd, "bo"), None);
    }

    #[test]
    fn sec6_this_process_is_known_by_its_number() {
        let me = Identity::of_this_process();
        assert_eq!(me.uid, std::fs::metadata("/proc/self").unwrap().uid());
        let peer = Identity::of_peer(me.uid, i32::try_from(std::process::id()).ok());
        assert_eq!((peer.uid, peer.login_uid), (me.uid, me.login_uid));
        let other = Identity::of_peer(me.uid + 1, i32::try_from(std::process::id()).ok());
        assert_eq!(other.login_uid, None, "the process is not that user's");
    }
}
