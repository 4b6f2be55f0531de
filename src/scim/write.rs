//! [`AppWrite`] for [`App`]. Every method sends one request that changes something, and never sends it again; the one exception
//! is a PATCH that was refused as a whole because a path found nothing (`noTarget`), which is sent once more in fitting form.

use std::sync::PoisonError;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::client::{App, Endpoint, ScimRequest};
use super::error::clean;
use super::json::{self, JsonObject};
use super::patch::{self, PatchEdit};
use super::resource::GROUP;
use super::shown::{is_cut, member_value};
use super::{AppWrite, CallError, Created, FailureClass, GroupKeys, MemberKeys, Shown, UserKeys};
use crate::config::profile::{
    ClearStyle, ElementStyle, GroupSupport, MemberRemove, MemberValue, PatchPath, UpdateMethod,
};
use crate::http::Method;
use crate::model::{AppId, Attributes, Path, SourceId, digest, fold};
use crate::schema::{COMMON, USER};

#[async_trait]
impl AppWrite for App {
    async fn create_user(&self, source_id: &SourceId, attributes: &Attributes) -> Result<Created, CallError> {
        let external_id = self.profile.users.send_external_id.then(|| source_id.as_str());
        let body = self.wire.new_user(attributes, external_id);
        let name = attributes.text(&Path::user_name()).unwrap_or_default();
        let sent = self.once(&ScimRequest::post(Endpoint::Users, Value::Object(body))).await;
        let answer = sent.inspect_err(|error| {
            if error.class == FailureClass::Conflict {
                self.learned.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(fold(name));
            }
        })?;
        let keys = UserKeys { source_id: source_id.clone(), attributes: attributes.clone(), except: None };
        let made = self.made(self.wanted_users(&[keys]), answer, name).await?;
        Ok(self.created_user(made, attributes, external_id).await)
    }

    async fn update_user(&self, id: &AppId, set: &Attributes, clear: &[Path]) -> Result<Shown, CallError> {
        let users = &self.profile.users;
        if let Some(path) =
            set.iter().map(|(path, _)| path).chain(clear).find(|path| self.wire.attributes.is_immutable(path))
        {
            // The last line of defence: an app may answer such a change with a second account (J6).
            let message = format!(
                "{path} can't be changed in this app (its profile has `mutability = \"immutable\"`); nothing was sent"
            );
            return Err(not_sent(Method::Patch, Endpoint::Users, id, FailureClass::Immutable, message));
        }
        let edits = patch::edits(&self.wire, users, set, clear);
        if edits.is_empty() {
            return Ok(Shown::default());
        }
        let body = match users.update_method {
            UpdateMethod::PutMerge => self.put(Endpoint::Users, id, |user| patch::apply(user, &edits)).await?,
            UpdateMethod::Patch => self.patch_user(id, edits).await?,
        };
        Ok(self.shown_user(body.as_ref(), set, clear))
    }

    async fn set_active(&self, id: &AppId, active: bool) -> Result<Shown, CallError> {
        let body = self.set_one(Endpoint::Users, id, "active", active.into()).await?;
        Ok(self.shown_user(body.as_ref(), &Attributes::new(), &[]))
    }

    async fn delete_user(&self, id: &AppId) -> Result<(), CallError> {
        self.delete(Endpoint::Users, id).await
    }

    async fn create_group(
        &self,
        source_id: &SourceId,
        display_name: &str,
        members: &[MemberKeys],
    ) -> Result<Created, CallError> {
        if self.profile.groups.support != GroupSupport::Full {
            let message =
                "this app does not let groups be created (groups.support of its profile); nothing was sent".to_owned();
            return Err(not_sent(Method::Post, Endpoint::Groups, &AppId::from(""), FailureClass::Unsupported, message));
        }
        let mut body = json!({ "schemas": [GROUP], "displayName": display_name });
        let object = json::object_in(&mut body);
        if self.profile.groups.send_external_id {
            object.insert("externalId".into(), source_id.as_str().into());
        }
        if !members.is_empty() {
            object.insert("members".into(), Value::Array(self.member_elements(members)));
        }
        let answer = self.once(&ScimRequest::post(Endpoint::Groups, body)).await?;
        let keys =
            GroupKeys { source_id: source_id.clone(), display_name: display_name.to_owned(), released: Vec::new() };
        let made = self.made(self.wanted_groups(&[keys]), answer, display_name).await?;
        let external_id = self.profile.groups.send_external_id.then(|| source_id.as_str());
        Ok(self.created_group(made, display_name, external_id, members).await)
    }

