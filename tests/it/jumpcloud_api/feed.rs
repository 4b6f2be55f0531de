//! What the source offers beside readings: hints, findings for `doctor`, new people for `import`. The library against the
//! stand-in; the commands have tests of their own.

use std::sync::Arc;

use rosterd::clock::{Clock as _, SystemClock};
use rosterd::config::directory::jumpcloud::JumpCloudTable;
use rosterd::http::Secret;
use rosterd::model::{CheckVerdict, Finding, SourceId};
use rosterd::source::jumpcloud::{JumpCloudSource, Parts};
use rosterd::source::write::{CreateError, NewPerson};
use rosterd::source::{FeedHint, Presence, Source};
use serde_json::{Value, json};

use super::scene::company;
use crate::support::http::block_on;
use crate::support::jumpcloud::{API_KEY, JumpCloud, group_id, person_id};
use crate::support::prism::Prism;
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::{glue, require};

fn source(cloud: &JumpCloud, more: Value) -> Arc<JumpCloudSource> {
    let mut table = json!({
        "base_url": cloud.base_url(),
        "insights_url": cloud.insights_url(),
        "api_key": {"env": "NOT_READ_HERE"},
        "application": "Heap",
        "rate": "2000/s",
        "backoff_cap_ms": 20,
        "allow_http_loopback": true,
    });
    for (name, value) in more.as_object().unwrap() {
        table[name] = value.clone();
    }
    let table: JumpCloudTable = serde_json::from_value(table).unwrap();
    let parts = Parts {
        secret: Secret::new(API_KEY).unwrap(),
        ca_pem: None,
        identity: None,
        network: Default::default(),
        pacer: rosterd::http::quota::pacer(&table.web.rate, table.web.in_flight),
        wanted: None,
        reads: Vec::new(),
        clock: Arc::new(SystemClock),
    };
    Arc::new(JumpCloudSource::new(&table, parts).unwrap())
}

fn hint(source: &Arc<JumpCloudSource>, since: &str) -> FeedHint {
    let (source, since) = (Arc::clone(source), since.parse().unwrap());
    block_on(async move { source.hint(since).await }).unwrap()
}

fn examine(source: Arc<JumpCloudSource>) -> Vec<Finding> {
    block_on(async move { source.examine().await })
}

#[test]
fn a_hint_tells_once_what_happened_and_asks_again_for_what_may_come_late() {
    let cloud = JumpCloud::start(&company());
    let source = source(&cloud, json!({}));
    let now = SystemClock.now().to_string();
    assert_eq!(hint(&source, &now), FeedHint::Quiet { seen: now.parse().unwrap() });
    cloud.change(|org| org.suspend(60));
    let FeedHint::Changed { seen, events: 1 } = hint(&source, &now) else { panic!("one event") };
    assert_eq!(hint(&source, &seen.to_string()), FeedHint::Quiet { seen }, "told once");
    // An event that comes late, with a time before the last look.
    let late = seen - jiff::SignedDuration::from_mins(9);
    cloud.change(|org| org.happened_at("association_change", json!({"association": {"op": "add"}}), late));
    assert_eq!(hint(&source, &seen.to_string()), FeedHint::Changed { seen, events: 1 });
    // How people log in wakes nobody.
    cloud.change(|org| org.happened("user_lockout", json!({})));
    assert!(matches!(hint(&source, &seen.to_string()), FeedHint::Quiet { .. }));
}

#[test]
fn many_events_are_followed_page_by_page_and_old_ones_are_not_asked_for() {
    let cloud = JumpCloud::start(&company());
    let source = source(&cloud, json!({}));
    cloud.change(|org| (0..2500).for_each(|_| org.happened("user_update", json!({}))));
    // Longer ago than anything is kept: asked for as far back as there is.
    let FeedHint::Changed { events: 2500, .. } = hint(&source, "2020-01-01T00:00:00Z") else {
        panic!("all of them, once")
    };
    assert_eq!(cloud.counts()["POST /insights/directory/v1/events"], 3);
}

#[test]
fn an_organisation_without_the_feed_is_no_error() {
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| org.insights = false);
    assert_eq!(hint(&source(&cloud, json!({})), "2026-11-01T00:00:00Z"), FeedHint::NotOffered);
    cloud.forget();
    assert_eq!(hint(&source(&cloud, json!({"insights": false})), "2026-11-01T00:00:00Z"), FeedHint::NotOffered);
    assert!(cloud.calls().is_empty(), "switched off: not even asked");
}

