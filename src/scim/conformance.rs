//! What rosterd relies on in an app, tried one by one. In: an app to write to, and a word that makes names unique. Out: for each
//! expectation whether the app meets it, with the evidence where it does not.
//!
//! The same list is tried against the simulated app, the embedded app and servers that others wrote, so that what the promises are
//! proved with can't drift away from what they are kept with. It uses nothing but [`AppRead`](super::AppRead) and [`AppWrite`], creates only objects
//! whose names begin with the given word, and leaves some of them behind where the app can't delete.

use std::fmt::Debug;

use super::{AppWrite, CallError, FailureClass, GroupKeys, Match, MemberKeys, UserKeys};
use crate::model::{AppId, Attributes, Path, SourceId};

/// Something that an app is expected to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expectation {
    /// A user who was created is found by `externalId`.
    FoundByExternalId,
    /// A user who was created is found by `userName`, whatever its case.
    FoundByUserName,
    /// A name that no account has is reported as free.
    UnknownIsFree,
    /// A name that an account of another record has is never reported as free.
    TakenIsNotFree,
    /// A second account of the same `userName` is refused with 409.
    UserNamesAreUnique,
    /// A changed attribute is shown afterwards.
    ChangesAreKept,
    /// A removed attribute is not shown afterwards.
    RemovalsAreKept,
    /// A changed `userName` is shown afterwards, and the old one is free.
    RenamesAreKept,
    /// A deactivated account is still shown, as inactive, and found by its name.
    InactiveIsShown,
    /// An account that is activated again is shown as active.
    ActivationIsKept,
    /// A deactivated user stays in their groups.
    InactiveStaysInGroups,
    /// A deleted account is not shown any more, and its name is free; deleting it again is done, or not found.
    DeletionIsKept,
    /// A deleted account is in no group any more.
    DeletedLeavesGroups,
    /// A new group has the members it was created with.
    FirstMembersAreKept,
    /// A second group of the same name is refused with 409.
    GroupNamesAreUnique,
    /// A member who is added twice is in the group once.
    AddingTwiceIsOnce,
    /// Removing one member leaves the others, and removing them again is no error.
    RemovalIsExact,
    /// A group that is renamed has the new name, and is found by it.
    GroupRenamesAreKept,
    /// A deleted group is not shown any more.
    GroupDeletionIsKept,
}

impl Expectation {
    /// All, in the order in which they are tried.
    pub const ALL: [Self; 19] = [
        Self::FoundByExternalId,
        Self::FoundByUserName,
        Self::UnknownIsFree,
        Self::TakenIsNotFree,
        Self::UserNamesAreUnique,
        Self::ChangesAreKept,
        Self::RemovalsAreKept,
        Self::RenamesAreKept,
        Self::InactiveIsShown,
        Self::ActivationIsKept,
        Self::InactiveStaysInGroups,
        Self::DeletionIsKept,
        Self::DeletedLeavesGroups,
        Self::FirstMembersAreKept,
        Self::GroupNamesAreUnique,
        Self::AddingTwiceIsOnce,
        Self::RemovalIsExact,
        Self::GroupRenamesAreKept,
        Self::GroupDeletionIsKept,
    ];
}

/// Why an expectation is not met.
pub type UnmetReason = String;

/// Tries every expectation. Names of what is created begin with `word`.
pub async fn examine(app: &dyn AppWrite, word: &str) -> Vec<(Expectation, Result<(), UnmetReason>)> {
    let mut results = Vec::new();
    for (n, expectation) in Expectation::ALL.into_iter().enumerate() {
        let stand = Stand { app, word: format!("{word}{n}") };
        results.push((expectation, Box::pin(stand.try_one(expectation)).await));
    }
    results
}

/// One expectation under test.
struct Stand<'a> {
    app: &'a dyn AppWrite,
    word: String,
}

/// A user of the test, with their account.
struct TestUser {
    source_id: SourceId,
    attributes: Attributes,
    id: AppId,
}

impl TestUser {
    fn user_name(&self) -> &str {
        self.attributes.text(&Path::user_name()).unwrap_or_default()
    }

