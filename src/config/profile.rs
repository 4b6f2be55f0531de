//! How one app differs from RFC 7643 and 7644: the wire as data (design decision 9).
//!
//! In: a profile file (`config/profiles/<app>/profile.toml`, shipped inside the binary, or the operator's own) and a tenant's overrides.
//! Out: a [`Profile`] with every knob set. The defaults are those of the SCIM interoperability profile: PATCH only, one
//! operation per attribute path, lower-case operations, filters with `eq` and `and` only, at most 50 members a PATCH.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod groups;
mod rate;

pub use groups::{GroupRename, GroupSupport, GroupWire, MemberRemove, MemberValue};
pub use rate::{BucketConfig, RateSetting};

use super::attributes::AttributeSettings;
use super::forms::{Period, Rate};

/// A profile: every key with its default. Unknown keys are errors.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// The app's name, for people.
    pub name: String,
    /// What an operator should know about this app, a line each.
    pub notes: Vec<String>,
    /// How requests look.
    pub transport: Transport,
    /// How fast, and how failures are repeated.
    pub pace: Pace,
    /// How objects are found and read.
    pub read: ReadSettings,
    /// How people are written.
    pub users: UserWire,
    /// How groups and memberships are written.
    pub groups: GroupWire,
    /// What is particular about single attributes of a user, each in a table of its own: `[attributes."emails"]`. Where nothing else is said, `userName`
    /// is required, `role`, `roles` and `entitlements` grant access, and `role` is written as a list at `roles`.
    pub attributes: AttributeSettings,
}

/// A tenant's differences from its profile: the same tables, any subset of the keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct ProfileOverrides(
    /// Merged over the profile's own tables before the profile is read.
    pub toml::Table,
);

impl JsonSchema for ProfileOverrides {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProfileOverrides".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Every key of a profile has a default, so a profile's schema describes any part of one.
        generator.subschema_for::<Profile>()
    }
}

/// Requests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// The path of the Users endpoint below the base URL.
    #[schemars(length(min = 1))]
    pub users_path: String,
    /// The path of the Groups endpoint below the base URL.
    #[schemars(length(min = 1))]
    pub groups_path: String,
    /// The path of ServiceProviderConfig (RFC 7644 §4); some apps use the plural.
    #[schemars(length(min = 1))]
    pub spc_path: String,
    /// Whether to ask for ServiceProviderConfig at all.
    pub discovery: bool,
    /// Whether collection URLs end in a slash.
    pub trailing_slash: bool,
    /// The header that carries the token.
    #[schemars(length(min = 1))]
    pub auth_header: String,
    /// The header's value; `{token}` stands for the token.
    #[schemars(length(min = 1))]
    pub auth_template: String,
    /// `Content-Type` of requests with a body (RFC 7644 §3.8).
    #[schemars(length(min = 1))]
    pub content_type: String,
    /// `Accept` of every request.
    #[schemars(length(min = 1))]
    pub accept: String,
    /// `User-Agent`; empty for `rosterd/<version>`. Some apps refuse requests without one.
    pub user_agent: String,
    /// Further headers, sent with every request. Never secrets.
    pub extra_headers: BTreeMap<String, String>,
    /// Seconds until a connection must stand.
    #[schemars(range(min = 1, max = 600))]
    pub connect_timeout_secs: u64,
    /// Seconds for a whole request, body included.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_secs: u64,
    /// The largest response body that is read, in bytes.
    #[schemars(range(min = 65536, max = 1073741824))]
    pub max_response_bytes: usize,
    /// The largest answer about a single user that is read, in bytes (256 KiB). Lists and groups have `max_response_bytes`.
    #[schemars(range(min = 16384, max = 1073741824))]
    pub max_user_response_bytes: usize,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            users_path: "/Users".into(),
            groups_path: "/Groups".into(),
            spc_path: "/ServiceProviderConfig".into(),
            discovery: true,
            trailing_slash: false,
            auth_header: "Authorization".into(),
            auth_template: "Bearer {token}".into(),
            content_type: "application/scim+json".into(),
            accept: "application/scim+json, application/json".into(),
            user_agent: String::new(),
            extra_headers: BTreeMap::new(),
            connect_timeout_secs: 10,
            timeout_secs: 60,
            max_response_bytes: 8 << 20,
            max_user_response_bytes: 256 << 10,
        }
    }
}

