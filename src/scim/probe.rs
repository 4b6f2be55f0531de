//! Finding out on a real account what an app's documentation does not say, with one throw-away person and one throw-away group. In: an app,
//! names that nobody else has. Out: findings, the knobs that differ from the profile, and whatever could not be taken away again.
//!
//! No other account is ever touched: every id that is written to came back from a call that made one of our names, and before anybody is
//! taken away the app is asked whether the account has one of our names. Cleaning up happens whatever happened before.

mod ends;
mod groups;
mod knobs;
mod seen;
mod steps;
mod updates;

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use self::knobs::KnobValue;
pub use self::knobs::{Knob, as_toml};
use super::client::{App, Endpoint, ScimRequest};
use super::filter;
use super::json::{self, JsonObject};
use super::list::{ListPage, ListWalk};
use super::{AppWrite as _, CallError, FailureClass};
use crate::config::profile::Profile;
use crate::http::SetupError;
use crate::model::{AppId, Finding, fold};

/// Makes the app with another profile: same address, same token, same pace.
pub type AppFactory<'a> = dyn Fn(Profile) -> Result<App, SetupError> + Sync + 'a;

/// The names of the throw-away person, unmistakable and nobody else's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProbeNames {
    /// The directory's id.
    pub external_id: String,
    /// The user name and e-mail address that the account is made with.
    pub user_name: String,
    /// The user name that is tried as a change.
    pub renamed: String,
    /// The e-mail address that is tried as a change.
    pub mailed: String,
}

impl ProbeNames {
    /// Names in a mail domain. `unique` makes them nobody else's.
    pub fn new(unique: &str, domain: &str) -> Self {
        let name = |what: &str| format!("Rosterd-Probe-{unique}{what}@{domain}");
        Self {
            external_id: format!("rosterd-probe-{unique}"),
            user_name: name(""),
            renamed: name("-renamed"),
            mailed: name("-mailed"),
        }
    }

    fn all(&self) -> [&str; 3] {
        [&self.user_name, &self.renamed, &self.mailed]
    }

    /// Whether an account has one of these names as its user name, or as its e-mail address where it has no other.
    fn is_ours(&self, user: &JsonObject) -> bool {
        let name = json::text(user, "userName").map(|name| fold(&name));
        name.is_some_and(|name| self.all().iter().any(|ours| fold(ours) == name))
    }
}

/// An account or a group that could not be taken away.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Leftover {
    /// The app's id, if it is known.
    pub id: Option<AppId>,
    /// What it is called.
    pub user_name: String,
    /// Whether it is switched off.
    pub inactive: bool,
    /// Why it is still there.
    pub why: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Probed {
    /// What was found out, in the order in which it was tried.
    pub findings: Vec<Finding>,
    /// What to set, and why.
    pub knobs: Vec<Knob>,
    /// How many accounts were made.
    pub made: u64,
    /// What is still there.
    pub left: Vec<Leftover>,
    /// Why it ended before its end.
    pub ended: Option<String>,
}

/// Why a step is the last one.
#[derive(Debug)]
enum End {
    Stopped,
    Call(CallError),
    Setup(SetupError),
}

impl From<CallError> for End {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<SetupError> for End {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Call(error) => error.fmt(f),
            Self::Setup(error) => error.fmt(f),
        }
    }
}

/// An account that an answer showed instead of the one that was asked for.
struct Instead {
    id: AppId,
    whose: AccountOwner,
}

/// What such an account is.
enum AccountOwner {
    /// The probe's: it has one of its names.
    Ours,
    /// The app shows nothing under this id.
    Nobodys,
    /// It has another name.
    Other(String),
    /// It can't be read; what the app said.
    Unknown(String),
}

impl std::fmt::Display for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = &self.id;
        match &self.whose {
            AccountOwner::Ours => write!(f, "account {id}, which has the probe's name: a second account was made"),
            AccountOwner::Nobodys => write!(f, "account {id}, which the app does not show"),
            AccountOwner::Other(name) => write!(f, "account {id}, whose user name is {name:?}; it was left alone"),
            AccountOwner::Unknown(why) => write!(f, "account {id}, which can't be read ({why}); it was left alone"),
        }
    }
}

