//! Making new people (`rosterd import`). In: attributes under OneLogin's own names. Out: the new id.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::pages::objects;
use super::parameters::PARAMETERS;
use super::record::{Object, id};
use super::{OneLoginSource, told, v2};
use crate::http::{Method, Request};
use crate::model::{SourceId, fold};
use crate::source::SourceError;
use crate::source::web::Question;
use crate::source::write::{CreateError, NewPeople, NewPerson};

/// What making people needs of the API credentials.
const NEEDS: &str = "people are made with Manage Users or Manage All";

#[async_trait]
impl NewPeople for OneLoginSource {
    fn required(&self) -> &'static [&'static str] {
        &["email"]
    }

    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError> {
        for name in ["username", "email"] {
            let Some(value) = person.attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
            else {
                continue;
            };
            let question = Question::get("users", v2("users")).with("fields", "id,username,email").with(name, value);
            let reply = self.api.read(&question).await.map_err(|error| told(error, super::people::NEEDS))?;
            // A `*` in a filter stands for any text, so what came is compared.
            let same =
                |user: &&Object| user.get(name).and_then(Value::as_str).is_some_and(|text| fold(text) == fold(value));
            if let Some(user) = objects(&self.api, question.what, &reply)?.iter().find(same) {
                return Ok(Some(SourceId::new(id(user, question.what)?.to_string())));
            }
        }
        Ok(None)
    }

    async fn create(&self, person: &NewPerson) -> Result<SourceId, CreateError> {
        let body = Value::Object(nested(&person.attributes)).to_string().into_bytes();
        let request = Request { body: Some(body), ..Request::new(Method::Post, v2("users")) };
        let reply = self.api.create(request, &OF_A_DUPLICATE).await.map_err(|error| match error {
            CreateError::Source(error) => CreateError::Source(told(error, NEEDS)),
            other => other,
        })?;
        let user: Object =
            self.api.json("a new user", &reply).map_err(|error| CreateError::Unclear(error.to_string()))?;
        let id = id(&user, "a new user").map_err(|error| CreateError::Unclear(error.to_string()))?;
        Ok(SourceId::new(id.to_string()))
    }
}

/// What OneLogin answers, in its words, to a user that exists already.
const OF_A_DUPLICATE: [&str; 4] = ["taken", "already exist", "duplicate", "unique"];

/// `custom_attributes.heap_role` is a member of `custom_attributes`.
fn nested(attributes: &Map<String, Value>) -> Object {
    let mut body = Object::new();
    // The parameters belong to the application: a user has none of their own.
    let own = |name: &str| name.split('.').next() != Some(PARAMETERS);
    for (name, value) in attributes.iter().filter(|(name, _)| own(name)) {
        match name.split_once('.') {
            Some((outer, inner)) => {
                let slot = body.entry(outer).or_insert_with(|| Value::Object(Object::new()));
                if let Value::Object(members) = slot {
                    members.insert(inner.to_owned(), value.clone());
                }
            }
            None => drop(body.insert(name.clone(), value.clone())),
        }
    }
    body
}
