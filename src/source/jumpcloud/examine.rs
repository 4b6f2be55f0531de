//! What `rosterd doctor` says of the connection to JumpCloud. In: a few reads. Out: findings, each with its remedy.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::application::{self, Application};
use super::insights::{Told, hint};
use super::reach::{Reach, records, text};
use crate::model::Finding;
use crate::source::web::Question;
use crate::source::{Hint, SourceError};

/// Clocks further apart than this spoil time windows and tokens.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// Looks at everything, and goes on as far as it makes sense.
pub(super) async fn examine(reach: &Reach, name: Option<&str>) -> Vec<Finding> {
    let mut found = Vec::new();
    if !people(reach, &mut found).await {
        return found;
    }
    groups(reach, &mut found).await;
    if let Some(name) = name {
        bindings(reach, name, &mut found).await;
    }
    insights(reach, &mut found).await;
    found
}

/// One record, and how many there are.
async fn glance(
    reach: &Reach,
    what: &'static str,
    path: &[&str],
    sort: &'static str,
) -> Result<(Option<Map<String, Value>>, Option<u64>, Timestamp), SourceError> {
    let question = Question::get(what, path.iter().copied()).with("sort", sort).with("limit", 1).with("skip", 0);
    let reply = reach.read(&question).await?;
    let page = records(&reach.api, what, &reply)?;
    Ok((page.rows.into_iter().next(), page.total, reach.at(&reply)))
}

fn counted(total: Option<u64>, what: &str) -> String {
    total.map_or_else(|| format!("{what} are visible"), |total| format!("{total} {what} are visible"))
}

/// Whether the credential shows people of the right organisation; without that, nothing else can be said.
async fn people(reach: &Reach, found: &mut Vec<Finding>) -> bool {
    let (person, total, at) = match glance(reach, "people", &["systemusers"], "_id").await {
        Ok(glance) => glance,
        Err(error) => {
            let check = match &error {
                SourceError::Settings(_) => "address",
                SourceError::Unreachable(_) | SourceError::Unavailable(_) => "reachable",
                SourceError::Forbidden(_) => "right to read people",
                _ => "credential",
            };
            found.push(wrong(check, &error));
            return false;
        }
    };
    found.push(Finding::ok("credential", format!("accepted by {}", reach.api.host())));
    let Some(person) = person else {
        let remedy = "a credential without the right to read people looks just like this: check its role";
        found.push(Finding::wrong("right to read people", "no people at all are visible", remedy));
        return false;
    };
    found.push(Finding::ok("right to read people", counted(total, "people")));
    clock(reach, at, found);
    organisation(reach, &person, found)
}

fn clock(reach: &Reach, at: Timestamp, found: &mut Vec<Finding>) {
    let apart = reach.clock.now().duration_since(at).abs();
    found.push(if apart > CLOCKS_APART {
        let detail = format!("this machine and JumpCloud are {} s apart", apart.as_secs());
        Finding::warning("clock", detail, "set this machine's clock by NTP")
    } else {
        Finding::ok("clock", "agrees with JumpCloud's")
    });
}

fn organisation(reach: &Reach, person: &Map<String, Value>, found: &mut Vec<Finding>) -> bool {
    let shown = text(person, "organization");
    match (&reach.org_id, shown) {
        (Some(meant), Some(shown)) if meant != shown => {
            let detail = format!("the credential belongs to the organisation {shown}, and `org_id` is {meant}");
            let remedy = "use a credential of the right organisation, or correct `org_id`";
            found.push(Finding::wrong("organisation", detail, remedy));
            return false;
        }
        (_, Some(shown)) => found.push(Finding::ok("organisation", shown)),
        (_, None) => {}
    }
    true
}

async fn groups(reach: &Reach, found: &mut Vec<Finding>) {
    found.push(match glance(reach, "groups", &["v2", "usergroups"], "name").await {
        Ok((_, total, _)) => Finding::ok("right to read groups", counted(total, "groups")),
        Err(error) => wrong("right to read groups", &error),
    });
}

async fn bindings(reach: &Reach, name: &str, found: &mut Vec<Finding>) {
    let bound = application::bindings(reach, name).await;
    let application = bound.as_ref().ok().map(|bound| bound.application.clone());
    found.push(match bound {
        Ok(bound) if bound.groups.is_empty() && bound.people.is_empty() => Finding::warning(
            "application",
            format!("{} has nothing bound to it: nobody belongs to the app", bound.application.shown()),
            "bind user groups to it in the console, under User Groups",
        ),
        Ok(bound) => {
            let (groups, people) = (bound.groups.len(), bound.people.len());
            let shown = bound.application.shown();
            Finding::ok("application", format!("{shown}: {groups} groups and {people} people are bound to it"))
        }
        Err(error) => wrong("application", &error),
    });
    if let Some(application) = application {
        found.extend(own_provisioning(reach, &application).await);
    }
}

/// Whether JumpCloud's own connection to the app is active. No application says so (vendor's description of API v1 and v2); but JumpCloud
/// lists an app's users, for its own import, only over that connection. It is asked once. Nothing where the answer tells nothing.
async fn own_provisioning(reach: &Reach, application: &Application) -> Option<Finding> {
    let question = Question::get("users to import", ["v2", "applications", application.id.as_str(), "import", "users"])
        .with("isCount", true)
        .with("limit", 1);
    let reply = reach.api.find_once(&question, 404).await.ok()??;
    let answer: Map<String, Value> = reach.api.json("users to import", &reply).ok()?;
    let shows_users =
        answer.get("total_count").is_some_and(Value::is_number) || answer.get("users").is_some_and(Value::is_array);
    let shown = application.shown();
    shows_users.then(|| {
        Finding::warning(
            "own provisioning",
            format!(
                "JumpCloud lists the users of {shown} in the app, so its own connection to the app is active: JumpCloud and rosterd would both \
                 change the app's accounts and revert each other's changes"
            ),
            "in the console, SSO Applications > the application > Identity Management: Deactivate IdM Connection. It leaves the app as it is",
        )
    })
}

async fn insights(reach: &Reach, found: &mut Vec<Finding>) {
    const CHECK: &str = "directory insights";
    const REMEDY: &str = "without it changes wait for the schedule; `insights = false` stops asking";
    found.push(match hint(reach, &Told::default(), reach.clock.now()).await {
        Ok(Hint::NotOffered) if reach.insights.is_none() => return,
        Ok(Hint::NotOffered) => Finding::warning(CHECK, "the organisation does not have it", REMEDY),
        Ok(_) => Finding::ok(CHECK, "changes can wake a sync early"),
        Err(error) => Finding::warning(CHECK, error.to_string(), REMEDY),
    });
}

fn wrong(check: &str, error: &SourceError) -> Finding {
    let remedy = match error {
        SourceError::NoOrganisation(_) => "add `org_id`: this administrator belongs to several organisations",
        SourceError::Refused(_) | SourceError::NotGranted(_) => {
            "make a new API key (or client secret) in the console and put it into the secret file"
        }
        SourceError::Forbidden(_) => "give the administrator or service account a role that may read this",
        SourceError::Unreachable(_) | SourceError::Unavailable(_) => "check the network, and `region` or `base_url`",
        SourceError::Throttled(_) => "wait some minutes, and lower `rate`",
        SourceError::TimeLimit { .. } => "find out why it takes so long, and whether `rate` is too low",
        SourceError::Settings(_) | SourceError::Malformed(_) | SourceError::Incomplete(_) => {
            "correct `[source.jumpcloud]` in the tenant file"
        }
    };
    Finding::wrong(check, error.to_string(), remedy)
}