/// Speed and repetition.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// Token buckets; all that match a call apply to it.
    pub rate: RateSetting,
    /// At most this many requests at once (and always one per object).
    #[schemars(range(min = 1, max = 64))]
    pub in_flight: u32,
    /// How often a call is tried in all.
    #[schemars(range(min = 1, max = 20))]
    pub attempts: u32,
    /// Milliseconds before the first repetition; doubled each time, with full jitter.
    #[schemars(range(min = 1, max = 3600000))]
    pub backoff_base_ms: u64,
    /// The longest pause between two tries, in milliseconds; also the longest `Retry-After` that is waited for.
    #[schemars(range(min = 1, max = 3600000))]
    pub backoff_cap_ms: u64,
    /// For so many objects in a row the app may fail, not answer or refuse in the same way (403, 405, 501) before their kind of change is left
    /// for the next run; other kinds go on, and what takes access as long as the app carries out anything.
    #[schemars(range(min = 1, max = 1000000))]
    pub breaker_failures: u32,
}

const TEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

impl Default for Pace {
    fn default() -> Self {
        Self {
            rate: Rate::per_second(TEN).into(),
            in_flight: 4,
            attempts: 5,
            backoff_base_ms: 500,
            backoff_cap_ms: 300_000,
            breaker_failures: 20,
        }
    }
}

/// How lists are paged (RFC 7644 §3.4.2.4, RFC 9865).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingStyle {
    /// `startIndex` and `count`, switching to cursors when the app sends one.
    Auto,
    /// `startIndex` and `count`.
    Index,
    /// A cursor, asked for with an empty `cursor` parameter.
    Cursor,
    /// The app returns everything at once and does not understand paging parameters.
    None,
}

/// How unlinked objects are looked for in the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LookUp {
    /// By filter for a few, by listing everything for many: whichever takes fewer calls.
    Auto,
    /// Always by filter.
    Filter,
    /// Always by listing (for apps whose filters can't be relied on).
    List,
}

/// Attribute paths, at least one.
pub(super) fn attribute_list(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "array", "items": { "type": "string", "format": "scim-attribute" }, "minItems": 1 })
}

/// Whether an existing account that matches by name may be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adopt {
    /// Only if its `externalId` is empty or ours: another value says that another directory record owns it.
    IfUnowned,
    /// Also if its `externalId` is another one, which is then replaced: for moving over from another provisioning system.
    Always,
}

/// Finding and reading.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReadSettings {
    /// By which attributes people are matched, in this order.
    #[schemars(schema_with = "attribute_list")]
    pub user_match: Vec<String>,
    /// By which attributes groups are matched, in this order.
    #[schemars(schema_with = "attribute_list")]
    pub group_match: Vec<String>,
    /// Whether what was found by name may be adopted from another owner.
    pub adopt: Adopt,
    /// Filter or list.
    pub look_up: LookUp,
    /// How lists are paged.
    pub paging: PagingStyle,
    /// Entries a page.
    #[schemars(range(min = 1, max = 10000))]
    pub page_size: u32,
    /// A list longer than this many pages is given up as endless.
    #[schemars(range(min = 1, max = 10000000))]
    pub max_pages: u32,
    /// How long one reading may take, of the directory as well as of a whole list of the app: `45m`, `2h`. Left out: three times what
    /// the last accepted reading needs at the configured rate, at least 30 minutes; 12 hours where there is none.
    pub time_limit: Option<Period>,
    /// Whether a 404 to a filtered list means "no match".
    pub no_match_404: bool,
    /// Whether to ask for groups without their members when looking groups up.
    pub exclude_members_on_look_up: bool,
    /// Whether the app shows a group's members. Where it does not, our own record is the only truth.
    pub members_readable: bool,
    /// So many seconds an app that is not consistent at once may not show what it just made. A create that was not answered is
    /// looked for only after this time, and repeated only if it is not there then. A run with a new state waits as long once.
    #[schemars(range(max = 600))]
    pub settles_after_s: u32,
    /// Whether to ask the app, in a tenant's first run, to whom the token belongs (`/Me`, RFC 7644 §3.11): that account is never
    /// shut. An app that has no such address answers 404 or 501, and that is all.
    pub own_account: bool,
    /// Whether to read the app's list once in a tenant's first run, after the creates, to see that it kept every account that it answered as
    /// created. It is left out where it would take more than a request for 50 new accounts, and where `look_up = "filter"`.
    pub verify_first_sync: bool,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            user_match: vec!["externalId".into(), "userName".into()],
            group_match: vec!["externalId".into(), "displayName".into()],
            adopt: Adopt::IfUnowned,
            look_up: LookUp::Auto,
            paging: PagingStyle::Auto,
            page_size: 100,
            max_pages: 100_000,
            time_limit: None,
            no_match_404: false,
            exclude_members_on_look_up: true,
            settles_after_s: 0,
            members_readable: true,
            own_account: true,
            verify_first_sync: true,
        }
    }
}

