//! The text of a tenant file as `init` writes it. In: a tenant's name, a directory, an app, and what was chosen. Out: commented TOML.

use std::fmt::Write as _;

use super::differences::{self, SettingKey};
use crate::config::profiles::TenantTemplate;
use crate::config::tenant::DeprovisioningAction;
use crate::model::TenantName;
use crate::source::kind::{self, DefaultMapping, DirectoryProduct};

/// What is to be written.
#[derive(Debug, Clone)]
pub struct InitPlan {
    /// The tenant.
    pub tenant: TenantName,
    /// One of [`kind::products`].
    pub source: String,
    /// The name of a shipped profile, or the path of an app's folder.
    pub app: String,
}

/// What is chosen beside the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choices {
    /// What becomes of the account of a user whose access is revoked; `None` for the default, deactivation.
    pub on_unassigned: Option<DeprovisioningAction>,
}

/// Where the tenant file looks for the schema that editors complete and check it with, and for secrets.
pub(super) const SCHEMA: &str = "../tenant.schema.json";
pub(super) const SECRETS: &str = "../secrets";

/// The lines that hold a value of nobody's: a placeholder, a domain for examples, a secret's file.
pub(super) fn to_edit(text: &str) -> Vec<(usize, String)> {
    const SIGNS: [&str; 5] = ["YOUR-", "example.", "dc=example", "DC=example", "\"../secrets/"];
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let lines = lines.filter(|(_, line)| SIGNS.iter().any(|sign| line.contains(sign)));
    lines.map(|(at, line)| (at + 1, line.split("     #").next().unwrap_or(line).trim_end().to_owned())).collect()
}

/// The text with what was chosen.
pub(super) fn with_choices(text: String, choices: &Choices) -> String {
    const SHIPPED: &str = "\non_unassigned = \"deactivate\"\n";
    match choices.on_unassigned {
        None | Some(DeprovisioningAction::Deactivate) => text,
        Some(DeprovisioningAction::Delete) => text.replacen(SHIPPED, "\non_unassigned = \"delete\"\n", 1),
        Some(DeprovisioningAction::Nothing) => text.replacen(SHIPPED, "\non_unassigned = \"nothing\"\n", 1),
    }
}

/// The tenant file.
pub(super) fn template(plan: &InitPlan, directory: &DirectoryProduct, app: &TenantTemplate) -> String {
    let mut text = format!(
        "#:schema {SCHEMA}\n\
         # The tenant {}: one directory, one app. `rosterd check {0}` validates this file, `rosterd plan {0}` shows the changes\n\
         # without sending any, `rosterd sync {0}` applies them. Paths are relative to this file.\n\n",
        plan.tenant
    );
    text.push_str(directory.template);
    text.push_str(&match kind::assigns_groups(&plan.source) {
        true => SCOPE.to_owned(),
        false => SCOPE.replacen(SCOPE_ASSIGNED, SCOPE_NAMED, 1),
    });
    target(plan, app, &mut text);
    text.push_str(&users(plan, app));
    text.push_str(directory.around_mapping[0]);
    for (attribute, from) in attributes(plan, directory, app) {
        let key = match attribute.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            true => attribute.to_owned(),
            false => format!("{attribute:?}"),
        };
        // Jinja has double quotes; a literal string keeps them as they are.
        let value = if from.contains('"') { format!("'{from}'") } else { format!("{from:?}") };
        let _infallible = writeln!(text, "{key} = {value}");
    }
    text.push_str(app.attributes_for(&plan.source).unwrap_or_else(|| directory.around_mapping[1]));
    text.push_str(&groups(plan, app));
    text.push_str(REST);
    text
}

/// The usual rules of the directory; where the app wants it, with the e-mail address as user name.
fn attributes(plan: &InitPlan, directory: &DirectoryProduct, app: &TenantTemplate) -> Vec<DefaultMapping> {
    let mut rules = directory.mapping.to_vec();
    let email = rules.iter().find(|(attribute, _)| *attribute == "emails.work").map(|(_, from)| *from);
    let email = email.map(|from| from.split(" |").next().unwrap_or(from));
    if let (true, Some(email)) =
        (app.address_as_user_name && !app.user_name_as_in_directory.contains(&plan.source), email)
    {
        rules.iter_mut().filter(|(attribute, _)| *attribute == "userName").for_each(|(_, from)| *from = email);
    }
    rules
}

/// What the template says of groups, for a directory that assigns some to the app and for one that does not.
const SCOPE_ASSIGNED: &str = "# Who belongs. Without `groups`: every group the directory assigns to the app.\n# groups = [{ name = \"Staff *\" }]\n";
const SCOPE_NAMED: &str =
    "# Who belongs: the members of these groups. `*` stands for any text.\ngroups = [{ name = \"YOUR-GROUP\" }]\n";

const SCOPE: &str = r#"
[scope]
# Who belongs. Without `groups`: every group the directory assigns to the app.
# groups = [{ name = "Staff *" }]
# Must be visible in every reading, or nothing is changed: a token that lost its rights sees an empty directory.
# sentinels = ["it-admins"]
# Never touched, whatever the directory says.
# protect = ["breakglass@example.org"]

"#;

fn target(plan: &InitPlan, app: &TenantTemplate, text: &mut String) {
    let base_url = &app.base_url;
    let _infallible = write!(
        text,
        "[target]\nprofile = {:?}\nbase_url = {base_url:?}\ntoken = {{ file = \"../secrets/{}\" }}     # chmod 600\n\
         rate = \"10/s\"\n\
         # For an app on this machine, such as `rosterd sandbox`: plain http, and a port or path that may be others in every run.\n\
         # allow_http_loopback = true\n# loopback_port_may_change = true\n",
        plan.app, plan.tenant
    );
}

/// What becomes of accounts. The comment on the choice that a vendor's guide makes differently comes from [`super::differences`].
fn users(plan: &InitPlan, app: &TenantTemplate) -> String {
    format!("\n{}", app.users.trim_start()).replacen(
        "# on_unassigned:\n",
        &differences::comment(&plan.source, &plan.app, SettingKey::OnUnassigned),
        1,
    )
}

fn groups(plan: &InitPlan, app: &TenantTemplate) -> String {
    format!("\n{}", app.groups.trim_start()).replacen(
        "# manage:\n",
        &differences::comment(&plan.source, &plan.app, SettingKey::ManageGroups),
        1,
    )
}

const REST: &str = r#"
[guard]
# Stop and ask when more than this would happen.
removals_per_day = "10%, at least 3, at most 200"
"#;
