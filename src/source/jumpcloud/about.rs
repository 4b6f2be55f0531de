//! What is known of JumpCloud before it is asked. Data for `init`, `check` and `doctor`.

use jiff::SignedDuration;

use super::super::kind::DirectoryKind;
use super::super::web::{DirectoryInfo, WebKind, Words};
use super::JumpCloud;
use super::records::{SIGNS, meaning};
use crate::source::kind::{Choice, DirectoryProduct};

/// For the list of directories.
pub(crate) const KIND: &dyn DirectoryKind = WebKind::<JumpCloud>::KIND;

pub(super) const ABOUT: DirectoryInfo = DirectoryInfo {
    init: DirectoryProduct {
        template: r#"[source.jumpcloud]
# us | eu | in
region = "us"
api_key = { file = "../secrets/jumpcloud" }     # chmod 600
# An administrator of several organisations says which one is meant.
# org_id = "5ce4..."
# Users bound to this application belong: its name in the console, or its id.
application = "Heap"
"#,
        mapping: &[
            ("userName", "username"),
            ("name.givenName", "firstname"),
            ("name.familyName", "lastname"),
            // Many people there have none.
            (
                "displayName",
                r#"displayname | default(((firstname | default("")) ~ " " ~ (lastname | default(""))) | trim)"#,
            ),
            ("emails.work", "email"),
        ],
        // The vendor's own guide sends these, the role, and a group's name. An organisation that its provisioning served before has accounts by
        // `username`: with the address instead, every user would get a second one.
        around_mapping: [
            r#"# As the directory's own guide for the app has it. The address as user name, where the app has its accounts by that:
# userName = "email"
"#,
            "",
        ],
        choices: &[Choice {
            key: "groups.manage",
            app: None,
            value: "true",
            vendor: "a box to tick: Enable management of User Groups and Group Membership in this application",
            reason: "In JumpCloud's console, managing groups is a box to tick. Here it is on, so that every group bound to the application and its \
             members are in the app. To manage users only, write manage = false.",
        }],
        ..DirectoryProduct::new("jumpcloud")
    },
    // By the vendor's spec, as far as they are about the person.
    names: [
        "id username email alternateEmail firstname middlename lastname displayname state suspended activated \
        account_locked employeeIdentifier employeeType jobTitle department costCenter company location description \
        manager managedAppleId phoneNumbers addresses relationships attributes created organization external_dn",
        "id name description email type membershipMethod attributes",
    ],
    signs: &SIGNS,
    meaning,
    forgive_403: true,
    address: "is `base_url` the address of API v1, and `org_id` an organisation that this credential may see",
    // Events come late; older ones are not kept by the vendor, and asking for them is an error.
    feed: [SignedDuration::from_mins(10), SignedDuration::from_hours(89 * 24)],
    required: &["username", "email"],
    found_by: &["username", "email"],
    filters_exactly: true,
    // The status is 400 or 409.
    taken: &["already exists", "already in use"],
    words: Words {
        credential: [
            "credential",
            "make a new API key (or client secret) in the console and put it into the secret file",
        ],
        rights: ["right to read users", "right to read groups"],
        grant: ["right to read users", "give the administrator or service account a role that may read this"],
        reachable: ["reachable", "check the network, and `region` or `base_url`"],
        settings: "correct `base_url`, `region` or `org_id` in `[source.jumpcloud]`",
        bind: "bind user groups to it in the console, under User Groups",
        provisioning: [
            "JumpCloud lists the users of \"{app}\" in the app, so its own connection to the app is active",
            "in the console, SSO Applications > the application > Identity Management: Deactivate IdM Connection. It leaves the app as it is",
        ],
        feed: ["directory insights", "without it changes wait for the schedule; `insights = false` stops asking"],
    },
    ..DirectoryInfo::new("jumpcloud", "JumpCloud")
};
