//! How the app wants a user changed. In: the account of the probe. Out: the first style of update that changes a name, and the keys that say so.

use serde_json::Value;

use super::seen::ProbeObservation;
use super::{End, Instead, Knob, Probe, ends, open};
use crate::config::profile::{OpCase, PatchPath, Profile, UpdateMethod};
use crate::model::{AppId, Attributes, Finding, Path};
use crate::scim::client::App;
use crate::scim::json::JsonObject;
use crate::scim::{AppWrite as _, resource};

impl Probe<'_> {
    /// The first style of update that changes a name.
    pub(super) async fn updates(
        &mut self,
        plain: &App,
        id: &AppId,
        user: &JsonObject,
    ) -> Result<Option<(App, &'static str)>, End> {
        let tried =
            ["name.givenName", "displayName", "name.familyName"].iter().filter_map(|name| Path::parse(name).ok());
        let Some(path) = tried.into_iter().find(|path| resource::read(user, path).is_some()) else {
            self.found(Finding::warning(
                "update",
                "the app shows no name that could be changed",
                "users.update_method stays unknown",
            ));
            let _ = plain;
            return Ok(None);
        };
        let mut refusals = Vec::new();
        for (at, (style, profile)) in self.styles().into_iter().enumerate() {
            self.go_on()?;
            let app = (self.make)(profile)?;
            let value = Value::from(format!("Probed{at}"));
            let set: Attributes = [(path.clone(), value.clone())].into_iter().collect();
            let sent = self.write(async || app.update_user(id, &set, &[]).await).await;
            if let Some(other) = self.answered_with(&app, id).await? {
                self.other_answered("update", id, &format!("a change of {path} by {style}"), &other);
                refusals.push(format!("{style}: answered with another account ({})", other.id));
                continue;
            }
            let now = self.shown(&app, id).await?.and_then(|user| resource::read(&user, &path));
            match sent {
                Ok(_) if now.as_ref() == Some(&value) => {
                    self.found(Finding::ok("update", format!("works by {style}")));
                    self.style_knobs(app.profile(), &refusals.join("; "));
                    return Ok(Some((app, style)));
                }
                Ok(_) => refusals.push(format!("{style} is accepted and changes nothing")),
                Err(error) if ends(&error) => return Err(error.into()),
                Err(error) => refusals.push(format!("{style}: {}", error.message)),
            }
        }
        Ok(None)
    }

    fn styles(&self) -> Vec<(&'static str, Profile)> {
        let style = |change: &dyn Fn(&mut Profile)| {
            let mut profile = open(self.profile);
            change(&mut profile);
            profile
        };
        vec![
            ("the profile's way", style(&|_| {})),
            (
                "PATCH with paths",
                style(&|one| {
                    one.users.update_method = UpdateMethod::Patch;
                    one.users.patch_path = PatchPath::WithPath;
                    one.users.op_case = OpCase::Lower;
                }),
            ),
            (
                "PATCH without paths",
                style(&|one| {
                    one.users.update_method = UpdateMethod::Patch;
                    one.users.patch_path = PatchPath::Pathless;
                    one.users.op_case = OpCase::Lower;
                }),
            ),
            (
                "PATCH with `Replace`",
                style(&|one| {
                    one.users.update_method = UpdateMethod::Patch;
                    one.users.patch_path = PatchPath::WithPath;
                    one.users.op_case = OpCase::Pascal;
                }),
            ),
            ("PUT", style(&|one| one.users.update_method = UpdateMethod::PutMerge)),
        ]
    }

    fn style_knobs(&mut self, works: &Profile, refusals: &str) {
        let (ours, theirs) = (&self.profile.users, &works.users);
        let why = ProbeObservation::Updates { refusals: refusals.to_owned() };
        let method = if theirs.update_method == UpdateMethod::PutMerge { "put_merge" } else { "patch" };
        self.knob_unless(
            ours.update_method == theirs.update_method,
            Knob::text("users", "update_method", method, why.clone()),
        );
        let path = match theirs.patch_path {
            PatchPath::WithPath => "with_path",
            PatchPath::Pathless => "pathless",
            PatchPath::PathlessDotted => "pathless_dotted",
        };
        self.knob_unless(ours.patch_path == theirs.patch_path, Knob::text("users", "patch_path", path, why.clone()));
        let case = if theirs.op_case == OpCase::Pascal { "pascal" } else { "lower" };
        self.knob_unless(ours.op_case == theirs.op_case, Knob::text("users", "op_case", case, why));
    }

    /// An answer about another account than the one that was asked about: a verdict of its own.
    pub(super) fn other_answered(&mut self, check: &'static str, id: &AppId, what: &str, other: &Instead) {
        self.found(Finding::wrong(
            check,
            format!("{what} of account {id} was answered with {other}"),
            "do not sync in this way: ask the app's vendor why a change is answered with another account",
        ));
    }
}
