//! What the answer to a change shows. In: the body of an answer. Out: [`Shown`], which says nothing where the answer says nothing.
//!
//! Whether it contradicts the change is not decided here.

use serde_json::Value;

use super::client::App;
use super::json::{self, JsonObject};
use super::{Shown, ShownMembers};
use crate::model::{AppId, Attributes, Path, digest};

/// Names under which apps say how many members a group has, beside the members that they show.
const COUNTS: [&str; 5] = ["totalResults", "totalMembers", "memberCount", "membersCount", "members_count"];

impl App {
    /// What an answer shows of an account, at the paths that were changed.
    pub(super) fn shown_user(&self, body: Option<&JsonObject>, set: &Attributes, clear: &[Path]) -> Shown {
        let Some(body) = body else { return Shown::default() };
        let left = digest::bounded(self.wire.read_all(body, clear));
        let attributes = self.echo(Some(body), set).into_iter().chain(left).collect();
        Shown { attributes, active: json::flag(body, "active"), ..Shown::default() }
    }

    /// What an answer shows of a group; nothing if it is about another one.
    pub(super) fn shown_group(&self, body: Option<&JsonObject>, id: &AppId) -> Shown {
        let is_other = |body: &&JsonObject| json::text(body, "id").is_some_and(|given| given != id.as_str());
        let Some(body) = body.filter(|body| !is_other(body)) else { return Shown::default() };
        let speaks = self.profile.read.members_readable && json::get(body, "members").is_some();
        let members = speaks.then(|| ShownMembers { values: member_values(body), is_cut: is_cut(body) });
        Shown { display_name: json::text(body, "displayName"), members, ..Shown::default() }
    }
}

/// Whether a group says that it has more members than it shows.
pub(super) fn is_cut(group: &JsonObject) -> bool {
    let shown = json::elements(group, "members").len() as u64;
    let more = |name: &&str| json::count(group, name).is_some_and(|count| count > shown);
    let goes_on = |(name, value): (&String, &Value)| {
        let name = name.to_ascii_lowercase();
        !value.is_null() && (name == "nextcursor" || name.ends_with("nextlink") || name == "itemsperpage")
    };
    COUNTS.iter().any(more) || group.iter().any(goes_on)
}

/// The id at the end of a member's `$ref`.
pub(super) fn id_in_ref(member: &JsonObject) -> Option<String> {
    let target = json::text(member, "$ref")?;
    let path = target.split(['?', '#']).next()?.trim_end_matches('/');
    let last = path.rsplit('/').next().filter(|last| !last.is_empty())?;
    percent_encoding::percent_decode_str(last).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The values of a group's members, in every form in which apps write them.
pub(super) fn member_values(group: &JsonObject) -> Vec<String> {
    json::elements(group, "members").iter().filter_map(member_value).collect()
}

/// What identifies a member: its `value`, or the id at the end of its `$ref`.
pub(super) fn member_value(member: &Value) -> Option<String> {
    let of_object = |member: &JsonObject| json::text(member, "value").or_else(|| id_in_ref(member));
    member.as_object().map_or_else(|| json::as_text(member), of_object)
}
