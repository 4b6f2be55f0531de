//! What rosterd asks OneLogin for beside a reading: events as a hint, findings for a person, new people, single ids.

use std::sync::Arc;

use rosterd::config::directory::onelogin::OneLoginTable;
use rosterd::http::Secret;
use rosterd::http::quota::pacer;
use rosterd::model::{CheckVerdict, Finding, SourceId};
use rosterd::source::onelogin::{OneLoginSource, Parts};
use rosterd::source::write::{CreateError, NewPerson};
use rosterd::source::{FeedHint, Presence, Source, SourceError};
use serde_json::{Value, json};

use crate::support::directory::{Directory, Person, uid};
use crate::support::http;
use crate::support::onelogin::{Account, OneLogin, Scope};
use crate::support::proxy::{Fault, Rule};

fn account() -> Account {
    Account::of(&Directory::generate(60, 4, 100), "Heap", &["group-0000", "group-0001"])
}

fn source(onelogin: &OneLogin, more: &str, reads: &[&str]) -> Arc<OneLoginSource> {
    let table: OneLoginTable = toml::from_str(&format!(
        "base_url = '{}'\nclient_id = '{}'\nclient_secret = {{ env = 'X' }}\nallow_http_loopback = true\nrate = '5000/s'\n\
         attempts = 2\nbackoff_cap_ms = 20\n{more}",
        onelogin.base_url, onelogin.client_id
    ))
    .unwrap();
    let parts = Parts {
        secret: Secret::new(onelogin.client_secret.as_str()).unwrap(),
        ca_pem: None,
        identity: None,
        network: Default::default(),
        pacer: pacer(&table.web.rate, table.web.in_flight),
        wanted: None,
        clock: Arc::new(rosterd::clock::SystemClock),
        reads: reads.iter().map(|name| (*name).to_owned()).collect(),
    };
    Arc::new(OneLoginSource::new(&table, parts).unwrap())
}

fn hint(source: &Arc<OneLoginSource>, since: jiff::Timestamp) -> Result<FeedHint, SourceError> {
    let source = Arc::clone(source);
    http::block_on(async move { source.hint(since).await })
}

fn examined(source: &Arc<OneLoginSource>) -> Vec<Finding> {
    let source = Arc::clone(source);
    http::block_on(async move { source.examine().await })
}

// ---- events ------------------------------------------------------------------------------------------------------------

#[test]
fn events_tell_of_changes_once_and_nothing_of_daily_life() {
    let onelogin = OneLogin::start(account());
    let source = source(&onelogin, "application = 'Heap'", &[]);
    let begin: jiff::Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
    assert_eq!(hint(&source, begin).unwrap(), FeedHint::Quiet { seen: begin });
    onelogin.change(|account| account.log_in(&uid(1)));
    assert_eq!(hint(&source, begin).unwrap(), FeedHint::Quiet { seen: begin });

    onelogin.change(|account| {
        account.assign(&uid(59), "group-0000");
        account.edit(&uid(3), |user| user.status = 2);
    });
    let FeedHint::Changed { seen, events: 2 } = hint(&source, begin).unwrap() else { panic!("two events") };
    assert!(seen > begin);
    // Asked again with some overlap: the same events are shown, and are no news.
    assert_eq!(hint(&source, seen).unwrap(), FeedHint::Quiet { seen });
    onelogin.change(|account| account.delete_user(&uid(4)));
    assert!(matches!(hint(&source, seen).unwrap(), FeedHint::Changed { events: 1, .. }));

    let calls = onelogin.counts();
    assert_eq!(calls["GET /api/1/events/types"], 1, "the kinds are kept");
    let asked = onelogin.calls();
    let events = asked.iter().filter(|call| call.path == "/api/1/events");
    assert!(events.clone().all(|call| call.query.contains("event_type_id=") && call.query.contains("since=")));
    assert!(events.clone().count() >= 5);
}

#[test]
fn a_flood_of_events_is_a_hint_all_the_same_and_a_switched_off_feed_is_silent() {
    let onelogin = OneLogin::start(account());
    onelogin.change(|account| {
        for round in 0..250 {
            account.edit(&uid(round % 60), |user| user.department = Some(format!("{round}")));
        }
    });
    let begin = "2026-09-01T00:00:00Z".parse().unwrap();
    let flooded = hint(&source(&onelogin, "application = 'Heap'", &[]), begin).unwrap();
    assert!(matches!(flooded, FeedHint::Changed { events: 200, .. }), "{flooded:?}");
    assert_eq!(onelogin.counts()["GET /api/1/events"], 4, "nobody reads on for a hint");
    onelogin.forget();
    let off = source(&onelogin, "application = 'Heap'\nevents = false", &[]);
    assert_eq!(hint(&off, begin).unwrap(), FeedHint::NotOffered);
    assert_eq!(onelogin.calls().len(), 0);
}

