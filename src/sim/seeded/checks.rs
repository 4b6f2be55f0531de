//! The promises. In: the world before and after a cycle. Out: the first one that is broken, in words.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::kinds::Kind;
use super::life::Life;
use crate::clock::Clock;
use crate::cycle::{CycleError, CycleReport};
use crate::model::likeness::is_respelt;
use crate::model::{AppId, LifecycleStatus, Op, OpOutcome, Path, RunStatus as Status, SourceId, fold};
use crate::sandbox::Misbehave;
use crate::sim::{Account, Directory, Holdings, Quirk, SimApp};
use crate::store::{Baseline, Health, JournalEvent, StateView as _};

/// What the world was like before a cycle.
pub(super) struct Before {
    /// When the cycle began: nobody counts for longer than a day from then.
    at: Timestamp,
    holdings: Holdings,
    /// Groups with a link.
    linked: BTreeSet<String>,
    directory: Directory,
    /// Whether the reading shows what is true now, if not all of it.
    is_fresh: bool,
    /// Whether the reading can't prove complete.
    is_broken: bool,
    /// Who was missing from an earlier reading: another look may end their access.
    missed: BTreeSet<String>,
    managed: u64,
    records: u64,
    approved: bool,
    /// Whether a run of this tenant has completed.
    after_first: bool,
    /// Accounts without a link, now or ever.
    strangers: BTreeSet<String>,
}

fn text<'a>(account: &'a Account, path: &str) -> &'a str {
    Path::parse(path).ok().and_then(|path| account.attributes.text(&path)).unwrap_or_default()
}

fn fail<T>(promise: &str, what: impl std::fmt::Display) -> Result<T, String> {
    Err(format!("{promise}: {what}"))
}

/// The accounts that have no link and never had one.
fn strangers(life: &Life) -> BTreeSet<String> {
    let store = life.store();
    let is_known = |id: &String| {
        let id = AppId::from(id.as_str());
        store.user_by_app_id(&id).unwrap().is_some() || store.linked_before(&id).unwrap().is_some()
    };
    life.app.holdings().users.into_keys().filter(|id| !is_known(id)).collect()
}

/// Whether the directory truly lets the person in.
fn belongs(dir: &Directory, id: &str) -> bool {
    dir.users.get(id).is_some_and(|user| {
        let grouped = || dir.groups.values().any(|group| group.assigned && group.members.contains(id));
        user.standing == LifecycleStatus::Active && (user.direct || grouped())
    })
}

/// The person whose account it is, if rosterd may know it.
pub(super) fn owner(dir: &Directory, account: &Account) -> Option<String> {
    let named = || {
        let name = fold(text(account, "userName"));
        dir.users.iter().find(|(_, user)| user.record["userName"].as_str().map(fold) == Some(name.clone()))
    };
    account.made_for.clone().or_else(|| named().map(|(id, _)| id.clone()))
}

impl Before {
    pub(super) fn see(life: &Life, quirk: Option<&Quirk>) -> Self {
        let directory = life.source.copy();
        let mut missed = BTreeSet::new();
        let note = &mut |id: SourceId, row: crate::store::UserRow| {
            missed.extend(row.missed_since.map(|_| id.to_string()));
            std::ops::ControlFlow::Continue(())
        };
        life.store().linked_users(note).unwrap();
        Self {
            at: life.clock.now(),
            linked: life.linked_groups(),
            missed,
            holdings: life.app.holdings(),
            is_fresh: !matches!(quirk, Some(Quirk::Stale(_))) && !directory.mute,
            is_broken: directory.down
                || matches!(quirk, Some(Quirk::Breaks | Quirk::Throttles | Quirk::Announces(_) | Quirk::Elsewhere(_))),
            directory,
            managed: life.store().counts().unwrap().active,
            records: life.journal_end(),
            approved: life.approved,
            after_first: matches!(life.store().health(), Health::Trusted),
            strangers: strangers(life),
        }
    }