#[test]
fn j02_doctor_finds_everything_in_order() {
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| org.bind("Heap", &["sales", "eng"]));
    let own = cloud.change(|org| org.id.clone());
    let found = examine(source(&cloud, json!({"org_id": own})));
    assert!(found.iter().all(|one| one.verdict == CheckVerdict::Ok), "{found:#?}");
    let checks: Vec<&str> = found.iter().map(|one| one.check.as_str()).collect();
    assert_eq!(
        checks,
        [
            "credential",
            "right to read users",
            "clock",
            "organisation",
            "right to read groups",
            "application",
            "directory insights"
        ]
    );
    assert!(found[5].detail.contains("2 groups and 0 users"), "{found:#?}");
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains("u00060") && !text.contains("canary"), "no person's name and no secret: {text}");
}

#[test]
fn j2_doctor_tells_when_jumpclouds_own_provisioning_is_still_on() {
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| org.bind("Heap", &["sales"]));
    let own = |found: &[Finding]| found.iter().find(|one| one.check == "own provisioning").cloned();
    cloud.forget();
    assert_eq!(own(&examine(source(&cloud, json!({})))), None, "what the answer does not tell is not said");
    let asked = "GET /api/v2/applications/{id}/import/users";
    assert_eq!(cloud.counts()[asked], 1, "it is not repeated");

    cloud.change(|org| org.apps[0].identity_management = true);
    let found = own(&examine(source(&cloud, json!({})))).expect("a finding");
    assert_eq!(found.verdict, CheckVerdict::Warning);
    assert!(
        found.detail.contains("\"Heap\"") && found.remedy.as_ref().unwrap().contains("Identity Management"),
        "{found:#?}"
    );

    // An answer of another shape, or none, is no reason to say anything.
    let app = cloud.change(|org| org.apps[0].id.clone());
    let rule = Rule::on("GET", &format!("/api/v2/applications/{app}/import/users"));
    cloud.inject(rule, Fault::Answer { status: 200, headers: Vec::new(), body: "[]".to_owned() });
    assert_eq!(own(&examine(source(&cloud, json!({})))), None);
}

#[test]
fn every_question_of_doctor_fits_the_vendors_spec() {
    let Some(rig) = require("prism") else { return };
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| org.bind("Heap", &["sales"]));
    let prism = Prism::before(&rig, &glue().join("specs/jumpcloud/api.json"), &cloud.root());
    let (api, insights) = (format!("{}/api", prism.base_url), format!("{}/insights/directory/v1", prism.base_url));
    let found = examine(source(&cloud, json!({"base_url": api, "insights_url": insights})));
    cloud.change(|org| org.apps[0].identity_management = true);
    let active = examine(source(&cloud, json!({"base_url": api, "insights_url": insights})));
    let own = active.iter().find(|one| one.check == "own provisioning");
    assert_eq!((active.len(), own.map(|one| one.verdict)), (8, Some(CheckVerdict::Warning)), "{active:#?}");
    assert!(found.len() == 7 && found.iter().all(|one| one.verdict == CheckVerdict::Ok), "{found:#?}");
}

#[test]
fn j02_doctor_names_what_is_wrong_and_what_to_do() {
    let cloud = JumpCloud::start(&company());
    let wrong = |more: Value| -> Vec<(String, String)> {
        let found = examine(source(&cloud, more));
        let bad = found.into_iter().filter(|one| one.verdict != CheckVerdict::Ok);
        bad.map(|one| (one.check, format!("{} / {}", one.detail, one.remedy.unwrap()))).collect()
    };
    let one = |more: Value, check: &str, words: &str| {
        let found = wrong(more);
        assert!(found.iter().any(|(at, said)| at == check && said.contains(words)), "{check} {words}: {found:#?}");
    };
    one(json!({}), "application", "has nothing bound to it");
    one(json!({"application": "Heep"}), "application", "the nearest");
    one(json!({"org_id": "5ce40000000000000000ffff"}), "address", "org_id");
    one(json!({"base_url": format!("{}/nowhere", cloud.root())}), "address", "base_url");
    cloud.change(|org| {
        org.insights = false;
        org.keys.get_mut(API_KEY).unwrap().groups = false;
    });
    one(json!({}), "directory insights", "does not have it");
    one(json!({}), "right to read groups", "role");
    cloud.change(|org| org.keys.get_mut(API_KEY).unwrap().multi_tenant = true);
    one(json!({}), "credential", "add `org_id`");
    cloud.change(|org| org.keys.clear());
    one(json!({}), "credential", "401");
    one(json!({"base_url": "http://127.0.0.1:9/api"}), "reachable", "check the network");
}

