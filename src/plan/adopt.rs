//! Whether an account that is in the app already may become a user's. In: the user, the account, and what state and machine know of
//! it. Out: an adoption, or a conflict.
//!
//! A wrong adoption gives somebody another user's account, with its roles; so one matching attribute is not enough where others
//! contradict it. Whether a right one waits for approval is decided by the guard.

use super::operation::{Acquaintance, Action, Blocked, user_operation};
use super::person::PlannedUser;
use super::{Answers, GroupStage, Users};
use crate::config::profile::Profile;
use crate::desired::DesiredGroup;
use crate::model::{Lane, Obstacle, Path, Reason, SourceId, fold, likeness, text};
use crate::scim::{AppGroup, AppUser};
use crate::store::StoreError;

/// Why an account that matches a user by one attribute is not theirs by the others; `None` if nothing contradicts it.
///
/// An id that matches proves little by itself: other tools write `externalId` too, and small numbers repeat. So the user name has to
/// agree, and every other attribute by which the profile matches users.
pub fn why_not_theirs(profile: &Profile, person: &PlannedUser, found: &AppUser, by: &str) -> Option<Obstacle> {
    let is_id = |name: &str| name.eq_ignore_ascii_case("externalId") || name.eq_ignore_ascii_case("id");
    let listed = profile.read.user_match.iter().map(String::as_str);
    let names = listed.chain(is_id(by).then_some("userName")).filter(|name| !is_id(name));
    for name in names {
        let Ok(path) = Path::parse(name) else { continue };
        let (Some(ours), Some(theirs)) = (person.attributes.text(&path), found.attributes.text(&path)) else {
            continue;
        };
        // A character that nobody sees makes it an account that only looks like the user's.
        let looks_like_it = || text::unfit_as_name(theirs).is_some();
        if !profile.attributes.is_unreturned(&path) && (fold(ours) != fold(theirs) || looks_like_it()) {
            return Some(Obstacle::Contradicts {
                account: found.id.clone(),
                by: by.to_owned(),
                attribute: name.to_owned(),
                theirs: theirs.to_owned(),
                ours: ours.to_owned(),
            });
        }
    }
    None
}

/// Whether one of an account's roles is one that the profile calls privileged.
pub fn is_privileged(profile: &Profile, roles: &[String]) -> bool {
    let words: Vec<String> =
        profile.users.privileged.iter().map(|word| fold(word)).filter(|word| !word.is_empty()).collect();
    roles.iter().map(|role| fold(role)).any(|role| words.iter().any(|word| role.contains(word)))
}

impl Users<'_> {
    /// Adopts the account that was found for a user without one, unless something contradicts that it is theirs.
    pub(super) fn adopt_unless_contradicted(
        &mut self,
        person: &PlannedUser,
        found: &AppUser,
        by: &str,
        answers: &Answers,
    ) -> Result<(), StoreError> {
        let known = self.acquaintance(person, found, answers)?;
        match self.contradiction(person, found, by, known, answers) {
            Some(why) => self.conflict(person, found, by, why),
            None => self.adopt(person, found, by, known),
        }
        Ok(())
    }

    /// Why an account can't be adopted for a user.
    pub(super) fn contradiction(
        &self,
        person: &PlannedUser,
        found: &AppUser,
        by: &str,
        known: Option<Acquaintance>,
        answers: &Answers,
    ) -> Option<Obstacle> {
        if let Some(why) = answers.linked_elsewhere.get(&found.id) {
            return Some(Obstacle::LinkedElsewhere(why.clone()));
        }
        match known {
            // It was rosterd that wrote the id there.
            Some(Acquaintance::LinkedBefore) => None,
            Some(Acquaintance::Imported) | None => why_not_theirs(self.ground.rules.profile, person, found, by),
        }
    }

    /// How an account without a link is known to be the user's.
    pub(super) fn acquaintance(
        &self,
        person: &PlannedUser,
        found: &AppUser,
        answers: &Answers,
    ) -> Result<Option<Acquaintance>, StoreError> {
        if self.ground.baseline.linked_before(&found.id)?.as_ref() == Some(&person.id) {
            return Ok(Some(Acquaintance::LinkedBefore));
        }
        let imported = answers.imported.get(&found.id) == Some(&person.id);
        Ok(imported.then_some(Acquaintance::Imported))
    }

    fn conflict(&mut self, person: &PlannedUser, found: &AppUser, by: &str, why: Obstacle) {
        let action = Action::AdoptUser {
            found: found.clone(),
            by: by.to_owned(),
            source: crate::model::Attributes::new(),
            known: None,
            privileged: is_privileged(self.ground.rules.profile, &found.roles),
        };
        let because = Reason::Belongs(self.ground.desired.because(person.ix));
        let mut operation = user_operation(Lane::Additions, person, Some(&found.id), action, because);
        operation.blocked = Some(Blocked::Conflict(why));
        self.push(operation);
    }
}

