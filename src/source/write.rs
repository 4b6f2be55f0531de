//! Making new people in a directory (`rosterd import`). In: attributes in the directory's own words. Out: the new id.
//!
//! A directory that can be written offers [`NewPeople`]. Nothing here changes or removes anybody.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::SourceError;
use crate::model::SourceId;

/// A person to be made, in the directory's own attribute names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewPerson {
    /// Attribute and value, as mappings read them: `email`, `firstname`, `attributes.heapRole`.
    pub attributes: Map<String, Value>,
}

/// Why somebody was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Somebody there has this name or address.
    #[error("it exists already: {0}")]
    Exists(String),
    /// The directory does not want this person as described.
    #[error("the directory refused: {0}")]
    Refused(String),
    /// Nobody knows whether it was carried out: look the person up before anything is repeated.
    #[error("no usable answer, it may have been carried out: {0}")]
    Unclear(String),
    /// The directory as a whole can't be written now.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A directory that new people can be made in.
#[async_trait]
pub trait NewPeople: Send + Sync {
    /// The attributes without which nobody can be made.
    fn required(&self) -> &'static [&'static str];

    /// Who has this person's user name or e-mail address already.
    ///
    /// # Errors
    /// When the directory can't say.
    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError>;

    /// Makes one person, with one call that is never repeated by itself.
    ///
    /// # Errors
    /// Why the person was not made, or may have been.
    async fn create(&self, person: &NewPerson) -> Result<SourceId, CreateError>;
}
