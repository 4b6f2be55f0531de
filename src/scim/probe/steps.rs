//! What is tried, in order: make, read back, find, change, change what may not be changed, do the same
//! to a group (`groups`), switch off, take away, make again.

use serde_json::Value;

use super::seen::{FilterFault, ProbeObservation};
use super::{End, Knob, KnobValue, Probe, ends, fold, open};
use crate::config::attributes::ValueShape;
use crate::config::profile::{LookUp, PagingStyle};
use crate::http::failure::{AfterFailure, CallKind, after_try};
use crate::http::retry::{Waited, retry};
use crate::model::{AppId, Attributes, Finding, Path, SourceId};
use crate::scim::client::{App, Endpoint, ScimRequest};
use crate::scim::error::is_refused_filter;
use crate::scim::json::{self, JsonObject};
use crate::scim::list::ListPage;
use crate::scim::{AppWrite as _, CallError, FailureClass, filter, resource};

/// What the throw-away person is given besides names.
const MADE_WITH: [(&str, &str); 3] =
    [("name.givenName", "Rosterd"), ("name.familyName", "Probe"), ("displayName", "rosterd probe, to be deleted")];

impl Probe<'_> {
    pub(super) async fn steps(&mut self, plain: &App) -> Result<(), End> {
        let Some(id) = self.create(plain).await? else { return Ok(()) };
        self.go_on()?;
        let shown = self.shown(plain, &id).await;
        if let Some(other) = self.answered_with(plain, &id).await? {
            self.found(Finding::wrong(
                "read back",
                format!("GET of account {id} was answered with {other}"),
                "ask the app's vendor; no account can be managed while its id leads to another one",
            ));
            return Ok(());
        }
        let Some(user) = shown? else {
            self.found(Finding::wrong(
                "read back",
                "the account was made and can't be read",
                "run it again: the app may show new accounts late",
            ));
            return Ok(());
        };
        self.read_back(&user);
        self.role(&user);
        self.filters(plain, &id).await?;
        self.pages(plain).await?;
        let Some((app, style)) = self.updates(plain, &id, &user).await? else {
            self.found(Finding::wrong(
                "update",
                "neither PATCH nor PUT changes a name in any of the known styles",
                "ask the app's vendor how an account is changed",
            ));
            return self.delete(plain, &id).await;
        };
        self.immutable(&app, &id, "emails", &user).await?;
        self.immutable(&app, &id, "userName", &user).await?;
        let group = self.group(&app, &id).await?;
        self.switch_off(&app, &id).await?;
        if let Some(group) = group {
            self.group_of_inactive(&app, &group, &id).await?;
        }
        let _working_style = style;
        self.delete(&app, &id).await
    }

    pub(super) fn attributes(&self, leave_out: &[&str]) -> Attributes {
        let given = MADE_WITH.iter().map(|(path, value)| (*path, (*value).to_owned()));
        let address = |path| (path, self.names.user_name.clone());
        given
            .chain([address("userName"), address("emails.work")])
            .filter(|(path, _)| !leave_out.contains(path))
            .filter_map(|(path, value)| Some((Path::parse(path).ok()?, Value::from(value))))
            .collect()
    }

    /// Makes the person: with everything, or else with less until the app takes it.
    async fn create(&mut self, plain: &App) -> Result<Option<AppId>, End> {
        const LESS: [&[&str]; 4] = [
            &[],
            &["displayName"],
            &["displayName", "emails.work"],
            &["displayName", "emails.work", "name.givenName", "name.familyName"],
        ];
        let source_id = SourceId::new(self.names.external_id.clone());
        let mut refused: Option<CallError> = None;
        for sends_id in [true, false] {
            let app = match sends_id {
                true => None,
                false => {
                    let mut profile = open(self.profile);
                    profile.users.send_external_id = false;
                    Some((self.make)(profile)?)
                }
            };
            for leave_out in LESS {
                self.go_on()?;
                let app = app.as_ref().unwrap_or(plain);
                match self.write(async || app.create_user(&source_id, &self.attributes(leave_out)).await).await {
                    Ok(created) => {
                        self.made(created.id.clone());
                        self.created(leave_out, sends_id, refused.as_ref());
                        return Ok(Some(created.id));
                    }
                    // Less may do.
                    Err(error) if error.class == FailureClass::Invalid => refused = Some(error),
                    Err(error) => return Err(self.not_made(error)),
                }
            }
        }
        let end = refused.map_or(End::Stopped, |error| self.not_made(error));
        Err(end)
    }

    pub(super) fn made(&mut self, id: AppId) {
        self.note_made(id);
    }

    fn not_made(&mut self, error: CallError) -> End {
        let remedy = match error.class {
            FailureClass::Conflict => "another account has this name; run it again",
            FailureClass::Invalid => "name a mail domain that the app accepts with --probe-domain",
            FailureClass::Forbidden | FailureClass::Unauthorized => "give the token the right to create users",
            _ => "run it again",
        };
        self.found(Finding::wrong("create", format!("the app refuses a new account: {error}"), remedy));
        End::Call(error)
    }

    fn created(&mut self, leave_out: &[&str], sends_id: bool, refused: Option<&CallError>) {
        let why = refused.map(|error| error.message.clone()).unwrap_or_default();
        if leave_out.is_empty() && sends_id {
            return self.found(Finding::ok(
                "create",
                "an account is made with user name, names, e-mail address and externalId",
            ));
        }
        if !leave_out.is_empty() {
            let names: Vec<String> = leave_out.iter().map(|name| (*name).to_owned()).collect();
            self.found(Finding::warning(
                "create",
                format!("refused with {}: {why}", names.join(", ")),
                "take them out of the mapping",
            ));
            self.knob(Knob::list("users", "unsupported", &names, ProbeObservation::RefusedAtCreate(why.clone())));
        }
        if !sends_id {
            self.found(Finding::warning("externalId", format!("refused: {why}"), "set users.send_external_id = false"));
            self.knob(Knob::flag("users", "send_external_id", false, ProbeObservation::ExternalIdRefused));
        }
    }

    /// What is kept of what was sent.
    fn read_back(&mut self, user: &JsonObject) {
        let kept = json::text(user, "externalId").is_some_and(|id| id == self.names.external_id);
        if kept {
            self.found(Finding::ok("externalId", "kept: accounts are found again by the directory's id"));
        } else if !self.out.knobs.iter().any(|knob| knob.key == "send_external_id") {
            self.found(Finding::warning("externalId", "not kept", "accounts are matched by user name"));
            self.knob(Knob::flag("users", "send_external_id", false, ProbeObservation::ExternalIdDropped));
            self.knob(Knob::list("read", "user_match", &["userName".to_owned()], ProbeObservation::ExternalIdNotKept));
        }
        let given = json::text(user, "userName").unwrap_or_default();
        self.found(match given == self.names.user_name {
            true => Finding::ok("case", "user names keep their spelling"),
            false if fold(&given) == fold(&self.names.user_name) => {
                Finding::ok("case", "user names are changed to small letters; rosterd compares without case")
            }
            false => Finding::warning(
                "case",
                format!("the user name is shown as {given:?}"),
                "look how the app spells user names",
            ),
        });
        let lost: Vec<String> = self
            .attributes(&[])
            .iter()
            .map(|(path, _)| path)
            .filter(|path| resource::read(user, path).is_none())
            .map(ToString::to_string)
            .collect();
        let refused = self.out.knobs.iter().any(|knob| knob.key == "unsupported");
        if !lost.is_empty() && !refused {
            let all = lost.join(", ");
            self.found(Finding::warning(
                "attributes",
                format!("not shown again: {all}"),
                "map them only if the app keeps them unseen",
            ));
            self.knob(Knob::list("read", "lossy", &lost, ProbeObservation::NotShownAgain));
        } else {
            self.found(Finding::ok("attributes", "what is sent is shown again"));
        }
    }

    /// How a role looks, by the one that the app gives.
    fn role(&mut self, user: &JsonObject) {
        const CHECK: &str = "role";
        const TABLE: &str = "attributes.role";
        let role = self.profile.attributes.role();
        let first = json::elements(user, "roles").first().cloned();
        let scalar = json::text(user, "role");
        let (shape, path, detail) = match (&first, &scalar) {
            (Some(Value::Object(given)), _) => {
                let value = json::text(given, "value").unwrap_or_default();
                match json::text(given, "type").filter(|kind| !kind.is_empty()) {
                    Some(kind) => {
                        self.knob_unless(
                            role.r#type.as_ref() == Some(&kind),
                            Knob::text(TABLE, "type", &kind, ProbeObservation::RoleType),
                        );
                        (
                            ValueShape::TypedList,
                            "roles",
                            format!("a new account gets the role {value:?}, of the type {kind:?}"),
                        )
                    }
                    None => (ValueShape::List, "roles", format!("a new account gets the role {value:?}, in a list")),
                }
            }
            (None, Some(value)) => {
                (ValueShape::Scalar, "role", format!("a new account gets the role {value:?}, as plain text"))
            }
            _ => {
                self.found(Finding::ok(CHECK, "a new account shows no role; its shape stays unknown"));
                return;
            }
        };
        self.found(Finding::ok(CHECK, detail));
        let name = match shape {
            ValueShape::Scalar => "scalar",
            ValueShape::List => "list",
            ValueShape::TypedList => "typed_list",
        };
        self.knob_unless(role.shape == Some(shape), Knob::text(TABLE, "shape", name, ProbeObservation::RoleShape));
        let is_path = role.path.as_deref() == Some(path);
        self.knob_unless(is_path, Knob::text(TABLE, "path", path, ProbeObservation::RoleShape));
    }

    async fn filters(&mut self, app: &App, id: &AppId) -> Result<(), End> {
        const CHECK: &str = "filter";
        let nobody = format!("{}-nobody", self.names.user_name);
        let none = self.filtered(app, "userName", &nobody).await?;
        let own = self.filtered(app, "userName", &self.names.user_name).await?;
        let unusable = match (&none, &own) {
            (Filtered::Found(some), _) if !some.is_empty() => Some(FilterFault::Ignored),
            (Filtered::Refused, _) | (_, Filtered::Refused) => Some(FilterFault::Refused),
            (_, Filtered::Found(ids)) if !ids.contains(id) => Some(FilterFault::Blind),
            (_, Filtered::NoMatch404) => Some(FilterFault::Blind),
            _ => None,
        };
        if let Some(fault) = unusable {
            self.filters_work = false;
            self.found(Finding::warning(CHECK, fault.to_string(), "users are looked up through the whole list"));
            self.knob_unless(
                self.profile.read.look_up == LookUp::List,
                Knob::text("read", "look_up", "list", ProbeObservation::Filters(fault)),
            );
            return Ok(());
        }
        if matches!(none, Filtered::NoMatch404) {
            self.knob_unless(
                self.profile.read.no_match_404,
                Knob::flag("read", "no_match_404", true, ProbeObservation::NoMatch404),
            );
        }
        let other_case = self.filtered(app, "userName", &self.names.user_name.to_uppercase()).await?;
        let folds = matches!(&other_case, Filtered::Found(ids) if ids.contains(id));
        self.found(match folds {
            true => Finding::ok(CHECK, "finds a user name, whatever its case"),
            false => Finding::warning(
                CHECK,
                "finds a user name only in the same case (RFC 7643 §4.1.1 says otherwise)",
                "read.look_up = \"list\" finds accounts whose spelling differs from the directory's",
            ),
        });
        if self.out.knobs.iter().any(|knob| knob.key == "send_external_id") {
            return Ok(());
        }
        let nobody = self.filtered(app, "externalId", &format!("{}-nobody", self.names.external_id)).await?;
        let says_nobody = match &nobody {
            Filtered::Found(ids) => ids.is_empty(),
            Filtered::NoMatch404 => true,
            Filtered::Refused => false,
        };
        if !says_nobody {
            let why = ProbeObservation::FilterForAbsentExternalId;
            self.found(Finding::warning(CHECK, why.to_string(), "accounts are matched by user name"));
            self.knob(Knob::list("read", "user_match", &["userName".to_owned()], why));
            return Ok(());
        }
        let by_id = self.filtered(app, "externalId", &self.names.external_id).await?;
        if matches!(&by_id, Filtered::Found(ids) if ids.contains(id)) {
            self.found(Finding::ok(CHECK, "finds an externalId"));
        } else {
            let why = ProbeObservation::NoFilterByExternalId;
            self.found(Finding::warning(CHECK, why.to_string(), "accounts are matched by user name"));
            self.knob(Knob::list("read", "user_match", &["userName".to_owned()], why));
        }
        Ok(())
    }

    /// Whom a filter shows. Others than the probe's are only counted.
    async fn filtered(&self, app: &App, attribute: &str, value: &str) -> Result<Filtered, End> {
        self.go_on()?;
        let mut call = ScimRequest::get(Endpoint::Users);
        call.query.push(("filter", filter::equals(attribute, value)));
        match app.read(&call, self.profile.pace.attempts).await {
            Ok(answer) => {
                let page = answer.body.and_then(|mut body| ListPage::read(&mut body).ok());
                let users = page.map(|page| page.resources).unwrap_or_default();
                Ok(Filtered::Found(users.iter().filter_map(|user| json::text(user, "id")).map(AppId::new).collect()))
            }
            Err(error) if error.class == FailureClass::NotFound => Ok(Filtered::NoMatch404),
            Err(error) if is_refused_filter(&error) || error.class == FailureClass::Server => Ok(Filtered::Refused),
            Err(error) => Err(error.into()),
        }
    }

    async fn pages(&mut self, app: &App) -> Result<(), End> {
        const CHECK: &str = "pages";
        self.go_on()?;
        let wanted = self.profile.read.page_size;
        let asked = |count: u32| {
            let mut call = ScimRequest::get(Endpoint::Users);
            call.query.push(("startIndex", "1".to_owned()));
            call.query.push(("count", count.to_string()));
            call
        };
        let page = async |count: u32| {
            let answer = app.read(&asked(count), 1).await?;
            Ok::<_, CallError>(answer.body.and_then(|mut body| ListPage::read(&mut body).ok()))
        };
        match page(1).await {
            Ok(Some(short)) if short.resources.len() <= 1 => {}
            Ok(_) => {
                self.found(Finding::warning(
                    CHECK,
                    "count is ignored",
                    "read.paging = \"none\", if the app shows all users at once",
                ));
                self.knob_unless(
                    self.profile.read.paging == PagingStyle::None,
                    Knob::text("read", "paging", "none", ProbeObservation::CountIgnored),
                );
                return Ok(());
            }
            Err(error) if matches!(error.class, FailureClass::Server | FailureClass::Invalid) => {
                self.found(Finding::warning(CHECK, format!("count is refused: {error}"), "read.paging = \"none\""));
                self.knob_unless(
                    self.profile.read.paging == PagingStyle::None,
                    Knob::text("read", "paging", "none", ProbeObservation::CountRefused),
                );
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.go_on()?;
        let full = page(wanted).await?;
        let (len, total) = full.map_or((0, None), |page| (page.resources.len() as u64, page.total));
        match total {
            Some(total) if total > len && len < u64::from(wanted) && len > 0 => {
                let why = ProbeObservation::SmallPage { wanted: wanted.into(), came: len, total };
                self.found(Finding::ok(CHECK, format!("of at most {len}: {why}")));
                self.knob(Knob {
                    table: "read".to_owned(),
                    key: "page_size",
                    value: KnobValue::Number(len),
                    why: why.into(),
                });
            }
            _ => self.found(Finding::ok(CHECK, format!("{len} came where {wanted} were asked for"))),
        }
        Ok(())
    }

    /// Whether a name can be changed, or whether trying makes a second account (J6).
    async fn immutable(
        &mut self,
        app: &App,
        id: &AppId,
        attribute: &'static str,
        user: &JsonObject,
    ) -> Result<(), End> {
        let (path, to) = match attribute {
            "emails" => ("emails.work", self.names.mailed.clone()),
            _ => ("userName", self.names.renamed.clone()),
        };
        let Ok(path) = Path::parse(path) else { return Ok(()) };
        if resource::read(user, &path).is_none() {
            return Ok(());
        }
        self.go_on()?;
        let set: Attributes = [(path.clone(), Value::from(to.clone()))].into_iter().collect();
        let sent = self.write(async || app.update_user(id, &set, &[]).await).await;
        if let Err(error) = &sent
            && ends(error)
        {
            return Err(End::Call(error.clone()));
        }
        let instead = self.answered_with(app, id).await?;
        let now = self.shown(app, id).await?.and_then(|user| resource::read(&user, &path));
        let changed = now.as_ref().and_then(Value::as_str).is_some_and(|now| fold(now) == fold(&to));
        let others: Vec<AppId> = self.named(app, &to).await?.into_iter().filter(|other| other != id).collect();
        let doubled = !others.is_empty();
        for other in others {
            self.made(other);
        }
        let listed = self.profile.attributes.is_immutable(&path);
        if let Some(other) = &instead {
            let said = format!("account {id} is answered with {other}");
            let why = ProbeObservation::AnsweredWithAnother { attribute: spelt(attribute), said, doubled };
            self.fixed(attribute, why, listed);
        } else if doubled {
            self.fixed(attribute, ProbeObservation::SecondAccount(spelt(attribute)), listed);
        } else if changed {
            let advice = if listed { "; the profile holds it for fixed" } else { "" };
            self.found(Finding::ok(attribute, format!("can be changed{advice}")));
            if listed {
                self.knob(Knob::text(
                    &format!("attributes.{attribute}"),
                    "mutability",
                    "readWrite",
                    ProbeObservation::Taken(spelt(attribute)),
                ));
            }
        } else {
            let why =
                sent.err().map_or(ProbeObservation::Ignored, |error| ProbeObservation::ChangeRefused(error.message));
            self.fixed(attribute, why, listed);
        }
        Ok(())
    }

    fn fixed(&mut self, attribute: &str, why: ProbeObservation, listed: bool) {
        match listed {
            true => self.found(Finding::ok(attribute, format!("{why}; the profile knows"))),
            false => {
                self.found(Finding::warning(
                    attribute,
                    why.to_string(),
                    "give it `mutability = \"immutable\"`: such a change is held then",
                ));
                self.knob(Knob::text(&format!("attributes.{attribute}"), "mutability", "immutable", why));
            }
        }
    }

    /// Notes a knob; of one key the last word counts, with all that was seen.
    fn knob(&mut self, mut knob: Knob) {
        let knobs = &mut self.out.knobs;
        if let Some(at) = knobs.iter().position(|one| (&one.table, one.key) == (&knob.table, knob.key)) {
            let earlier = knobs.remove(at);
            knob.why = knob.why.after(earlier.why);
        }
        knobs.push(knob);
    }

    pub(super) fn knob_unless(&mut self, known: bool, knob: Knob) {
        if !known {
            self.knob(knob);
        }
    }

    /// A write, repeated only when the app says that it did not carry it out for being too fast.
    pub(super) async fn write<T>(&self, send: impl AsyncFn() -> Result<T, CallError>) -> Result<T, CallError> {
        let judge = |error: &CallError, tried| match error.class {
            FailureClass::Throttled => after_try(error.class, CallKind::Change, tried, self.profile.pace.attempts),
            _ => AfterFailure::Fail,
        };
        // The pacer waits as long as the app asked for.
        let wait = |_, _, _| async { Waited::Again };
        retry(|| send(), judge, wait).await.map_err(|(error, _)| error)
    }
}

/// What a filter came to.
enum Filtered {
    Found(Vec<AppId>),
    /// 404.
    NoMatch404,
    Refused,
}

/// A change of an attribute, in words.
fn spelt(attribute: &str) -> &'static str {
    if attribute == "emails" { "a new e-mail address" } else { "a new user name" }
}