// ---- findings ----------------------------------------------------------------------------------------------------------

fn one(findings: &[Finding], verdict: CheckVerdict) -> &Finding {
    let mut found = findings.iter().filter(|finding| finding.verdict == verdict);
    found.next().unwrap_or_else(|| panic!("no {verdict:?} in {findings:#?}"))
}

#[test]
fn o1_a_good_connection_has_a_line_for_each_spot() {
    let onelogin = OneLogin::start(account());
    let findings = examined(&source(&onelogin, "application = 'Heap'", &["custom_attributes.heap_role"]));
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check.as_str()).collect();
    assert_eq!(checks, ["API credentials", "users", "roles", "application", "own provisioning"], "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.verdict == CheckVerdict::Ok), "{findings:#?}");
    assert!(findings[3].detail.contains("\"Heap\" (775664) is given to 2 roles"), "{findings:#?}");
    assert!(
        onelogin.calls().len() <= 6
            && onelogin.calls().iter().all(|call| call.method == "GET" || call.path.ends_with("token"))
    );
}

#[test]
fn each_thing_that_is_wrong_is_found_with_its_remedy() {
    let onelogin = OneLogin::start(account());
    let examine = |more: &str| examined(&source(&onelogin, more, &["custom_attributes.heap_role"]));
    let heap = "application = 'Heap'";

    onelogin.behave(|habits| habits.withheld_fields = vec!["role_ids", "custom_attributes"]);
    let findings = examine(heap);
    let warned: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.verdict == CheckVerdict::Warning)
        .map(|finding| finding.check.as_str())
        .collect();
    assert_eq!(warned, ["memberships", "custom attributes"], "{findings:#?}");
    onelogin.behave(|habits| habits.withheld_fields.clear());

    let findings = examine("application = 'Heep'");
    let wrong = one(&findings, CheckVerdict::Wrong);
    assert!(wrong.check == "application" && wrong.detail.contains("\"Heap\" (775664)"), "{wrong:#?}");

    onelogin.behave(|habits| (habits.scope, habits.scope_refusal) = (Scope::ReadUsers, 401));
    let findings = examine(heap);
    let wrong = one(&findings, CheckVerdict::Wrong);
    assert!(
        wrong.check == "application" && wrong.remedy.as_ref().is_some_and(|remedy| remedy.contains("Read All")),
        "{wrong:#?}"
    );

    onelogin.behave(|habits| habits.scope = Scope::AuthenticationOnly);
    let findings = examine(heap);
    assert_eq!((findings.len(), findings[0].check.as_str()), (1, "rights"), "{findings:#?}");

    onelogin.behave(|habits| habits.admin_gone = true);
    let findings = examine(heap);
    assert!(findings[0].check == "API credentials" && findings[0].detail.contains("was deleted"), "{findings:#?}");
    let shown = serde_json::to_string(&findings).unwrap();
    assert!(!shown.contains(&onelogin.client_secret) && !shown.contains(&uid(0)), "{shown}");
}

// ---- single ids --------------------------------------------------------------------------------------------------------

#[test]
fn single_ids_are_present_suspended_gone_or_in_doubt() {
    let onelogin = OneLogin::start(account());
    let source = source(&onelogin, "application = 'Heap'", &[]);
    let ids = onelogin.change(|account| {
        account.edit(&uid(2), |user| user.status = 2);
        let (there, suspended, gone) = (account.user(&uid(1)), account.user(&uid(2)), account.user(&uid(3)));
        account.delete_user(&uid(3));
        [there, suspended, gone]
    });
    let mut ids: Vec<SourceId> = ids.iter().map(|id| SourceId::new(id.to_string())).collect();
    ids.push(SourceId::new("entry-uuid-of-another-directory"));
    let (asked, people) = (Arc::clone(&source), ids.clone());
    let said = http::block_on(async move { asked.ask_users(&people).await }).unwrap();
    assert_eq!(said, [Presence::Present, Presence::Suspended, Presence::Gone, Presence::Unknown]);

    let roles = onelogin.change(|account| {
        let roles = [account.role("group-0002"), account.role("group-0003")];
        account.delete_role("group-0003");
        roles
    });
    let roles: Vec<SourceId> = roles.iter().map(|id| SourceId::new(id.to_string())).collect();
    let (asked, groups) = (Arc::clone(&source), roles.clone());
    let said = http::block_on(async move { asked.ask_groups(&groups).await }).unwrap();
    assert_eq!(said, [Presence::Present, Presence::Gone]);

    // One doubt is a doubt; nothing but doubts is an error.
    onelogin.inject(Rule::on("GET", &format!("/api/2/users/{}", ids[0].as_str())).times(2), Fault::html(503));
    let (asked, people) = (Arc::clone(&source), ids.clone());
    let said = http::block_on(async move { asked.ask_users(&people).await }).unwrap();
    assert_eq!(said[..3], [Presence::Unknown, Presence::Suspended, Presence::Gone]);
    onelogin.inject(Rule::on("GET", "/api/2/users").times(usize::MAX), Fault::html(503));
    let said = http::block_on(async move { source.ask_users(&ids[..3]).await });
    assert!(matches!(said, Err(SourceError::Unreachable(_))), "{said:?}");
}

