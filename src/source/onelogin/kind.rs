//! OneLogin, as a kind of directory.

use super::{OneLoginSource, Parts, choices, record_names};
use crate::config::directory::SourceTables;
use crate::source::choices::Choice;
use crate::source::kind::{Connect, ConnectError, DirectoryKind, RecordNames, Rule};
use crate::source::{Source, SourceError};

/// OneLogin, by its API.
pub(crate) struct OneLogin;

impl DirectoryKind for OneLogin {
    fn table(&self) -> &'static str {
        "onelogin"
    }

    fn products(&self) -> &'static [&'static str] {
        &["onelogin"]
    }

    fn product(&self, tables: &SourceTables) -> Option<&'static str> {
        tables.onelogin.as_ref().map(|_| "onelogin")
    }

    fn template(&self, _: &str) -> &'static str {
        r#"[source.onelogin]
# acme for https://acme.onelogin.com
subdomain = "acme"
# Developers > API Credentials, with Read All.
client_id = "YOUR-CLIENT-ID"
client_secret = { file = "../secrets/onelogin" }     # chmod 600
# Whoever has this application, by a role or by name, belongs: its name, or its id.
application = "Heap"
"#
    }

    fn default_mapping(&self, _: &str) -> &'static [Rule] {
        &[
            ("userName", "username | default(email)"),
            ("name.givenName", "firstname"),
            ("name.familyName", "lastname"),
            ("displayName", r#"((firstname | default("")) ~ " " ~ (lastname | default(""))) | trim"#),
            ("emails.work", "email"),
        ]
    }

    /// A user's role in the app is a parameter of the application.
    fn after_mapping(&self) -> &'static str {
        r#"# The role in the app, from a parameter of the application (its name, or its label in lower case with _ for spaces): sent when the value
# changes in OneLogin, never over a change made in the app. When the value becomes empty in OneLogin, the role is removed in the app once.
# role = { from = "app_parameters.role", push = "on_source_change" }
"#
    }

    fn choices(&self) -> &'static [Choice] {
        choices::CHOICES
    }

    /// The attributes of the vendor's `user` resource.
    fn names(&self, _: &SourceTables) -> Result<RecordNames, SourceError> {
        let groups = ["id", "name"].map(str::to_owned).to_vec();
        Ok(RecordNames { users: record_names().map(str::to_owned).collect(), groups, ..RecordNames::default() })
    }

    fn connect(&self, tables: &SourceTables, context: Connect<'_>) -> Result<Box<dyn Source>, ConnectError> {
        let Some(table) = &tables.onelogin else { return Err(SourceError::no_table(self.table()).into()) };
        let secret = context.token(&table.client_secret)?;
        let parts = Parts {
            ca_pem: context.authorities(table.web.ca_file.as_deref())?,
            pacer: context.pacer(&table.address(), &secret, &table.web.rate, table.web.in_flight),
            secret,
            wanted: context.wanted,
            reads: context.reads,
        };
        Ok(Box::new(OneLoginSource::new(table, parts)?))
    }
}
