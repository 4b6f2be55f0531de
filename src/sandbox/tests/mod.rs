//! What the embedded app promises: tables over its parts, and calls over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod filtering;
mod http;
mod misbehaving;
mod patching;
mod patching_property;
mod storing;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::app::{Personality, SandboxApp};
use super::fault::ScimFault;
use super::misbehave::{Misbehave, Mischief};
use super::query::Query;
use super::store::SandboxState;
use crate::clock::Clock;
use crate::schema::ResourceType;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A clock that moves one second at every look.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

/// An app without a server around it.
fn app_with(misbehave: Vec<Misbehave>, change: impl FnOnce(&mut Personality)) -> SandboxApp {
    let unique = !misbehave.contains(&Misbehave::Duplicates);
    let mut personality = Personality {
        page_size_max: 200,
        immutable: Vec::new(),
        inactive_deletes: false,
        delete_deactivates: false,
        default_role: None,
        roles: Vec::new(),
        foreign: Vec::new(),
    };
    change(&mut personality);
    SandboxApp {
        base: "http://127.0.0.1:1/scim/v2".to_owned(),
        personality,
        mischief: Mischief::new(misbehave),
        clock: Arc::new(Ticking::default()),
        state: RwLock::new(SandboxState::new(unique, unique)),
    }
}

fn app() -> SandboxApp {
    app_with(Vec::new(), |_| {})
}

fn query(text: &str) -> Query {
    Query::parse(Some(text)).unwrap()
}

/// Percent-encodes a filter into a query.
fn by_filter(filter: &str) -> Result<Query, ScimFault> {
    let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    Query::parse(Some(&format!("filter={encoded}")))
}

/// A user body: the name, and whatever else.
fn user(name: &str, more: Value) -> Value {
    let mut body = json!({ "schemas": [USER], "userName": name });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": [GROUP], "displayName": name, "members": members })
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

fn create(app: &SandboxApp, kind: ResourceType, body: &Value) -> Result<Value, ScimFault> {
    app.create(kind, &query(""), body).map(|(value, _)| value)
}

/// Makes a resource that must be accepted and answers its id.
fn made(app: &SandboxApp, kind: ResourceType, body: &Value) -> String {
    id_of(&create(app, kind, body).unwrap())
}

fn get(app: &SandboxApp, kind: ResourceType, id: &str) -> Value {
    app.get(kind, id, &query("")).unwrap()
}

/// A PATCH body.
fn ops(operations: Value) -> Value {
    json!({ "schemas": [PATCH], "Operations": operations })
}

fn patch(app: &SandboxApp, kind: ResourceType, id: &str, operations: Value) -> Result<Value, ScimFault> {
    app.patch(kind, id, &query(""), &ops(operations))?;
    Ok(get(app, kind, id))
}

/// The `scimType` of a refusal, or its status where it has none.
fn refusal<T: std::fmt::Debug>(result: Result<T, ScimFault>) -> String {
    let fault = result.expect_err("this is refused");
    fault.scim_type.map_or_else(|| fault.status.as_u16().to_string(), str::to_owned)
}