// ---- new people --------------------------------------------------------------------------------------------------------

fn person(number: usize) -> NewPerson {
    let person = Person::generate(number);
    let attributes = json!({
        "username": person.uid, "email": person.mail, "firstname": person.given_name, "lastname": person.family_name,
        "custom_attributes.heap_role": "Analyst",
    });
    let Value::Object(attributes) = attributes else { panic!("an object") };
    NewPerson { attributes }
}

fn find(source: &Arc<OneLoginSource>, person: &NewPerson) -> Option<SourceId> {
    let (source, person) = (Arc::clone(source), person.clone());
    http::block_on(async move { source.new_people().expect("it can be written").find(&person).await }).unwrap()
}

fn create(source: &Arc<OneLoginSource>, person: &NewPerson) -> Result<SourceId, CreateError> {
    let (source, person) = (Arc::clone(source), person.clone());
    http::block_on(async move { source.new_people().expect("it can be written").create(&person).await })
}

#[test]
fn i3_a_new_person_is_made_once_and_found_afterwards() {
    let onelogin = OneLogin::start(account());
    onelogin.behave(|habits| habits.scope = Scope::ManageUsers);
    let source = source(&onelogin, "application = 'Heap'", &[]);
    let new = person(100);
    assert_eq!(find(&source, &new), None);
    let id = create(&source, &new).unwrap();
    assert_eq!(find(&source, &new), Some(id.clone()));
    let made = onelogin.change(|account| account.users[&account.user(&uid(100))].clone());
    assert_eq!(
        (made.id.to_string(), made.custom_attributes["heap_role"].clone()),
        (id.as_str().to_owned(), json!("Analyst"))
    );
    assert!(matches!(create(&source, &new), Err(CreateError::Exists(_))));

    // By either name, whatever the case; and a star in a name is a star.
    let by_mail = |mail: &str| {
        let mut person = person(101);
        person.attributes.insert("email".to_owned(), json!(mail));
        person
    };
    assert_eq!(find(&source, &by_mail(&Person::generate(100).mail.to_uppercase())), Some(id));
    assert_eq!(find(&source, &by_mail("*@example.org")), None);

    // The answer is lost: it says so, makes no second call, and the person is found.
    onelogin.forget();
    onelogin.inject(Rule::on("POST", "/api/2/users"), Fault::DropAfter);
    let lost = person(102);
    assert!(matches!(create(&source, &lost), Err(CreateError::Unclear(_))));
    assert_eq!(onelogin.counts()["POST /api/2/users"], 1);
    assert!(find(&source, &lost).is_some());
}

#[test]
fn a_new_person_who_is_refused_is_told_apart_from_an_account_that_can_not_be_written() {
    let onelogin = OneLogin::start(account());
    onelogin.behave(|habits| habits.scope = Scope::ManageUsers);
    let source = source(&onelogin, "application = 'Heap'", &[]);
    let nobody = NewPerson::default();
    assert!(matches!(create(&source, &nobody), Err(CreateError::Refused(why)) if why.contains("is required")));
    onelogin.behave(|habits| habits.scope = Scope::ReadAll);
    let refused = create(&source, &person(100));
    assert!(
        matches!(&refused, Err(CreateError::Source(SourceError::Forbidden(why))) if why.contains("Manage Users")),
        "{refused:?}"
    );
    assert_eq!(source.new_people().map(|people| people.required()), Some(&["email"][..]));
}