    async fn rename_group(&self, id: &AppId, display_name: &str) -> Result<Shown, CallError> {
        let body = self.set_one(Endpoint::Groups, id, "displayName", display_name.into()).await?;
        Ok(self.shown_group(body.as_ref(), id))
    }

    async fn add_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError> {
        if members.is_empty() {
            return Ok(Shown::default());
        }
        if self.groups_go_by_put() {
            return self.put_added(id, members).await;
        }
        let body = patch::add_members(self.profile.users.op_case, &self.member_elements(members));
        self.of_members(Method::Patch, id, body).await
    }

    async fn remove_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError> {
        if members.is_empty() {
            return Ok(Shown::default());
        }
        let groups = &self.profile.groups;
        if groups.member_remove == MemberRemove::PutRemaining || self.groups_go_by_put() {
            return self.put_remaining(id, members).await;
        }
        let values: Vec<String> = members.iter().map(|member| self.member_value(member).to_owned()).collect();
        let body = patch::remove_members(self.profile.users.op_case, groups, &values);
        match self.of_members(Method::Patch, id, body).await {
            // Whoever is not in the group needs no removing. Of several, the others may still be in it.
            Err(error) if is_no_target(&error) && values.len() == 1 => Ok(Shown::default()),
            other => other,
        }
    }

    async fn delete_group(&self, id: &AppId) -> Result<(), CallError> {
        self.delete(Endpoint::Groups, id).await
    }

    fn members_per_call(&self) -> usize {
        self.profile.groups.max_members_per_patch.max(1) as usize
    }

    fn repeats(&self, why: FailureClass) {
        self.observer().repeated(why.name());
    }

    fn close(&self) {
        self.closed.cancel();
    }
}

impl App {
    /// What the answer shows at the paths that were sent; nothing if it has no body.
    /// What comes back as it was sent is given as it is; of anything else the app adds no more than [`digest::KEPT`] bytes.
    pub(super) fn echo(&self, body: Option<&JsonObject>, sent: &Attributes) -> Attributes {
        let Some(body) = body else { return Attributes::new() };
        let shown = self.wire.read_all(body, sent.iter().map(|(path, _)| path));
        let (same, other): (Vec<_>, Vec<_>) =
            shown.into_iter().partition(|(path, value)| sent.get(path) == Some(value));
        digest::bounded(other.into_iter().collect()).into_iter().chain(same).collect()
    }

    async fn patch_user(&self, id: &AppId, mut edits: Vec<PatchEdit>) -> Result<Option<JsonObject>, CallError> {
        let users = &self.profile.users;
        let by_list = users.elements == ElementStyle::WholeList || users.patch_path == PatchPath::Pathless;
        if by_list && edits.iter().any(PatchEdit::is_element) {
            edits = patch::as_whole_lists(edits, &self.resource(Endpoint::Users, id).await?);
            if users.clear == ClearStyle::Never {
                edits.retain(|edit| !matches!(edit, PatchEdit::Clear(_)));
            }
            if edits.is_empty() {
                return Ok(None);
            }
        }
        let send = async |edits: &[PatchEdit]| {
            let body = patch::user_body(users, edits);
            self.changed(Method::Patch, Endpoint::Users, id, body).await
        };
        let error = match send(&edits).await {
            Err(error) if is_no_target(&error) => error,
            other => return other,
        };
        let fitted = patch::fitted(edits.clone(), &self.resource(Endpoint::Users, id).await?);
        match fitted {
            _ if fitted.is_empty() => Ok(None),
            _ if fitted == edits => Err(error),
            _ => send(&fitted).await,
        }
    }

