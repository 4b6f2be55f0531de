//! Every key of every file as one page of documentation. In: the schemas of our own types. Out: Markdown.
//!
//! `docs/configuration.md` is this text; a test keeps it so.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::profiles;
use super::schema::{self, SchemaKind};

/// The whole page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Every key of every file\n\nMade from the types that read the files (`rosterd schema reference`). Relative paths are relative to the \
         file they stand in. An unknown key is an error that names the nearest known one. Secrets are never written in these files.\n",
    );
    for kind in SchemaKind::ALL {
        let title = match kind {
            SchemaKind::Tenant => "A tenant: `tenants/<name>.toml`",
            SchemaKind::Config => "`rosterd.toml`",
            SchemaKind::Profile => "A profile: how one app speaks SCIM",
        };
        let _infallible = write!(page, "\n## {title}\n");
        if kind == SchemaKind::Profile {
            let shipped: Vec<String> = profiles::names().map(|name| format!("`{name}`")).collect();
            let _infallible = write!(
                page,
                "\nShipped: {}. `target.profile` names one of them, or the path of an app's folder or of a profile in a single file; a tenant \
                 overrides single keys under `[target.override_profile.<table>]`.\n",
                shipped.join(", ")
            );
            for folder in profiles::names().filter_map(profiles::shipped) {
                let _infallible =
                    write!(page, "\n**`{}`**: {}\n", folder.name, folder.notes().unwrap_or_default().trim());
            }
        }
        let root = schema::of(kind);
        table(root, root, "", &mut page);
    }
    page
}

/// One table of keys, then the tables inside it.
fn table(root: &Json, node: &Json, path: &str, page: &mut String) {
    let Some(properties) = node.get("properties").and_then(Json::as_object) else { return };
    let required: Vec<&str> =
        node.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let mut inner = Vec::new();
    let mut rows = String::new();
    for (name, property) in properties {
        let target = resolve(root, property);
        if target.get("properties").is_some() && name != "override_profile" && !is_secret(target) {
            inner.push((name.clone(), target));
            continue;
        }
        // Tables by names of the operator's own.
        let named = target.get("additionalProperties").map(|each| resolve(root, each));
        inner.extend(named.filter(|each| each.get("properties").is_some()).map(|each| (format!("{name}.\"…\""), each)));
        let needed = if required.contains(&name.as_str()) { "required".to_owned() } else { default(property, target) };
        let _infallible =
            writeln!(rows, "| `{name}` | {} | {needed} | {} |", kind_of(root, target), text(property, target));
    }
    if !rows.is_empty() {
        if !path.is_empty() {
            let _infallible = write!(page, "\n### `[{path}]`\n");
        }
        let _infallible = write!(page, "\n| key | value | if left out | meaning |\n|---|---|---|---|\n{rows}");
    }
    for (name, target) in inner {
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        table(root, target, &path, page);
    }
}

/// Follows `$ref`, and the one real branch of an optional value.
fn resolve<'s>(root: &'s Json, node: &'s Json) -> &'s Json {
    if let Some(name) = node.get("$ref").and_then(Json::as_str).and_then(|at| at.strip_prefix("#/$defs/")) {
        return root.get("$defs").and_then(|all| all.get(name)).map_or(node, |found| resolve(root, found));
    }
    let branches = node.get("anyOf").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    match branches {
        [one, other] if is_null(other) => resolve(root, one),
        _ => node,
    }
}

fn is_null(node: &Json) -> bool {
    node.get("type").and_then(Json::as_str) == Some("null")
}

fn is_secret(node: &Json) -> bool {
    node.get("properties").is_some_and(|keys| keys.get("credential").is_some())
}

fn text(property: &Json, target: &Json) -> String {
    let own = property.get("description").or(target.get("description")).and_then(Json::as_str).unwrap_or_default();
    cell(&own.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn default(property: &Json, target: &Json) -> String {
    match property.get("default").or(target.get("default")) {
        None | Some(Json::Null) => String::new(),
        Some(value) => format!("`{}`", cell(&value.to_string())),
    }
}

/// What kind of value, in a few words.
fn kind_of(root: &Json, node: &Json) -> String {
    if is_secret(node) {
        return "`{ credential = … }`, `{ file = … }`, `{ env = … }` or `{ command = […] }`".to_owned();
    }
    let literals = literals(node);
    if !literals.is_empty() {
        return literals.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(branches) = node.get("anyOf").and_then(Json::as_array) {
        let kinds: Vec<String> =
            branches.iter().filter(|one| !is_null(one)).map(|one| kind_of(root, resolve(root, one))).collect();
        return kinds.join(" or ");
    }
    let plain = |name: &str| {
        match name {
            "string" => "text",
            "integer" => "whole number",
            "number" => "number",
            "boolean" => "`true`, `false`",
            "array" => "list",
            "object" => "table",
            other => return other.to_owned(),
        }
        .to_owned()
    };
    match node.get("type") {
        Some(Json::String(name)) => plain(name),
        Some(Json::Array(names)) => {
            let names = names.iter().filter_map(Json::as_str).filter(|name| *name != "null");
            names.map(plain).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

/// The words a value is one of.
fn literals(node: &Json) -> Vec<&str> {
    if let Some(words) = node.get("enum").and_then(Json::as_array) {
        return words.iter().filter_map(Json::as_str).collect();
    }
    let branches = node.get("oneOf").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    branches
        .iter()
        .flat_map(|one| {
            let constant = one.get("const").and_then(Json::as_str);
            let listed = one.get("enum").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
            constant.into_iter().chain(listed)
        })
        .collect()
}
