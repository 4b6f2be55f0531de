//! A look at everything a tenant needs, with the real directory and the real app. In: a tenant. Out: findings, side by side.
//! Writes nothing anywhere.

use std::slice;

use jiff::Timestamp;
use serde::Serialize;

use super::probe::NOTE;
use super::{Engine, EngineError, doctor_network};
use crate::config::addresses::{AddressChange, AddressSide};
use crate::config::forms;
use crate::desired::{Desired, GroupMatch};
use crate::http::{LONG_ENOUGH, Secret};
use crate::model::{CheckVerdict, Finding, fold};
use crate::progress::Progress;
use crate::scim::{ProbeNames, Use};
use crate::source::{Incomplete, Snapshot, SourceError, take_snapshot_within};
use crate::store::{Sign, StoreError, Surroundings, TenantStore};

/// With less than this free a first sync of a large company may not fit.
const LITTLE: u64 = 1 << 30;
/// With less than this the journal may stop within a day.
const NONE_LEFT: u64 = 64 << 20;

/// Which part of a connection a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The files, and what they name.
    Configuration,
    /// The directory.
    Directory,
    /// The app.
    App,
    /// This machine: journal, disk, decisions.
    State,
}

/// One spot, and where it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spot {
    /// The side.
    pub side: Side,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Both sides and this machine, looked over.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Checkup {
    /// What was found, in the order of the way the data goes.
    pub spots: Vec<Spot>,
    /// What the directory showed, in words; `None` if it could not be read.
    pub directory: Option<String>,
    /// The app's address, if it accepts the token.
    pub app: Option<String>,
}

impl Checkup {
    /// Adds findings of one side.
    pub fn add(&mut self, side: Side, found: impl IntoIterator<Item = Finding>) {
        self.spots.extend(found.into_iter().map(|finding| Spot { side, finding }));
    }

    /// The worst of all findings, of one side or of all.
    pub fn worst(&self, side: Option<Side>) -> CheckVerdict {
        let spots = self.spots.iter().filter(|spot| side.is_none_or(|side| spot.side == side));
        spots.map(|spot| spot.finding.verdict).max().unwrap_or(CheckVerdict::Ok)
    }
}

impl Engine {
    /// Looks at directory, app and state. What fails is a finding. A side whose address is not the last run's is left alone, unless
    /// `new_address` says that its credential may go there.
    pub async fn examine(&self, new_address: bool, progress: &dyn Progress) -> Checkup {
        let mut checkup = Checkup::default();
        let changes = match self.address_changes() {
            Ok(changes) => changes,
            Err(error) => {
                let remedy = "docs/runbook.md says what to do with a damaged state";
                checkup.add(Side::State, [Finding::wrong("addresses", error.to_string(), remedy)]);
                Vec::new()
            }
        };
        let may_go = |checkup: &mut Checkup, side, addresses: &[AddressSide]| {
            let changes = changes.iter().filter(|change| addresses.contains(&change.side));
            let moved: Vec<_> = changes.map(|change| self.moved(change, new_address)).collect();
            let may_go = moved.is_empty() || new_address;
            checkup.add(side, moved);
            may_go
        };
        // A proxy may be on the way to both.
        let may_leave = may_go(&mut checkup, Side::Configuration, &[AddressSide::Proxy]);
        let snapshot = match may_go(&mut checkup, Side::Directory, &[AddressSide::Source]) && may_leave {
            true => self.look_at_directory(&mut checkup, progress).await,
            false => None,
        };
        if may_go(&mut checkup, Side::App, &[AddressSide::Target, AddressSide::Login]) && may_leave {
            progress.stage("looking at the app", None);
            self.look_at_app(&mut checkup, snapshot).await;
        }
        checkup.add(Side::State, self.look_at_state());
        checkup
    }