    /// Sets one attribute by PATCH, or by PUT where the profile says so and no member can be lost by it.
    /// Returns what the app shows of it then, if it shows anything.
    async fn set_one(
        &self,
        endpoint: Endpoint,
        id: &AppId,
        attribute: &str,
        value: Value,
    ) -> Result<Option<JsonObject>, CallError> {
        let by_put = match endpoint {
            Endpoint::Users => self.profile.users.update_method == UpdateMethod::PutMerge,
            _ => self.groups_go_by_put(),
        };
        if by_put {
            return self.put(endpoint, id, |body| *json::slot(body, attribute) = value).await;
        }
        let body = patch::set_one(&self.profile.users, attribute, &value);
        self.changed(Method::Patch, endpoint, id, body).await
    }

    /// Sends a change and returns what the answer shows. An answer about another object is an error: some apps make a second account and
    /// answer with that one (J6), and its values must not be taken for those of the account that was asked for.
    async fn changed(
        &self,
        method: Method,
        endpoint: Endpoint,
        id: &AppId,
        body: Value,
    ) -> Result<Option<JsonObject>, CallError> {
        let call = ScimRequest::change(method, endpoint, id.as_str(), Some(body));
        let answer = self.once(&call).await?;
        let other = answer.body.as_ref().and_then(|body| json::text(body, "id")).filter(|given| given != id.as_str());
        let Some(other) = other.filter(|given| !given.is_empty()) else { return Ok(answer.body) };
        self.learned.shows_instead(id, &other);
        let kind = if endpoint == Endpoint::Users { "account" } else { "group" };
        let message = format!(
            "{} {} of {kind} {id} was answered with {kind} {}: the app may have made a second {kind}",
            answer.status,
            method.as_str(),
            clean(&other.chars().take(100).collect::<String>())
        );
        let sent = not_sent(method, endpoint, id, FailureClass::NotScim, message);
        Err(CallError { status: Some(answer.status), maybe_done: true, ..sent })
    }

    /// GET, change, PUT (RFC 7644 §3.5.1): what is left out of a PUT may be cleared, so everything goes back.
    async fn put(
        &self,
        endpoint: Endpoint,
        id: &AppId,
        change: impl FnOnce(&mut JsonObject) + Send,
    ) -> Result<Option<JsonObject>, CallError> {
        let mut body = self.resource(endpoint, id).await?;
        let not_ours =
            COMMON.iter().chain(USER.attributes).filter(|known| !known.is_kept_by_clients() && known.name != "id");
        not_ours.for_each(|known| json::remove(&mut body, known.name));
        change(&mut body);
        self.changed(Method::Put, endpoint, id, Value::Object(body)).await
    }

    /// Whether groups are changed by PUT: as their own key says, or else as users are. Where the app shows no members, a PUT would
    /// take out all that are not sent: then a PATCH is the only way.
    fn groups_go_by_put(&self) -> bool {
        let method = self.profile.groups.update_method.unwrap_or(self.profile.users.update_method);
        method == UpdateMethod::PutMerge && self.profile.read.members_readable
    }

    /// GET the group, PUT it with further members. Foreign members go back as they came.
    async fn put_added(&self, id: &AppId, joining: &[MemberKeys]) -> Result<Shown, CallError> {
        let mut body = self.whole_group(id).await?;
        let mut members: Vec<Value> = json::elements(&body, "members").iter().map(with_value).collect();
        let inside: Vec<String> = members.iter().filter_map(member_value).collect();
        let missing: Vec<MemberKeys> =
            joining.iter().filter(|joiner| !inside.iter().any(|value| joiner.is_meant_by(value))).cloned().collect();
        if missing.is_empty() {
            return Ok(self.shown_group(Some(&body), id));
        }
        members.extend(self.member_elements(&missing));
        json::remove(&mut body, "meta");
        *json::slot(&mut body, "members") = Value::Array(members);
        self.of_members(Method::Put, id, Value::Object(body)).await
    }

