//! Creates that are not answered with a plain new object. In: the app's manners and what is to be created. Out: what the real client would
//! make of such an answer: another object, one that was there, or a doubt.

use std::collections::BTreeSet;

use super::{Inner, error, shown};
use crate::model::{AppId, Attributes, Path, fold};
use crate::sandbox::Misbehave;
use crate::scim::{AppUser, CallError, Created, FailureClass, ResponseOrigin};

/// Every how many creates an app with the habit answers one with the first object that it has, or without an id.
const EVERY: u64 = 4;

impl Inner {
    /// Whether this create is one that is answered with another object.
    fn mixes_up_now(&mut self) -> bool {
        self.creates += 1;
        let every = self.manners.mixes_up.or_else(|| self.has(Misbehave::MixesUp).then_some(EVERY));
        every.is_some_and(|every| self.creates.is_multiple_of(every))
    }

    /// What the create of an account is answered with, if none is made.
    pub(super) fn user_given(&mut self, name: &str, attributes: &Attributes) -> Option<Created> {
        if self.mixes_up_now()
            && let Some((id, other)) = self.holdings.users.iter().next()
        {
            // The answer shows the other account.
            let origin = ResponseOrigin::Another { evidence: format!("its userName is {:?}", other.name()) };
            return Some(Created { id: AppId::new(id.as_str()), echo: attributes.clone(), members: None, origin });
        }
        if !self.manners.gives_back && !self.has(Misbehave::GivesBack) {
            return None;
        }
        let (id, account) = self.named(name)?;
        let external_id = Path::external_id();
        let id_of = |values: &Attributes| values.text(&external_id).filter(|id| !id.is_empty()).map(str::to_owned);
        if let (Some(theirs), Some(ours)) = (id_of(&account.attributes), id_of(attributes))
            && theirs != ours
        {
            let origin = ResponseOrigin::Another { evidence: format!("its externalId is {theirs:?}, not {ours:?}") };
            return Some(Created { id: AppId::new(id), echo: Attributes::new(), members: None, origin });
        }
        let paths: Vec<Path> = attributes.iter().map(|(path, _)| path.clone()).collect();
        let account = Some(shown(&id, &account, &paths));
        let origin = ResponseOrigin::There { evidence: "it was there before".to_owned(), account, is_certain: true };
        Some(Created { id: AppId::new(id), echo: Attributes::new(), members: None, origin })
    }

    /// The same for a group.
    pub(super) fn group_given(&mut self, name: &str) -> Option<Created> {
        let made = |id: &str, origin| Created { id: AppId::new(id), echo: Attributes::new(), members: None, origin };
        if self.mixes_up_now()
            && let Some((id, other)) = self.holdings.groups.iter().next()
        {
            return Some(made(
                id,
                ResponseOrigin::Another { evidence: format!("its displayName is {:?}", other.name) },
            ));
        }
        let gives_back = self.has(Misbehave::GivesBack);
        let mut groups = self.holdings.groups.iter().filter(|_| gives_back);
        let (id, _) = groups.find(|(_, group)| fold(&group.name) == fold(name))?;
        let origin =
            ResponseOrigin::There { evidence: "it was there before".to_owned(), account: None, is_certain: true };
        Some(made(id, origin))
    }

    /// What is known of an account that was just made: an app that says nothing of when, and writes values in its own way, leaves a doubt.
    pub(super) fn user_made(&self, id: &str, attributes: &Attributes) -> ResponseOrigin {
        if !self.has(Misbehave::Tidies) {
            return ResponseOrigin::New;
        }
        let account = AppUser { id: AppId::from(id), active: true, attributes: attributes.clone(), roles: Vec::new() };
        let evidence = "POST /Users was answered 200 instead of 201".to_owned();
        ResponseOrigin::There { evidence, account: Some(account), is_certain: false }
    }

    /// Whether the answer to this create shows no id, and no look-up shows the object at once.
    pub(super) fn without_id(&self) -> Result<(), CallError> {
        match self.has(Misbehave::NoId) && self.creates.is_multiple_of(EVERY) {
            true => Err(CallError { maybe_done: true, ..error("create", FailureClass::Unknown, Some(201)) }),
            false => Ok(()),
        }
    }

    /// All faults of this kind that keep a create from ever going well end.
    pub(super) fn heal_creates(&mut self) {
        self.manners.mixes_up = None;
        let lasting: BTreeSet<Misbehave> =
            self.manners.habits.iter().copied().filter(|habit| *habit != Misbehave::MixesUp).collect();
        self.manners.habits = lasting;
    }
}