#[test]
fn single_ids_are_told_apart_and_a_wrong_address_makes_nobody_gone() {
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| {
        org.suspend(2);
        org.set(3, "state", "STAGED");
    });
    let ids: Vec<SourceId> = [person_id(1), person_id(2), person_id(3), person_id(9999)]
        .into_iter()
        .map(|id| SourceId::new(id.as_str()))
        .collect();
    let (asked, right) = (ids.clone(), source(&cloud, json!({})));
    let answers = block_on(async move { right.ask_users(&asked).await }).unwrap();
    assert_eq!(answers, [Presence::Present, Presence::Suspended, Presence::Present, Presence::Gone]);
    let groups = vec![SourceId::new(group_id(0)), SourceId::new(group_id(77))];
    let right = source(&cloud, json!({}));
    let answers = block_on(async move { right.ask_groups(&groups).await }).unwrap();
    assert_eq!(answers, [Presence::Present, Presence::Gone]);
    let wrong = source(&cloud, json!({"base_url": format!("{}/nowhere", cloud.root())}));
    let answers = block_on(async move { wrong.ask_users(&ids).await });
    assert!(answers.is_err(), "{answers:?}");
}

fn person(value: Value) -> NewPerson {
    NewPerson { attributes: value.as_object().unwrap().clone() }
}

fn create(source: &Arc<JumpCloudSource>, person: &NewPerson) -> Result<SourceId, CreateError> {
    let (source, person) = (Arc::clone(source), person.clone());
    block_on(async move { source.new_people().unwrap().create(&person).await })
}

fn find(source: &Arc<JumpCloudSource>, person: &NewPerson) -> Option<SourceId> {
    let (source, person) = (Arc::clone(source), person.clone());
    block_on(async move { source.new_people().unwrap().find(&person).await }).unwrap()
}

#[test]
fn j16_a_person_is_made_once_and_found_by_name_or_address() {
    let Some(rig) = require("prism") else { return };
    let cloud = JumpCloud::start(&company());
    let prism = Prism::before(&rig, &glue().join("specs/jumpcloud/api.json"), &cloud.root());
    let source = source(&cloud, json!({"base_url": format!("{}/api", prism.base_url)}));
    let new = person(
        json!({"username": "Newbie", "email": "newbie@example.org", "firstname": "New", "attributes.heapRole": "admin"}),
    );
    assert_eq!(find(&source, &new), None);
    let id = create(&source, &new).unwrap();
    let made = cloud.change(|org| org.people[id.as_str()].clone());
    assert_eq!(
        (&made["firstname"], &made["attributes"]),
        (&json!("New"), &json!([{"name": "heapRole", "value": "admin"}]))
    );
    assert_eq!(find(&source, &new), Some(id.clone()));
    let by_address = person(json!({"username": "else", "email": "Newbie@example.org"}));
    assert_eq!(find(&source, &by_address), Some(id));
    assert!(matches!(create(&source, &new), Err(CreateError::Exists(_))));
    let refused = create(&source, &person(json!({"username": "x", "email": ""})));
    assert!(matches!(refused, Err(CreateError::Refused(_))), "{refused:?}");
}

#[test]
fn i3_a_lost_answer_is_never_repeated_by_itself() {
    let cloud = JumpCloud::start(&company());
    let source = source(&cloud, json!({}));
    let new = person(json!({"username": "lost", "email": "lost@example.org"}));
    cloud.inject(Rule::on("POST", "/api/systemusers"), Fault::DropAfter);
    assert!(matches!(create(&source, &new), Err(CreateError::Unclear(_))));
    assert_eq!(cloud.counts()["POST /api/systemusers"], 1);
    assert!(find(&source, &new).is_some(), "it was carried out, and a look-up finds it");
    cloud.inject(Rule::on("POST", "/api/systemusers"), Fault::body(429, "{}"));
    let throttled = create(&source, &person(json!({"username": "late", "email": "late@example.org"})));
    assert!(matches!(throttled, Err(CreateError::Source(_))), "{throttled:?}");
}
