//! A tenant file, key by key. The doc comments are what `rosterd schema` shows in an editor.
//!
//! Only shapes and defaults live here; `load` reads, `shape` and `check` report.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::attributes::OnImmutableChange;
use super::directory::SourceTables;
use super::drift::DriftTable;
use super::forms::{Limit, Period, Schedule, Zone};
use super::login::{BasicTable, ClientCertificateTable, JwtTable, OAuth2Table};
use super::network::NetworkTable;
use super::profile::{ProfileOverrides, RateSetting};
pub use super::secret_ref::SecretRef;

/// One connection: a directory, an app, and the rules between them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantFile {
    /// When to run: a cron expression of five fields, or `every 10m`. Only the daemon reads it.
    pub schedule: Option<Schedule>,
    /// The IANA time zone of `schedule`; UTC if left out.
    pub time_zone: Option<Zone>,
    /// The directory: exactly one table below, such as `[source.ldap]`.
    pub source: SourceTables,
    /// Who is in scope; if left out, every group that the directory assigns to the app and every user assigned directly.
    #[serde(default)]
    pub scope: ScopeTable,
    /// The app.
    pub target: TargetTable,
    /// How people are matched, and what becomes of those who leave.
    #[serde(default)]
    pub users: UsersTable,
    /// How groups are kept.
    #[serde(default)]
    pub groups: GroupsTable,
    /// When to stop and ask.
    #[serde(default)]
    pub guard: GuardTable,
    /// Which kinds of change always wait for `rosterd approve`.
    #[serde(default)]
    pub approval: ApprovalTable,
    /// How often the app is compared with what was last known of it.
    #[serde(default)]
    pub drift: DriftTable,
}

/// `[scope]`: who belongs, beside or instead of what the directory assigns.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeTable {
    /// The groups in scope, by name pattern (`*` and `?`) or by id. Without it, all that the directory assigns.
    #[schemars(length(min = 1), extend("x-hint" = "an empty list never means all: name at least one group, or leave the key out for every group the directory assigns"))]
    pub groups: Option<Vec<GroupPattern>>,
    /// An expression; only people for whom it is true are in scope.
    #[schemars(length(min = 1))]
    pub users: Option<String>,
    /// Whether every user whom `users` accepts belongs, in a group or not. Needs `users`.
    #[serde(default)]
    pub all_users: bool,
    /// Whether members of groups inside a group belong to it too.
    #[serde(default)]
    pub nested: bool,
    /// Groups or people that must be visible in every reading; otherwise nothing is changed.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub sentinels: Vec<String>,
    /// People who are never touched, by user name, e-mail or directory id, whatever the directory says.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub protect: Vec<String>,
}

/// One entry of `scope.groups`: by name or by id.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "maxProperties" = 1,
    "x-hint" = "write { name = \"Heap *\" } or { id = \"5f2b0c\" }"
))]
pub struct GroupPattern {
    /// The group's name; `*` stands for any text, `?` for one character. Compares without case.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The group's immutable id.
    #[schemars(length(min = 1))]
    pub id: Option<String>,
}

