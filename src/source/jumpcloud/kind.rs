//! JumpCloud, as a kind of directory.

use std::sync::Arc;

use super::{JumpCloudSource, Parts, choices, record_names};
use crate::config::directory::SourceTables;
use crate::source::choices::Choice;
use crate::source::kind::{Connect, ConnectError, DirectoryKind, RecordNames, Rule};
use crate::source::{Source, SourceError};

/// JumpCloud, by its API.
pub(crate) struct JumpCloud;

impl DirectoryKind for JumpCloud {
    fn table(&self) -> &'static str {
        "jumpcloud"
    }

    fn products(&self) -> &'static [&'static str] {
        &["jumpcloud"]
    }

    fn product(&self, tables: &SourceTables) -> Option<&'static str> {
        tables.jumpcloud.as_ref().map(|_| "jumpcloud")
    }

    fn template(&self, _: &str) -> &'static str {
        r#"[source.jumpcloud]
# us | eu | in
region = "us"
api_key = { file = "../secrets/jumpcloud" }     # chmod 600
# An administrator of several organisations says which one is meant.
# org_id = "5ce4..."
# Whoever is bound to this application belongs: its name in the console, or its id.
application = "Heap"
"#
    }

    fn default_mapping(&self, _: &str) -> &'static [Rule] {
        &[
            ("userName", "username"),
            ("name.givenName", "firstname"),
            ("name.familyName", "lastname"),
            // Many people there have none.
            (
                "displayName",
                r#"displayname | default(((firstname | default("")) ~ " " ~ (lastname | default(""))) | trim)"#,
            ),
            ("emails.work", "email"),
        ]
    }

    /// The vendor's own guide sends these, the role, and a group's name. An organisation that its provisioning served before has accounts by
    /// `username`: with the address instead, every user would get a second one.
    fn before_mapping(&self) -> &'static str {
        r#"# As the directory's own guide for the app has it. The address as user name, where the app has its accounts by that:
# userName = "email"
"#
    }

    fn choices(&self) -> &'static [Choice] {
        choices::CHOICES
    }

    /// The attributes of the vendor's spec.
    fn names(&self, _: &SourceTables) -> Result<RecordNames, SourceError> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (users, groups) = record_names();
        Ok(RecordNames { users: owned(users), groups: owned(groups), ..RecordNames::default() })
    }

    fn connect(&self, tables: &SourceTables, context: Connect<'_>) -> Result<Box<dyn Source>, ConnectError> {
        let Some(table) = &tables.jumpcloud else { return Err(SourceError::no_table(self.table()).into()) };
        let place = table.api_key.as_ref().or(table.client_secret.as_ref());
        // The file's check wants one of the two.
        let secret = place.map(|place| context.token(place)).transpose()?.ok_or(crate::http::SecretError::Empty)?;
        let parts = Parts {
            ca_pem: context.authorities(table.web.ca_file.as_deref())?,
            pacer: context.pacer(table.api_url(), &secret, &table.web.rate, table.web.in_flight),
            secret,
            wanted: context.wanted,
            clock: Arc::clone(&context.clock),
        };
        Ok(Box::new(JumpCloudSource::new(table, parts)?))
    }
}
