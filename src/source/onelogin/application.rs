//! One application. What comes in is its id; what goes out are the roles that have it, and what its rules set.

use serde_json::Value;

use super::super::SourceError;
use super::super::web::{Application, Binding, List, WebConnection, id, text};
use super::list;
use crate::config::directory::onelogin::OneLoginParameterRules as LookAtRules;

/// All applications. Their ids are numbers, so that one can be named by it.
pub(super) fn all() -> List {
    list("apps", &["apps"], 1000)
}

/// The application and its roles; `None` if there is none of this id.
pub(super) async fn binding(web: &WebConnection, mut application: Application) -> Result<Option<Binding>, SourceError> {
    let Some(question) = all().one(&application.id) else { return Ok(None) };
    let Some(record) = web.record(&question).await? else { return Ok(None) };
    let odd = || SourceError::Malformed("an app: `role_ids` are no list of ids".to_owned());
    let groups = match record.get("role_ids") {
        Some(Value::Array(ids)) => ids.iter().map(|one| id(one).ok_or_else(odd)).collect::<Result<_, _>>()?,
        // Not every kind of app shows them; the roles themselves can be asked.
        _ => web.ids(&list("roles", &["roles"], 650).with("app_id", &application.id)).await?,
    };
    application.names = vec![text(&record, "name").unwrap_or_default().to_owned()];
    Ok(Some(Binding { application, groups, users: Default::default(), record }))
}

/// The parameters that rules of the application set for some users, or why none of the parameters can be known; and whether the rules could not be
/// looked at, although they were to be.
///
/// # Errors
/// When the rules can't be read for another reason than a missing right.
pub(super) async fn set_by_rules(
    web: &WebConnection,
    look: LookAtRules,
    binding: &Binding,
) -> Result<(Result<Vec<String>, String>, bool), SourceError> {
    let list = list("rules of an app", &["apps", &binding.application.id, "rules"], 0);
    let none = |is_unchecked| Ok((Ok(Vec::new()), is_unchecked));
    if look == LookAtRules::Ignored {
        return none(false);
    }
    let reply = match web.api.find(&list.question).await {
        Ok(Some(reply)) => reply,
        // So an account without such rules answers.
        Ok(None) => return none(false),
        Err(SourceError::Refused(why) | SourceError::Forbidden(why)) if look == LookAtRules::Required => {
            let why = format!("the rules of the application may not be read, which may need Manage All: {why}");
            return Ok((Err(why), false));
        }
        Err(SourceError::Refused(why) | SourceError::Forbidden(why)) => {
            tracing::debug!(
                application = binding.application.shown(),
                why,
                "the rules of the application may not be read"
            );
            return none(true);
        }
        Err(error) => return Err(error),
    };
    let (rules, _, next) = list.entries(&web.api, &reply)?;
    if next.is_some() {
        return Ok((Err("the application has more rules than one answer shows".to_owned()), false));
    }
    let enabled = rules.iter().filter(|rule| rule.get("enabled") != Some(&Value::Bool(false)));
    let actions = enabled.flat_map(|rule| rule.get("actions").and_then(Value::as_array).into_iter().flatten());
    let set = actions.filter_map(|action| action.get("action")?.as_str()?.strip_prefix("set_"));
    Ok((Ok(set.map(str::to_owned).collect()), false))
}
