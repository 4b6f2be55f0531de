//! What real apps, directories and operators do that no promise expects. In: a seed. Out: the habits of a world's app, and
//! events that strike between its steps. Dice of their own: every other world stays the one that its seed has always been.

use super::edits::Fresh;
use crate::model::Standing;
use crate::sandbox::Misbehave;
use crate::sim::dice::Dice;
use crate::sim::{Directory, SimApp};

/// Habits of apps that an unkind world may draw. The simulated app acts on each of them (the field `habits` of its manners).
const HABITS: &[Misbehave] = &[Misbehave::GivesBack, Misbehave::MixesUp, Misbehave::NoId, Misbehave::Tidies];

/// Something that happens in the directory, in the app or by an operator's hand: what happened, unless it found nothing to do.
type Event = fn(&mut Directory, &SimApp, &mut Dice, &Fresh) -> Option<String>;

/// Events that may strike an unkind world.
const EVENTS: &[Event] = &[signs_vanish, columns_swapped];

/// The directory shows no user as suspended any more.
fn signs_vanish(directory: &mut Directory, _: &SimApp, _: &mut Dice, _: &Fresh) -> Option<String> {
    let suspended = directory.users.values_mut().filter(|user| user.standing == Standing::Suspended);
    let count = suspended.map(|user| user.standing = Standing::Active).count();
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
    pub(super) fn begin(&mut self, app: &SimApp) -> String {
        let habits: Vec<Misbehave> = (0..self.dice.below(3)).filter_map(|_| self.dice.pick(HABITS).copied()).collect();
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