struct Probe<'a> {
    make: &'a AppFactory<'a>,
    profile: &'a Profile,
    names: &'a ProbeNames,
    stop: &'a CancellationToken,
    /// Accounts that our calls made.
    ids: BTreeSet<AppId>,
    /// Those whose id led to another account when they were to be taken away.
    misled: BTreeSet<AppId>,
    /// Groups that our calls made, and whether any was.
    groups: BTreeSet<AppId>,
    made_groups: bool,
    filters_work: bool,
    out: Probed,
}

/// Tries everything, and cleans up after itself also when it is stopped or fails.
///
/// # Errors
/// When the app can't be spoken to at all with such a profile; nothing was sent.
pub async fn probe(
    make: &AppFactory<'_>,
    profile: &Profile,
    names: &ProbeNames,
    stop: &CancellationToken,
) -> Result<Probed, SetupError> {
    let plain = make(open(profile))?;
    let mut probe = Probe::new(make, profile, names, stop);
    if let Err(end) = probe.steps(&plain).await {
        probe.out.ended = Some(end.to_string());
    }
    probe.clean_up(&plain).await;
    Ok(probe.out)
}

/// Takes away what an interrupted probe left: only accounts and groups with exactly its names.
///
/// # Errors
/// When the app can't be spoken to at all with such a profile; nothing was sent.
pub async fn clean_up_after(
    make: &AppFactory<'_>,
    profile: &Profile,
    names: &ProbeNames,
) -> Result<Vec<Leftover>, SetupError> {
    let plain = make(open(profile))?;
    let stop = CancellationToken::new();
    let mut probe = Probe::new(make, profile, names, &stop);
    probe.clean_up(&plain).await;
    Ok(probe.out.left)
}

/// Whether nothing more can be tried after a call that failed like this.
fn ends(error: &CallError) -> bool {
    matches!(
        error.class,
        FailureClass::Unauthorized
            | FailureClass::Unreachable
            | FailureClass::Untrusted
            | FailureClass::LoginRefused
            | FailureClass::LoginFailed
            | FailureClass::Redirect
    )
}

/// A profile that keeps nothing back: what the app refuses is what is to be found out.
fn open(profile: &Profile) -> Profile {
    let mut open = profile.clone();
    open.attributes = open.attributes.unrestricted();
    open.users.send_external_id = true;
    open
}

impl<'a> Probe<'a> {
    fn new(make: &'a AppFactory<'a>, profile: &'a Profile, names: &'a ProbeNames, stop: &'a CancellationToken) -> Self {
        let (ids, misled, out) = (BTreeSet::new(), BTreeSet::new(), Probed::default());
        let groups = BTreeSet::new();
        Self { make, profile, names, stop, ids, misled, groups, made_groups: false, filters_work: true, out }
    }
}