    /// What is said of a changed address.
    fn moved(&self, change: &AddressChange, new_address: bool) -> Finding {
        let (name, what) = (&self.tenant.name, change.in_words());
        match new_address {
            true => Finding::warning(
                "address",
                format!("{what}; the credential was sent there, as `--new-address` says"),
                format!("the next run holds it: `rosterd sync {name}` shows the id to approve"),
            ),
            false => Finding::wrong(
                "address",
                format!("{what}; nothing was sent there"),
                format!(
                    "if it is right, `rosterd doctor {name} --new-address` tries it, and `rosterd sync {name}` shows the id to approve"
                ),
            ),
        }
    }

    /// A short token may stand anywhere by chance: an answer that repeats it can't be refused, and only its plain spelling is taken out.
    fn short_secrets(&self, wanted: &str) -> Vec<Finding> {
        // A proxy's password is sent to no server that answers with data.
        let is_sent = |path: &[&str]| path.first() == Some(&wanted) && !path.contains(&"network");
        let secrets = self.tenant.secrets().filter(|(path, _)| is_sent(path));
        let short = secrets.filter_map(|(path, place)| {
            let secret = super::connect::token(place).ok().filter(Secret::is_short)?;
            let detail = format!(
                "{} has fewer than {LONG_ENOUGH} characters, so a response that repeats it looks like one that contains the same \
                 letters by chance",
                path.join(".")
            );
            drop(secret);
            Some(Finding::warning("secret", detail, format!("use one of {LONG_ENOUGH} characters or more")))
        });
        short.collect()
    }

    /// Gives the reading, if it is complete.
    pub(super) async fn look_at_directory(&self, checkup: &mut Checkup, progress: &dyn Progress) -> Option<Snapshot> {
        let source = match self.source().await {
            Ok(source) => source,
            Err(error) => {
                checkup.add(Side::Directory, [not_prepared("directory", &error)]);
                return None;
            }
        };
        checkup.add(Side::Directory, self.short_secrets("source"));
        let addresses = self.tenant.file.source.addresses();
        checkup.add(Side::Directory, doctor_network::proxies(&addresses, &self.tenant.directory_network()));
        progress.stage("looking at the directory", None);
        let found = source.examine().await;
        let refused = found.iter().any(|finding| finding.verdict == CheckVerdict::Wrong);
        checkup.add(Side::Directory, found);
        if refused {
            // Reading it would say the same once more.
            return None;
        }
        let (sentinels, began) = (&self.tenant.file.scope.sentinels, self.clock.now());
        // A state that can't be read is told elsewhere: the limit of a first reading will do.
        let limit = self.view().map_or_else(|_| self.first_time_limit(), |state| self.time_limit(state.as_ref()));
        match take_snapshot_within(limit, source.as_ref(), sentinels, progress).await {
            Ok(snapshot) => {
                checkup.add(Side::Directory, [self.reading(&snapshot, began)]);
                if !sentinels.is_empty() {
                    let all = sentinels.join(", ");
                    checkup.add(Side::Directory, [Finding::ok("sentinels", format!("visible: {all}"))]);
                }
                checkup.add(Side::Directory, self.scope_findings(&snapshot));
                let counts = snapshot.counts();
                checkup.directory =
                    Some(format!("{} shows {} and {}", source.describe(), people(counts.users), groups(counts.groups)));
                Some(snapshot)
            }
            Err(error) => {
                checkup.add(Side::Directory, [unread(&error)]);
                None
            }
        }
    }

    fn reading(&self, snapshot: &Snapshot, began: Timestamp) -> Finding {
        let counts = snapshot.counts();
        let took = self.clock.now().duration_since(began).as_secs_f64();
        let detail = format!(
            "complete: {}, {}, {} in {took:.1} s",
            people(counts.users),
            groups(counts.groups),
            counted(counts.memberships, "membership", "memberships")
        );
        let (dangling, examples) = snapshot.dangling();
        match examples.first() {
            Some(example) if dangling > 0 => Finding::warning(
                "reading",
                format!(
                    "{detail}; {dangling} members are neither users nor groups that can be read, such as {example}"
                ),
                "check whether the credential may read every user in the groups",
            ),
            _ => Finding::ok("reading", detail),
        }
    }