    fn member(&self) -> MemberKeys {
        MemberKeys { id: self.id.clone(), user_name: self.user_name().to_owned() }
    }
}

fn failed(call: &str) -> impl Fn(CallError) -> UnmetReason + '_ {
    move |error| format!("{call}: {error}")
}

fn expect(kept: bool, evidence: impl Debug) -> Result<(), UnmetReason> {
    if kept { Ok(()) } else { Err(format!("{evidence:?}")) }
}

fn path(text: &str) -> Result<Path, UnmetReason> {
    Path::parse(text).map_err(|error| error.to_string())
}

impl Stand<'_> {
    async fn try_one(&self, expectation: Expectation) -> Result<(), UnmetReason> {
        match expectation {
            Expectation::FoundByExternalId => self.found_by_external_id().await,
            Expectation::FoundByUserName => self.found_by_user_name().await,
            Expectation::UnknownIsFree => self.unknown_is_free().await,
            Expectation::TakenIsNotFree => self.taken_is_not_free().await,
            Expectation::UserNamesAreUnique => self.user_names_are_unique().await,
            Expectation::ChangesAreKept => self.changes_are_kept().await,
            Expectation::RemovalsAreKept => self.removals_are_kept().await,
            Expectation::RenamesAreKept => self.renames_are_kept().await,
            Expectation::InactiveIsShown => self.inactive_is_shown().await,
            Expectation::ActivationIsKept => self.activation_is_kept().await,
            Expectation::InactiveStaysInGroups => self.inactive_stays_in_groups().await,
            Expectation::DeletionIsKept => self.deletion_is_kept().await,
            Expectation::DeletedLeavesGroups => self.deleted_leaves_groups().await,
            Expectation::FirstMembersAreKept => self.first_members_are_kept().await,
            Expectation::GroupNamesAreUnique => self.group_names_are_unique().await,
            Expectation::AddingTwiceIsOnce => self.adding_twice_is_once().await,
            Expectation::RemovalIsExact => self.removal_is_exact().await,
            Expectation::GroupRenamesAreKept => self.group_renames_are_kept().await,
            Expectation::GroupDeletionIsKept => self.group_deletion_is_kept().await,
        }
    }

    fn attributes(&self, name: &str) -> Result<Attributes, UnmetReason> {
        let (address, external) = (format!("{name}@example.com"), format!("record-{name}"));
        let values = [
            ("userName", address.as_str()),
            ("externalId", &external),
            ("name.givenName", "Given"),
            ("name.familyName", "Family"),
            ("emails.work", &address),
        ];
        values.into_iter().map(|(name, value)| Ok((path(name)?, value.into()))).collect()
    }

    async fn user(&self, name: &str) -> Result<TestUser, UnmetReason> {
        let attributes = self.attributes(&format!("{}{name}", self.word))?;
        let source_id = SourceId::new(attributes.text(&Path::external_id()).unwrap_or_default());
        let created = self.app.create_user(&source_id, &attributes).await.map_err(failed("create"))?;
        Ok(TestUser { source_id, attributes, id: created.id })
    }

    async fn look_up(
        &self,
        source_id: &SourceId,
        attributes: Attributes,
    ) -> Result<Match<super::AppUser>, UnmetReason> {
        let keys = UserKeys { source_id: source_id.clone(), attributes, except: None };
        let found = self.app.look_up_users(&[keys], &[]).await.map_err(failed("look-up"))?;
        found.into_iter().next().ok_or_else(|| "the look-up has no answer".to_owned())
    }

    async fn shown(&self, id: &AppId) -> Result<Option<super::AppUser>, UnmetReason> {
        let paths = [path("name.familyName")?, path("title")?];
        self.app.get_user(id, &paths).await.map_err(failed("read"))
    }

    async fn group(&self, members: &[MemberKeys]) -> Result<(SourceId, AppId), UnmetReason> {
        let source_id = SourceId::new(format!("group-{}", self.word));
        let created = self.app.create_group(&source_id, &self.word, members).await.map_err(failed("create group"))?;
        Ok((source_id, created.id))
    }

    async fn members(&self, id: &AppId) -> Result<Vec<String>, UnmetReason> {
        let group = self.app.get_group(id).await.map_err(failed("read group"))?;
        let mut members = group.and_then(|group| group.members).ok_or("the group shows no members")?;
        members.sort();
        Ok(members)
    }

    async fn found_by_external_id(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let external = made.attributes.get(&Path::external_id()).cloned().unwrap_or_default();
        let only = [(Path::external_id(), external)].into_iter().collect();
        let found = self.look_up(&made.source_id, only).await?;
        expect(matches!(&found, Match::One { found, .. } if found.id == made.id), found)
    }

    async fn found_by_user_name(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let only = [(Path::user_name(), made.user_name().to_uppercase().into())].into_iter().collect();
        let found = self.look_up(&made.source_id, only).await?;
        expect(matches!(&found, Match::One { found, .. } if found.id == made.id), found)
    }

    async fn unknown_is_free(&self) -> Result<(), UnmetReason> {
        let unknown = self.attributes(&format!("{}nobody", self.word))?;
        let found = self.look_up(&SourceId::new("nobody"), unknown).await?;
        expect(matches!(found, Match::Nobody), found)
    }

    async fn taken_is_not_free(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let mut other = made.attributes.clone();
        other.set(Path::external_id(), format!("other-{}", self.word).into());
        let found = self.look_up(&SourceId::new(format!("other-{}", self.word)), other).await?;
        expect(!matches!(found, Match::Nobody), found)
    }

    async fn user_names_are_unique(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let mut again = made.attributes.clone();
        again.set(Path::external_id(), format!("again-{}", self.word).into());
        let refused = self.app.create_user(&SourceId::new(format!("again-{}", self.word)), &again).await;
        expect(matches!(&refused, Err(error) if error.class == FailureClass::Conflict), refused)
    }

    async fn changes_are_kept(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let family = path("name.familyName")?;
        let set = [(family.clone(), "Changed".into())].into_iter().collect();
        self.app.update_user(&made.id, &set, &[]).await.map_err(failed("change"))?;
        let shown = self.shown(&made.id).await?.ok_or("the account is not shown")?;
        expect(shown.attributes.text(&family) == Some("Changed"), shown)
    }

    async fn removals_are_kept(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let title = path("title")?;
        let set = [(title.clone(), "Lead".into())].into_iter().collect();
        self.app.update_user(&made.id, &set, &[]).await.map_err(failed("change"))?;
        let before = self.shown(&made.id).await?.ok_or("the account is not shown")?;
        expect(before.attributes.text(&title) == Some("Lead"), &before)?;
        let clear = std::slice::from_ref(&title);
        self.app.update_user(&made.id, &Attributes::new(), clear).await.map_err(failed("removal"))?;
        let after = self.shown(&made.id).await?.ok_or("the account is not shown")?;
        expect(after.attributes.get(&title).is_none(), after)
    }

    async fn renames_are_kept(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let new = format!("{}new@example.com", self.word);
        let set = [(Path::user_name(), new.as_str().into())].into_iter().collect();
        self.app.update_user(&made.id, &set, &[]).await.map_err(failed("rename"))?;
        let by_new = [(Path::user_name(), new.into())].into_iter().collect();
        let found = self.look_up(&made.source_id, by_new).await?;
        expect(matches!(&found, Match::One { found, .. } if found.id == made.id), found)?;
        let by_old = [(Path::user_name(), made.user_name().into())].into_iter().collect();
        let found = self.look_up(&SourceId::new("newcomer"), by_old).await?;
        expect(matches!(found, Match::Nobody), found)
    }

    async fn inactive_is_shown(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        self.app.set_active(&made.id, false).await.map_err(failed("deactivation"))?;
        let shown = self.shown(&made.id).await?.ok_or("the account is not shown any more")?;
        expect(!shown.active, shown)?;
        let found = self.look_up(&made.source_id, made.attributes.clone()).await?;
        expect(matches!(&found, Match::One { found, .. } if found.id == made.id && !found.active), found)
    }

    async fn activation_is_kept(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        self.app.set_active(&made.id, false).await.map_err(failed("deactivation"))?;
        self.app.set_active(&made.id, true).await.map_err(failed("activation"))?;
        let shown = self.shown(&made.id).await?.ok_or("the account is not shown")?;
        expect(shown.active, shown)
    }

    async fn inactive_stays_in_groups(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let (_, group) = self.group(&[]).await?;
        self.app.add_members(&group, &[made.member()]).await.map_err(failed("add"))?;
        self.app.set_active(&made.id, false).await.map_err(failed("deactivation"))?;
        let members = self.members(&group).await?;
        expect(members == [made.id.as_str()], members)
    }

    async fn deletion_is_kept(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        self.app.delete_user(&made.id).await.map_err(failed("deletion"))?;
        let shown = self.shown(&made.id).await?;
        expect(shown.is_none(), shown)?;
        let found = self.look_up(&made.source_id, made.attributes.clone()).await?;
        expect(matches!(found, Match::Nobody), found)?;
        match self.app.delete_user(&made.id).await {
            Err(error) if error.class != FailureClass::NotFound => Err(failed("deletion again")(error)),
            _ => Ok(()),
        }
    }

    async fn deleted_leaves_groups(&self) -> Result<(), UnmetReason> {
        let (made, other) = (self.user("a").await?, self.user("b").await?);
        let (_, group) = self.group(&[]).await?;
        self.app.add_members(&group, &[made.member(), other.member()]).await.map_err(failed("add"))?;
        self.app.delete_user(&made.id).await.map_err(failed("deletion"))?;
        let members = self.members(&group).await?;
        expect(members == [other.id.as_str()], members)
    }

    async fn first_members_are_kept(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let (_, group) = self.group(&[made.member()]).await?;
        let members = self.members(&group).await?;
        expect(members == [made.id.as_str()], members)
    }

    async fn group_names_are_unique(&self) -> Result<(), UnmetReason> {
        self.group(&[]).await?;
        let again = SourceId::new(format!("again-{}", self.word));
        let refused = self.app.create_group(&again, &self.word, &[]).await;
        expect(matches!(&refused, Err(error) if error.class == FailureClass::Conflict), refused)
    }

    async fn adding_twice_is_once(&self) -> Result<(), UnmetReason> {
        let made = self.user("a").await?;
        let (_, group) = self.group(&[]).await?;
        for call in ["add", "add again"] {
            self.app.add_members(&group, &[made.member()]).await.map_err(failed(call))?;
        }
        let members = self.members(&group).await?;
        expect(members == [made.id.as_str()], members)
    }

    async fn removal_is_exact(&self) -> Result<(), UnmetReason> {
        let (made, other) = (self.user("a").await?, self.user("b").await?);
        let (_, group) = self.group(&[]).await?;
        self.app.add_members(&group, &[made.member(), other.member()]).await.map_err(failed("add"))?;
        for call in ["removal", "removal again"] {
            self.app.remove_members(&group, &[made.member()]).await.map_err(failed(call))?;
        }
        let members = self.members(&group).await?;
        expect(members == [other.id.as_str()], members)
    }

    async fn group_renames_are_kept(&self) -> Result<(), UnmetReason> {
        let (source_id, group) = self.group(&[]).await?;
        let display_name = format!("{} renamed", self.word);
        self.app.rename_group(&group, &display_name).await.map_err(failed("rename"))?;
        let shown = self.app.get_group(&group).await.map_err(failed("read group"))?.ok_or("the group is not shown")?;
        expect(shown.display_name == display_name, &shown)?;
        let keys = GroupKeys { source_id, display_name, released: Vec::new() };
        let found = self.app.look_up_groups(&[keys]).await.map_err(failed("look-up"))?;
        expect(matches!(found.first(), Some(Match::One { found, .. }) if found.id == group), found)
    }

    async fn group_deletion_is_kept(&self) -> Result<(), UnmetReason> {
        let (_, group) = self.group(&[]).await?;
        self.app.delete_group(&group).await.map_err(failed("deletion"))?;
        let shown = self.app.get_group(&group).await.map_err(failed("read group"))?;
        expect(shown.is_none(), shown)
    }
}
