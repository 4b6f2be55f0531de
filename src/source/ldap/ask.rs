//! Questions about single ids. In: ids. Out: what the directory says of each, [`Presence::Unknown`] for every doubt.
//!
//! An id is looked for below `base`, whatever the filters for people and groups say: whoever moved to another branch, or no
//! longer matches, is not gone. Silence is *gone* only if the search ended with result 0, left no part of the tree out, and the
//! credential demonstrably sees ids at all.

use std::collections::HashMap;

use jiff::Timestamp;

use super::connection::Connection;
use super::entry::LdapEntry;
use super::layout::LdapLayout;
use super::outcome::SearchResult;
use super::people::{id_of, search};
use super::standing::{self, standing};
use crate::model::{LifecycleStatus, SourceId, fold};
use crate::source::{Presence, SourceError};

/// Ids in one search.
const CHUNK: usize = 50;

/// Asks about people.
pub(super) async fn users(
    connection: &mut Connection,
    layout: &LdapLayout,
    now: Timestamp,
    ids: &[SourceId],
) -> Vec<Presence> {
    let mut attributes = vec![layout.id.clone()];
    attributes.extend(standing::attributes(layout.preset).iter().map(|name| (*name).to_owned()));
    let judge = |entry: &LdapEntry| Ok(presence(standing(layout.preset, entry, now)?));
    let mut answers = ask(connection, layout, ids, "", &attributes, judge).await;
    if let Some(filter) = &layout.suspended_filter {
        let suspended = ask(connection, layout, ids, filter, &attributes, |_| Ok(Presence::Suspended)).await;
        for (answer, suspended) in answers.iter_mut().zip(suspended) {
            *answer = match (*answer, suspended) {
                (Presence::Present, Presence::Suspended) => Presence::Suspended,
                (Presence::Present, Presence::Unknown) => Presence::Unknown,
                (answer, _) => answer,
            };
        }
    }
    answers
}

/// Asks about groups.
pub(super) async fn groups(connection: &mut Connection, layout: &LdapLayout, ids: &[SourceId]) -> Vec<Presence> {
    let attributes = [layout.id.clone()];
    ask(connection, layout, ids, "", &attributes, |_| Ok(Presence::Present)).await
}

fn presence(standing: LifecycleStatus) -> Presence {
    match standing {
        LifecycleStatus::Suspended => Presence::Suspended,
        LifecycleStatus::Active | LifecycleStatus::Staged => Presence::Present,
    }
}

/// Looks for `ids` that also match `filter` (empty: any). What a search can't say for certain stays unknown.
async fn ask(
    connection: &mut Connection,
    layout: &LdapLayout,
    ids: &[SourceId],
    filter: &str,
    attributes: &[String],
    judge: impl Fn(&LdapEntry) -> Result<Presence, SourceError>,
) -> Vec<Presence> {
    let mut answers = Vec::with_capacity(ids.len());
    let trusted = sees_ids(connection, layout).await;
    for ids in ids.chunks(CHUNK) {
        match ask_chunk(connection, layout, ids, filter, attributes, &judge).await {
            Ok((found, said)) => {
                // A part of the tree that was not searched may hold whoever is not found.
                let whole = found.holes.is_empty();
                // An answer that fits no question means that the server compares ids by other rules than these.
                let asked: Vec<String> = ids.iter().map(|id| fold(id.as_str())).collect();
                let understood = said.keys().all(|said| asked.contains(said));
                let silence = if trusted && whole && understood { Presence::Gone } else { Presence::Unknown };
                answers.extend(ids.iter().zip(&asked).map(|(id, folded)| match layout.by_id(id.as_str()) {
                    Some(_) => said.get(folded).copied().unwrap_or(silence),
                    None => Presence::Unknown,
                }));
            }
            Err(error) => {
                tracing::warn!(%error, ids = ids.len(), "the directory could not say whether they still exist");
                answers.extend(ids.iter().map(|_| Presence::Unknown));
            }
        }
    }
    answers
}

/// One search; what it says of each id, by the folded id: servers compare most attributes without case.
async fn ask_chunk(
    connection: &mut Connection,
    layout: &LdapLayout,
    ids: &[SourceId],
    filter: &str,
    attributes: &[String],
    judge: impl Fn(&LdapEntry) -> Result<Presence, SourceError>,
) -> Result<(SearchResult, HashMap<String, Presence>), SourceError> {
    let mut said = HashMap::new();
    let any: String = ids.iter().filter_map(|id| layout.by_id(id.as_str())).collect();
    if any.is_empty() {
        return Ok((SearchResult::default(), said));
    }
    let any = format!("(&(|{any}){filter})");
    let visit = |entry: LdapEntry| {
        said.insert(fold(&id_of(&entry, layout)?), judge(&entry)?);
        Ok(())
    };
    let found = connection.unpaged(search("ids", &layout.base, &any, attributes), ids.len(), visit).await?;
    Ok((found, said))
}

/// Whether this credential sees the id of anybody at all. If not, silence about one id means nothing.
async fn sees_ids(connection: &mut Connection, layout: &LdapLayout) -> bool {
    let filter = format!("(&{}({}=*))", layout.user_filter, layout.id);
    let attributes = [layout.id.clone()];
    let seen = connection.glimpse(search("ids", &layout.user_base, &filter, &attributes)).await;
    match seen {
        Ok(Some(entry)) => id_of(&entry, layout).is_ok(),
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, "the directory could not show a single id");
            false
        }
    }
}
