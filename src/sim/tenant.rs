//! What the operator of the simulated tenant wrote, with the contract's defaults and without a file.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::config::addresses::Addresses;
use crate::config::profile::Profile;
use crate::config::tenant::{
    AdoptGroups, Adopted, AttributeRule, DeprovisioningAction, GroupFate, GuardTable, OnImmutableChange, Push,
};
use crate::desired::Scope;
use crate::guard::{GuardLimits, Policy};
use crate::mapping::{KnownAttributes, Mapping};
use crate::model::{AddressMark, GroupMatch};
use crate::plan::{Protected, TenantRules};
use crate::source::SnapshotGroup;
use crate::store::SettingsMark;

/// Decides over a person by their record.
type Filter = fn(&Map<String, Value>) -> Result<bool, String>;

/// A tenant file, as values.
pub(crate) struct Tenant {
    pub(crate) profile: Profile,
    pub(crate) mapping: Mapping,
    pub(crate) groups: Option<Vec<GroupMatch>>,
    pub(crate) filter: Option<Filter>,
    pub(crate) nested: bool,
    pub(crate) sentinels: Vec<String>,
    pub(crate) protect: Vec<&'static str>,
    pub(crate) on_suspended: DeprovisioningAction,
    pub(crate) on_unassigned: DeprovisioningAction,
    pub(crate) on_deleted: DeprovisioningAction,
    pub(crate) delete_after: Option<SignedDuration>,
    pub(crate) on_immutable_change: OnImmutableChange,
    pub(crate) manage_groups: bool,
    pub(crate) create_empty: bool,
    pub(crate) adopt_groups: AdoptGroups,
    pub(crate) on_group_unassigned: GroupFate,
    pub(crate) on_group_deleted: GroupFate,
    pub(crate) limits: Mutex<GuardLimits>,
    pub(crate) policy: Policy,
    pub(crate) breaker_failures: u32,
    pub(crate) settings: SettingsMark,
    pub(crate) addresses: Addresses,
    pub(crate) adopted: Adopted,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            mapping: mapping(&[("userName", "userName"), ("displayName", "displayName")]),
            groups: None,
            filter: None,
            nested: false,
            sentinels: Vec::new(),
            protect: Vec::new(),
            on_suspended: DeprovisioningAction::Deactivate,
            on_unassigned: DeprovisioningAction::Deactivate,
            on_deleted: DeprovisioningAction::Deactivate,
            delete_after: None,
            on_immutable_change: OnImmutableChange::Hold,
            manage_groups: true,
            create_empty: false,
            adopt_groups: AdoptGroups::ByName,
            on_group_unassigned: GroupFate::Leave,
            on_group_deleted: GroupFate::Delete,
            limits: Mutex::new(limits()),
            policy: Policy::default(),
            breaker_failures: 20,
            settings: SettingsMark { version: 1, all: 1, matching: 1, target: 1 },
            addresses: Addresses {
                mark: AddressMark {
                    target: "https://app.example.com:443/scim".into(),
                    source: vec!["ldaps://dc1.example.com:636".into()],
                    login: Vec::new(),
                    proxy: Vec::new(),
                },
                ..Addresses::default()
            },
            adopted: Adopted::Manage,
        }
    }
}

impl Tenant {
    /// Rules for attributes: SCIM path, and an attribute's name or an expression; all pushed always.
    pub(crate) fn map(&mut self, rules: &[(&str, &str)]) {
        self.mapping = mapping(rules);
    }

    /// Rules for attributes, each with its owner.
    pub(crate) fn map_pushed(&mut self, rules: &[(&str, &str, Push)]) {
        self.mapping = compile(rules.iter().copied());
    }

    pub(crate) fn rules(&self) -> TenantRules<'_> {
        TenantRules {
            mapping: &self.mapping,
            profile: &self.profile,
            on_suspended: self.on_suspended,
            on_unassigned: self.on_unassigned,
            on_deleted: self.on_deleted,
            delete_after: self.delete_after,
            on_immutable_change: self.on_immutable_change,
            adopted: self.adopted,
            manage_groups: self.manage_groups,
            create_empty: self.create_empty,
            adopt_groups: self.adopt_groups,
            on_group_unassigned: self.on_group_unassigned,
            on_group_deleted: self.on_group_deleted,
            protected: Protected::new(self.protect.iter().copied()),
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        let filter = self.filter.as_ref().map(|filter| filter as &crate::desired::PersonFilter<'_>);
        Scope {
            groups: self.groups.as_deref(),
            narrows: false,
            all_users: false,
            nested: self.nested,
            filter,
            group_name: &group_name,
        }
    }
}

fn group_name(group: &SnapshotGroup) -> Result<String, String> {
    match group.name.starts_with('!') {
        true => Err("this name can't be made".to_owned()),
        false => Ok(group.name.to_string()),
    }
}

/// The limits that a tenant has who writes none, with a first sync that needs nobody: most stories begin with one.
pub(crate) fn limits() -> GuardLimits {
    GuardLimits { first_sync: false, ..GuardLimits::from(&GuardTable::default()) }
}

fn mapping(rules: &[(&str, &str)]) -> Mapping {
    compile(rules.iter().map(|(key, from)| (*key, *from, Push::Always)))
}

fn compile<'a>(rules: impl Iterator<Item = (&'a str, &'a str, Push)>) -> Mapping {
    let rule = |from: &str, push| AttributeRule { from: from.to_owned(), push };
    let rules: BTreeMap<String, AttributeRule> =
        rules.map(|(key, from, push)| (key.to_owned(), rule(from, push))).collect();
    Mapping::compile(&rules, &KnownAttributes::open(Vec::<String>::new()), &Map::new()).unwrap()
}
