//! What the simulated app answers a change with: what it holds then, or what its habits make of that.

use super::{Account, Group, Inner};
use crate::model::{Attributes, Path};
use crate::sandbox::Misbehave;
use crate::scim::{Shown, ShownMembers};

/// The most members that an app shows which cuts its lists.
const CUT: usize = 10;

impl Inner {
    pub(super) fn has(&self, habit: Misbehave) -> bool {
        self.manners.habits.contains(&habit)
    }

    /// Whether a list of so many members is cut.
    pub(super) fn cuts(&self, members: usize) -> bool {
        self.has(Misbehave::CutMembers) && members > CUT
    }

    pub(super) fn shows_user(&self, before: &Account, after: &Account, set: &Attributes, clear: &[Path]) -> Shown {
        if self.has(Misbehave::NoContent) {
            return Shown::default();
        }
        let shown = if self.has(Misbehave::StaleAnswers) { before } else { after };
        let paths = set.iter().map(|(path, _)| path).chain(clear);
        let attributes = paths.filter_map(|path| Some((path.clone(), shown.attributes.get(path)?.clone()))).collect();
        Shown { attributes, active: Some(shown.active), ..Shown::default() }
    }

    pub(super) fn shows_group(&self, before: &Group, after: &Group) -> Shown {
        if self.has(Misbehave::NoContent) {
            return Shown::default();
        }
        let shown = if self.has(Misbehave::StaleAnswers) { before } else { after };
        let speaks = self.manners.members_readable && self.manners.answers_with_members;
        let is_cut = self.cuts(shown.members.len());
        let values = shown.members.iter().take(if is_cut { CUT } else { usize::MAX }).cloned().collect();
        let members = speaks.then_some(ShownMembers { values, is_cut });
        Shown { display_name: Some(shown.name.clone()), members, ..Shown::default() }
    }
}