    /// Compares what is now with what was.
    pub(super) fn compare(
        &self,
        life: &mut Life,
        ended: Option<&Result<CycleReport, CycleError>>,
    ) -> Result<(), String> {
        let now = life.app.holdings();
        if life.kinds.app == Kind::Blind {
            let linked = life.linked_groups();
            life.let_go.extend(self.linked.difference(&linked).cloned());
        }
        self.only_complete_readings(life, ended)?;
        self.nothing_foreign(&now)?;
        self.nobody_twice(&now)?;
        self.nobody_shares(life)?;
        self.strangers_untouched(life, &now)?;
        self.nobody_wronged(life, &now)?;
        self.inside_the_budget(life, &now)?;
        self.written_before_sent(life)?;
        self.bounded(life)?;
        match ended {
            Some(Ok(report)) => {
                self.leavers_went(life, report, &now)?;
                honest(report, &life.app)
            }
            _ => Ok(()),
        }
    }

    /// O4: however creates fail, every removal that may go is carried out in the same run, and the run is no failed one.
    fn leavers_went(&self, life: &Life, report: &CycleReport, now: &Holdings) -> Result<(), String> {
        if !life.refuses_creates() || !life.is_calm || !self.is_fresh || self.is_broken {
            return Ok(());
        }
        let mut removed = false;
        for (at, operation) in report.operations().iter().enumerate() {
            if !matches!(operation.op(), Op::DeactivateUser | Op::DeleteUser) || operation.blocked.is_some() {
                continue;
            }
            let account = operation.app_id.as_ref().and_then(|id| now.users.get(id.as_str()));
            match report.result(at) {
                OpOutcome::Done => removed = true,
                OpOutcome::Failed if account.is_some_and(|account| account.active) => {
                    let why = report.obstacle(at).map(ToString::to_string).unwrap_or_default();
                    return fail("O4", format!("{} keeps access while creates are refused: {why}", operation.object));
                }
                _ => {}
            }
        }
        match report.status() {
            Status::Failed if removed => {
                fail("O4", format!("removals were done, and the run failed: {:?}", report.stop))
            }
            _ => Ok(()),
        }
    }

    fn only_complete_readings(
        &self,
        life: &Life,
        ended: Option<&Result<CycleReport, CycleError>>,
    ) -> Result<(), String> {
        match ended {
            Some(Ok(_)) if self.is_broken => fail("I2", "a reading that does not prove complete made a plan"),
            _ if self.is_broken && !life.app.writes().is_empty() => fail("I2", "an incomplete reading changed the app"),
            _ => Ok(()),
        }
    }

    /// I4: guests keep what they have, and nobody's unmapped values change.
    fn nothing_foreign(&self, now: &Holdings) -> Result<(), String> {
        for (id, was) in &self.holdings.users {
            let guest = text(was, "userName").ends_with("@y.test");
            match now.users.get(id) {
                Some(is) if guest && is != was => return fail("I4", format!("the guest {id} was changed: {is:?}")),
                None if guest => return fail("I4", format!("the guest {id} was deleted")),
                Some(is) if text(is, "nickName") != text(was, "nickName") => {
                    return fail("I4", format!("an unmapped value of {id} was changed"));
                }
                _ => {}
            }
        }
        let is_guest =
            |id: &&String| self.holdings.users.get(*id).is_some_and(|was| text(was, "userName").ends_with("@y.test"));
        for (id, was) in &self.holdings.groups {
            let Some(is) = now.groups.get(id) else { continue };
            if let Some(guest) = was.members.iter().filter(is_guest).find(|guest| !is.members.contains(*guest)) {
                return fail("I4", format!("the guest {guest} was taken out of {id}"));
            }
        }
        Ok(())
    }

    /// I3
    fn nobody_twice(&self, now: &Holdings) -> Result<(), String> {
        let mut seen = BTreeMap::new();
        for (id, account) in &now.users {
            let Some(person) = owner(&self.directory, account) else { continue };
            if let Some(other) = seen.insert(person.clone(), id) {
                return fail("I3", format!("{person} has the accounts {other} and {id}"));
            }
        }
        Ok(())
    }