/// `[target]`: the app.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    /// How the app speaks SCIM: the name of a shipped profile, or the path of a profile file.
    #[serde(default = "plain_scim")]
    #[schemars(length(min = 1))]
    pub profile: String,
    /// The SCIM base URL, up to but without `/Users`.
    #[schemars(extend("format" = "app-address"))]
    pub base_url: String,
    /// The bearer token (or what the profile's `auth_header` and `auth_template` say). One of `token`, `basic`, `oauth2` and `jwt`, or a
    /// `client_certificate` alone; only an app without authentication on loopback needs none.
    pub token: Option<SecretRef>,
    /// A second token, tried once when `token` is refused: while one is replaced by the other.
    pub second_token: Option<SecretRef>,
    /// A user name and password.
    pub basic: Option<BasicTable>,
    /// Client credentials, for which a token server grants tokens.
    pub oauth2: Option<OAuth2Table>,
    /// A signed assertion, for which a token server grants tokens.
    pub jwt: Option<JwtTable>,
    /// What is shown to an app that asks for a certificate in the TLS handshake. May come with each way to log in, or alone.
    pub client_certificate: Option<ClientCertificateTable>,
    /// At most this many requests: `10/s`, `600/m`, `1000/h`, or a list of buckets. The profile's if left out.
    pub rate: Option<RateSetting>,
    /// At most this many requests at once. The profile's if left out.
    #[schemars(range(min = 1, max = 64))]
    pub in_flight: Option<u32>,
    /// Accept plain http, only to loopback addresses.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// Whether the app may be at another port or path of this machine in every run, as a sandbox is. Without it a changed address is
    /// held before anything is sent, on this machine as anywhere. Counts only together with `allow_http_loopback`.
    #[serde(default)]
    pub loopback_port_may_change: bool,
    /// A PEM file with the certificate authorities to trust instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// How connections to the app are made: proxy and TLS.
    pub network: Option<NetworkTable>,
    /// Differences from the profile, for this tenant alone.
    #[serde(default)]
    pub override_profile: ProfileOverrides,
}

fn plain_scim() -> String {
    "scim".to_owned()
}

/// What to do with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeprovisioningAction {
    /// Set `active` to false.
    Deactivate,
    /// Delete the account.
    Delete,
    /// Leave it as it is.
    Nothing,
}

/// What becomes of an adopted account whose person is no longer assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adopted {
    /// The same as of any other: `on_unassigned`.
    Manage,
    /// It stays as it is. Who is suspended in the directory, or gone from it, loses access all the same.
    Keep,
}

/// `[users]`
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UsersTable {
    /// By which attributes an account that is already in the app is recognised, in this order. The profile's if left out.
    #[schemars(schema_with = "super::profile::attribute_list")]
    pub r#match: Option<Vec<String>>,
    /// What becomes of people whom the directory suspends.
    pub on_suspended: DeprovisioningAction,
    /// What becomes of people who are no longer assigned.
    pub on_unassigned: DeprovisioningAction,
    /// What becomes of people who are gone from the directory.
    pub on_deleted: DeprovisioningAction,
    /// Whether people whose account was there before rosterd, and who are no longer assigned, are treated like the others.
    pub adopted: Adopted,
    /// Deactivate at once and delete after this time (`30d`, `12h`); only where an action above is `delete`.
    pub delete_after: Option<Period>,
    /// What to do when an immutable attribute changes. The profile's if left out.
    pub on_immutable_change: Option<OnImmutableChange>,
    /// SCIM attribute = directory attribute or expression. When given, exactly these are sent; otherwise the defaults of
    /// the directory.
    pub attributes: Option<BTreeMap<String, AttributeRule>>,
}

impl Default for UsersTable {
    fn default() -> Self {
        Self {
            r#match: None,
            on_suspended: DeprovisioningAction::Deactivate,
            on_unassigned: DeprovisioningAction::Deactivate,
            on_deleted: DeprovisioningAction::Deactivate,
            adopted: Adopted::Manage,
            delete_after: None,
            on_immutable_change: None,
            attributes: None,
        }
    }
}

/// The right-hand side of a mapping: an attribute's name or an expression, and who owns the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttributeRule {
    /// An attribute's name, or a Jinja expression.
    pub from: String,
    /// When it is pushed.
    pub push: Push,
}

/// Who owns an attribute's value in the app (design decision 14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Push {
    /// Kept equal to the directory.
    #[default]
    Always,
    /// Sent when the account is made and whenever the directory's value changes; a change made in the app stays.
    OnSourceChange,
    /// Sent when the account is made, never again.
    OnCreate,
}

