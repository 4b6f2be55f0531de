//! The application. In: its name or id. Out: the roles it is given to, and the people who were given it by name.

use std::collections::HashSet;

use serde_json::Value;

use super::layout::Layout;
use super::pages::{List, objects, whole};
use super::record::{Object, number};
use super::roles::MEMBERS_PAGE;
use super::{told, v2};
use crate::model::fold;
use crate::progress::Progress;
use crate::source::SourceError;
use crate::source::web::{Api, Question};

/// Apps a page.
const APPS_PAGE: u32 = 1000;
/// How many names a message shows.
const NAMES_SHOWN: usize = 3;
/// What reading applications needs of the API credentials.
pub(super) const NEEDS: &str = "applications are read with Read All or Manage All";

/// An application.
pub(super) struct Binding {
    pub(super) id: u64,
    pub(super) name: String,
    /// The roles it is given to.
    pub(super) roles: HashSet<u64>,
    /// Its parameters, where the API shows them.
    pub(super) parameters: Option<Object>,
    /// Whether OneLogin's own provisioning is on; `None` where the API does not tell.
    pub(super) provisioning: Option<bool>,
}

/// Finds the application that the operator names; `None` if none is named.
///
/// # Errors
/// When there is none of that name, or several, or the credentials may not read applications.
pub(super) async fn find(api: &Api, layout: &Layout, progress: &dyn Progress) -> Result<Option<Binding>, SourceError> {
    let Some(wanted) = &layout.application else { return Ok(None) };
    progress.stage("looking for the application", None);
    let found = match wanted.parse::<u64>() {
        Ok(id) => by_id(api, id).await,
        Err(_) => Ok(None),
    };
    let found = match found {
        Ok(None) => by_name(api, wanted, progress).await,
        found => found,
    };
    found.map_err(|error| told(error, NEEDS))
}

