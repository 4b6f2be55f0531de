//! How the probe's account ends: deactivated, deleted, and created again under the same name.

use super::seen::ProbeObservation;
use super::{End, Knob, Probe};
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::model::{AppId, Finding, SourceId};
use crate::scim::client::App;
use crate::scim::json;
use crate::scim::{AppWrite as _, FailureClass};

impl Probe<'_> {
    pub(super) async fn switch_off(&mut self, app: &App, id: &AppId) -> Result<(), End> {
        const CHECK: &str = "active = false";
        self.go_on()?;
        let sent = self.write(async || app.set_active(id, false).await).await;
        if let Some(other) = self.answered_with(app, id).await? {
            self.other_answered(CHECK, id, "deactivation", &other);
            return Ok(());
        }
        if let Err(error) = sent {
            self.found(Finding::warning(
                CHECK,
                format!("refused: {error}"),
                "users.on_suspended = \"delete\" ends access instead",
            ));
            return Ok(());
        }
        let kept = InactiveEffect::KeepsResource == self.profile.users.inactive_effect;
        match self.shown(app, id).await? {
            Some(user) if json::flag(&user, "active") == Some(false) => {
                self.found(Finding::ok(CHECK, "the account stays, inactive"));
                self.knob_unless(
                    kept,
                    Knob::text("users", "inactive_effect", "keeps_resource", ProbeObservation::Stays),
                );
            }
            Some(_) => self.found(Finding::warning(
                CHECK,
                "accepted, and the account does not show it",
                "check in the app whether the user can still sign in; users.on_suspended = \"delete\" is sure",
            )),
            None => {
                self.go_on()?;
                let back = self.write(async || app.set_active(id, true).await).await.is_ok()
                    && self.shown(app, id).await?.is_some();
                let (effect, why) = match back {
                    true => ("hides_resource", ProbeObservation::Hidden),
                    false => ("deletes_resource", ProbeObservation::Deleted),
                };
                self.found(Finding::warning(CHECK, why.to_string(), "users.inactive_effect in the profile says so"));
                let known = match back {
                    true => self.profile.users.inactive_effect == InactiveEffect::HidesResource,
                    false => self.profile.users.inactive_effect == InactiveEffect::DeletesResource,
                };
                self.knob_unless(known, Knob::text("users", "inactive_effect", effect, why));
            }
        }
        Ok(())
    }

    pub(super) async fn delete(&mut self, app: &App, id: &AppId) -> Result<(), End> {
        const CHECK: &str = "DELETE";
        self.go_on()?;
        // A second account keeps the name taken: then a deletion would look irreversible.
        self.take_others_away(app, id).await?;
        // An id that leads to another account is not deleted by.
        self.shown(app, id).await?;
        let effect = self.profile.users.delete_effect;
        let sent = self.write(async || app.delete_user(id).await).await;
        let there = self.shown(app, id).await?;
        match (sent, there) {
            (Err(error), _)
                if !matches!(
                    error.class,
                    FailureClass::Unsupported
                        | FailureClass::Forbidden
                        | FailureClass::Invalid
                        | FailureClass::NotFound
                ) =>
            {
                self.found(Finding::warning(CHECK, format!("failed: {error}"), "run it again"));
                Ok(())
            }
            (Err(error), _) => {
                self.found(Finding::warning(CHECK, format!("refused: {error}"), "users.on_deleted = \"deactivate\""));
                self.knob_unless(
                    effect == DeleteEffect::Unsupported,
                    Knob::text(
                        "users",
                        "delete_effect",
                        "unsupported",
                        ProbeObservation::DeletionRefused(error.message),
                    ),
                );
                Ok(())
            }
            (Ok(()), Some(_)) => {
                let why = ProbeObservation::Stays;
                self.found(Finding::warning(CHECK, why.to_string(), "users.delete_effect in the profile says so"));
                self.knob_unless(
                    effect == DeleteEffect::Deactivates,
                    Knob::text("users", "delete_effect", "deactivates", why),
                );
                Ok(())
            }
            (Ok(()), None) => self.made_again(app, effect).await,
        }
    }

    /// Whether somebody who was deleted can have an account again.
    async fn made_again(&mut self, app: &App, effect: DeleteEffect) -> Result<(), End> {
        const CHECK: &str = "DELETE";
        self.go_on()?;
        let source_id = SourceId::new(self.names.external_id.clone());
        let leave_out: &[&str] = &[];
        let again = self.write(async || app.create_user(&source_id, &self.attributes(leave_out)).await).await;
        match again {
            Ok(created) => {
                self.made(created.id);
                self.found(Finding::ok(CHECK, "the account is gone, and the name can have one again"));
                self.knob_unless(
                    effect == DeleteEffect::Hard,
                    Knob::text("users", "delete_effect", "hard", ProbeObservation::MadeAgain),
                );
            }
            Err(error) if error.class == FailureClass::Conflict && self.is_name_taken(app).await? => {
                self.found(Finding::warning(
                    CHECK,
                    format!(
                        "the account is gone; whether its name can have one again is unknown, because a second account has it: {}",
                        error.message
                    ),
                    "delete the second account in the app and run it again",
                ));
            }
            Err(error) if error.class == FailureClass::Conflict => {
                let why = ProbeObservation::NameKept(error.message);
                self.found(Finding::warning(
                    CHECK,
                    why.to_string(),
                    "a deletion that can't be reverted waits for approval",
                ));
                self.knob_unless(
                    effect == DeleteEffect::Irreversible,
                    Knob::text("users", "delete_effect", "irreversible", why),
                );
            }
            Err(error) => self.found(Finding::ok(
                CHECK,
                format!("the account is gone; whether it can be made again is unknown: {error}"),
            )),
        }
        Ok(())
    }

    /// Whether an account that the app shows has the probe's user name, by a call that made a second one.
    async fn is_name_taken(&mut self, app: &App) -> Result<bool, End> {
        let found = self.named(app, &self.names.user_name).await?;
        let taken = !found.is_empty();
        found.into_iter().for_each(|id| self.note_made(id));
        // One that could not be taken away counts too: it may have the name where no look-up shows it.
        Ok(taken || self.ids.len() > 1)
    }
}
