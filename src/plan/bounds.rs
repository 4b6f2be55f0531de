//! What a mapping made of a record, held against the longest that is sent. In: attributes. Out: which of them is too long, in words.

use serde_json::Value;

use super::rules::TenantRules;
use crate::model::bounds::{LONGEST_NAME, LONGEST_VALUE};
use crate::model::{Attributes, Path};

/// Which value is too long, in words.
pub(super) fn too_long(attributes: &Attributes, rules: &TenantRules<'_>) -> Option<String> {
    attributes.iter().find_map(|(path, value)| {
        let most = if is_name(path, rules) { LONGEST_NAME } else { LONGEST_VALUE };
        let bytes = size(value);
        (bytes > most)
            .then(|| format!("{path} has {bytes} bytes, and at most {most} are sent; correct it in the directory"))
    })
}

fn is_name(path: &Path, rules: &TenantRules<'_>) -> bool {
    let matched = || rules.profile.read.user_match.iter().any(|name| Path::parse(name).is_ok_and(|by| by == *path));
    *path == Path::user_name() || *path == Path::external_id() || matched()
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        other => other.to_string().len(),
    }
}