    /// I3: two users never have one account, two groups never one group.
    fn nobody_shares(&self, life: &Life) -> Result<(), String> {
        let (mut owners, mut shared) = (BTreeMap::new(), None);
        let note = &mut |id: SourceId, row: crate::store::UserRow| {
            if let Some(other) = owners.insert(row.app_id.clone(), id.clone()) {
                shared.get_or_insert(format!("{other} and {id} have the account {}", row.app_id));
            }
            std::ops::ControlFlow::Continue(())
        };
        life.store().linked_users(note).map_err(|error| error.to_string())?;
        let mut groups = BTreeMap::new();
        for (id, row) in life.store().groups().map_err(|error| error.to_string())? {
            if let Some(other) = groups.insert(row.app_id.clone(), id.clone()) {
                shared.get_or_insert(format!("{other} and {id} have the group {}", row.app_id));
            }
        }
        shared.map_or(Ok(()), |shared| fail("I3", shared))
    }

    /// I4: after the first completed run nobody's account is changed that was never linked, unless somebody approved it.
    fn strangers_untouched(&self, life: &Life, now: &Holdings) -> Result<(), String> {
        if !self.after_first || self.approved {
            return Ok(());
        }
        for id in &self.strangers {
            let (was, is) = (self.holdings.users.get(id), now.users.get(id));
            if was.is_some_and(|was| was.made_for.is_none()) && was != is {
                return fail("I4", format!("the stranger's account {id} was changed without approval: {is:?}"));
            }
            let linked = life.store().user_by_app_id(&AppId::from(id.as_str())).ok().flatten();
            let is_strangers = was.is_some_and(|was| was.made_for.is_none() && !life.may_be_given_back(was));
            if let Some(person) = linked.filter(|_| is_strangers) {
                return fail("I4", format!("the stranger's account {id} was given to {person} without approval"));
            }
        }
        Ok(())
    }

    /// I2: whoever truly belongs keeps the account and the groups, whatever a reading leaves out; and the protected always.
    fn nobody_wronged(&self, life: &Life, now: &Holdings) -> Result<(), String> {
        for (account, was) in self.holdings.users.iter().filter(|(_, was)| was.active) {
            let kept = now.users.get(account).is_some_and(|is| is.active);
            let Some(person) = owner(&self.directory, was) else { continue };
            if life.kinds.protects && person == "p0" && !kept {
                return fail("I2", "a protected person lost the account");
            }
            if !self.is_fresh || !belongs(&self.directory, &person) || self.missed.contains(&person) {
                continue;
            }
            if !kept {
                return fail("I2", format!("{person} belongs and lost the account"));
            }
            for (id, group) in self.holdings.groups.iter().filter(|(_, group)| group.members.contains(account)) {
                // The name may be another group's by now: then the id that the group carries says whose it is.
                let follows = |(id, dir): (&String, &crate::sim::DirGroup)| {
                    let is_its = group.external_id.as_ref().is_none_or(|owner| owner == id);
                    is_its && dir.assigned && dir.members.contains(&person) && is_respelt(&group.name, &dir.name)
                };
                let lost = now.groups.get(id).is_none_or(|is| !is.members.contains(account));
                if lost && self.directory.groups.iter().any(follows) {
                    return fail("I2", format!("{person} is in {} and was taken out of it", group.name));
                }
            }
        }
        Ok(())
    }

