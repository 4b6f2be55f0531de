//! What `rosterd doctor` says of the connection to a directory behind HTTP. What comes in is the directory; what goes out are findings, each with its
//! remedy. A few reads; nothing is written.

use jiff::{SignedDuration, Timestamp};

use super::about::{DirectoryInfo, Words};
use super::directory::{ApiRight, Binding, HttpDirectory};
use super::list::{List, Object};
use super::{WebConnection, application};
use crate::http::http_date;
use crate::model::Finding;
use crate::progress::Silent;
use crate::source::SourceError;

/// Clocks further apart than this spoil time windows and tokens.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// The first record of a list, how many there are, and when the directory answered.
type Glance = (Option<Object>, Option<u64>, Option<Timestamp>);

/// Looks at everything, and goes on as far as it makes sense.
pub(super) async fn examine<D: HttpDirectory>(
    directory: &D,
    web: &WebConnection,
    application: Option<&str>,
    is_narrowed: bool,
) -> Vec<Finding> {
    let words = &D::ABOUT.words;
    let mut found = Vec::new();
    let users = directory.users();
    let (first, total, at) = match glance::<D>(web, &users).await {
        Ok(glance) => glance,
        Err(error) => return vec![wrong(words, None, &error)],
    };
    found.push(Finding::ok(words.credential[0], format!("accepted by {}", web.api.host())));
    let Some(first) = first else {
        let detail = format!("no {} at all are visible", users.label);
        let remedy = format!("a credential without the right to read them looks just like this: {}", words.grant[1]);
        found.push(Finding::wrong(words.rights[0], detail, remedy));
        return found;
    };
    found.push(Finding::ok(words.rights[0], counted(total, &users.label)));
    if !directory.glance(web, &first, at, &mut found) {
        return found;
    }
    let groups = directory.groups();
    found.push(match glance::<D>(web, &groups).await {
        Ok((_, total, _)) => Finding::ok(words.rights[1], counted(total, &groups.label)),
        Err(error) => wrong(words, Some(words.rights[1]), &error),
    });
    if let Some(name) = application {
        bound(directory, web, name, is_narrowed, &mut found).await;
    }
    let [feed, without] = words.feed;
    if !feed.is_empty() {
        match directory.events(web, web.clock.now()).await {
            Ok(None) if web.feed.is_none() => {}
            Ok(None) => found.push(Finding::warning(feed, "the organisation does not have it", without)),
            Ok(Some(_)) => found.push(Finding::ok(feed, "changes can wake a sync early")),
            Err(error) => found.push(Finding::warning(feed, error.to_string(), without)),
        }
    }
    found
}

async fn glance<D: HttpDirectory>(web: &WebConnection, list: &List) -> Result<Glance, SourceError> {
    let reply = web.api.read(&list.first(1)).await.map_err(|error| D::explain(error, ApiRight::Read))?;
    let (entries, total, _) = list.entries(&web.api, &reply)?;
    Ok((entries.into_iter().next(), total, reply.header("date").and_then(http_date)))
}

fn counted(total: Option<u64>, what: &str) -> String {
    total.map_or_else(|| format!("{what} are visible"), |total| format!("{total} {what} are visible"))
}

async fn bound<D: HttpDirectory>(
    directory: &D,
    web: &WebConnection,
    name: &str,
    is_narrowed: bool,
    found: &mut Vec<Finding>,
) {
    const CHECK: &str = "application";
    let words = &D::ABOUT.words;
    let binding = match application::find(directory, web, name, &Silent).await {
        Ok(binding) => binding,
        Err(error) => return found.push(wrong(words, Some(CHECK), &error)),
    };
    let may_be_direct = !is_narrowed && directory.everybody_bound(&binding).is_some();
    found.push(if binding.groups.is_empty() && binding.users.is_empty() && !may_be_direct {
        let detail = format!("{} has nothing bound to it: no user belongs to the app", binding.application.shown());
        Finding::warning(CHECK, detail, words.bind)
    } else {
        Finding::ok(CHECK, directory.who(&binding))
    });
    found.extend(directory.provisions(web, &binding).await.map(|is_on| own_provisioning(D::ABOUT, &binding, is_on)));
    found.extend(directory.look(web, &binding).await);
}

fn own_provisioning(about: &DirectoryInfo, binding: &Binding, is_on: bool) -> Finding {
    const CHECK: &str = "own provisioning";
    let (product, name) = (about.product, binding.application.name());
    if !is_on {
        return Finding::ok(CHECK, format!("{product}'s own provisioning for {name:?} is off"));
    }
    let [seen, remedy] = about.words.provisioning.map(|words| words.replace("{app}", name));
    let detail =
        format!("{seen}: {product} and rosterd would both change the app's accounts and revert each other's changes");
    Finding::warning(CHECK, detail, remedy)
}

/// Whether this machine's clock agrees with the directory's.
pub(crate) fn clock(web: &WebConnection, product: &str, at: Option<Timestamp>) -> Finding {
    let apart = at.map_or(SignedDuration::ZERO, |at| web.clock.now().duration_since(at).abs());
    if apart > CLOCKS_APART {
        let detail = format!("this machine and {product} are {} s apart", apart.as_secs());
        Finding::warning("clock", detail, "set this machine's clock by NTP")
    } else {
        Finding::ok("clock", format!("agrees with {product}'s"))
    }
}

/// What an error means for a person. Without a check it is the first call, whose error says itself what it is about.
fn wrong(words: &Words, check: Option<&str>, error: &SourceError) -> Finding {
    let [reachable, network] = words.reachable;
    let (about, remedy) = match error {
        SourceError::NoOrganisation(_) => {
            (words.credential[0], "add `org_id`: this administrator belongs to several organisations")
        }
        SourceError::Refused(_) | SourceError::NotGranted(_) => (words.credential[0], words.credential[1]),
        SourceError::Forbidden(_) => (words.grant[0], words.grant[1]),
        SourceError::Unreachable(_) | SourceError::Unavailable(_) => (reachable, network),
        SourceError::Untrusted(_) => (reachable, "fix the server's certificate, the address or `ca_file`"),
        SourceError::Throttled(_) => ("limits", "wait some minutes, and lower `rate`"),
        SourceError::TimeLimit { .. } => (reachable, "find out why it takes so long, and whether `rate` is too low"),
        SourceError::Settings(_) if check.is_some() => ("address", "write its name or its id as `application`"),
        SourceError::Settings(_) | SourceError::Malformed(_) | SourceError::Incomplete(_) => {
            ("address", words.settings)
        }
    };
    Finding::wrong(check.unwrap_or(about), error.to_string(), remedy)
}