    /// Who belongs, and names in the scope that are nobody's.
    pub(super) fn scope_findings(&self, snapshot: &Snapshot) -> Vec<Finding> {
        let desired = self.derived(snapshot);
        let mut found = self.groups_not_found(snapshot, &desired);
        for (group, why) in desired.unread() {
            found.push(Finding::warning(
                "scope",
                format!("the members of {} can't be read: {why}", group.name),
                "no user loses access because of this; give the credential the right to read them",
            ));
        }
        let (belong, in_scope) = (desired.assigned_count() as u64, groups(desired.groups.len() as u64));
        found.push(match belong {
            0 => Finding::warning(
                "scope",
                format!("no user belongs: {in_scope} in scope, all of them empty"),
                "bind a group to the app in the directory, or set [scope] groups in the tenant file",
            ),
            _ => Finding::ok("scope", format!("{} in scope, through {in_scope} or directly", people(belong))),
        });
        found
    }

    fn groups_not_found(&self, snapshot: &Snapshot, desired: &Desired<'_>) -> Vec<Finding> {
        let Some(wanted) = &self.tenant.groups else { return Vec::new() };
        let rows = || snapshot.groups().filter_map(|ix| snapshot.group(ix));
        let in_scope = |pattern: &GroupMatch| {
            let one = std::slice::from_ref(pattern);
            desired
                .groups
                .iter()
                .filter_map(|group| snapshot.group(group.ix))
                .any(|row| GroupMatch::any(one, row.id.as_str(), &row.name))
        };
        let missing = wanted.iter().filter(|pattern| !in_scope(pattern));
        missing
            .map(|pattern| {
                let (kind, text) = match pattern {
                    GroupMatch::Id(id) => ("id", id),
                    GroupMatch::Name(name) => ("name", name),
                };
                let near = forms::nearest(text, rows().map(|row| &*row.name)).map(str::to_owned);
                let near = near.or_else(|| part_of(text, rows().map(|row| &*row.name)));
                let hint = near.map_or_else(
                    || "fix [scope] groups; names compare without case, and `*` stands for any text".to_owned(),
                    |near| format!("fix [scope] groups; the nearest name is {near:?}"),
                );
                Finding::warning("scope", format!("no group of the directory has the {kind} {text:?}"), hint)
            })
            .collect()
    }

    pub(super) async fn look_at_app(&self, checkup: &mut Checkup, snapshot: Option<Snapshot>) {
        let app = match self.app().await {
            Ok(app) => app,
            Err(error) => return checkup.add(Side::App, [not_prepared("app", &error)]),
        };
        checkup.add(Side::App, self.short_secrets("target"));
        checkup.add(
            Side::App,
            doctor_network::proxies(slice::from_ref(&self.tenant.file.target.base_url), &self.tenant.app_network()),
        );
        let rules = self.rules();
        let mapped = rules.read_paths();
        let wanted = Use { mapped: &mapped, groups: rules.groups_on(), now: self.clock.now() };
        let found = app.examine(&wanted).await;
        if !found.iter().any(|finding| finding.verdict == CheckVerdict::Wrong) {
            checkup.app = Some(format!("{} at {}", self.tenant.profile.name, self.tenant.file.target.shown_address()));
        }
        let works = checkup.app.is_some();
        checkup.add(Side::App, found);
        let notes = self.tenant.profile.notes.iter();
        checkup.add(Side::App, notes.map(|note| Finding::ok("note", note.clone())));
        if works {
            checkup.add(Side::App, self.look_at_accounts(&app).await);
            if let Some(snapshot) = snapshot {
                checkup.add(Side::App, self.look_for_second_accounts(&app, &snapshot).await);
            }
        }
    }