    /// I2: in any 24 hours no more lose their accounts than the limit says, unless somebody approved it.
    fn inside_the_budget(&self, life: &mut Life, now: &Holdings) -> Result<(), String> {
        let mut lost_now = BTreeSet::new();
        for (account, was) in self.holdings.users.iter().filter(|(_, was)| was.active) {
            if now.users.get(account).is_none_or(|is| !is.active) {
                lost_now.extend(owner(&self.directory, was));
            }
        }
        let day_ago = life.clock.now().saturating_sub(SignedDuration::from_hours(24)).unwrap();
        life.lost.retain(|_, lost| *lost > day_ago);
        life.touched.retain(|_, lost| *lost > day_ago);
        let before = life.lost.len() as u64;
        // Whoever counted already, for a group that went, does not count again for the account.
        let counted = |person: &String| life.lost.contains_key(person) || life.touched.contains_key(person);
        let new: Vec<&String> = lost_now.iter().filter(|person| !counted(person)).collect();
        let (fresh, names) = (new.len() as u64, format!("{new:?}"));
        for (id, group) in &self.holdings.groups {
            let left = |account: &&String| now.groups.get(id).is_none_or(|is| !is.members.contains(*account));
            let accounts = group.members.iter().filter(left).filter_map(|account| self.holdings.users.get(account));
            life.touched.extend(accounts.filter_map(|was| Some((owner(&self.directory, was)?, self.at))));
        }
        let whole = self.managed.max(life.store().counts().unwrap().active) + before;
        let allowed = life.tenant.limits.lock().unwrap().removals_per_day.allowed(whole);
        for person in lost_now {
            life.lost.insert(person, self.at);
        }
        // Whoever was let go, by an approval or within the limit, may be let go again where the first call had no answer.
        for record in life.state().records(self.records + 1).map_err(|error| error.to_string())? {
            if let JournalEvent::Intent(intent) = record.map_err(|error| error.to_string())?.event
                && matches!(intent.op, Op::DeactivateUser | Op::DeleteUser)
            {
                life.touched.insert(intent.object.id().to_string(), self.at);
            }
        }
        for call in life.app.calls().into_iter().filter(|call| call.name == "delete_group") {
            let members = self.holdings.groups.get(&call.object).into_iter().flat_map(|group| &group.members);
            let accounts = members.filter_map(|account| self.holdings.users.get(account));
            life.touched.extend(accounts.filter_map(|was| Some((owner(&self.directory, was)?, self.at))));
        }
        match allowed {
            Some(allowed) if fresh > 0 && before + fresh > allowed && !self.approved => fail(
                "I2",
                format!("{fresh} lost access now ({names}) and {before} before, of {whole}; the limit is {allowed}"),
            ),
            _ => Ok(()),
        }
    }

    /// I8: nothing was sent that the journal had not announced; what the power took was announced all the same.
    fn written_before_sent(&self, life: &Life) -> Result<(), String> {
        let mut announced: BTreeMap<&str, usize> = BTreeMap::new();
        for record in life.state().records(self.records + 1).map_err(|error| error.to_string())? {
            if let JournalEvent::Intent(intent) = record.map_err(|error| error.to_string())?.event {
                *announced.entry(intent.op.name()).or_default() += 1;
            }
        }
        let mut sent: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for call in life.app.calls().into_iter().filter(|call| !call.is_read()) {
            sent.entry(operation(call.name)).or_default().insert(call.object);
        }
        // A name that is passed on goes by the calls that change names.
        let passed_on = announced.get("free_name").copied().unwrap_or_default();
        *announced.entry("update_user").or_default() += passed_on;
        *announced.entry("rename_group").or_default() += passed_on;
        // The members of a group that is made go with it, or right after.
        let first_members = announced.get("create_group").copied().unwrap_or_default();
        *announced.entry("add_members").or_default() += first_members;
        for (op, objects) in sent {
            if announced.get(op).copied().unwrap_or_default() < objects.len() {
                return fail("I8", format!("{op} was sent for {objects:?} without a word in the journal"));
            }
        }
        Ok(())
    }

    /// I7
    fn bounded(&self, life: &Life) -> Result<(), String> {
        let objects = self.directory.users.len() + self.directory.groups.len() + self.holdings.users.len();
        let (calls, most) = (life.app.calls().len(), 60 + 12 * objects);
        if calls > most { fail("I7", format!("{calls} calls for {objects} objects")) } else { Ok(()) }
    }
}

