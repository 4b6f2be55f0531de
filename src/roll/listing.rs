//! Who of the app's people the directory knows (J16). In: a census made with the directory's people as keys. Out: one entry an
//! account.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::config::profile::Profile;
use crate::desired::Desired;
use crate::model::{AppId, Attributes, MembershipCause, Path, SourceId, fold};
use crate::plan::{PlannedUser, Protected, why_not_theirs};
use crate::scim::{AppUser, Census, Match};
use crate::source::UserIx;
use crate::store::{Baseline, StoreError};

/// How the directory stands to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryStatus {
    /// The directory does not know this person.
    New,
    /// Something has to be decided by a person first.
    Conflicting,
    /// The directory knows this person; the account is not linked.
    Imported,
    /// Linked.
    Linked,
}

impl DirectoryStatus {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::New, Self::Conflicting, Self::Imported, Self::Linked];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Conflicting => "conflicting",
            Self::Imported => "imported",
            Self::Linked => "linked",
        }
    }
}

/// One account of the app.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedAccount {
    /// How the directory stands to it.
    pub status: DirectoryStatus,
    /// The app's id.
    pub app_id: AppId,
    /// The sign-in name.
    pub user_name: String,
    /// What people call them.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the account may be used.
    pub active: bool,
    /// The directory's id, if the person is known there.
    pub person: Option<SourceId>,
    /// Whether the person belongs to the app by the directory's word: in a group bound to it, or assigned. Only then is the account
    /// managed.
    pub belongs: bool,
    /// Never made in the directory by `--create-all`: the token's own account, and protected people.
    pub special: bool,
    /// What there is to know besides.
    pub detail: String,
}

/// What entries can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// New ones first, then by user name.
    Status,
    /// By user name.
    UserName,
    /// By the people's names.
    Name,
    /// By e-mail address.
    Email,
}

impl ListedAccount {
    /// Whether somebody who types this means the entry: app id, user name or e-mail address.
    pub fn is_called(&self, typed: &str) -> bool {
        let folded = fold(typed);
        self.app_id.as_str() == typed || fold(&self.user_name) == folded || (fold(&self.email) == folded)
    }

    /// Whether a text is part of any of its names.
    pub fn contains(&self, text: &str) -> bool {
        let folded = fold(text);
        let names = [self.app_id.as_str(), &self.user_name, &self.name, &self.email];
        names.into_iter().any(|name| fold(name).contains(&folded))
    }

    /// Compares two entries.
    pub fn compare(&self, other: &Self, order: SortOrder) -> std::cmp::Ordering {
        let names = |a: &str, b: &str| fold(a).cmp(&fold(b));
        let first = match order {
            SortOrder::Status => self.status.cmp(&other.status),
            SortOrder::UserName => std::cmp::Ordering::Equal,
            SortOrder::Name => names(&self.name, &other.name),
            SortOrder::Email => names(&self.email, &other.email),
        };
        first.then_with(|| names(&self.user_name, &other.user_name)).then_with(|| self.app_id.cmp(&other.app_id))
    }
}

/// What the listing is made of.
pub struct ListingSources<'a> {
    /// Everybody in the app, looked up with `people` as keys.
    pub census: &'a Census,
    /// The directory's people, in the order of the census's keys.
    pub people: &'a [PlannedUser],
    /// Who belongs.
    pub desired: &'a Desired<'a>,
    /// Which accounts are linked.
    pub baseline: &'a dyn Baseline,
    /// Who is never touched.
    pub protected: &'a Protected,
    /// By which attributes an account has to be a user's.
    pub profile: &'a Profile,
    /// The account of the token.
    pub own: Option<&'a AppId>,
}

/// Lists the app's accounts.
///
/// # Errors
/// When the state can't be read.
pub fn listing(from: &ListingSources<'_>) -> Result<Vec<ListedAccount>, StoreError> {
    let mut found: HashMap<usize, Vec<usize>> = HashMap::new();
    for (key, hits) in from.census.hits.iter().enumerate() {
        for hit in hits {
            found.entry(*hit).or_default().push(key);
        }
    }
    let keys_of = |at: usize| found.get(&at).map(Vec::as_slice).unwrap_or_default();
    from.census.users.iter().enumerate().map(|(at, user)| entry(from, user, keys_of(at))).collect()
}

