//! Questions about single ids. In: ids. Out: what JumpCloud says of each; every doubt is [`Presence::Unknown`].

use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use super::people::standing;
use super::reach::{Reach, json, records};
use crate::model::{SourceId, Standing};
use crate::source::web::Question;
use crate::source::{Presence, SourceError};

/// Asks about people.
pub(super) async fn users(reach: &Reach, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
    all(reach, ids.iter().map(|id| user(reach, id).boxed()).collect()).await
}

async fn user(reach: &Reach, id: &SourceId) -> Result<Presence, SourceError> {
    let question = Question::get("people", ["systemusers", id.as_str()]).with("fields", "state suspended");
    let Some(reply) = reach.find(&question).await? else { return Ok(Presence::Gone) };
    let record: Map<String, Value> = json(&reach.api, "a person", &reply)?;
    Ok(match standing(&record, reach.staged) {
        Standing::Suspended => Presence::Suspended,
        Standing::Active | Standing::Staged => Presence::Present,
    })
}

/// Asks about groups.
pub(super) async fn groups(reach: &Reach, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
    all(reach, ids.iter().map(|id| group(reach, id).boxed()).collect()).await
}

async fn group(reach: &Reach, id: &SourceId) -> Result<Presence, SourceError> {
    let question = Question::get("groups", ["v2", "usergroups", id.as_str()]);
    Ok(reach.find(&question).await?.map_or(Presence::Gone, |_| Presence::Present))
}

/// Puts the questions, and believes a *gone* only where people are seen at all.
async fn all(
    reach: &Reach,
    questions: Vec<BoxFuture<'_, Result<Presence, SourceError>>>,
) -> Result<Vec<Presence>, SourceError> {
    let answers: Vec<_> = stream::iter(questions).buffered(reach.manner.at_once.max(1)).collect().await;
    // A wrong address or organisation answers 404 to everything.
    let trusted = reach.has_seen_people.load(Ordering::Relaxed)
        || !answers.iter().any(|answer| matches!(answer, Ok(Presence::Gone)))
        || sees_people(reach).await?;
    let judged = answers.into_iter().map(|answer| match answer {
        Ok(Presence::Gone) if !trusted => Presence::Unknown,
        Ok(presence) => presence,
        Err(error) => {
            tracing::warn!(%error, "the directory could not say whether somebody still exists");
            Presence::Unknown
        }
    });
    Ok(judged.collect())
}

async fn sees_people(reach: &Reach) -> Result<bool, SourceError> {
    let question = Question::get("people", ["systemusers"]).with("sort", "_id").with("limit", 1).with("skip", 0);
    let reply = reach.read(&question).await?;
    let sees = !records(&reach.api, "people", &reply)?.rows.is_empty();
    if sees {
        reach.saw_people();
    }
    Ok(sees)
}