    fn look_at_state(&self) -> Vec<Finding> {
        let state = self.state();
        let about = state.surroundings();
        let mut found = vec![place(&about)];
        found.extend(about.free.map(free));
        found.push(match state.verify() {
            Ok(report) => match report.broken {
                Some(broken) => Finding::wrong(
                    "journal",
                    format!(
                        "record {} in {} is not as it was written: {}",
                        broken.seq,
                        broken.file.display(),
                        broken.why
                    ),
                    "find out who changed it; the next sync keeps a copy of the state, and only adopts and adds",
                ),
                None if report.records == 0 => {
                    Finding::ok("journal", "none yet: the first sync adopts and adds, it removes nothing")
                }
                None => Finding::ok("journal", format!("{} records, none missing or altered", report.records)),
            },
            Err(error) => state_error("journal", &error),
        });
        if let Some(holder) = about.holder {
            found.push(Finding::ok("lock", format!("{holder} is working on it now")));
        }
        found.extend(self.marks(&state));
        found.extend(self.waiting(&state));
        found.extend(self.unfinished_probe(&state));
        found.extend(self.learned_of_members());
        found
    }

    /// What runs have learned of how the app takes members. A state that can't be read is told elsewhere.
    fn learned_of_members(&self) -> Vec<Finding> {
        let groups = &self.tenant.profile.groups;
        let takes = self.view().ok().and_then(|state| state.app_takes().ok().flatten());
        let Some(takes) = takes.and_then(|takes| takes.believed(groups.max_members_per_patch, self.clock.now())) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let Some(most) = takes.members_per_call {
            let most = counted(most.into(), "member", "members");
            let detail =
                format!("the app takes {most} in one call: it refused more on {}", takes.at.strftime("%Y-%m-%d"));
            found.push(Finding::ok(
                "members",
                format!("{detail}; `groups.max_members_per_patch` in its profile sets this from the start"),
            ));
        }
        if groups.members_on_create && takes.members_on_create == Some(false) {
            let detail = "the app refuses or ignores the members of a new group: groups are created without, and filled afterwards";
            found.push(Finding::ok(
                "members",
                format!("{detail}; `groups.members_on_create = false` in its profile sets this from the start"),
            ));
        }
        found
    }

    /// What somebody said of the tenant as a whole.
    fn marks(&self, state: &TenantStore) -> Vec<Finding> {
        let (name, mut found) = (&self.tenant.name, Vec::new());
        if let Some(mark) = state.mark(Sign::Retired) {
            let remedy =
                format!("remove the tenant file; to connect it again, delete {}", state.mark_place(Sign::Retired));
            found.push(Finding::wrong("retired", format!("{mark}: nothing is sent"), remedy));
        }
        if let Some(mark) = state.mark(Sign::Paused) {
            found.push(Finding::warning(
                "paused",
                format!("{mark}: nothing is sent"),
                format!("`rosterd resume {name}` resumes it"),
            ));
        }
        found
    }

    /// What an interrupted probe may have left in the app.
    fn unfinished_probe(&self, state: &TenantStore) -> Option<Finding> {
        let names = state.notes().get::<ProbeNames>(NOTE).transpose()?;
        Some(match names {
            Ok(names) => Finding::warning(
                "probe",
                format!("a probe did not finish: {} may still be in the app", names.user_name),
                format!("`rosterd doctor {} --probe` deletes it first", self.tenant.name),
            ),
            Err(error) => state_error("probe", &error),
        })
    }

    /// What waits for somebody since the last run.
    fn waiting(&self, state: &TenantStore) -> Vec<Finding> {
        let (name, mut found) = (&self.tenant.name, Vec::new());
        match state.held() {
            Ok(Some(held)) if !held.is_genuine() => found.push(Finding::wrong(
                "held",
                format!("held.json lists changes that do not belong to plan {}", held.plan),
                format!("it was edited, or written by another version: `rosterd sync {name}` writes it again"),
            )),
            Ok(Some(held)) => found.push(Finding::warning(
                "held",
                format!("{} changes have waited for a decision since {}", held.count, held.at),
                format!("`rosterd status {name}` shows them"),
            )),
            Ok(None) => {}
            Err(error) => found.push(state_error("held", &error)),
        }
        match state.status() {
            Ok(Some(status)) => {
                if let Some(why) = status.adopt_only {
                    found.push(Finding::ok("trust", format!("adopt-only, nothing is removed: {why}")));
                }
                if status.failures > 0 {
                    found.push(Finding::warning(
                        "failed",
                        format!("{} users or groups failed and are tried again later", status.failures),
                        format!("`rosterd status {name}` has the app's own words"),
                    ));
                }
            }
            Ok(None) => {}
            Err(error) => found.push(state_error("status", &error)),
        }
        found
    }
}

pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn people(n: u64) -> String {
    counted(n, "user", "users")
}

fn groups(n: u64) -> String {
    counted(n, "group", "groups")
}

/// The first name of which the text is a part.
fn part_of<'a>(text: &str, mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let folded = fold(text.trim_matches('*'));
    let is_near = |name: &&str| !folded.is_empty() && (fold(name).contains(&folded) || folded.contains(&fold(name)));
    names.find(is_near).map(str::to_owned)
}

/// A connection that can't even be prepared: a secret, a file or an address.
fn not_prepared(side: &str, error: &EngineError) -> Finding {
    match error {
        // What is wrong with it is said once, with its place in the file.
        EngineError::Secret(_) => {
            Finding::wrong(side, "not asked: its secret can't be read", "the line `configuration` above says why")
        }
        error => Finding::wrong(side, error.to_string(), "`rosterd check` shows the place in the file"),
    }
}

fn unread(error: &SourceError) -> Finding {
    let remedy = match error {
        SourceError::Refused(_) | SourceError::NotGranted(_) => "put a valid credential into the secret file",
        SourceError::NoOrganisation(_) => "name the organisation in the [source] table of the tenant file",
        SourceError::Forbidden(_) => "give the credential the right to read users, groups and memberships",
        SourceError::Unreachable(_) | SourceError::Unavailable(_) => {
            "fix the address, the network or the certificate authorities"
        }
        SourceError::Untrusted(_) => "fix the server's certificate, the address or `ca_file`",
        SourceError::Throttled(_) => "wait, or ask for a higher limit",
        SourceError::Settings(_) => "fix the [source] table of the tenant file",
        SourceError::Malformed(_) => "fix what the message names; no part of such a response is used",
        SourceError::TimeLimit { .. } => {
            "find out why it takes so long: a directory that never ends its lists, a slow network, a rate that is too low"
        }
        SourceError::Incomplete(Incomplete::Elsewhere { .. }) => {
            "let `url` name a server that keeps the whole base, or narrow `user_base` and `group_base`; if there are no users to \
             provision there, list the subtree's name in `expected_references` of [source.ldap]"
        }
        SourceError::Incomplete(_) => {
            "find out why less is visible than there is: the credential's rights, a size limit, a filter"
        }
    };
    Finding::wrong("reading", error.to_string(), remedy)
}

fn place(about: &Surroundings) -> Finding {
    let at = about.place.display();
    match &about.unwritable {
        Some(why) => Finding::wrong(
            "state folder",
            format!("{at} can't be written: {why}"),
            "run it as the user that owns the folder, or set state_dir in rosterd.toml",
        ),
        None if about.network.is_some() => Finding::wrong(
            "state folder",
            format!(
                "{at} is on a network file system ({}): another machine may write there at the same time",
                about.network.unwrap_or_default()
            ),
            "put state_dir on a local disk; no run works on this one",
        ),
        None if about.exists => Finding::ok("state folder", format!("{at} can be written")),
        None => Finding::ok("state folder", format!("will be made in {at}")),
    }
}

fn free(bytes: u64) -> Finding {
    let detail = match bytes >> 20 {
        mib if mib >= 10 << 10 => format!("{} GiB free", mib >> 10),
        mib => format!("{mib} MiB free"),
    };
    let remedy = "free some disk space: no call is made before its intent is journaled";
    match bytes {
        0..NONE_LEFT => Finding::wrong("disk", detail, remedy),
        NONE_LEFT..LITTLE => Finding::warning("disk", detail, remedy),
        _ => Finding::ok("disk", detail),
    }
}

pub(super) fn state_error(check: &str, error: &StoreError) -> Finding {
    Finding::wrong(check, error.to_string(), "docs/runbook.md says what to do with a damaged state")
}