fn entry(from: &ListingSources<'_>, user: &AppUser, keys: &[usize]) -> Result<ListedAccount, StoreError> {
    let names = names_of(&user.attributes);
    let own = from.own == Some(&user.id);
    let protected = from.protected.covers(user.id.as_str(), &[&user.attributes]);
    let mut entry = ListedAccount {
        status: DirectoryStatus::New,
        app_id: user.id.clone(),
        user_name: names.user_name,
        name: names.name,
        email: names.email,
        active: user.active,
        person: None,
        belongs: false,
        special: own || protected,
        detail: match (own, protected) {
            (true, _) => "the account of rosterd's own token".to_owned(),
            (_, true) => "protected by scope.protect".to_owned(),
            _ => String::new(),
        },
    };
    if let Some(owner) = from.baseline.user_by_app_id(&user.id)? {
        entry.status = DirectoryStatus::Linked;
        let ix = from.desired.snapshot.find_user(owner.as_str());
        entry.belongs = ix.is_some_and(|ix| from.desired.is_assigned(ix));
        if ix.is_none() {
            entry.detail = "no longer in the directory".to_owned();
        }
        entry.person = Some(owner);
        return Ok(entry);
    }
    for &key in keys {
        let (Some(person), Some(found)) = (from.people.get(key), from.census.matches.get(key)) else { continue };
        if entry.person.is_none() {
            entry.person = Some(person.id.clone());
        }
        match found {
            Match::One { found, by } if found.id == user.id => return known(from, entry, person, found, by),
            Match::One { found, .. } => {
                let other = &found.id;
                conflict(
                    &mut entry,
                    &format!("the directory's {} ({}) matches, and has the account {other}", person.name, person.id),
                );
            }
            Match::Conflict(found) => conflict(&mut entry, &found.to_string()),
            Match::Nobody => {}
        }
    }
    Ok(entry)
}

fn conflict(entry: &mut ListedAccount, why: &str) {
    entry.status = DirectoryStatus::Conflicting;
    why.clone_into(&mut entry.detail);
}

/// An account that one person of the directory matches.
fn known(
    from: &ListingSources<'_>,
    mut entry: ListedAccount,
    person: &PlannedUser,
    found: &AppUser,
    by: &str,
) -> Result<ListedAccount, StoreError> {
    entry.person = Some(person.id.clone());
    if let Some(row) = from.baseline.user(&person.id)? {
        let other = row.app_id;
        conflict(
            &mut entry,
            &format!(
                "matches the directory's {} ({}) by {by}, who is linked to the account {other}",
                person.name, person.id
            ),
        );
        return Ok(entry);
    }
    let linked_before = from.baseline.linked_before(&found.id)?.as_ref() == Some(&person.id);
    if let Some(why) = why_not_theirs(from.profile, person, found, by).filter(|_| !linked_before) {
        conflict(&mut entry, &why.to_string());
        return Ok(entry);
    }
    entry.status = DirectoryStatus::Imported;
    entry.belongs = from.desired.is_assigned(person.ix);
    entry.detail = match belongs_by(from.desired, person.ix) {
        Some(because) => format!("{because}: the next sync links it"),
        None => "in no group bound to the app: not managed".to_owned(),
    };
    Ok(entry)
}

fn belongs_by(desired: &Desired<'_>, ix: UserIx) -> Option<MembershipCause> {
    desired.is_assigned(ix).then(|| desired.because(ix))
}

/// What an account is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountNames {
    /// The sign-in name.
    pub user_name: String,
    /// What people call them.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// The names in an account's attributes.
pub fn names_of(attributes: &Attributes) -> AccountNames {
    let text = |path: &str| {
        let path = Path::parse(path).ok()?;
        attributes.text(&path).map(str::to_owned)
    };
    let parts = [text("name.givenName"), text("name.familyName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    AccountNames {
        user_name: text("userName").unwrap_or_default(),
        name: text("displayName").unwrap_or(parts),
        email: email_of(attributes).unwrap_or_default(),
    }
}

/// The work address, or else the primary one, or else the first.
pub(super) fn email_of(attributes: &Attributes) -> Option<String> {
    let work = Path::parse("emails.work").ok().and_then(|path| attributes.text(&path).map(str::to_owned));
    let all = || Path::parse("emails").ok().and_then(|path| attributes.get(&path).and_then(Value::as_array).cloned());
    work.or_else(|| {
        let all = all()?;
        let primary = all.iter().find(|email| email.get("primary").and_then(Value::as_bool) == Some(true));
        primary.or(all.first())?.get("value")?.as_str().map(str::to_owned)
    })
}
