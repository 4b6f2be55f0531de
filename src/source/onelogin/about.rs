//! What is known of OneLogin before it is asked. Data for `init`, `check` and `doctor`.

use jiff::SignedDuration;

use super::super::kind::DirectoryKind;
use super::super::web::{DirectoryInfo, WebKind, Words};
use super::OneLogin;
use crate::source::kind::{Choice, DirectoryProduct};

/// For the list of directories.
pub(crate) const KIND: &dyn DirectoryKind = WebKind::<OneLogin>::KIND;

pub(super) const ABOUT: DirectoryInfo = DirectoryInfo {
    init: DirectoryProduct {
        template: r#"[source.onelogin]
# acme for https://acme.onelogin.com
subdomain = "acme"
# Developers > API Credentials, with Read All.
client_id = "YOUR-CLIENT-ID"
client_secret = { file = "../secrets/onelogin" }     # chmod 600
# Users who have this application, by a role or by name, belong: its name, or its id.
application = "Heap"
"#,
        mapping: &[
            ("userName", "username | default(email)"),
            ("name.givenName", "firstname"),
            ("name.familyName", "lastname"),
            ("displayName", r#"((firstname | default("")) ~ " " ~ (lastname | default(""))) | trim"#),
            ("emails.work", "email"),
        ],
        // A user's role in the app is a parameter of the application.
        around_mapping: [
            "",
            r#"# The role in the app, from a parameter of the application (its name, or its label in lower case with _ for spaces): sent when the value
# changes in OneLogin, never over a change made in the app. When the value becomes empty in OneLogin, the role is removed in the app once.
# role = { from = "app_parameters.role", push = "on_source_change" }
"#,
        ],
        choices: &[
            Choice {
                key: "users.on_unassigned",
                app: Some("heap"),
                value: "deactivate",
                vendor: "delete",
                reason: "In the guide for OneLogin and Heap, revoking a user's access deletes the account. rosterd deactivates it, because that can be \
                     reverted. To follow the guide, write on_unassigned = \"delete\"; delete_after then says how long the account is kept.",
            },
            Choice {
                key: "groups.manage",
                app: None,
                value: "true",
                vendor: "groups are mapped in the application's own settings",
                reason: "Groups are managed: each role that has the application becomes a group in the app. To manage users only, write manage = false.",
            },
        ],
        ..DirectoryProduct::new("onelogin")
    },
    // The vendor's `user` resource, and the parameters of the application.
    names: [
        "id username email firstname lastname status state title department company comment phone external_id \
        directory_id trusted_idp_id group_id manager_user_id manager_ad_id samaccountname userprincipalname \
        distinguished_name member_of preferred_locale_code activated_at invitation_sent_at locked_until \
        password_changed_at custom_attributes app_parameters",
        "id name",
    ],
    assigns_all: true,
    minds_case: true,
    // Events may come late, and out of order.
    feed: [SignedDuration::from_secs(60), SignedDuration::from_hours(365 * 24)],
    required: &["email"],
    found_by: &["username", "email"],
    taken: &["taken", "already exist", "duplicate", "unique"],
    words: Words {
        credential: [
            "API credentials",
            "make new ones in OneLogin (Developers > API Credentials) and put the secret in place",
        ],
        rights: ["users", "roles"],
        grant: ["rights", "give the API credentials Read All in OneLogin (Developers > API Credentials)"],
        reachable: ["address", "check `subdomain` or `base_url`, the network and the clock"],
        settings: "check `subdomain` or `base_url`",
        bind: "assign it to a role in OneLogin; until then no user belongs",
        provisioning: [
            "OneLogin's own provisioning for \"{app}\" is on",
            "in OneLogin, Applications > {app} > Provisioning: clear \"Enable provisioning\" and save",
        ],
        ..Words::PLAIN
    },
    ..DirectoryInfo::new("onelogin", "OneLogin")
};
