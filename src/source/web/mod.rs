//! What directories behind HTTP and JSON share. It takes what a directory declares ([`HttpDirectory`]) and returns a [`WebSource`] that reads it whole,
//! or a [`SourceError`] that says what the directory said. It must not depend on a product: paths, pages and the meaning of records are the business
//! of each directory's own folder.

mod about;
mod api;
mod application;
mod directory;
mod examine;
mod kind;
mod list;
mod paging;
mod passes;
mod people;
mod reading;
mod source;

use std::sync::Arc;

pub(crate) use self::about::{DirectoryInfo, Meaning, Words};
pub(crate) use self::api::{Api, ApiRequest};
pub(crate) use self::directory::{ApiRight, Application, Binding, ChangeEvent, GroupRecord, HttpDirectory, UserRecord};
pub(crate) use self::examine::clock;
pub(crate) use self::kind::WebKind;
pub(crate) use self::list::{List, ListEnvelope, ListPaging, Object, id, pick, text};
pub use self::source::Parts;
pub(crate) use self::source::WebSource;
use futures_util::stream::{self, Stream, StreamExt as _};

use super::SourceError;
use crate::clock::Clock;
use crate::progress::Silent;

/// The way to one directory.
pub struct WebConnection {
    /// The API.
    pub(crate) api: Api,
    /// The change feed, where it is another API.
    pub(crate) feed: Option<Api>,
    /// Requests at a time.
    pub(crate) at_once: usize,
    /// The time of this machine.
    pub(crate) clock: Arc<dyn Clock>,
}

impl WebConnection {
    /// One record; `None` where the directory says that there is no such thing.
    ///
    /// # Errors
    /// What the directory said, in the end.
    pub(crate) async fn record(&self, question: &ApiRequest) -> Result<Option<Object>, SourceError> {
        let Some(reply) = self.api.find(question).await? else { return Ok(None) };
        self.api.json(question.what, &reply).map(Some)
    }

    /// The ids of a list.
    ///
    /// # Errors
    /// As [`WebConnection::list`].
    pub(crate) async fn ids<C: FromIterator<Box<str>>>(&self, list: &List) -> Result<C, SourceError> {
        let read = self.list(list, &Silent, &|_, _| Ok(())).await?;
        Ok(read.into_iter().map(|(id, ())| id).collect())
    }

    /// Does several things at a time; the results come in the order of the things.
    fn each<F: Future>(&self, all: Vec<F>) -> impl Stream<Item = F::Output> {
        stream::iter(all).buffered(self.at_once)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
