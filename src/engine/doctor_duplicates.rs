//! New accounts that would be a user's second one, said before the first sync. It takes a reading of the directory and the app; it returns
//! findings. Writes nothing anywhere.

use super::{Engine, EngineError};
use crate::cycle::{self, CycleError};
use crate::model::{Duplicate, Duplicates, Finding};
use crate::plan::{self, Answers, PlannedUser, SurveyOptions, TenantLinks};
use crate::scim::{App, AppRead as _, LookalikeScope, Match, UserKeys};
use crate::source::Snapshot;
use crate::store::Health;

use super::doctor::{counted, state_error};

/// The check's name.
const CHECK: &str = "second accounts";

impl Engine {
    /// Users of the directory who would get an account beside the one that they seem to have: looked for as long as no run was completed,
    /// and while one holds something.
    pub(super) async fn look_for_second_accounts(&self, app: &App, snapshot: &Snapshot) -> Option<Finding> {
        match self.second_accounts(app, snapshot).await {
            Ok(finding) => finding,
            Err(EngineError::Cycle(CycleError::Store(error))) => Some(state_error(CHECK, &error)),
            Err(error) => Some(Finding::warning(
                CHECK,
                format!("whether new users have an account already can't be seen: {error}"),
                format!("`rosterd plan {}` asks again, and holds what it finds", self.tenant.name),
            )),
        }
    }

    async fn second_accounts(&self, app: &App, snapshot: &Snapshot) -> Result<Option<Finding>, EngineError> {
        let state = self.view()?;
        let limit = Self::limits(&self.weighing(state.as_ref())).duplicate_names;
        let search = cycle::search(state.as_ref(), false)?;
        if limit.is_none() || search == LookalikeScope::Cheap {
            return Ok(None);
        }
        let (desired, rules) = (self.derived(snapshot), self.rules());
        let links = TenantLinks::from_rows(state.as_ref())?;
        let adopt_only = matches!(state.health(), Health::AdoptOnly { .. });
        let manner = SurveyOptions { retry_before: None, adopt_only };
        let newcomers = plan::survey(&desired, &links, state.as_ref(), &rules, manner)?.newcomers;
        if newcomers.is_empty() {
            return Ok(None);
        }
        let keys: Vec<UserKeys> = newcomers.iter().map(PlannedUser::keys).collect();
        let names = plan::names_of_newcomers(snapshot, &newcomers);
        self.expect(app, state.as_ref());
        let looked_up = app.look_up_newcomers(&keys, names, &rules.read_paths(), search).await;
        let (users, alike) = looked_up.map_err(CycleError::from)?;
        let creates = users.iter().filter(|answer| matches!(answer, Match::Nobody)).count() as u64;
        let answers = Answers { users, alike, ..Answers::default() };
        let found = plan::duplicates(snapshot, &newcomers, &answers, state.as_ref())?;
        Ok(self.told(&found, creates, limit.allowed(creates)))
    }

    fn told(&self, found: &[Duplicate], creates: u64, allowed: Option<u64>) -> Option<Finding> {
        let (same, alike): (Vec<&Duplicate>, Vec<&Duplicate>) = found.iter().partition(|one| one.shared.is_some());
        let many_alike = allowed.is_some_and(|allowed| alike.len() as u64 > allowed);
        let mut said = Vec::new();
        if !same.is_empty() {
            said.push(format!(
                "{} of {} an e-mail address or user name that is on an account in the app which no user matches: {}",
                same.len(),
                counted(creates, "new user has", "new users have"),
                Duplicates::of(&same)
            ));
        }
        if many_alike {
            said.push(format!(
                "{} of {} like accounts in the app which no user matches: {}",
                alike.len(),
                counted(creates, "new user looks", "new users look"),
                Duplicates::of(&alike)
            ));
        }
        if said.is_empty() {
            return None;
        }
        let held = if many_alike { "every new account" } else { "their new accounts" };
        Some(Finding::warning(
            CHECK,
            format!("{}. The next sync would hold {held}", said.join("; ")),
            format!(
                "map userName to the value that these accounts have, or put the attribute that both sides share in place of \
                 userName in read.user_match under [target.override_profile]; `rosterd plan {}` shows the id to approve if they \
                 are different people",
                self.tenant.name
            ),
        ))
    }
}