impl<'de> Deserialize<'de> for AttributeRule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            from: String,
            #[serde(default)]
            push: Push,
        }
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = AttributeRule;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an attribute's name, an expression, or { from = \"…\", push = \"…\" }")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AttributeRule, E> {
                Ok(AttributeRule { from: text.to_owned(), push: Push::Always })
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<AttributeRule, A::Error> {
                let table = Table::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(AttributeRule { from: table.from, push: table.push })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for AttributeRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AttributeRule".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let push = generator.subschema_for::<Push>();
        schemars::json_schema!({
            "description": "A directory attribute's name, or a Jinja expression over them.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": {
                        "from": { "type": "string", "minLength": 1, "description": "An attribute's name, or an expression." },
                        "push": push,
                    },
                    "required": ["from"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// Whether an existing group of the app may be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdoptGroups {
    /// A group with the same name (without case) is adopted.
    ByName,
    /// Never: a group of that name is a conflict.
    Never,
}

/// What becomes of an app group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupFate {
    /// Left as it is, no longer managed.
    Leave,
    /// Deleted.
    Delete,
}

/// What becomes of members of a managed group whom rosterd does not manage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForeignMembers {
    /// They stay.
    Keep,
}

/// `[groups]`
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupsTable {
    /// Whether groups and memberships are managed at all. The profile may say no.
    pub manage: bool,
    /// The directory attribute or expression for a group's name in the app.
    #[serde(rename = "displayName")]
    #[schemars(length(min = 1))]
    pub display_name: String,
    /// Whether a group without members is created.
    pub create_empty: bool,
    /// Whether a group that is already in the app is adopted.
    pub adopt: AdoptGroups,
    /// What becomes of a group that still exists in the directory but left the scope.
    pub on_unassigned: GroupFate,
    /// What becomes of a group that is gone from the directory.
    pub on_deleted: GroupFate,
    /// What becomes of members whom rosterd does not manage.
    pub foreign_members: ForeignMembers,
}

impl Default for GroupsTable {
    fn default() -> Self {
        Self {
            manage: true,
            display_name: "name".to_owned(),
            create_empty: false,
            adopt: AdoptGroups::ByName,
            on_unassigned: GroupFate::Leave,
            on_deleted: GroupFate::Delete,
            foreign_members: ForeignMembers::Keep,
        }
    }
}

/// `[guard]`: limits as text, such as `10%, at least 3, at most 200`; `none` switches one off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuardTable {
    /// How many managed people may lose access in any 24 hours.
    pub removals_per_day: Limit,
    /// How much of one group's membership may be removed in any 24 hours.
    pub group_removals: Limit,
    /// How much smaller than the last a reading may be before everything is held.
    pub source_shrink: Limit,
    /// How many people may lose a mapped attribute in one run before everything is held.
    pub attribute_loss: Limit,
    /// How many people may be gone while as many new ones appear before everything is held: a directory that gave its people
    /// other ids looks like this.
    pub rekey: Limit,
    /// How many managed people an edit of this file may change or remove before everything is held.
    pub settings_change: Limit,
    /// How many accounts may be created in any 24 hours (a seat limit).
    pub creates_per_day: Limit,
    /// How many of a run's new users may look like an account that no user matches (an equal display name) before every creation is held.
    /// A new user who has the e-mail address or user name of such an account is always held. `none` compares nothing.
    pub duplicate_names: Limit,
    /// How many deactivated accounts may be activated again in any 24 hours. An account that a run took within the last seven days, and that
    /// `undo` or the directory gives back, does not count.
    pub activations_per_day: Limit,
    /// For how many users the value of the same attribute may change in one run before everything is held: two swapped columns look like
    /// this.
    pub value_changes: Limit,
    /// The same for attributes that users are matched by (`read.user_match` of the profile).
    pub identifier_changes: Limit,
}

impl Default for GuardTable {
    fn default() -> Self {
        Self {
            removals_per_day: Limit::of_percent(10).at_least(3).at_most(200),
            group_removals: Limit::of_percent(20).at_least(3),
            source_shrink: Limit::of_percent(20),
            attribute_loss: Limit::of_percent(5),
            rekey: Limit::of_percent(5),
            settings_change: Limit::of_percent(20).at_least(10),
            creates_per_day: Limit::NONE,
            duplicate_names: Limit::of_percent(5).at_least(2),
            activations_per_day: Limit::of_percent(10).at_least(3),
            value_changes: Limit::of_percent(30).at_least(10),
            identifier_changes: Limit::of_percent(5).at_least(3),
        }
    }
}

