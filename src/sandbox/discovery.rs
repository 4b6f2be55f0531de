//! What the app says of itself: `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 §4).
//!
//! In: the schema definitions and the limits in force. Out: JSON. Generated, so that it stays true.

use serde_json::{Value, json};

use crate::schema::discovery::{RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG};
use crate::schema::{ResourceType, Schema};

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
    ResourceType::ALL.iter().map(|kind| (kind.name(), resource_type(base, *kind))).collect()
}

fn resource_type(base: &str, kind: ResourceType) -> Value {
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
        ResourceType::ALL.iter().flat_map(|kind| std::iter::once(kind.core()).chain(kind.extensions().iter().copied()));
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
        "attributes": definition.attributes.iter().filter(|attribute| super::keeps(attribute)).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", definition.urn) },
    })
}
