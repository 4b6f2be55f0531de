//! One application. What comes in is its id; what goes out are the roles that have it, and what its rules set.

use serde_json::Value;

use super::super::SourceError;
use super::super::web::{Api, Application, Binding, Object, WebConnection, id, pick};
use super::{list, v2};
use crate::model::Finding;
use crate::progress::Silent;

/// The application and its roles; `None` if there is none of this id.
pub(super) async fn binding(web: &WebConnection, mut application: Application) -> Result<Option<Binding>, SourceError> {
    let question = v2("an app", &["apps", &application.id]);
    let Some(reply) = web.api.find(&question).await? else { return Ok(None) };
    let record: Object = web.api.json(question.what, &reply)?;
    let name = record.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let odd = || SourceError::Malformed("an app: `role_ids` are no list of ids".to_owned());
    let groups = match record.get("role_ids") {
        Some(Value::Array(ids)) => ids.iter().map(|one| id(one).ok_or_else(odd)).collect::<Result<_, _>>()?,
        // Not every kind of app shows them; the roles themselves can be asked.
        _ => {
            let mut roles = list("roles", &["roles"], 650);
            roles.question = roles.question.with("app_id", &application.id);
            let read = web.api.list(&roles, web.at_once, &Silent, &|_, _| Ok(())).await?;
            read.into_iter().map(|(id, ())| id).collect()
        }
    };
    application.names = vec![name];
    Ok(Some(Binding { application, groups, users: Default::default(), record }))
}

/// What rules of an application set.
pub(super) enum RuleActions {
    /// These parameters, for some users.
    Set(Vec<String>),
    /// They may not be read; why.
    Forbidden(String),
    /// They can't all be seen.
    TooMany,
}

/// The parameters that rules of the application set for some users. An account without such rules answers 404.
///
/// # Errors
/// When the directory does not answer properly.
pub(super) async fn rules(api: &Api, app: &str) -> Result<RuleActions, SourceError> {
    let list = list("rules of an app", &["apps", app, "rules"], 0);
    let reply = match api.find(&list.question).await {
        Ok(Some(reply)) => reply,
        Ok(None) => return Ok(RuleActions::Set(Vec::new())),
        Err(SourceError::Refused(why) | SourceError::Forbidden(why)) => {
            return Ok(RuleActions::Forbidden(why));
        }
        Err(error) => return Err(error),
    };
    let (rules, _, next) = list.entries(api, &reply)?;
    if next.is_some() {
        return Ok(RuleActions::TooMany);
    }
    let enabled = rules.iter().filter(|rule| rule.get("enabled") != Some(&Value::Bool(false)));
    let actions = enabled.flat_map(|rule| rule.get("actions").and_then(Value::as_array).into_iter().flatten());
    let set = actions.filter_map(|action| action.get("action")?.as_str()?.strip_prefix("set_"));
    Ok(RuleActions::Set(set.map(str::to_owned).collect()))
}

/// Whether OneLogin itself provisions the application. Nothing where the API does not tell.
pub(super) fn own_provisioning(binding: &Binding) -> Option<Finding> {
    const CHECK: &str = "own provisioning";
    let name = binding.application.names.first().map_or("", String::as_str);
    Some(match pick(&binding.record, "provisioning.enabled")?.as_bool()? {
        false => Finding::ok(CHECK, format!("OneLogin's own provisioning for {:?} is off", name)),
        true => Finding::warning(
            CHECK,
            format!(
                "OneLogin's own provisioning for {:?} is on: OneLogin and rosterd would both change the app's accounts and revert each \
                 other's changes",
                name
            ),
            format!("in OneLogin, Applications > {} > Provisioning: clear \"Enable provisioning\" and save", name),
        ),
    })
}