/// When the adoption of a user's account waits for approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptApproval {
    /// Never: no account that is in the app already is held.
    Never,
    /// After the first completed run; in the first run only for privileged accounts.
    #[default]
    AfterFirst,
    /// Always.
    Always,
}

impl AdoptApproval {
    const WORDS: [(&'static str, Self); 3] =
        [("never", Self::Never), ("after_first", Self::AfterFirst), ("always", Self::Always)];

    /// Whether an adoption has to be approved. `after_first`: whether a run of this tenant has completed.
    pub fn waits(self, after_first: bool, privileged: bool) -> bool {
        match self {
            Self::Never => false,
            Self::AfterFirst => after_first || privileged,
            Self::Always => true,
        }
    }
}

impl<'de> Deserialize<'de> for AdoptApproval {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrFlag;

        impl serde::de::Visitor<'_> for WordOrFlag {
            type Value = AdoptApproval;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"never\", \"after_first\", \"always\", true or false")
            }

            fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<AdoptApproval, E> {
                Ok(if flag { AdoptApproval::Always } else { AdoptApproval::Never })
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AdoptApproval, E> {
                let known = AdoptApproval::WORDS.into_iter().find(|(word, _)| *word == text);
                known
                    .map(|(_, approval)| approval)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(WordOrFlag)
    }
}

impl JsonSchema for AdoptApproval {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AdoptApproval".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words = Self::WORDS.map(|(word, _)| word);
        schemars::json_schema!({
            "description": "When the adoption of a user's account waits for approval.",
            "anyOf": [{ "type": "boolean" }, { "type": "string", "enum": words }],
        })
    }
}

/// `[approval]`: who has to approve, and kinds of change that always wait for `rosterd approve`, whatever the guard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalTable {
    /// How many people have to approve what is held. With two or more, each has to be another person, and neither the owner of this file nor
    /// the account that reloaded its last edit counts.
    #[schemars(range(min = 1, max = 9))]
    pub people: u32,
    /// Whether an approval needs a reason.
    pub reason: ReasonRule,
    /// The first sync of the tenant, if it was not typed: a run of the daemon's schedule, or `rosterd sync --all` without a terminal and without
    /// `--yes`, changes nothing until it was approved, or until a typed `rosterd sync TENANT` has ended with exit code 0 or 4.
    pub first_sync: bool,
    /// New accounts.
    pub create: bool,
    /// Accounts of users that are in the app already and that rosterd neither created nor released itself. `after_first`: once a
    /// run of this tenant has completed, every such adoption waits, and before that those of privileged accounts
    /// (`users.privileged` of the profile). `true` is `always`, `false` is `never`.
    pub adopt: AdoptApproval,
    /// Changed attributes.
    pub update: bool,
    /// Accounts that are activated again.
    pub activate: bool,
    /// Accounts that are deactivated.
    pub deactivate: bool,
    /// Accounts that are deleted.
    pub delete: bool,
    /// Groups that are created, adopted, renamed, deleted or released.
    pub groups: bool,
    /// People who join or leave groups.
    pub memberships: bool,
}

impl Default for ApprovalTable {
    fn default() -> Self {
        Self {
            people: 1,
            reason: ReasonRule::Optional,
            first_sync: true,
            create: false,
            adopt: AdoptApproval::default(),
            update: false,
            activate: false,
            deactivate: false,
            delete: false,
            groups: false,
            memberships: false,
        }
    }
}

/// Whether an approval needs a reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonRule {
    /// `--reason` may be left out.
    #[default]
    Optional,
    /// `rosterd approve` without `--reason` is refused.
    Required,
}
