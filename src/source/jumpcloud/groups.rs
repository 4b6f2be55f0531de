//! Groups and their members. In: `/v2/usergroups`. Out: groups of a reading; members only of those that matter.

use std::collections::HashSet;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::paging::{self, Row};
use super::reach::{List, Reach, born, json, text};
use crate::progress::Progress;
use crate::source::members::Spared;
use crate::source::web::Question;
use crate::source::{GroupEntry, Reading, SourceError};

/// The attributes of a group by the vendor's spec.
pub(super) const NAMES: [&str; 7] = ["id", "name", "description", "email", "type", "membershipMethod", "attributes"];

/// So many groups that are answered 403 may each be the only one; more are an address that asks too fast, and none is asked any further.
const BLOCKED_ALONE: usize = 3;

/// One group, without its members.
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    record: String,
    /// What is wrong with the rule that fills it.
    flags: Option<String>,
}

impl Row for Group {
    fn id(&self) -> &str {
        &self.id
    }

    fn made(&self) -> Option<Timestamp> {
        born(&self.id)
    }
}

impl Group {
    fn of(_: &Reach, mut record: Map<String, Value>) -> Result<Self, SourceError> {
        let id = text(&record, "id").or(text(&record, "_id")).map(str::to_owned);
        let id = id.ok_or_else(|| SourceError::Malformed("a record of a group without `id`".to_owned()))?;
        let name = text(&record, "name").unwrap_or_default().to_owned();
        let flags = record.get("memberQueryErrorFlags").and_then(flags);
        // How many the rule proposes changes by itself.
        record.remove("suggestionCounts");
        Ok(Self { id, name, record: Value::Object(record).to_string(), flags })
    }
}

/// `["CYCLE"]`, or an object of switches.
fn flags(value: &Value) -> Option<String> {
    let raised: Vec<&str> = match value {
        Value::Array(listed) => listed.iter().filter_map(Value::as_str).collect(),
        Value::Object(switches) => {
            switches.iter().filter(|(_, on)| **on == Value::Bool(true)).map(|(name, _)| name.as_str()).collect()
        }
        Value::String(flag) => vec![flag],
        _ => Vec::new(),
    };
    let raised: Vec<&str> = raised.into_iter().filter(|flag| !flag.is_empty()).collect();
    (!raised.is_empty()).then(|| raised.join(", "))
}

/// Reads all groups. One that the application is bound to and the list did not show is asked for by id.
pub(super) async fn read(reach: &Reach, bound: Option<&HashSet<String>>) -> Result<Vec<Group>, SourceError> {
    let question = Question::get("groups", ["v2", "usergroups"]).with("sort", "name");
    let pages = List { reach, question, what: "groups".to_owned(), row: Group::of };
    let mut all: Vec<Group> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut take = |group: Group| {
        let is_new = known.insert(group.id.clone());
        if is_new {
            all.push(group);
        }
        is_new
    };
    paging::read(&pages, reach.manner, &mut take).await?;
    let mut missing: Vec<&String> = bound.into_iter().flatten().filter(|id| !known.contains(*id)).collect();
    missing.sort();
    for id in missing {
        let question = Question::get("groups", ["v2", "usergroups", id.as_str()]);
        if let Some(reply) = reach.find(&question).await? {
            all.push(Group::of(reach, json(&reach.api, "a group", &reply)?)?);
        }
    }
    Ok(all)
}

/// The members of one group.
pub(super) enum Members {
    /// Their ids.
    Read(Vec<String>),
    /// Why nobody can say who they are.
    Unread(String),
}

impl Members {
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let ids = match self {
            Self::Read(ids) => ids.as_slice(),
            Self::Unread(_) => &[],
        };
        ids.iter().map(String::as_str)
    }
}

