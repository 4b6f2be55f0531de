//! Which application, and who is bound to it. In: what the operator calls it. Out: the ids of groups and people.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::groups::edges;
use super::paging::{self, Row};
use super::reach::{List, Reach, born, text};
use crate::model::fold;
use crate::source::SourceError;
use crate::source::web::Question;

/// How many names are shown when the right one is not among them.
const SHOWN: usize = 5;

/// An application of the organisation.
#[derive(Debug, Clone)]
pub(super) struct Application {
    pub(super) id: String,
    /// What it is called, the name people see first.
    names: Vec<String>,
}

impl Application {
    fn of(_: &Reach, record: Map<String, Value>) -> Result<Self, SourceError> {
        let id = text(&record, "_id").or(text(&record, "id")).map(str::to_owned);
        let id = id.ok_or_else(|| SourceError::Malformed("a record of an application without `_id`".to_owned()))?;
        let names = ["displayLabel", "displayName", "name"].iter().filter_map(|name| text(&record, name));
        Ok(Self { id, names: names.map(str::to_owned).collect() })
    }

    /// The name people see, and the id.
    pub(super) fn shown(&self) -> String {
        format!("{:?} ({})", self.names.first().map_or("", String::as_str), self.id)
    }

    fn label(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

impl Row for Application {
    fn id(&self) -> &str {
        &self.id
    }

    fn made(&self) -> Option<Timestamp> {
        born(&self.id)
    }
}

/// Who is bound to the application.
pub(super) struct Bindings {
    pub(super) application: Application,
    pub(super) groups: HashSet<String>,
    pub(super) people: HashSet<String>,
}

/// Finds the application and reads who is bound to it.
pub(super) async fn bindings(reach: &Reach, name: &str) -> Result<Bindings, SourceError> {
    let application = find(reach, name).await?;
    let list = |target: &'static str, what: &'static str| {
        let path = ["v2", "applications", application.id.as_str(), "associations"];
        let question = Question::get("applications", path).with("targets", target);
        edges(reach, question, what.to_owned())
    };
    let groups = list("user_group", "groups bound to the application").await?.into_iter().collect();
    let people = list("user", "people bound to the application").await?.into_iter().collect();
    Ok(Bindings { application, groups, people })
}

async fn find(reach: &Reach, name: &str) -> Result<Application, SourceError> {
    let question = Question::get("applications", ["applications"]).with("sort", "name");
    let pages = List { reach, question, what: "applications".to_owned(), row: Application::of };
    let mut all: Vec<Application> = Vec::new();
    let mut known = HashSet::new();
    let mut take = |one: Application| {
        let is_new = known.insert(one.id.clone());
        if is_new {
            all.push(one);
        }
        is_new
    };
    paging::read(&pages, reach.manner, &mut take).await?;
    choose(all, name).map_err(SourceError::Settings)
}

/// The one that is meant: by id, else by the name people see, else by the names of its kind.
fn choose(all: Vec<Application>, name: &str) -> Result<Application, String> {
    if let Some(one) = all.iter().find(|one| one.id == name) {
        return Ok(one.clone());
    }
    let wanted = fold(name);
    let by_label: Vec<&Application> = all.iter().filter(|one| fold(one.label()) == wanted).collect();
    let by_any = || all.iter().filter(|one| one.names.iter().any(|name| fold(name) == wanted)).collect();
    let meant: Vec<&Application> = if by_label.is_empty() { by_any() } else { by_label };
    match meant.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(not_found(&all, name)),
        several => {
            let ids: Vec<String> = several.iter().map(|one| one.shown()).collect();
            Err(format!(
                "{} applications in JumpCloud are called {name:?}: {}; write the id of the right one as `application`",
                several.len(),
                ids.join(", ")
            ))
        }
    }
}

fn not_found(all: &[Application], name: &str) -> String {
    if all.is_empty() {
        return format!(
            "there is no application {name:?} in JumpCloud: this credential sees none at all; it may lack the right to read them, or belong to another organisation"
        );
    }
    let wanted = fold(name);
    let mut near: Vec<(usize, String)> = all
        .iter()
        .map(|one| {
            let distance = one.names.iter().map(|name| strsim::damerau_levenshtein(&wanted, &fold(name))).min();
            (distance.unwrap_or(usize::MAX), one.shown())
        })
        .collect();
    near.sort();
    let shown: Vec<String> = near.into_iter().take(SHOWN).map(|(_, shown)| shown).collect();
    format!("there is no application {name:?} among the {} in JumpCloud; the nearest: {}", all.len(), shown.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn app(id: &str, names: &[&str]) -> Application {
        Application { id: id.to_owned(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn an_application_is_found_by_id_label_or_name() {
        let all = vec![
            app("1", &["Heap", "SCIM 2.0", "scim2"]),
            app("2", &["Heat", "SCIM 2.0", "scim2"]),
            app("3", &["Wiki", "wiki"]),
        ];
        let id = |name: &str| choose(all.clone(), name).map(|one| one.id);
        assert_eq!(id("heap").unwrap(), "1");
        assert_eq!(id("2").unwrap(), "2");
        assert_eq!(id("wiki").unwrap(), "3");
        let twins = id("scim2").unwrap_err();
        assert!(twins.contains("2 applications") && twins.contains("(1)") && twins.contains("(2)"), "{twins}");
        let far = id("Heep").unwrap_err();
        assert!(far.contains(r#"the nearest: "Heap" (1), "Heat" (2)"#), "{far}");
        assert!(choose(Vec::new(), "Heap").unwrap_err().contains("sees none at all"));
    }
}
