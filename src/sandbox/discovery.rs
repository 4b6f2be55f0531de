//! What the app says of itself: `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 §4).
//!
//! In: the schema definitions and the limits in force. Out: JSON. Generated, so that it stays true.

use serde_json::{Map, Value, json};

use super::catalog_meta::{RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG};
use super::schema::{Attr, Kind, Schema, Type};

/// `/ServiceProviderConfig`. `max_results` is the largest page.
pub(super) fn service_provider_config(base: &str, max_results: usize, bearer: bool) -> Value {
    let no = json!({ "supported": false });
    let schemes = if bearer {
        json!([{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "The bearer token this server was started with",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }])
    } else {
        json!([])
    };
    json!({
        "schemas": [SERVICE_PROVIDER_CONFIG.urn],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": max_results },
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": schemes,
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}

/// The resource types, each with the name it is asked for by.
pub(super) fn resource_types(base: &str) -> Vec<(&'static str, Value)> {
    Kind::ALL.iter().map(|kind| (kind.name(), resource_type(base, *kind))).collect()
}

fn resource_type(base: &str, kind: Kind) -> Value {
    let extensions: Vec<Value> =
        kind.extensions().iter().map(|extension| json!({ "schema": extension.urn, "required": false })).collect();
    json!({
        "schemas": [RESOURCE_TYPE.urn],
        "id": kind.name(),
        "name": kind.name(),
        "description": kind.core().description,
        "endpoint": format!("/{}", kind.endpoint()),
        "schema": kind.core().urn,
        "schemaExtensions": extensions,
        "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name()) },
    })
}

/// The schemas, each with the URN it is asked for by.
pub(super) fn schemas(base: &str) -> Vec<(&'static str, Value)> {
    let resources =
        Kind::ALL.iter().flat_map(|kind| std::iter::once(kind.core()).chain(kind.extensions().iter().copied()));
    resources
        .chain([&SERVICE_PROVIDER_CONFIG, &RESOURCE_TYPE, &SCHEMA])
        .map(|definition| (definition.urn, schema(base, definition)))
        .collect()
}

fn schema(base: &str, definition: &Schema) -> Value {
    json!({
        "schemas": [SCHEMA.urn],
        "id": definition.urn,
        "name": definition.name,
        "description": definition.description,
        "attributes": definition.attrs.iter().map(attribute).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", definition.urn) },
    })
}

fn attribute(attr: &Attr) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| {
        map.insert(name.to_owned(), value);
    };
    put("name", attr.name.into());
    put("type", attr.ty.name().into());
    put("multiValued", attr.multi.into());
    put("description", attr.description.into());
    put("required", attr.required.into());
    put("mutability", attr.mutability.name().into());
    put("returned", if attr.always { "always" } else { "default" }.into());
    if matches!(attr.ty, Type::String | Type::Reference | Type::Binary) {
        put("caseExact", attr.case_exact.into());
    }
    if attr.ty != Type::Complex && attr.ty != Type::Boolean {
        put("uniqueness", if attr.unique { "server" } else { "none" }.into());
    }
    if !attr.refs.is_empty() {
        put("referenceTypes", attr.refs.into());
    }
    if !attr.canonical.is_empty() {
        put("canonicalValues", attr.canonical.into());
    }
    if !attr.subs.is_empty() {
        put("subAttributes", attr.subs.iter().map(attribute).collect());
    }
    Value::Object(map)
}
