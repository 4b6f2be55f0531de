//! What real apps, directories and operators do that no promise expects. In: a seed. Out: the habits of a world's app, and
//! events that strike between its steps. Dice of their own: every other world stays the one that its seed has always been.

use std::collections::BTreeSet;

use super::edits::Fresh;
use crate::config::profile::InactiveEffect;
use crate::model::LifecycleStatus;
use crate::sandbox::Misbehave;
use crate::sim::dice::Dice;
use crate::sim::{Account, Directory, SimApp};

/// Habits of apps that an unkind world may draw. The simulated app acts on each of them (the field `habits` of its manners).
/// `IgnoresChanges` and `DeafMembers` are left to the stories: a value that is ignored where there was none, and an addition of which the answer
/// shows only a part of the group, cannot be told from what is never shown. The weekly comparison reports them.
const HABITS: &[Misbehave] = &[
    Misbehave::StuckObjects,
    Misbehave::StickyMembers,
    Misbehave::StaleAnswers,
    Misbehave::KeepsActive,
    Misbehave::KeepsDeleted,
    Misbehave::NoContent,
    Misbehave::CutMembers,
    Misbehave::InactiveLeaves,
    Misbehave::GivesBack,
    Misbehave::MixesUp,
    Misbehave::NoId,
    Misbehave::Tidies,
];

/// Something that happens in the directory, in the app or by an operator's hand: what happened, unless it found nothing to do.
type Event = fn(&mut Directory, &SimApp, &mut Dice, &Fresh) -> Option<String>;

/// Events that may strike an unkind world.
const EVENTS: &[Event] = &[account_gets_another_id, signs_vanish, columns_swapped];

/// The app gives an account another id (MP2). Only to one that is in no group: a membership that is ended under the old id before anything
/// else meets it is one of an account that nothing tells from a stranger's, in rosterd's eyes and in the app's.
fn account_gets_another_id(_: &mut Directory, app: &SimApp, dice: &mut Dice, fresh: &Fresh) -> Option<String> {
    let holdings = app.holdings();
    let is_in_a_group = |id: &String| holdings.groups.values().any(|group| group.members.contains(id));
    // An account that the app hides is found by nothing once its id is another one.
    let is_shown = |account: &Account| account.active || app.manners().inactive_effect != InactiveEffect::HidesResource;
    let made = holdings.users.iter();
    let made = made.filter(|(id, account)| account.made_for.is_some() && is_shown(account) && !is_in_a_group(id));
    let made = made.map(|(id, _)| id.clone());
    let old = dice.pick(&made.collect::<Vec<_>>()).cloned()?;
    let new = format!("{old}-{}", fresh.coming());
    app.by_hand(|app| {
        if let Some(account) = app.users.remove(&old) {
            app.users.insert(new.clone(), account);
        }
    });
    Some(format!("the app gives the account {old} the id {new}"))
}

/// The directory shows no user as suspended any more.
fn signs_vanish(directory: &mut Directory, _: &SimApp, _: &mut Dice, _: &Fresh) -> Option<String> {
    let suspended = directory.users.values_mut().filter(|user| user.standing == LifecycleStatus::Suspended);
    let count = suspended.map(|user| user.standing = LifecycleStatus::Active).count();
    (count > 0).then(|| format!("the sign of suspension of {count} users vanishes"))
}

/// Another column lands in the place of the display name.
fn columns_swapped(directory: &mut Directory, _: &SimApp, dice: &mut Dice, _: &Fresh) -> Option<String> {
    let column = dice.below(100);
    for user in directory.users.values_mut() {
        user.record.insert("displayName".to_owned(), format!("Clerk {column}").into());
    }
    Some("everybody's display name is a job title".to_owned())
}

/// What is unkind in one world.
#[derive(Debug)]
pub(super) struct Unkind {
    dice: Dice,
}

impl Unkind {
    /// One world in three is unkind.
    pub(super) fn of(seed: u64) -> Option<Self> {
        (seed % 3 == 1).then(|| Self { dice: Dice::new(seed ^ 0x0D1C) })
    }

    /// Gives the app up to two habits; says which.
    pub(super) fn begin(&mut self, app: &SimApp, shows_members: bool) -> String {
        let mut habits: BTreeSet<Misbehave> =
            (0..self.dice.below(3)).filter_map(|_| self.dice.pick(HABITS).copied()).collect();
        // A removal that the app does not make, and of which it shows nothing, can't be noticed.
        if !shows_members {
            habits.remove(&Misbehave::StickyMembers);
        }
        app.behave(|manners| manners.habits.extend(&habits));
        format!("the app's habits are {habits:?}")
    }

    /// What strikes now, if anything does.
    pub(super) fn strike(&mut self, directory: &mut Directory, app: &SimApp, fresh: &Fresh) -> Option<String> {
        if !self.dice.chance(20) {
            return None;
        }
        let event = *self.dice.pick(EVENTS)?;
        event(directory, app, &mut self.dice, fresh)
    }
}