impl Probe<'_> {
    /// Every step begins here: once stopped, none does.
    fn go_on(&self) -> Result<(), End> {
        if self.stop.is_cancelled() { Err(End::Stopped) } else { Ok(()) }
    }

    fn found(&mut self, finding: Finding) {
        self.out.findings.push(finding);
    }

    /// The account that the app answered with instead of `asked`. If it has one of our names, it is ours to take away.
    async fn answered_with(&mut self, app: &App, asked: &AppId) -> Result<Option<Instead>, CallError> {
        let Some(id) = app.learned.shown_instead_of(asked) else { return Ok(None) };
        let whose = match self.shown(app, &id).await {
            Ok(None) => AccountOwner::Nobodys,
            Ok(Some(user)) if self.names.is_ours(&user) => AccountOwner::Ours,
            Ok(Some(user)) => AccountOwner::Other(json::text(&user, "userName").unwrap_or_default()),
            Err(error) if error.class == FailureClass::NotScim => AccountOwner::Unknown(error.message),
            Err(error) => return Err(error),
        };
        if matches!(whose, AccountOwner::Ours) {
            self.note_made(id.clone());
        }
        Ok(Some(Instead { id, whose }))
    }

    fn note_made(&mut self, id: AppId) {
        if self.ids.insert(id) {
            self.out.made += 1;
        }
    }

    /// An account as it is; `None` if it is not there.
    async fn shown(&self, app: &App, id: &AppId) -> Result<Option<JsonObject>, CallError> {
        match app.resource(Endpoint::Users, id).await {
            Ok(user) => Ok(Some(user)),
            Err(error) if error.class == FailureClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The accounts with this user name: by filter, or through the whole list where filters are no use.
    async fn named(&self, app: &App, name: &str) -> Result<Vec<AppId>, CallError> {
        let mut found = Vec::new();
        if self.filters_work {
            let mut call = ScimRequest::get(Endpoint::Users);
            call.query.push(("filter", filter::equals("userName", name)));
            let answer = match app.read(&call, self.profile.pace.attempts).await {
                Err(error) if error.class == FailureClass::NotFound => return Ok(found),
                other => other?,
            };
            let page = answer.body.and_then(|mut body| ListPage::read(&mut body).ok());
            for user in page.map(|page| page.resources).unwrap_or_default() {
                found.extend(has_name(&user, name));
            }
            return Ok(found);
        }
        let mut walk = ListWalk::new(app, Endpoint::Users, Vec::new()).await;
        while let Some(users) = walk.next().await? {
            found.extend(users.iter().filter_map(|user| has_name(user, name)));
        }
        Ok(found)
    }

    /// Takes every account away that has one of our names.
    async fn clean_up(&mut self, app: &App) {
        self.clean_up_groups(app).await;
        let mut unsure = Vec::new();
        for name in self.names.all() {
            match self.named(app, name).await {
                Ok(ids) => self.ids.extend(ids),
                Err(error) => unsure.push((name.to_owned(), error.to_string())),
            }
        }
        // Taking one away may bring another to light.
        let mut done = BTreeSet::new();
        while let Some(id) = self.ids.difference(&done).next().cloned() {
            match self.take_away(app, &id).await {
                Err(_) if self.misled.contains(&id) => {}
                Err(left) => self.out.left.push(left),
                Ok(()) => {}
            }
            done.insert(id);
        }
        self.ids.clear();
        // Their ids led to others, which may be gone now: the last one made comes first.
        for id in std::mem::take(&mut self.misled).into_iter().rev() {
            if let Err(left) = self.take_away(app, &id).await {
                self.out.left.push(left);
            }
        }
        for (user_name, why) in unsure {
            let why = format!("the app could not be asked for it: {why}");
            self.out.left.push(Leftover { id: None, user_name, inactive: false, why });
        }
    }

    /// Takes the other accounts away, so that what is tried next says something of this one alone.
    async fn take_others_away(&mut self, app: &App, id: &AppId) -> Result<(), End> {
        // Where filters are of no use this is a look through the whole list: only where it is known that there are others.
        if self.filters_work || self.out.made > 1 {
            let found = self.named(app, &self.names.user_name).await?;
            found.into_iter().for_each(|found| self.note_made(found));
        }
        for other in self.ids.clone().into_iter().filter(|other| other != id) {
            self.go_on()?;
            if self.take_away(app, &other).await.is_ok() {
                self.ids.remove(&other);
            }
        }
        Ok(())
    }

    async fn take_away(&mut self, app: &App, id: &AppId) -> Result<(), Leftover> {
        let left = |user_name: String, inactive: bool, why: String| Leftover {
            id: Some(id.clone()),
            user_name,
            inactive,
            why,
        };
        let user = match self.shown(app, id).await {
            Ok(None) => return Ok(()),
            Ok(Some(user)) => user,
            Err(error) => {
                // Asked for by its id, the app shows another account: deleting by this id could hit that one.
                if let Ok(Some(_)) = self.answered_with(app, id).await {
                    self.misled.insert(id.clone());
                }
                return Err(left(self.names.user_name.clone(), false, error.to_string()));
            }
        };
        let name = json::text(&user, "userName").unwrap_or_default();
        if !self.names.is_ours(&user) {
            return Err(left(
                name,
                false,
                "it has a name that is not the probe's any more, so it is left alone".to_owned(),
            ));
        }
        let deleted = app.delete_user(id).await;
        let inactive = |user: &JsonObject| json::flag(user, "active") == Some(false);
        match self.shown(app, id).await {
            Ok(None) => Ok(()),
            Ok(Some(user)) if deleted.is_ok() && inactive(&user) => {
                Err(left(name, true, "the app only deactivates accounts".to_owned()))
            }
            Ok(Some(_)) => {
                let off = app.set_active(id, false).await;
                let why = deleted
                    .err()
                    .map_or_else(|| "DELETE was accepted and the account stays".to_owned(), |error| error.to_string());
                Err(left(name, off.is_ok(), why))
            }
            Err(error) => Err(left(name, false, error.to_string())),
        }
    }
}

fn has_name(user: &JsonObject, name: &str) -> Option<AppId> {
    let same = json::text(user, "userName").is_some_and(|given| fold(&given) == fold(name));
    json::text(user, "id").filter(|_| same).map(AppId::new)
}
