//! Questions about single ids. In: ids. Out: what OneLogin says of each, [`Presence::Unknown`] for every doubt.

use futures_util::{StreamExt as _, stream};

use super::layout::Layout;
use super::{by_roles, people, v2};
use crate::model::{SourceId, Standing};
use crate::source::web::{Api, Question};
use crate::source::{Presence, SourceError};

/// Asks about people.
pub(super) async fn users(api: &Api, layout: &Layout, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
    let ask = |id: SourceId| async move {
        // Ids are numbers here; what is none was never an id of this account.
        let Ok(id) = id.as_str().parse() else { return Ok(Presence::Unknown) };
        Ok(match people::single(api, layout, id).await? {
            None => Presence::Gone,
            Some(person) if person.standing == Standing::Suspended => Presence::Suspended,
            Some(_) => Presence::Present,
        })
    };
    all(layout, ids.iter().cloned().map(ask).collect()).await
}

/// Asks about roles or groups.
pub(super) async fn groups(api: &Api, layout: &Layout, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
    let ask = |id: SourceId| async move {
        let Ok(id) = id.as_str().parse::<u64>() else { return Ok(Presence::Unknown) };
        let question = match by_roles(layout) {
            true => Question::get("a role", [&v2("roles")[..], &[id.to_string()]].concat()),
            false => Question::get("a group", ["api", "1", "groups", id.to_string().as_str()]),
        };
        Ok(match api.find(&question).await? {
            None => Presence::Gone,
            Some(_) => Presence::Present,
        })
    };
    all(layout, ids.iter().cloned().map(ask).collect()).await
}

/// One id without an answer is a doubt about that one; a directory that answers none of them is an error.
async fn all<F>(layout: &Layout, answers: Vec<F>) -> Result<Vec<Presence>, SourceError>
where
    F: Future<Output = Result<Presence, SourceError>>,
{
    let mut said = Vec::new();
    let (mut first_error, mut answered) = (None, false);
    let mut answers = stream::iter(answers).buffered(layout.in_flight);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(presence) => {
                answered = true;
                said.push(presence);
            }
            Err(error) => {
                tracing::warn!(%error, "OneLogin could not say whether an id still exists");
                first_error.get_or_insert(error);
                said.push(Presence::Unknown);
            }
        }
    }
    match first_error {
        Some(error) if !answered => Err(error),
        _ => Ok(said),
    }
}
