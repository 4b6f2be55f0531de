//! Making people (`rosterd import`). In: attributes in JumpCloud's names. Out: the id of the new person, by one
//! `POST /systemusers` that is never repeated by itself.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::JumpCloudSource;
use super::reach::{json as read_json, records, text};
use crate::http::{Method, Request};
use crate::model::{SourceId, fold};
use crate::source::SourceError;
use crate::source::web::Question;
use crate::source::write::{CreateError, NewPeople, NewPerson};

/// How mappings name a custom attribute.
const CUSTOM: &str = "attributes.";

/// What JumpCloud answers where somebody has the user name or the e-mail address already; the status is 400 or 409.
const TAKEN: [&str; 2] = ["already exists", "already in use"];

#[async_trait]
impl NewPeople for JumpCloudSource {
    fn required(&self) -> &'static [&'static str] {
        &["username", "email"]
    }

    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError> {
        for field in ["username", "email"] {
            let Some(value) = text(&person.attributes, field) else { continue };
            // Filters look at the case of letters; the organisation may have stored the other one.
            let mut spellings = vec![value.to_owned(), value.to_lowercase()];
            spellings.dedup();
            for spelling in spellings {
                if let Some(id) = self.find_by(field, &spelling).await? {
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }

    async fn create(&self, person: &NewPerson) -> Result<SourceId, CreateError> {
        let body = body(&person.attributes).to_string().into_bytes();
        let request = Request { body: Some(body), ..Request::new(Method::Post, vec!["systemusers".to_owned()]) };
        let api = &self.reach.api;
        let reply = api.create(request, &TAKEN).await?;
        let made: Map<String, Value> =
            read_json(api, "the new person", &reply).map_err(|error| CreateError::Unclear(error.to_string()))?;
        let id = text(&made, "_id").or(text(&made, "id"));
        id.map(SourceId::new).ok_or_else(|| CreateError::Unclear("the answer names no id".to_owned()))
    }
}

impl JumpCloudSource {
    async fn find_by(&self, field: &str, value: &str) -> Result<Option<SourceId>, SourceError> {
        let filter = format!("{field}:$eq:{value}");
        let question = Question::get("people", ["systemusers"])
            .with("filter", filter)
            .with("fields", "username email")
            .with("sort", "_id")
            .with("limit", 10)
            .with("skip", 0);
        let reply = self.reach.read(&question).await?;
        let rows = records(&self.reach.api, "people", &reply)?.rows;
        let same = |row: &&Map<String, Value>| text(row, field).is_some_and(|is| fold(is) == fold(value));
        match rows.iter().find(same) {
            Some(row) => Ok(text(row, "_id").or(text(row, "id")).map(SourceId::new)),
            None if rows.is_empty() => Ok(None),
            // Others came: the filter was not heeded, so that nobody can be said to be missing.
            None => Err(SourceError::Malformed(format!("people filtered by {field}: others came"))),
        }
    }
}

/// The body of a new person: custom attributes as the list that the API takes.
fn body(attributes: &Map<String, Value>) -> Value {
    let mut body = Map::new();
    let mut custom: Vec<Value> = Vec::new();
    for (name, value) in attributes.iter().filter(|(_, value)| !value.is_null()) {
        match (name.strip_prefix(CUSTOM), value) {
            (Some(name), value) => custom.push(json!({"name": name, "value": plain(value)})),
            (None, Value::Object(listed)) if name == "attributes" => {
                custom.extend(listed.iter().map(|(name, value)| json!({"name": name, "value": plain(value)})));
            }
            (None, value) => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
    if !custom.is_empty() {
        body.insert("attributes".to_owned(), custom.into());
    }
    Value::Object(body)
}

/// Custom attributes hold text only.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_attributes_become_the_list_that_the_api_takes() {
        let Value::Object(person) = json!({"username": "ann", "attributes.heapRole": "admin", "jobTitle": null}) else {
            return;
        };
        assert_eq!(body(&person), json!({"username": "ann", "attributes": [{"name": "heapRole", "value": "admin"}]}));
    }
}
