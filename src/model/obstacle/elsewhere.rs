//! What an object in the app belongs to, where it is not this tenant's to take: another tenant's links, or another record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{AppId, ObjectRef, SourceId, TenantName};

/// Which other tenant of this machine has, or may have, an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// It is linked by that tenant.
    Linked {
        /// The account.
        account: AppId,
        /// The tenant.
        tenant: TenantName,
        /// Its user.
        user: SourceId,
    },
    /// The other tenants' links could not be read.
    Unread {
        /// The account.
        account: AppId,
        /// What went wrong.
        error: String,
    },
    /// The group is linked by that tenant.
    GroupLinked {
        /// The app's group.
        group: AppId,
        /// The tenant.
        tenant: TenantName,
        /// Its group.
        of: SourceId,
    },
    /// The other tenants' links of groups could not be read.
    GroupUnread {
        /// The app's group.
        group: AppId,
        /// What went wrong.
        error: String,
    },
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked { account, tenant, user } => write!(
                f,
                "the account {account} in the app is linked by the tenant {tenant}, which is connected to the same base_url, to its \
                 user {user}. It was not touched, and no account was created; correct the scope of one of the two tenants"
            ),
            Self::GroupLinked { group, tenant, of } => write!(
                f,
                "the group {group} in the app is linked by the tenant {tenant}, which is connected to the same base_url, to its group \
                 {of}. It was not touched, and no group was created; correct the scope of one of the two tenants"
            ),
            Self::GroupUnread { group, error } => write!(
                f,
                "whether the group {group} in the app is another tenant's can't be known: the state of a tenant with the same base_url \
                 can't be read ({error})"
            ),
            Self::Unread { account, error } => write!(
                f,
                "whether the account {account} is another tenant's can't be known: the state of a tenant with the same base_url can't \
                 be read ({error})"
            ),
        }
    }
}

/// Whose object an app put into its answer to a create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectOwner {
    /// Another record of the same directory.
    Record {
        /// The record.
        record: ObjectRef,
        /// Its name, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A user of another tenant of this machine.
    Tenant {
        /// The tenant.
        tenant: TenantName,
        /// Its user.
        user: SourceId,
    },
    /// A group of another tenant of this machine.
    TenantGroup {
        /// The tenant.
        tenant: TenantName,
        /// Its group.
        group: SourceId,
    },
    /// Another object, by what the answer says.
    Unknown {
        /// What shows it.
        evidence: String,
    },
}

impl fmt::Display for ObjectOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { record, name: None } => {
                write!(f, "is linked to the directory's {} {}", record.kind(), record.id())
            }
            Self::Record { record, name: Some(name) } => {
                write!(f, "is linked to the directory's {} {} ({name})", record.kind(), record.id())
            }
            Self::Tenant { tenant, user } => write!(f, "is linked by the tenant {tenant} to its user {user}"),
            Self::TenantGroup { tenant, group } => write!(f, "is linked by the tenant {tenant} to its group {group}"),
            Self::Unknown { evidence } => write!(f, "is another object: {evidence}"),
        }
    }
}