/// The operation that a call belongs to.
fn operation(call: &str) -> &str {
    match call {
        "activate" => "activate_user",
        "deactivate" => "deactivate_user",
        other => other,
    }
}

/// I10, I11: the numbers agree, and nothing was sent that is not part of what may go.
fn honest(report: &CycleReport, app: &SimApp) -> Result<(), String> {
    let (calls, habits) = (&app.calls(), app.manners().habits);
    let tally = report.tally();
    if tally.planned != tally.done + tally.held + tally.failed {
        return fail("I11", format!("{tally:?}"));
    }
    let operations = report.operations().iter().enumerate();
    // Of a membership change, the part about users whose adoption waits is held, and the rest is sent.
    let was_cleared = |at: usize| {
        report.result(at) != OpOutcome::Held || report.cleared.as_ref().is_some_and(|cleared| cleared.allows(at))
    };
    let mut may_go: BTreeSet<&str> =
        operations.filter(|(at, _)| was_cleared(*at)).map(|(_, op)| op.op().name()).collect();
    if may_go.contains("create_group") {
        may_go.insert("add_members");
    }
    // What a create gave back is brought in line with the values that were sent.
    let gives = [Misbehave::GivesBack, Misbehave::Tidies].iter().any(|habit| habits.contains(habit));
    if gives && may_go.contains("create_user") {
        may_go.insert("update_user");
    }
    // Memberships that a deactivation may have ended are sent again.
    if may_go.contains("activate_user") {
        may_go.insert("add_members");
    }
    if may_go.contains("free_name") {
        may_go.extend(["update_user", "rename_group"]);
    }
    match calls.iter().find(|call| !call.is_read() && !may_go.contains(operation(call.name))) {
        Some(call) => fail("I10", format!("{call:?} was sent and is not part of what may go")),
        None => Ok(()),
    }
}

impl Life {
    fn linked_groups(&self) -> BTreeSet<String> {
        self.store().groups().unwrap().into_iter().map(|(id, _)| id.to_string()).collect()
    }

    pub(super) fn journal_end(&self) -> u64 {
        self.store().records_written()
    }

    /// I8: the journal is whole.
    pub(super) fn verify_journal(&self) -> Result<(), String> {
        let found = self.state().verify().map_err(|error| error.to_string())?;
        match (found.broken, found.unfinished) {
            (None, 0) => Ok(()),
            damage => fail("I8", format!("the journal is not whole: {damage:?}")),
        }
    }

    /// I1: the app is as the directory says.
    pub(super) fn end_state(&self) -> Result<(), String> {
        let (dir, app) = (self.source.copy(), self.app.holdings());
        let same = |a: &str, b: &str| fold(a) == fold(b);
        for (id, user) in &dir.users {
            let protected = self.kinds.protects && id == "p0";
            let name = user.record["userName"].as_str().unwrap_or_default();
            let found: Vec<_> = app.users.iter().filter(|(_, account)| same(text(account, "userName"), name)).collect();
            let belongs = belongs(&dir, id);
            match found.as_slice() {
                [(_, account)] if belongs && !account.active && !protected => {
                    return fail("I1", format!("{id} is locked out"));
                }
                [(_, account)] if !belongs && account.active && !protected && self.is_to_go(id, user.standing) => {
                    return fail("I1", format!("{id} still gets in"));
                }
                [(_, account)] if belongs && !protected => {
                    let display = user.record.get("displayName").and_then(|name| name.as_str()).unwrap_or_default();
                    if !same(text(account, "displayName"), display) {
                        return fail("I1", format!("{id} is displayed as {:?}", text(account, "displayName")));
                    }
                }
                [] if belongs && !protected => return fail("I1", format!("{id} has no account")),
                [_, _, ..] => return fail("I3", format!("{id} has several accounts")),
                _ => {}
            }
        }
        let everybody: BTreeSet<&String> = dir.users.keys().collect();
        let strays = app.users.iter().filter_map(|(id, account)| Some((id, account, account.made_for.as_ref()?)));
        for (id, account, person) in strays {
            if account.active && !everybody.contains(person) && !self.forgotten.contains(person) {
                return fail("I1", format!("{person} is gone and {id} still gets in"));
            }
        }
        self.end_state_of_groups(&dir, &app)
    }

