//! What the two sides of a world are like. In: chance. Out: an app's manners and the tenant file that fits them.

use jiff::SignedDuration;

use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::config::tenant::DeprovisioningAction;
use crate::scim::FailureClass;
use crate::sim::dice::Dice;
use crate::sim::{Reach, SimApp, Tenant};

/// What an app is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As the standard says.
    Strict,
    /// Writes text small, takes few members at once.
    Folding,
    /// Switches off instead of deleting, and hides whoever is switched off.
    Hiding,
    /// Shows no members.
    Blind,
    /// Takes every name twice.
    Careless,
    /// Shows what it made only after a while, and takes names twice.
    Forgetful,
    /// Refuses for no reason.
    Hostile,
}

/// What an app does about the members of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupHabit {
    /// Takes them with a new group, and says so.
    Plain,
    /// The same, and the profile sends them afterwards.
    FilledAfterwards,
    /// Answers 400 to more than two members in a call.
    TakesFew,
    /// Answers 413 to more than two members in a call.
    SmallBodies,
    /// Refuses groups without members.
    RefusesEmpty,
    /// Refuses new groups with members.
    RefusesMembers,
    /// Makes new groups without the members it is given.
    IgnoresMembers,
    /// Does not show members in the answer to a new group.
    Silent,
}

impl GroupHabit {
    fn of(percent: u64) -> Self {
        match percent {
            0..20 => Self::FilledAfterwards,
            20..32 => Self::TakesFew,
            32..42 => Self::SmallBodies,
            42..56 => Self::RefusesEmpty,
            56..66 => Self::RefusesMembers,
            66..78 => Self::IgnoresMembers,
            78..88 => Self::Silent,
            _ => Self::Plain,
        }
    }
}

/// What stays as it is for the whole life of a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds {
    pub(super) app: Kind,
    pub(super) fate: DeprovisioningAction,
    pub(super) external_id: bool,
    pub(super) protects: bool,
    pub(super) create_empty: bool,
    pub(super) groups: GroupHabit,
    /// Bytes of a journal file.
    pub(super) segment: u64,
}

impl Kinds {
    /// Nothing special.
    pub(super) fn plain() -> Self {
        Self {
            app: Kind::Strict,
            fate: DeprovisioningAction::Deactivate,
            external_id: true,
            protects: false,
            create_empty: false,
            groups: GroupHabit::Plain,
            segment: 1 << 20,
        }
    }

    pub(super) fn draw(dice: &mut Dice) -> Self {
        use Kind::{Blind, Careless, Folding, Forgetful, Hiding, Hostile, Strict};
        let all = [Strict, Folding, Hiding, Blind, Careless, Forgetful, Hostile];
        let drawn = Self {
            app: *dice.pick(&all).unwrap(),
            fate: if dice.chance(30) { DeprovisioningAction::Delete } else { DeprovisioningAction::Deactivate },
            external_id: dice.chance(60),
            protects: dice.chance(50),
            create_empty: dice.chance(30),
            groups: GroupHabit::of(dice.below(100)),
            segment: if dice.chance(85) { 4000 } else { 1 << 20 },
        };
        // An operator who wants empty groups in an app that refuses them gets none.
        Self { create_empty: drawn.create_empty && drawn.groups != GroupHabit::RefusesEmpty, ..drawn }
    }

    pub(super) fn tenant(&self) -> Tenant {
        let mut tenant = Tenant::default();
        let mut rules = vec![("userName", "userName"), ("displayName", "displayName")];
        if self.external_id {
            rules.push(("externalId", "id"));
        }
        tenant.map(&rules);
        (tenant.on_suspended, tenant.on_deleted, tenant.on_unassigned) = (self.fate, self.fate, self.fate);
        tenant.create_empty = self.create_empty;
        if self.protects {
            tenant.protect.push("p0@x.test");
        }
        let profile = &mut tenant.profile;
        profile.groups.members_on_create = self.groups != GroupHabit::FilledAfterwards;
        match self.app {
            Kind::Hiding => {
                profile.users.inactive_effect = InactiveEffect::HidesResource;
                profile.users.delete_effect = DeleteEffect::Deactivates;
            }
            Kind::Blind => profile.read.members_readable = false,
            Kind::Forgetful => profile.read.settles_after_s = 60,
            _ => {}
        }
        tenant
    }

    pub(super) fn behave(&self, app: &SimApp) {
        app.behave(|manners| match self.groups {
            GroupHabit::Plain | GroupHabit::FilledAfterwards => {}
            GroupHabit::TakesFew => manners.takes_at_most = Some((2, FailureClass::Invalid, 400)),
            GroupHabit::SmallBodies => manners.takes_at_most = Some((2, FailureClass::TooLarge, 413)),
            GroupHabit::RefusesEmpty => manners.refuses_empty_groups = true,
            GroupHabit::RefusesMembers => manners.refuses_first_members = true,
            GroupHabit::IgnoresMembers => manners.ignores_first_members = true,
            GroupHabit::Silent => manners.answers_with_members = false,
        });
        app.behave(|manners| match self.app {
            Kind::Strict => {}
            Kind::Folding => (manners.lower_cases, manners.members_per_call) = (true, 2),
            Kind::Hiding => {
                manners.inactive_effect = InactiveEffect::HidesResource;
                manners.delete_effect = DeleteEffect::Deactivates;
            }
            Kind::Blind => manners.members_readable = false,
            Kind::Careless => manners.unique = false,
            Kind::Forgetful => (manners.unique, manners.settles_after) = (false, SignedDuration::from_secs(60)),
            Kind::Hostile => manners.unique = false,
        });
    }

    pub(super) fn reach(&self, dice: &mut Dice) -> Reach {
        match self.app {
            Kind::Hostile => Reach::Hostile,
            _ if dice.chance(50) => Reach::Writes,
            _ => Reach::Everything,
        }
    }
}
