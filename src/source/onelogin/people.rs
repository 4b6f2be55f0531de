//! Everybody. In: the list of users. Out: people with their records, standing and roles, and whether the list showed those.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::layout::Layout;
use super::pages::{List, whole};
use super::record::{CREATED, Object, Person};
use super::{told, v2};
use crate::progress::Progress;
use crate::source::web::{Api, Question};
use crate::source::{Reading, SourceError};

/// What reading people needs of the API credentials.
pub(super) const NEEDS: &str = "Read Users, Read All or Manage All";

/// Everybody.
pub(super) struct People {
    pub(super) all: Vec<(u64, Person)>,
}

impl People {
    /// Whether everybody's roles are known.
    pub(super) fn shows_roles(&self) -> bool {
        self.all.iter().all(|(_, person)| person.roles.is_some())
    }
}

/// The list of users.
pub(super) fn list(layout: &Layout) -> List {
    List {
        kept: vec![("fields", layout.fields.join(","))],
        since: Some(CREATED),
        ..List::of("users", v2("users"), layout.users_page)
    }
}

/// Reads everybody.
pub(super) async fn read(
    api: &Api,
    layout: &Layout,
    reading: &mut Reading,
    progress: &dyn Progress,
) -> Result<People, SourceError> {
    progress.stage("reading people", None);
    let opened = reading.open_list("users");
    let take = |id, user| Person::new(id, user, layout);
    let pass = whole(api, &list(layout), progress, take, |_| false).await.map_err(|error| told(error, NEEDS))?;
    reading.received(opened, pass.entries.len() as u64);
    reading.close_list(opened, pass.last);
    let mut people = People { all: pass.entries };
    let lacks_custom = people.all.iter().any(|(_, person)| !person.shows_custom);
    if layout.needs_custom && lacks_custom {
        tracing::warn!(
            users = people.all.len(),
            "the list of users shows no custom attributes, so users are read one by one"
        );
        people.all = read_singly(api, layout, people.all, progress).await?;
    }
    Ok(people)
}

/// A user's own page shows everything.
async fn read_singly(
    api: &Api,
    layout: &Layout,
    people: Vec<(u64, Person)>,
    progress: &dyn Progress,
) -> Result<Vec<(u64, Person)>, SourceError> {
    progress.stage("reading people one by one", Some(people.len() as u64));
    let read = |(id, listed)| async move {
        // Whoever went away meanwhile is as the list showed; the next reading will not find them.
        let person = single(api, layout, id).await?.unwrap_or(listed);
        progress.advance(1);
        Ok((id, person))
    };
    let all: Vec<_> = people.into_iter().map(read).collect();
    stream::iter(all).buffered(layout.in_flight).try_collect().await
}

/// One user; `None` for one who does not exist.
pub(super) async fn single(api: &Api, layout: &Layout, id: u64) -> Result<Option<Person>, SourceError> {
    let question = Question::get("a user", [&v2("users")[..], &[id.to_string()]].concat());
    let Some(reply) = api.find(&question).await? else { return Ok(None) };
    let user: Object = api.json(question.what, &reply)?;
    Person::new(id, only_asked(user, layout), layout).map(Some)
}

/// A user's own page shows more than the list: a record is the same wherever it was read.
fn only_asked(mut user: Object, layout: &Layout) -> Object {
    user.retain(|name, _| layout.fields.contains(&name.as_str()));
    user
}