    /// Whether somebody who does not belong is rosterd's to switch off.
    fn is_to_go(&self, id: &str, standing: LifecycleStatus) -> bool {
        standing != LifecycleStatus::Staged && self.store().user(&SourceId::new(id)).ok().flatten().is_some()
    }

    fn end_state_of_groups(&self, dir: &Directory, app: &Holdings) -> Result<(), String> {
        for (id, group) in dir.groups.iter().filter(|(_, group)| group.assigned) {
            let protected = |person: &str| self.kinds.protects && person == "p0";
            let let_in = |person: &String| belongs(dir, person) && !protected(person);
            let wanted: BTreeSet<&String> = group.members.iter().filter(|person| let_in(person)).collect();
            // The one it is linked to; a group that was let go may have the same name in an app that allows that.
            let linked = self.store().group(&SourceId::new(id.as_str())).ok().flatten();
            let linked = linked.and_then(|link| app.groups.get(link.app_id.as_str()));
            // Some apps write names in their own way.
            let named = |found: &&crate::sim::Group| is_respelt(&found.name, &group.name);
            if linked.is_none() && wanted.is_empty() {
                // Nothing follows it: a group of its name in the app is another's, or was let go.
                continue;
            }
            let found: Vec<_> = match linked.filter(named) {
                Some(linked) => vec![linked],
                None => app.groups.values().filter(named).collect(),
            };
            let [found] = found.as_slice() else {
                if wanted.is_empty() {
                    continue;
                }
                return fail("I1", format!("there are {} groups for {id}", found.len()));
            };
            let is = found.members.iter().filter_map(|account| owner(dir, app.users.get(account)?));
            // Where a lost state forgot who was in it, nobody can know that they are to go.
            let known = |person: &String| wanted.contains(person) || !self.forgotten.contains(person);
            let known = |person: &String| known(person) && (wanted.contains(person) || !self.let_go.contains(id));
            let is: BTreeSet<String> = is.filter(|person| let_in(person) && known(person)).collect();
            if is.iter().collect::<BTreeSet<_>>() != wanted {
                return fail("I1", format!("{id} should hold {wanted:?} and holds {is:?}"));
            }
        }
        Ok(())
    }

    /// I8: what the journal adds up to is what the app holds.
    pub(super) fn explained(&self) -> Result<(), String> {
        let app = self.app.holdings();
        let mut wrong = None;
        let check = &mut |id: SourceId, row: crate::store::UserRow| {
            let Some(account) = app.users.get(row.app_id.as_str()) else {
                // An app that gave it another id did not say so; the next change finds it.
                let moved = format!("{}-", row.app_id);
                if row.active != Some(false) && !app.users.keys().any(|id| id.starts_with(&moved)) {
                    wrong.get_or_insert(format!("{id} is linked to nothing"));
                }
                return std::ops::ControlFlow::Continue(());
            };
            if row.active.is_some_and(|active| active != account.active) {
                wrong.get_or_insert(format!("{id} should be active: {:?}, and is {}", row.active, account.active));
            }
            let differs = row.sent.iter().find(|(path, value)| {
                let is = account.attributes.get(path).and_then(|value| value.as_str()).map(fold);
                account.active && value.as_str().map(fold) != is
            });
            if let Some((path, _)) = differs {
                wrong.get_or_insert(format!("{path} of {id} is not what was sent"));
            }
            std::ops::ControlFlow::Continue(())
        };
        self.store().linked_users(check).map_err(|error| error.to_string())?;
        match wrong {
            Some(wrong) => fail("I8", wrong),
            None => self.verify_journal(),
        }
    }
}