async fn by_name(api: &Api, wanted: &str, progress: &dyn Progress) -> Result<Option<Binding>, SourceError> {
    let take = |_, app: Object| Ok(app.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    let apps = whole(api, &List::of("apps", v2("apps"), APPS_PAGE), progress, take, |_| false).await?.entries;
    let id = choose(&apps, wanted).map_err(SourceError::Settings)?;
    match by_id(api, id).await? {
        Some(binding) => Ok(Some(binding)),
        None => Err(SourceError::Settings(format!("the application {wanted:?} ({id}) is listed, and then not found"))),
    }
}

/// The id of the one application of a name. The exact spelling wins over other cases.
fn choose(apps: &[(u64, String)], wanted: &str) -> Result<u64, String> {
    let same = |fits: &dyn Fn(&str) -> bool| -> Vec<u64> {
        apps.iter().filter(|(_, name)| fits(name.trim())).map(|(id, _)| *id).collect()
    };
    let mut found = same(&|name| name == wanted);
    if found.is_empty() {
        found = same(&|name| fold(name) == fold(wanted));
    }
    match found.as_slice() {
        [id] => Ok(*id),
        [] => {
            let near = nearest(apps, wanted);
            let shown = match near.is_empty() {
                true => format!("none of the {} there has a name like it", apps.len()),
                false => format!("the nearest of the {} there: {}", apps.len(), near.join(", ")),
            };
            Err(format!(
                "OneLogin has no application named {wanted:?}; {shown}. Write its name, or its id, as `application`"
            ))
        }
        several => {
            let ids: Vec<String> = several.iter().map(u64::to_string).collect();
            let example = ids.first().map(String::as_str).unwrap_or_default();
            Err(format!(
                "OneLogin has {} applications named {wanted:?}: {}. Write the id of the right one: application = {example:?}",
                ids.len(),
                ids.join(" and ")
            ))
        }
    }
}

/// The names most like the one that was not found, with their ids.
fn nearest(apps: &[(u64, String)], wanted: &str) -> Vec<String> {
    let wanted = fold(wanted);
    let mut near: Vec<(f64, String)> = apps
        .iter()
        .map(|(id, name)| {
            let folded = fold(name);
            let contains = folded.contains(&wanted) || (!folded.is_empty() && wanted.contains(&folded));
            let likeness = strsim::normalized_damerau_levenshtein(&folded, &wanted);
            (if contains { likeness + 1.0 } else { likeness }, format!("{name:?} ({id})"))
        })
        .filter(|(likeness, _)| *likeness >= 0.5)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    near.into_iter().take(NAMES_SHOWN).map(|(_, name)| name).collect()
}

async fn by_id(api: &Api, id: u64) -> Result<Option<Binding>, SourceError> {
    let question = Question::get("an app", [&v2("apps")[..], &[id.to_string()]].concat());
    let Some(reply) = api.find(&question).await? else { return Ok(None) };
    let app: Object = api.json(question.what, &reply)?;
    let name = app.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let roles = match app.get("role_ids") {
        Some(Value::Array(ids)) => ids
            .iter()
            .map(|id| {
                number(id).ok_or_else(|| SourceError::Malformed("an app: `role_ids` are no list of ids".to_owned()))
            })
            .collect::<Result<_, _>>()?,
        // Not every kind of app shows them; the roles themselves can be asked.
        _ => roles_with(api, id).await?,
    };
    let parameters = app.get("parameters").and_then(Value::as_object).cloned();
    let provisioning = app.get("provisioning").and_then(|own| own.get("enabled")).and_then(Value::as_bool);
    Ok(Some(Binding { id, name, roles, parameters, provisioning }))
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
pub(super) async fn rules(api: &Api, app: u64) -> Result<RuleActions, SourceError> {
    let question = Question::get("rules of an app", [&v2("apps")[..], &[app.to_string(), "rules".to_owned()]].concat());
    let reply = match api.find(&question).await {
        Ok(Some(reply)) => reply,
        Ok(None) => return Ok(RuleActions::Set(Vec::new())),
        Err(SourceError::Refused(why) | SourceError::Forbidden(why)) => {
            return Ok(RuleActions::Forbidden(why));
        }
        Err(error) => return Err(error),
    };
    if reply.header("after-cursor").is_some_and(|cursor| !cursor.trim().is_empty()) {
        return Ok(RuleActions::TooMany);
    }
    let rules = objects(api, question.what, &reply)?;
    let enabled = rules.iter().filter(|rule| rule.get("enabled") != Some(&Value::Bool(false)));
    let actions = enabled.flat_map(|rule| rule.get("actions").and_then(Value::as_array).into_iter().flatten());
    let set = actions.filter_map(|action| action.get("action")?.as_str()?.strip_prefix("set_"));
    Ok(RuleActions::Set(set.map(str::to_owned).collect()))
}

async fn roles_with(api: &Api, app: u64) -> Result<HashSet<u64>, SourceError> {
    let list = List { kept: vec![("app_id", app.to_string())], ..List::of("roles", v2("roles"), 650) };
    let pass = whole(api, &list, &crate::progress::Silent, |_, _| Ok(()), |_| false).await?;
    Ok(pass.entries.into_iter().map(|(id, ())| id).collect())
}

/// Everybody who may use the application and is in none of its roles: they were given it by name.
///
/// # Errors
/// When the list can't be read whole.
pub(super) async fn direct(
    api: &Api,
    binding: &Binding,
    by_roles: &HashSet<u64>,
    progress: &dyn Progress,
) -> Result<HashSet<u64>, SourceError> {
    progress.stage("reading who has the application by name", None);
    let segments = [&v2("apps")[..], &[binding.id.to_string(), "users".to_owned()]].concat();
    let list = List {
        label: format!("people of the application {:?}", binding.name),
        ..List::of("people of an app", segments, MEMBERS_PAGE)
    };
    // The list does not tell since when somebody is on it. But if it adds up and shows nobody beyond the roles, nobody can be
    // missing from it: whoever took a lost one's place would be beyond them.
    let nobody_beyond = |pass: &super::pages::Pass<()>| {
        pass.adds_up() && pass.last.is_some() && pass.entries.iter().all(|(id, ())| by_roles.contains(id))
    };
    let pass = whole(api, &list, progress, |_, _| Ok(()), nobody_beyond).await.map_err(|error| told(error, NEEDS))?;
    Ok(pass.entries.into_iter().map(|(id, ())| id).filter(|id| !by_roles.contains(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::choose;

    fn apps(names: &[&str]) -> Vec<(u64, String)> {
        names.iter().enumerate().map(|(at, name)| (at as u64 + 7, (*name).to_owned())).collect()
    }

    #[test]
    fn the_exact_spelling_wins_and_other_cases_are_understood() {
        assert_eq!(choose(&apps(&["heap", "Heap", "Wiki"]), "Heap"), Ok(8));
        assert_eq!(choose(&apps(&["Wiki", "HEAP "]), "heap"), Ok(8));
    }

    #[test]
    fn an_application_that_is_not_there_is_told_with_the_nearest_names() {
        let told = choose(&apps(&["Heap Analytics", "Help", "Wiki", "Keap"]), "Heap").unwrap_err();
        assert_eq!(
            told,
            "OneLogin has no application named \"Heap\"; the nearest of the 4 there: \"Heap Analytics\" (7), \"Help\" (8), \
             \"Keap\" (10). Write its name, or its id, as `application`"
        );
        let told = choose(&apps(&["Wiki"]), "Heap").unwrap_err();
        assert!(told.contains("none of the 1 there has a name like it"), "{told}");
    }

    #[test]
    fn two_applications_of_one_name_are_told_with_both_ids() {
        let told = choose(&apps(&["Heap", "Wiki", "Heap"]), "Heap").unwrap_err();
        assert!(told.contains("2 applications named \"Heap\": 7 and 9"), "{told}");
        assert!(choose(&apps(&["HEAP", "heaP"]), "Heap").is_err(), "neither is the exact one");
    }
}