    /// A group with all its members: what a PUT leaves out is removed.
    async fn whole_group(&self, id: &AppId) -> Result<JsonObject, CallError> {
        let body = self.resource(Endpoint::Groups, id).await?;
        if is_cut(&body) {
            let message = "the app shows only a part of the group's members, and a PUT of these would remove the others; nothing was sent. \
                           Set groups.update_method = \"patch\" and groups.member_remove to a form of PATCH in its profile";
            return Err(not_sent(Method::Put, Endpoint::Groups, id, FailureClass::Unsupported, message.to_owned()));
        }
        Ok(body)
    }

    async fn put_remaining(&self, id: &AppId, leaving: &[MemberKeys]) -> Result<Shown, CallError> {
        let mut body = self.whole_group(id).await?;
        let members = json::elements(&body, "members");
        let stays = |member: &&Value| {
            member_value(member).is_none_or(|value| !leaving.iter().any(|leaver| leaver.is_meant_by(&value)))
        };
        let remaining: Vec<Value> = members.iter().filter(stays).map(with_value).collect();
        if remaining.len() == members.len() {
            return Ok(self.shown_group(Some(&body), id));
        }
        json::remove(&mut body, "meta");
        *json::slot(&mut body, "members") = Value::Array(remaining);
        self.of_members(Method::Put, id, Value::Object(body)).await
    }

    /// Sends a change of a group's members. Of who is in it then, only what identifies them is kept.
    async fn of_members(&self, method: Method, id: &AppId, body: Value) -> Result<Shown, CallError> {
        let call = ScimRequest::change(method, Endpoint::Groups, id.as_str(), Some(body));
        let answer = self.once(&ScimRequest { members_as_values: true, ..call }).await?;
        Ok(self.shown_group(answer.body.as_ref(), id))
    }

    async fn delete(&self, endpoint: Endpoint, id: &AppId) -> Result<(), CallError> {
        let deleted = self.once(&ScimRequest::change(Method::Delete, endpoint, id.as_str(), None)).await;
        if deleted.as_ref().err().is_none_or(|error| error.class == FailureClass::NotFound) {
            self.learned.is_deleted(endpoint, id.as_str());
        }
        deleted.map(drop)
    }

    /// What stands in `members[].value`.
    fn member_value<'m>(&self, member: &'m MemberKeys) -> &'m str {
        match self.profile.groups.member_value {
            MemberValue::Id => member.id.as_str(),
            MemberValue::UserName => &member.user_name,
        }
    }

    fn member_elements(&self, members: &[MemberKeys]) -> Vec<Value> {
        let element = |member: &MemberKeys| {
            let value = self.member_value(member);
            match self.user_url(&member.id) {
                Some(url) if self.profile.groups.member_ref => json!({ "value": value, "$ref": url }),
                _ => json!({ "value": value }),
            }
        };
        members.iter().map(element).collect()
    }

    fn user_url(&self, id: &AppId) -> Option<String> {
        let users = self.profile.transport.users_path.split('/').filter(|segment| !segment.is_empty());
        let segments: Vec<String> = users.chain([id.as_str()]).map(str::to_owned).collect();
        self.http.url(&segments).ok()
    }
}

fn is_no_target(error: &CallError) -> bool {
    error.scim_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("noTarget"))
}

pub(super) fn not_sent(
    method: Method,
    endpoint: Endpoint,
    id: &AppId,
    class: FailureClass,
    message: String,
) -> CallError {
    let collection = if endpoint == Endpoint::Users { "/Users" } else { "/Groups" };
    let path =
        if id.as_str().is_empty() { collection.to_owned() } else { format!("{collection}/{}", clean(id.as_str())) };
    CallError {
        class,
        status: None,
        scim_type: None,
        message,
        method: method.as_str(),
        path,
        retry_after: None,
        maybe_done: false,
    }
}

/// A member as it may be sent back: with the `value` that an app which shows members by `$ref` alone leaves out.
fn with_value(member: &Value) -> Value {
    let mut member = member.clone();
    let value = member_value(&member);
    if let (Some(object), Some(value)) = (member.as_object_mut(), value) {
        object.entry("value").or_insert_with(|| value.into());
    }
    member
}
