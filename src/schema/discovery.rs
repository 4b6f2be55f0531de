//! The schemas of the three discovery resources, as data (RFC 7643 §5 to §7, §8.7.2).

use super::{Attribute, Schema, Type};

const fn string(name: &'static str, description: &'static str) -> Attribute {
    Attribute::string(name, description).read_only()
}

const fn boolean(name: &'static str, description: &'static str) -> Attribute {
    Attribute::new(Type::Boolean, name, description).read_only()
}

const fn integer(name: &'static str, description: &'static str) -> Attribute {
    Attribute::new(Type::Integer, name, description).read_only()
}

const fn address(name: &'static str, description: &'static str) -> Attribute {
    Attribute::reference(name, description, &["external"]).read_only()
}

const fn urn(name: &'static str, description: &'static str) -> Attribute {
    Attribute::reference(name, description, &["uri"]).read_only()
}

const fn option(name: &'static str, description: &'static str, subs: &'static [Attribute]) -> Attribute {
    Attribute::complex(name, description, subs).read_only().required()
}

const SUPPORTED: Attribute = boolean("supported", "Whether it is supported.").required();

/// `ServiceProviderConfig` (RFC 7643 §5).
pub static SERVICE_PROVIDER_CONFIG: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
    name: "ServiceProviderConfig",
    description: "What this server can do",
    attributes: &[
        address("documentationUri", "Where help is found."),
        option("patch", "PATCH.", &[SUPPORTED]),
        option(
            "bulk",
            "Bulk operations.",
            &[
                SUPPORTED,
                integer("maxOperations", "The most operations of one request.").required(),
                integer("maxPayloadSize", "The largest request, in bytes.").required(),
            ],
        ),
        option(
            "filter",
            "Filters.",
            &[SUPPORTED, integer("maxResults", "The most resources of one answer.").required()],
        ),
        option("changePassword", "Changing a password.", &[SUPPORTED]),
        option("sort", "Sorting.", &[SUPPORTED]),
        option("etag", "ETags.", &[SUPPORTED]),
        option(
            "authenticationSchemes",
            "How a client authenticates.",
            &[
                string("type", "The scheme.").required().canonical(&[
                    "oauth",
                    "oauth2",
                    "oauthbearertoken",
                    "httpbasic",
                    "httpdigest",
                ]),
                string("name", "The name of the scheme.").required(),
                string("description", "What the scheme is.").required(),
                address("specUri", "The specification of the scheme."),
                address("documentationUri", "Where help is found."),
                boolean("primary", "Whether this is the preferred scheme."),
            ],
        )
        .multi(),
    ],
};

/// `ResourceType` (RFC 7643 §6).
pub static RESOURCE_TYPE: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
    name: "ResourceType",
    description: "A kind of resource",
    attributes: &[
        string("name", "The name of the resource type.").required(),
        string("description", "What the resource type is."),
        urn("endpoint", "The endpoint, relative to the base URL.").required(),
        urn("schema", "The URN of the core schema.").required(),
        Attribute::complex(
            "schemaExtensions",
            "The extensions of the resource type.",
            &[
                urn("schema", "The URN of the extension.").required(),
                boolean("required", "Whether a resource must have it.").required(),
            ],
        )
        .multi()
        .read_only(),
    ],
};

/// `Schema` (RFC 7643 §7).
pub static SCHEMA: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Schema",
    name: "Schema",
    description: "The definition of a schema",
    attributes: &[
        string("name", "The name of the schema."),
        string("description", "What the schema is for."),
        Attribute::complex("attributes", "The attributes of the schema.", ATTRIBUTE).multi().required().read_only(),
    ],
};

const ATTRIBUTE: &[Attribute] = &[
    NAME,
    TYPE,
    MULTI_VALUED,
    DESCRIPTION,
    REQUIRED,
    CANONICAL_VALUES,
    CASE_EXACT,
    MUTABILITY,
    RETURNED,
    UNIQUENESS,
    REFERENCE_TYPES,
    Attribute::complex("subAttributes", "The sub-attributes of a complex attribute.", SUB_ATTRIBUTE)
        .multi()
        .read_only(),
];

const SUB_ATTRIBUTE: &[Attribute] = &[
    NAME,
    TYPE,
    MULTI_VALUED,
    DESCRIPTION,
    REQUIRED,
    CANONICAL_VALUES,
    CASE_EXACT,
    MUTABILITY,
    RETURNED,
    UNIQUENESS,
    REFERENCE_TYPES,
];

const NAME: Attribute = string("name", "The name of the attribute.").exact().required();
const TYPE: Attribute = string("type", "The type of the attribute.").required().canonical(&[
    "string",
    "complex",
    "boolean",
    "decimal",
    "integer",
    "dateTime",
    "reference",
    "binary",
]);
const MULTI_VALUED: Attribute = boolean("multiValued", "Whether there can be several values.").required();
const DESCRIPTION: Attribute = string("description", "What the attribute is.").exact();
const REQUIRED: Attribute = boolean("required", "Whether a resource must have it.");
const CANONICAL_VALUES: Attribute = string("canonicalValues", "Suggested values.").exact().multi();
const CASE_EXACT: Attribute = boolean("caseExact", "Whether case counts when values are compared.");
const MUTABILITY: Attribute =
    string("mutability", "Who may change it.").exact().canonical(&["readOnly", "readWrite", "immutable", "writeOnly"]);
const RETURNED: Attribute =
    string("returned", "When it is returned.").exact().canonical(&["always", "never", "default", "request"]);
const UNIQUENESS: Attribute =
    string("uniqueness", "Where its value is unique.").exact().canonical(&["none", "server", "global"]);
const REFERENCE_TYPES: Attribute = string("referenceTypes", "What a reference points to.").exact().multi();
