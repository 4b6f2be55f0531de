//! What some apps do about the members of groups: how many they take in one call, and whether a new group may come with any.
//!
//! In: the JSON of a call about a group. Out: the JSON as the app takes it, or a refusal. It knows nothing of what is stored.

use std::borrow::Cow;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::admit::key;
use super::fault::ScimFault;
use super::misbehave::{Misbehave, Mischief};

/// The most members in one call of an app that takes few.
pub(super) const FEW: usize = 20;

impl Mischief {
    /// A new group, as the app takes it.
    pub(super) fn new_group<'b>(&self, body: &'b Value) -> Result<Cow<'b, Value>, ScimFault> {
        let members = body.as_object().map_or(0, members_in);
        if members == 0 && self.has(Misbehave::NoEmptyGroups) {
            return Err(ScimFault::value("a group needs a member"));
        }
        if members > 0 && self.has(Misbehave::NoFirstMembers) {
            return Err(ScimFault::value("a new group can't have members; add them afterwards"));
        }
        self.are_few(members)?;
        let mut body = Cow::Borrowed(body);
        if self.has(Misbehave::LateMembers)
            && let Some(map) = body.to_mut().as_object_mut()
        {
            map.retain(|name, _| !name.eq_ignore_ascii_case("members"));
        }
        Ok(body)
    }

    /// Whether a PUT or PATCH of a group has no more members than the app takes.
    pub(super) fn changed_group(&self, body: &Value) -> Result<(), ScimFault> {
        let Some(body) = body.as_object() else { return Ok(()) };
        let operations = key(body, "Operations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let in_operation = |operation: &Value| {
            let Some(operation) = operation.as_object() else { return 0 };
            let value = key(operation, "value");
            match key(operation, "path").and_then(Value::as_str) {
                Some(path) if path.to_ascii_lowercase().starts_with("members") => count(value),
                Some(_) => 0,
                None => value.and_then(Value::as_object).map_or(0, members_in),
            }
        };
        self.are_few(members_in(body) + operations.iter().map(in_operation).sum::<usize>())
    }

    fn are_few(&self, members: usize) -> Result<(), ScimFault> {
        let detail = format!("{members} members in one call; at most {FEW} are taken here");
        match members > FEW {
            true if self.has(Misbehave::FewMembers) => Err(ScimFault::value(detail)),
            true if self.has(Misbehave::SmallBodies) => Err(ScimFault::plain(StatusCode::PAYLOAD_TOO_LARGE, detail)),
            _ => Ok(()),
        }
    }
}

fn members_in(body: &Map<String, Value>) -> usize {
    key(body, "members").map_or(0, |members| count(Some(members)))
}

/// How many members a value names; a path alone names one.
fn count(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Array(members)) => members.len(),
        Some(Value::Null) => 0,
        Some(_) | None => 1,
    }
}