/// Reads the members of the groups that matter: each with its place among all.
pub(super) async fn members(
    reach: &Reach,
    all: &[Group],
    wanted: &(dyn Fn(&Group) -> bool + Sync),
    progress: &dyn Progress,
) -> Result<Vec<(usize, Members)>, SourceError> {
    let groups: Vec<(usize, &Group)> = all.iter().enumerate().filter(|(_, group)| wanted(group)).collect();
    progress.stage("reading groups", Some(groups.len() as u64));
    let read = |(at, group)| {
        async move {
            let members = of_one(reach, group).await;
            progress.advance(1);
            (at, group, members)
        }
        .boxed()
    };
    let mut spared = Spared::of(groups.len());
    let asked: Vec<BoxFuture<'_, _>> = groups.into_iter().map(read).collect();
    let mut answers = stream::iter(asked).buffered(reach.manner.at_once.max(1));
    let mut all = Vec::new();
    let (mut read_one, mut blocked) = (None, Vec::new());
    while let Some((at, group, members)) = answers.next().await {
        match members {
            // JumpCloud answers 403 both for a missing right and to an address that asks too fast: which it is, the other groups tell.
            Err(SourceError::Throttled(why)) if blocked.len() < BLOCKED_ALONE => blocked.push((at, group, why)),
            members => {
                let is_read = matches!(members, Ok(Members::Read(_)));
                all.push((at, spared.take(&group.name, members)?.unwrap_or_else(Members::Unread)));
                read_one = read_one.or(is_read.then_some(group));
            }
        }
    }
    drop(answers);
    for (at, group, why) in blocked {
        // A group that was read is asked for once more: where that is answered, nothing is throttled.
        let is_alone = match read_one {
            Some(other) => of_one(reach, other).await.is_ok(),
            None => false,
        };
        if !is_alone {
            return Err(SourceError::Throttled(format!("the members of group {:?}: {why}", group.name)));
        }
        let refused = Err(SourceError::Forbidden(why));
        all.push((at, spared.take(&group.name, refused)?.unwrap_or_else(Members::Unread)));
    }
    all.sort_by_key(|(at, _)| *at);
    spared.done()?;
    Ok(all)
}

async fn of_one(reach: &Reach, group: &Group) -> Result<Members, SourceError> {
    let question = Question::get("groups", ["v2", "usergroups", group.id.as_str(), "members"]);
    let what = format!("members of group {:?} ({})", group.name, group.id);
    match edges(reach, question, what).await {
        Ok(ids) => Ok(Members::Read(ids)),
        // The settings were right a moment ago: the group is gone since the list was read.
        Err(SourceError::Settings(_)) => Ok(Members::Unread("it was deleted while it was read".to_owned())),
        Err(error) => Err(error),
    }
}

/// One end of a graph connection.
pub(super) struct Edge(String);

impl Row for Edge {
    fn id(&self) -> &str {
        &self.0
    }

    fn made(&self) -> Option<Timestamp> {
        None
    }
}

fn edge(_: &Reach, record: Map<String, Value>) -> Result<Edge, SourceError> {
    let id = record.get("to").and_then(|to| to.get("id")).and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(|id| Edge(id.to_owned()))
        .ok_or_else(|| SourceError::Malformed("a graph connection without `to.id`".to_owned()))
}

/// The ids at the other ends of graph connections. They do not say when they were made, so pages are chained.
pub(super) async fn edges(reach: &Reach, question: Question, what: String) -> Result<Vec<String>, SourceError> {
    let pages = List { reach, question, what, row: edge };
    let mut ids: Vec<String> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut take = |edge: Edge| {
        let is_new = known.insert(edge.0.clone());
        if is_new {
            ids.push(edge.0);
        }
        is_new
    };
    paging::read_chained(&pages, reach.manner, &mut take).await?;
    Ok(ids)
}

/// Hands groups and members over to a reading that has everybody.
pub(super) fn hand_over(
    all: &[Group],
    bound: &dyn Fn(&str) -> bool,
    members: Vec<(usize, Members)>,
    reading: &mut Reading,
) {
    let list = reading.open_list("groups");
    let mut members = members.into_iter().peekable();
    for (at, group) in all.iter().enumerate() {
        let Group { id, name, record, flags } = group;
        let ix = reading.group(GroupEntry { id, name, record, assigned: bound(id) });
        if let Some((_, members)) = members.next_if(|(of, _)| *of == at) {
            match &members {
                Members::Read(ids) => drop(reading.members(ix, ids)),
                Members::Unread(why) => reading.members_unread(ix, why.as_str()),
            }
            if let Some(flags) = flags {
                let why = format!("JumpCloud reports an error in the rule that fills it ({flags})");
                reading.members_unread(ix, why);
            }
        }
    }
    let received = all.len() as u64;
    reading.received(list, received);
    reading.close_list(list, Some(received));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_in_error_shows_whatever_the_shape() {
        assert_eq!(flags(&json!(["CYCLE", "INVALID_GROUP_REFERENCE"])).unwrap(), "CYCLE, INVALID_GROUP_REFERENCE");
        assert_eq!(flags(&json!({"CYCLE": true, "OTHER": false})).unwrap(), "CYCLE");
        assert_eq!(flags(&json!("CYCLE")).unwrap(), "CYCLE");
        for none in [json!([]), json!(null), json!({}), json!(""), json!({"CYCLE": false}), json!([""])] {
            assert_eq!(flags(&none), None, "{none}");
        }
    }
}
