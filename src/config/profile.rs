//! How one app differs from RFC 7643 and 7644: the wire as data (design decision 9).
//!
//! In: a profile file (`config/profiles/<app>/profile.toml`, shipped inside the binary, or the operator's own) and a tenant's overrides.
//! Out: a [`Profile`] with every knob set. The defaults are those of the SCIM interoperability profile: PATCH only, one
//! operation per attribute path, lower-case operations, filters with `eq` and `and` only, at most 50 members a PATCH.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::AttributeSettings;
use super::forms::{Period, Rate};

/// A profile: every knob with its default. Unknown knobs are errors.
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

/// `10/s`, or a list of buckets that all apply to a call they match.
#[derive(Debug, Clone, PartialEq)]
pub struct RateSetting(pub Vec<BucketConfig>);

impl RateSetting {
    /// A share of each bucket, in percent.
    #[must_use]
    pub fn share(&self, percent: u8) -> Self {
        Self(self.0.iter().map(|bucket| BucketConfig { rate: bucket.rate.share(percent), ..bucket.clone() }).collect())
    }
}

impl RateSetting {
    /// The time from one read to the next at this rate, when they are spread evenly.
    pub fn between_reads(&self) -> Duration {
        let of_reads = |bucket: &&BucketConfig| {
            bucket.matches.is_empty() || bucket.matches.to_ascii_uppercase().starts_with("GET")
        };
        self.0.iter().filter(of_reads).map(|bucket| bucket.rate.interval()).max().unwrap_or_default()
    }
}

impl From<Rate> for RateSetting {
    fn from(rate: Rate) -> Self {
        Self(vec![BucketConfig { matches: String::new(), rate, burst: 1 }])
    }
}

/// One token bucket.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// Which calls it counts: empty for all, a method (`GET`, `write` for every method that changes something), or a method
    /// and a resource (`POST /Users`).
    #[serde(default, rename = "match")]
    pub matches: String,
    /// How many in which time: `10/s`, `600/m`, `1000/h`.
    pub rate: Rate,
    /// How many may go at once after a pause; 1 if left out.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10000))]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

impl<'de> Deserialize<'de> for RateSetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RateOrBuckets;
        impl<'de> serde::de::Visitor<'de> for RateOrBuckets {
            type Value = RateSetting;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a rate such as \"10/s\", or a list of { match, rate, burst }")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RateSetting, E> {
                text.parse::<Rate>().map(RateSetting::from).map_err(E::custom)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<RateSetting, A::Error> {
                let mut buckets = Vec::new();
                while let Some(bucket) = seq.next_element()? {
                    buckets.push(bucket);
                }
                Ok(RateSetting(buckets))
            }
        }
        deserializer.deserialize_any(RateOrBuckets)
    }
}

impl JsonSchema for RateSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RateSetting".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (rate, bucket) = (generator.subschema_for::<Rate>(), generator.subschema_for::<BucketConfig>());
        schemars::json_schema!({
            "description": "A rate such as \"10/s\", or a list of buckets.",
            "anyOf": [rate, { "type": "array", "items": bucket, "minItems": 1 }],
        })
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

/// Whether an account that was found by name may be taken over.
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
    /// It stays, switched off.
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
    pub on_immutable_change: super::tenant::OnImmutableChange,
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
            on_immutable_change: super::tenant::OnImmutableChange::Hold,
            inactive_effect: InactiveEffect::KeepsResource,
            delete_effect: DeleteEffect::Hard,
            deleted_leave_groups: true,
            inactive_leave_groups: false,
        }
    }
}

/// How much of groups the app lets a client do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupSupport {
    /// Create, rename, delete, members.
    Full,
    /// Only members of groups that are there already.
    LinkOnly,
    /// Nothing.
    Off,
}

/// How members are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRemove {
    /// `remove` with `members[value eq "…"]`, one operation a member (RFC 7644 §3.5.2.2).
    PathFilter,
    /// `remove` of `members` with a `value` list: not in the RFC; a strict server empties the group.
    ValueList,
    /// GET the group, PUT it with the remaining members (needs readable members).
    PutRemaining,
}

/// What stands in a member's `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberValue {
    /// The app's id (RFC 7643 §4.2).
    Id,
    /// The user name.
    UserName,
}

/// Writing groups.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupWire {
    /// How much is possible.
    pub support: GroupSupport,
    /// Whether the directory's id is sent as `externalId`.
    pub send_external_id: bool,
    /// Whether a group is created together with its members, as many as fit into one request; the others follow. `false` for an app
    /// that refuses or ignores the members of a new group: they all follow then.
    pub members_on_create: bool,
    /// How members are removed.
    pub member_remove: MemberRemove,
    /// What a member's `value` is.
    pub member_value: MemberValue,
    /// Whether members carry `$ref` with the user's URL, for apps that insist.
    pub member_ref: bool,
    /// At most this many members in one request. Of an app that refuses so many (400, 413), a smaller number is learned and kept.
    #[schemars(range(min = 1, max = 100000))]
    pub max_members_per_patch: u32,
    /// How an existing group is changed, its members included: PATCH or PUT. Left out: as `users.update_method` says. A PUT needs readable
    /// members (`read.members_readable`); without them groups are changed by PATCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_method: Option<UpdateMethod>,
    /// Whether a group's name can be changed, and what another name in the directory leads to where it can't.
    #[schemars(with = "GroupRenameSetting")]
    pub rename: GroupRename,
}

/// What another name of a group in the directory leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupRename {
    /// The app's group gets the name.
    Change,
    /// The app can't change names: the change is held.
    Hold,
    /// The app can't change names: the group keeps the one it has.
    Ignore,
    /// The app can't change names: the group is deleted, and the next run creates it under the new name.
    Recreate,
}

/// What may be written: a switch, or a word.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum GroupRenameSetting {
    /// `true`: the app changes the name. `false`: it can't, and the change is held.
    Switch(bool),
    /// What to do instead, for an app that can't change a group's name.
    Instead(GroupRenameInstead),
}

/// What to do where an app can't change a group's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GroupRenameInstead {
    /// Hold the change until it is decided on; the same as `false`.
    Hold,
    /// Keep the old name in the app.
    Ignore,
    /// Delete the group; the next run creates it under the new name.
    Recreate,
}

impl Serialize for GroupRename {
    /// As it was written: a switch stays a switch, so that fingerprints of settings stay what they were.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Change => serializer.serialize_bool(true),
            Self::Hold => serializer.serialize_bool(false),
            Self::Ignore => serializer.serialize_str("ignore"),
            Self::Recreate => serializer.serialize_str("recreate"),
        }
    }
}

impl<'de> Deserialize<'de> for GroupRename {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match GroupRenameSetting::deserialize(deserializer)? {
            GroupRenameSetting::Switch(true) => Self::Change,
            GroupRenameSetting::Switch(false) | GroupRenameSetting::Instead(GroupRenameInstead::Hold) => Self::Hold,
            GroupRenameSetting::Instead(GroupRenameInstead::Ignore) => Self::Ignore,
            GroupRenameSetting::Instead(GroupRenameInstead::Recreate) => Self::Recreate,
        })
    }
}

impl Default for GroupWire {
    fn default() -> Self {
        Self {
            support: GroupSupport::Full,
            send_external_id: true,
            members_on_create: true,
            member_remove: MemberRemove::PathFilter,
            member_value: MemberValue::Id,
            member_ref: false,
            max_members_per_patch: 500,
            update_method: None,
            rename: GroupRename::Change,
        }
    }
}
