//! Making users in a directory behind HTTP. What comes in are attributes in the directory's own words; what goes out is the new id.

use async_trait::async_trait;

use super::directory::{ApiRight, HttpDirectory};
use super::list::{Object, text};
use super::source::WebSource;
use crate::http::{HttpRequest, Method};
use crate::model::{SourceId, fold};
use crate::source::SourceError;
use crate::source::write::{CreateError, NewPeople, NewPerson};

#[async_trait]
impl<D: HttpDirectory> NewPeople for WebSource<D> {
    fn required(&self) -> &'static [&'static str] {
        D::ABOUT.required
    }

    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError> {
        let list = self.directory.users();
        for name in D::ABOUT.found_by {
            let Some(value) = text(&person.attributes, name) else { continue };
            for question in self.directory.lookups(name, value) {
                let reply = self.web.api.read(&question).await.map_err(|error| D::explain(error, ApiRight::Read))?;
                let (users, ..) = list.entries(&self.web.api, &reply)?;
                // A filter may be heeded loosely, so what came is compared.
                let same = |user: &&Object| text(user, name).is_some_and(|text| fold(text) == fold(value));
                match users.iter().find(same) {
                    Some(user) => return Ok(Some(SourceId::new(list.id_of(user)?))),
                    // Others came: the filter was not heeded, so that nobody can be said to be missing.
                    None if D::ABOUT.filters_exactly && !users.is_empty() => {
                        return Err(SourceError::Malformed(format!("users filtered by {name}: others came")));
                    }
                    None => {}
                }
            }
        }
        Ok(None)
    }

    async fn create(&self, person: &NewPerson) -> Result<SourceId, CreateError> {
        let list = self.directory.users();
        let Some(body) = self.directory.new_user(&person.attributes) else {
            return Err(CreateError::Refused("users of this directory can't be made here".to_owned()));
        };
        let path = list.question.request.segments.clone();
        let request = HttpRequest { body: Some(body.to_string().into_bytes()), ..HttpRequest::new(Method::Post, path) };
        let reply = self.web.api.create(request).await.map_err(|error| match error {
            CreateError::Source(error) => CreateError::Source(D::explain(error, ApiRight::Create)),
            other => other,
        })?;
        let made = self.web.api.json::<Object>("a new user", &reply);
        // It was made, whatever the answer looks like.
        let id = made.and_then(|made| list.id_of(&made)).map_err(|error| CreateError::Unclear(error.to_string()))?;
        Ok(SourceId::new(id))
    }
}
