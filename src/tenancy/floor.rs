//! What no tenant file can loosen. In: `[floor]` of `rosterd.toml`, a tenant file. Out: the stricter of both; a diagnostic at each key
//! of the tenant file that is looser.
//!
//! Keys are compared by name, as both files write them, so that a key of the guard needs no code here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::global::FloorTable;
use crate::config::tenant::TenantFile;
use crate::guard::settings::{asks_for_less, fields, limit_is_looser, shown, stricter_limit, table};

/// The floors, each with its place in `rosterd.toml`.
#[derive(Debug, Clone, Default)]
pub struct Floor {
    guard: BTreeMap<String, Value>,
    approval: BTreeMap<String, Value>,
    places: BTreeMap<(&'static str, String), String>,
}

/// The rules of one table.
struct TableRules<'a> {
    name: &'static str,
    floors: &'a BTreeMap<String, Value>,
    is_looser: fn(&str, &Value, &Value) -> bool,
    stricter: fn(&Value, &Value) -> Value,
}

impl Floor {
    /// The floors of a file, and where each is in it.
    pub(super) fn new(document: &Document<'_>, file: &FloorTable) -> Self {
        let (guard, approval) = (fields(&file.guard), fields(&file.approval));
        let keys = guard.keys().map(|key| ("guard", key)).chain(approval.keys().map(|key| ("approval", key)));
        let place = |(name, key): (&'static str, &String)| {
            ((name, key.clone()), document.warning(&["floor", name, key], "", "").location())
        };
        let places = keys.map(place).collect();
        Self { guard, approval, places }
    }

    /// Raises what a tenant file leaves out, and tells what it loosens.
    pub(super) fn apply(&self, document: &Document<'_>, file: &mut TenantFile, found: &mut Vec<Diagnostic>) {
        let guard =
            TableRules { name: "guard", floors: &self.guard, is_looser: limit_is_looser, stricter: stricter_limit };
        let approval = TableRules {
            name: "approval",
            floors: &self.approval,
            is_looser: |_, one, other| asks_for_less(one, other),
            stricter: |_, floor| floor.clone(),
        };
        let raised = self.raise(&guard, document, fields(&file.guard), found);
        file.guard = table(&raised, &file.guard);
        let raised = self.raise(&approval, document, fields(&file.approval), found);
        file.approval = table(&raised, &file.approval);
    }

    fn raise(
        &self,
        rules: &TableRules<'_>,
        document: &Document<'_>,
        mut values: BTreeMap<String, Value>,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, Value> {
        for (key, floor) in rules.floors {
            let Some(value) = values.get_mut(key).filter(|value| (rules.is_looser)(key, value, floor)) else {
                continue;
            };
            let path = [rules.name, key.as_str()];
            if document.get(&path).is_some() {
                let place = self.places.get(&(rules.name, key.clone())).cloned().unwrap_or_default();
                let (is, least) = (shown(value), shown(floor));
                let mut one = document.error(
                    &path,
                    format!("`{key} = {is}` is looser than the floor `{least}` at {place}"),
                    "a tenant file may be stricter than `[floor]` of rosterd.toml, not looser: write a stricter value, or leave the key out",
                );
                one.notes.push(format!("the floor is at {place}"));
                found.push(one);
            }
            *value = (rules.stricter)(value, floor);
        }
        values
    }
}