/// How an update is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateMethod {
    /// PATCH (RFC 7644 §3.5.2).
    Patch,
    /// GET, merge our attributes into the whole resource, PUT (RFC 7644 §3.5.1).
    PutMerge,
}

/// How PATCH operations name their attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatchPath {
    /// One operation per attribute, each with its `path`.
    WithPath,
    /// One `replace` without path whose value is an object.
    Pathless,
    /// As `pathless`, with sub-attributes as dotted keys (`"name.givenName"`).
    PathlessDotted,
}

/// How `op` is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpCase {
    /// `add`, `remove`, `replace`.
    Lower,
    /// `Add`, `Remove`, `Replace`.
    Pascal,
}

/// How `true` and `false` are written in PATCH values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoolStyle {
    /// As JSON says.
    Json,
    /// `"true"`, `"false"`.
    Text,
    /// `"True"`, `"False"`.
    TextPascal,
}

/// How one typed element of a multi-valued attribute (a work e-mail) is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ElementStyle {
    /// `emails[type eq "work"].value`.
    Filter,
    /// The whole attribute is replaced with a list of what we manage.
    WholeList,
}

/// How a value is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClearStyle {
    /// A `remove` operation.
    RemoveOp,
    /// `replace` with `null`.
    Null,
    /// `replace` with `""`.
    EmptyString,
    /// Not at all: the app can't clear a value.
    Never,
}

/// What becomes of the resource when `active` turns false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InactiveEffect {
    /// It stays, deactivated.
    KeepsResource,
    /// It is deleted.
    DeletesResource,
    /// It answers 404 until it is active again.
    HidesResource,
}

/// What DELETE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteEffect {
    /// Deletes.
    Hard,
    /// Only deactivates.
    Deactivates,
    /// Deletes for ever: the person can never have an account again.
    Irreversible,
    /// Is not offered.
    Unsupported,
}

/// Writing people.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserWire {
    /// PATCH or PUT.
    pub update_method: UpdateMethod,
    /// With or without path.
    pub patch_path: PatchPath,
    /// How `op` is spelt.
    pub op_case: OpCase,
    /// How booleans are written in PATCH.
    pub bool_style: BoolStyle,
    /// How typed elements are changed.
    pub elements: ElementStyle,
    /// How a value is taken away.
    pub clear: ClearStyle,
    /// Whether the directory's id is sent as `externalId`.
    pub send_external_id: bool,
    /// Which values of attributes with `grants_access` make an account a privileged one: those that contain one of these words, in any case. The
    /// adoption of a privileged account waits for approval in the first run too.
    pub privileged: Vec<String>,
    /// What a change of an immutable attribute leads to.
    pub on_immutable_change: super::attributes::OnImmutableChange,
    /// What `active = false` does.
    pub inactive_effect: InactiveEffect,
    /// What DELETE does.
    pub delete_effect: DeleteEffect,
    /// Whether a deleted person leaves the app's groups by that.
    pub deleted_leave_groups: bool,
    /// Whether a deactivated user leaves the app's groups by that: their memberships are sent again on activation.
    pub inactive_leave_groups: bool,
}

impl Default for UserWire {
    fn default() -> Self {
        Self {
            update_method: UpdateMethod::Patch,
            patch_path: PatchPath::WithPath,
            op_case: OpCase::Lower,
            bool_style: BoolStyle::Json,
            elements: ElementStyle::Filter,
            clear: ClearStyle::RemoveOp,
            send_external_id: true,
            privileged: vec!["admin".into(), "owner".into()],
            on_immutable_change: super::attributes::OnImmutableChange::Hold,
            inactive_effect: InactiveEffect::KeepsResource,
            delete_effect: DeleteEffect::Hard,
            deleted_leave_groups: true,
            inactive_leave_groups: false,
        }
    }
}
