//! The connection, looked at for `rosterd doctor`. In: nothing. Out: a finding for the credentials, their rights, the
//! application and what the lists show. Writes nothing; a handful of small calls.

use super::application::{self, Binding};
use super::layout::Layout;
use super::pages::objects;
use super::parameters::{PARAMETERS, Parameters, Rule};
use super::people;
use super::record::{CUSTOM, ROLES};
use super::{by_roles, told, v2};
use crate::model::Finding;
use crate::progress::Silent;
use crate::source::SourceError;
use crate::source::web::{Api, Question};

/// All of it.
pub(super) async fn all(api: &Api, layout: &Layout) -> Vec<Finding> {
    let mut found = Vec::new();
    if !users(api, layout, &mut found).await {
        return found;
    }
    groups(api, layout, &mut found).await;
    if layout.application.is_some() {
        application(api, layout, &mut found).await;
    }
    found
}

/// The first call tells whether there is a token at all. False if nothing else is worth a look.
async fn users(api: &Api, layout: &Layout, found: &mut Vec<Finding>) -> bool {
    let question = Question::get("users", v2("users")).with("fields", layout.fields.join(",")).with("limit", 1);
    let reply = match api.read(&question).await.map_err(|error| told(error, people::NEEDS)) {
        Ok(reply) => reply,
        Err(error) => {
            let (check, remedy) = blame(&error);
            found.push(Finding::wrong(check, error.to_string(), remedy));
            return false;
        }
    };
    found.push(Finding::ok("API credentials", format!("{} granted a token", api.host())));
    let entries = match objects(api, question.what, &reply) {
        Ok(entries) => entries,
        Err(error) => {
            found.push(Finding::wrong("users", error.to_string(), "is the address that of the API?"));
            return false;
        }
    };
    let total = reply.header("total-count").unwrap_or("an unknown number of");
    let Some(first) = entries.first() else {
        found.push(Finding::wrong(
            "users",
            "nobody is visible",
            "the credentials see nobody: give them Read Users or Read All",
        ));
        return true;
    };
    found.push(Finding::ok("users", format!("{total} users are visible")));
    if by_roles(layout) && !first.contains_key(ROLES) {
        let seen = "the list of users shows no roles, so members are read role by role";
        found.push(Finding::warning("memberships", seen, "it works; with many roles it takes many calls"));
    }
    if layout.needs_custom && !first.contains_key(CUSTOM) {
        let seen = "the list of users shows no custom attributes, so users are read one by one";
        found.push(Finding::warning("custom attributes", seen, "it works; it takes a call for each user"));
    }
    true
}

fn blame(error: &SourceError) -> (&'static str, &'static str) {
    match error {
        SourceError::Refused(_) | SourceError::NotGranted(_) => {
            ("API credentials", "make new ones in OneLogin (Developers > API Credentials) and put the secret in place")
        }
        SourceError::Forbidden(_) => {
            ("rights", "give the API credentials Read All in OneLogin (Developers > API Credentials)")
        }
        SourceError::Settings(_) => ("address", "check `subdomain` or `base_url`"),
        SourceError::Throttled(_) => ("limits", "wait, or lower `rate`"),
        _ => ("address", "check `subdomain` or `base_url`, the network and the clock"),
    }
}

async fn groups(api: &Api, layout: &Layout, found: &mut Vec<Finding>) {
    let question = match by_roles(layout) {
        true => Question::get("roles", v2("roles")),
        false => Question::get("groups", ["api", "1", "groups"]),
    };
    let answer = api.read(&question.with("limit", 1)).await.map_err(|error| told(error, people::NEEDS));
    found.push(match answer {
        Ok(_) if by_roles(layout) => Finding::ok("roles", "roles are visible"),
        Ok(_) => Finding::ok("groups", "groups are visible"),
        Err(error) => Finding::wrong("rights", error.to_string(), blame(&error).1),
    });
}

async fn application(api: &Api, layout: &Layout, found: &mut Vec<Finding>) {
    let binding = match application::find(api, layout, &Silent).await {
        Ok(Some(binding)) => binding,
        Ok(None) => return,
        Err(error @ SourceError::Settings(_)) => {
            found.push(Finding::wrong("application", error.to_string(), "write its name or id as `application`"));
            return;
        }
        Err(error) => {
            found.push(Finding::wrong("application", error.to_string(), blame(&error).1));
            return;
        }
    };
    let seen = format!("{:?} ({}) is given to {} roles", binding.name, binding.id, binding.roles.len());
    found.push(match binding.roles.is_empty() && !layout.asks_who_is_direct() {
        true => Finding::warning("application", seen, "give it to a role in OneLogin, or nobody belongs"),
        false => Finding::ok("application", seen),
    });
    found.extend(own_provisioning(&binding));
    parameters(api, layout, &binding, found).await;
}

/// Whether OneLogin itself provisions the application. Nothing where the API does not tell.
fn own_provisioning(binding: &Binding) -> Option<Finding> {
    const CHECK: &str = "own provisioning";
    Some(match binding.provisioning? {
        false => Finding::ok(CHECK, format!("OneLogin's own provisioning for {:?} is off", binding.name)),
        true => Finding::warning(
            CHECK,
            format!(
                "OneLogin's own provisioning for {:?} is on: OneLogin and rosterd would both change the app's accounts and revert each \
                 other's changes",
                binding.name
            ),
            format!(
                "in OneLogin, Applications > {} > Provisioning: clear \"Enable provisioning\" and save",
                binding.name
            ),
        ),
    })
}

/// Each parameter of the application that a mapping reads.
async fn parameters(api: &Api, layout: &Layout, binding: &Binding, found: &mut Vec<Finding>) {
    const CHECK: &str = "parameter";
    let read = match Parameters::read(api, layout, binding).await {
        Ok(read) => read,
        Err(error) => {
            found.push(Finding::wrong(CHECK, error.to_string(), blame(&error).1));
            return;
        }
    };
    for (name, rule) in read.iter() {
        found.push(match rule {
            Rule::Unread(why) => Finding::warning(
                CHECK,
                format!("{PARAMETERS}.{name} can't be read: {why}; what depends on it is left as it is"),
                "map the parameter to a user attribute in OneLogin, or read that attribute instead: custom_attributes.NAME",
            ),
            Rule::Off(why) => Finding::ok(CHECK, format!("{PARAMETERS}.{name} is off: {why}")),
            Rule::Value { from, default } => {
                let default = default.as_ref().map_or_else(String::new, |value| format!(", else {value:?}"));
                let rules = match read.unchecked() {
                    Some(_) => "; whether a rule of the application sets it is unknown without Manage All",
                    None => "",
                };
                Finding::ok(CHECK, format!("{PARAMETERS}.{name} is {from}{default}{rules}"))
            }
        });
    }
}