impl GroupStage<'_> {
    /// Why a group that was found by its `externalId` is not the directory's group: another tenant has linked it, or it has another name
    /// and rosterd never knew it. A mere id proves little: small numbers repeat, and other tools write them too.
    pub(super) fn group_contradiction(
        &self,
        id: &SourceId,
        group: &DesiredGroup,
        found: &AppGroup,
        by: &str,
        answers: &Answers,
    ) -> Result<Option<Obstacle>, StoreError> {
        if let Some(why) = answers.groups_linked_elsewhere.get(&found.id) {
            return Ok(Some(Obstacle::LinkedElsewhere(why.clone())));
        }
        let is_unreturned = self.ground.rules.profile.attributes.is_unreturned(&Path::display_name());
        if by != Path::external_id().as_str() || is_unreturned || likeness::is_respelt(&found.display_name, &group.name)
        {
            return Ok(None);
        }
        let baseline = self.ground.baseline;
        let is_known =
            baseline.group_by_app_id(&found.id)?.as_ref() == Some(id) || baseline.group_let_go(&found.id)?.is_some();
        Ok((!is_known).then(|| Obstacle::GroupContradicts {
            group: found.id.clone(),
            theirs: found.display_name.clone(),
            ours: group.name.clone(),
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use crate::model::{AppId, Attributes, SourceId};
    use crate::schema::Returned;
    use crate::source::UserIx;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(path, value)| (Path::parse(path).unwrap(), (*value).into())).collect()
    }

    fn verdict(profile: &Profile, ours: &[(&str, &str)], theirs: &[(&str, &str)], by: &str) -> bool {
        let person = PlannedUser {
            ix: UserIx(0),
            id: SourceId::new("u00001"),
            name: "ann".to_owned(),
            attributes: attributes(ours),
            leave: Vec::new(),
            manager: None,
            remark: None,
        };
        let found = AppUser { id: AppId::new("7"), active: true, attributes: attributes(theirs), roles: Vec::new() };
        why_not_theirs(profile, &person, &found, by).is_none()
    }

    #[test]
    fn mp7_an_id_that_matches_counts_only_where_the_names_agree() {
        let profile = Profile::default();
        let ours = [("userName", "ann@acme.test"), ("emails.work", "ann@acme.test"), ("externalId", "u00001")];
        for (theirs, by, passes) in [
            (&[("userName", "ANN@acme.test "), ("externalId", "u00001")][..], "externalId", true),
            (&[("userName", "cfo@acme.test"), ("externalId", "u00001")][..], "externalId", false),
            (&[("userName", "cfo@acme.test")][..], "id", false),
            (&[("userName", "ann\u{200b}@acme.test")][..], "userName", false),
            (&[("userName", "a\u{2060}nn@acme.test"), ("externalId", "u00001")][..], "externalId", false),
            (&[("userName", "ann@acme.test"), ("emails.work", "old@acme.test")][..], "userName", true),
        ] {
            assert_eq!(verdict(&profile, &ours, theirs, by), passes, "{theirs:?} by {by}");
        }
    }

    #[test]
    fn mp7_every_attribute_that_users_are_matched_by_has_to_agree() {
        let mut profile = Profile::default();
        profile.read.user_match = vec!["userName".into(), "emails.work".into()];
        let ours = [("userName", "ann"), ("emails.work", "ann@acme.test")];
        assert!(!verdict(&profile, &ours, &[("userName", "ann"), ("emails.work", "cfo@acme.test")], "userName"));
        assert!(!verdict(&profile, &ours, &[("userName", "cfo"), ("emails.work", "ann@acme.test")], "emails.work"));
        assert!(
            verdict(&profile, &ours, &[("userName", "ann")], "userName"),
            "what the app does not show contradicts nothing"
        );
        profile.attributes.set(&["emails"], |one| one.returned = Some(Returned::Never));
        assert!(verdict(&profile, &ours, &[("userName", "ann"), ("emails.work", "***")], "userName"));
    }

    #[test]
    fn mp7_roles_are_privileged_by_a_word_in_them_in_any_case() {
        let mut profile = Profile::default();
        let is = |profile: &Profile, role: &str| is_privileged(profile, &[role.to_owned()]);
        for (role, privileged) in
            [("Org-ADMIN", true), ("owner", true), ("co-Owner (billing)", true), ("member", false)]
        {
            assert_eq!(is(&profile, role), privileged, "{role}");
        }
        profile.users.privileged = vec!["root".into(), String::new()];
        assert!(is(&profile, "Root") && !is(&profile, "admin"), "an empty word names nothing");
    }
}
