use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::message::Message;
use super::*;
use crate::clock::SystemClock;
use crate::config::expiry::Expiry;
use crate::config::notify::NotifyEvent;
use crate::config::tenant::SecretRef;
use crate::model::{HoldCode, HoldReason};
use crate::store::Stores;

fn now() -> Timestamp {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

fn quiet(tenant: &str) -> Situation {
    Situation {
        tenant: tenant.to_owned(),
        held: ConditionStatus::No,
        failing: ConditionStatus::No,
        mistake: ConditionStatus::No,
        expiries: Vec::new(),
    }
}

fn held(plan: &str, reason: &str) -> Situation {
    let (code, detail) = (HoldCode::parse(reason), "ann@acme.test and others would go".to_owned());
    let holds = vec![HoldReason::Recorded { code, detail }];
    Situation {
        held: ConditionStatus::Yes(HeldPlanNotice { plan: plan.to_owned(), count: 12, holds }),
        ..quiet("acme")
    }
}

fn wrong(place: &str, message: &str) -> ConditionStatus<FileMistake> {
    ConditionStatus::Yes(FileMistake { place: place.to_owned(), message: message.to_owned() })
}

fn failing(times: u32, refused: bool, quarantined: bool) -> Situation {
    let why = "ann@acme.test: no".to_owned();
    let failing = ConditionStatus::Yes(Failing { times, since: Some(now()), refused, quarantined, why });
    Situation { failing, held: ConditionStatus::Unknown, ..quiet("acme") }
}

fn names(messages: &[Message]) -> Vec<&'static str> {
    messages.iter().map(|message| message.event.name()).collect()
}

#[test]
fn each_event_is_told_once_however_many_runs_see_it() {
    let mut told = SentNotice::default();
    let mut see = |situation: &Situation, hours: i64| {
        let messages = told.news(situation, now() + SignedDuration::from_hours(hours));
        // A restart in between.
        told = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
        names(&messages)
    };
    assert_eq!(see(&quiet("acme"), 0), [""; 0]);
    assert_eq!(see(&held("p1", "removals_per_day"), 0), ["hold"]);
    assert_eq!(see(&held("p1", "removals_per_day"), 30), [""; 0], "the same plan is never told again");
    assert_eq!(see(&held("p2", "removals_per_day"), 1), [""; 0], "a busy directory makes another plan each time");
    assert_eq!(see(&held("p2", "removals_per_day"), 25), ["hold"], "but a day later somebody may have forgotten");
    assert_eq!(see(&held("p3", "source_shrink"), 25), ["hold"], "another reason");
    assert_eq!(
        see(&Situation { held: ConditionStatus::Unknown, ..quiet("acme") }, 26),
        [""; 0],
        "a failing run says nothing of it"
    );
    assert_eq!(see(&quiet("acme"), 27), ["hold_resolved"]);
    assert_eq!(see(&quiet("acme"), 28), [""; 0]);

    assert_eq!(see(&failing(1, false, false), 30), [""; 0]);
    assert_eq!(see(&failing(2, false, false), 30), [""; 0]);
    assert_eq!(see(&failing(3, false, false), 30), ["failing"]);
    assert_eq!(see(&failing(4, false, false), 30), [""; 0]);
    assert_eq!(see(&failing(5, true, false), 30), ["credential_refused"]);
    assert_eq!(see(&failing(6, true, true), 60), ["quarantined"]);
    assert_eq!(see(&failing(7, false, true), 66), [""; 0]);
    assert_eq!(see(&quiet("acme"), 70), ["recovered"]);
    assert_eq!(see(&failing(1, true, false), 71), ["credential_refused"], "one is enough");
    assert_eq!(see(&quiet("acme"), 72), ["recovered"]);

    let mistake = |place: &str| Situation { mistake: wrong(place, "no such key"), ..quiet("acme") };
    assert_eq!(see(&mistake("acme.toml:1:1"), 73), ["file_mistake"]);
    assert_eq!(see(&mistake("acme.toml:1:1"), 74), [""; 0]);
    assert_eq!(see(&mistake("acme.toml:7:1"), 74), ["file_mistake"]);
    assert_eq!(see(&quiet("acme"), 75), ["file_mended"]);
}

#[test]
fn an_expiry_is_told_thirty_seven_and_one_day_before_and_when_it_has_come() {
    let mut told = SentNotice::default();
    let at = now() + SignedDuration::from_hours(40 * 24);
    let expiries = |at| vec![Expiry { secret: "target.token".to_owned(), at }];
    let mut days = Vec::new();
    for hour in 0..45 * 24 {
        let situation = Situation { expiries: expiries(at), ..quiet("acme") };
        let messages = told.news(&situation, now() + SignedDuration::from_hours(hour));
        days.extend(messages.iter().map(|message| (hour / 24, message.subject.clone())));
    }
    assert_eq!(days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [10, 33, 39, 40], "{days:?}");
    assert!(days[1].1.starts_with("rosterd acme: target.token expires in 7 days"), "{days:?}");
    let renewed = Situation { expiries: expiries(at + SignedDuration::from_hours(365 * 24)), ..quiet("acme") };
    assert!(told.news(&renewed, at).is_empty());
    let again = Situation { expiries: expiries(at + SignedDuration::from_hours(24)), ..quiet("acme") };
    assert_eq!(told.news(&again, at).len(), 1, "another secret, another story");
}

#[test]
fn i6_a_message_names_nobody_unless_the_receiver_asks_for_it() {
    let mut told = SentNotice::default();
    let mistake = Situation { mistake: wrong("acme.toml:3:1", "ann@acme.test is nobody"), ..quiet("b") };
    let mut messages = told.news(&held("p1abcdefgh", "removals_per_day"), now());
    messages.extend(told.news(&failing(3, true, false), now()));
    messages.extend(told.news(&mistake, now()));
    assert_eq!(messages.len(), 3);
    for message in &messages {
        let (plain, full) = (message.to_body(false).json, message.to_body(true).json);
        assert!(!plain.contains("ann@"), "{plain}");
        assert!(full.contains("ann@acme.test"), "{full}");
        let document: Value = serde_json::from_str(&plain).unwrap();
        for key in ["id", "type", "timestamp", "tenant", "severity", "subject", "text", "facts"] {
            assert!(!document[key].is_null(), "{key}: {plain}");
        }
        assert!(!document["subject"].as_str().unwrap().contains('\n'), "one line for an e-mail");
    }
    let hold: Value = serde_json::from_str(&messages[0].to_body(false).json).unwrap();
    assert_eq!(hold["subject"], "rosterd acme: 12 changes wait for a decision (removals_per_day)");
    assert!(hold["text"].as_str().unwrap().contains("rosterd approve acme p1abcdef --reason"), "{hold:#}");
}

/// A receiver with a script of answers; the last one stays.
struct Script(Mutex<Vec<ResponseTemplate>>);

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut left = self.0.lock().unwrap();
        if left.len() > 1 { left.remove(0) } else { left[0].clone() }
    }
}

async fn receiver(answers: Vec<ResponseTemplate>) -> (MockServer, NotifyTable) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(Script(Mutex::new(answers))).mount(&server).await;
    let secret = SecretRef { env: Some("PATH".to_owned()), ..SecretRef::default() };
    let url = format!("{}/hook", server.uri());
    let table = NotifyTable {
        url,
        secret,
        events: None,
        format: crate::config::notify_template::NotifyFormat::Signed,
        template: None,
        values: BTreeMap::new(),
        details: false,
        allow_http_loopback: true,
        ca_file: None,
        client_certificate: None,
        network: None,
    };
    (server, table)
}

fn of(name: &str, table: NotifyTable) -> Receivers {
    BTreeMap::from([(name.to_owned(), table)])
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_message_is_signed_so_that_it_can_be_checked_and_not_replayed() {
    let (server, table) = receiver(vec![ResponseTemplate::new(204)]).await;
    let body = Message::test(now()).to_body(false);
    let sent = SystemClock.now();
    assert_eq!(deliver(&table, &body, sent).await, Delivery::Taken(204));
    let request = &server.received_requests().await.unwrap()[0];
    let header = |name: &str| request.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!((header("webhook-id"), header("webhook-timestamp")), (body.id.clone(), sent.as_second().to_string()));
    assert_eq!(header("content-type"), "application/json");
    let key = std::env::var("PATH").unwrap();
    let expected = sign::signature(key.as_bytes(), &body.id, sent.as_second(), &request.body);
    assert_eq!(header("webhook-signature"), expected);
    let later = sign::signature(key.as_bytes(), &body.id, sent.as_second() + 1, &request.body);
    assert_ne!(later, expected, "the time is signed too");
}

#[tokio::test]
async fn i6_redirects_are_not_followed_and_plain_http_goes_nowhere_but_here() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&elsewhere).await;
    let away = ResponseTemplate::new(307).insert_header("location", elsewhere.uri().as_str());
    let (_server, table) = receiver(vec![away]).await;
    let body = Message::test(now()).to_body(false);
    let Delivery::Not(why, _) = deliver(&table, &body, now()).await else { panic!("it was taken") };
    assert!(why.contains("307") && why.contains("not followed"), "{why}");
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    for url in ["http://hooks.example.com/x", "ftp://127.0.0.1/"] {
        let table = NotifyTable { url: url.to_owned(), ..table.clone() };
        assert!(matches!(deliver(&table, &body, now()).await, Delivery::Not(..)), "{url}");
    }
}

#[tokio::test]
async fn i1_what_is_not_taken_waits_on_the_disk_over_a_restart_and_arrives_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (server, table) = receiver(vec![ResponseTemplate::new(503), ResponseTemplate::new(200)]).await;
    let receivers = of("ops", table);
    {
        let mut herald = Herald::new(Stores::on_disk(dir.path()).daemon(), Arc::clone(&clock));
        herald.receivers(&receivers);
        herald.look(&[held("p1", "removals_per_day")]);
        herald.look(&[quiet("acme")]);
        until("it was tried", async || !server.received_requests().await.unwrap().is_empty()).await;
        until("the trouble is noted", async || {
            standings(&Stores::on_disk(dir.path()).daemon(), &receivers)[0].1.trouble.is_some()
        })
        .await;
        assert_eq!(standings(&Stores::on_disk(dir.path()).daemon(), &receivers)[0].1.waiting, 2);
    }
    let mut herald = Herald::new(Stores::on_disk(dir.path()).daemon(), clock);
    herald.receivers(&receivers);
    herald.look(&[quiet("acme")]);
    until("all has arrived", async || standings(&Stores::on_disk(dir.path()).daemon(), &receivers)[0].1.waiting == 0)
        .await;
    let standing = &standings(&Stores::on_disk(dir.path()).daemon(), &receivers)[0].1;
    assert!(standing.trouble.is_none() && standing.delivered.is_some(), "{standing:?}");
    let requests = server.received_requests().await.unwrap();
    let types: Vec<Value> =
        requests.iter().map(|r| serde_json::from_slice::<Value>(&r.body).unwrap()["type"].clone()).collect();
    assert_eq!(types, ["hold", "hold", "hold_resolved"], "the first of them was refused once");
    assert_eq!(requests[0].headers.get("webhook-id"), requests[1].headers.get("webhook-id"), "one message, one id");
}

#[tokio::test]
async fn i7_a_receiver_that_hangs_delays_nobody_and_the_spool_has_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (server, slow) = receiver(vec![ResponseTemplate::new(200).set_delay(Duration::from_secs(600))]).await;
    let (quick_server, quick) = receiver(vec![ResponseTemplate::new(200)]).await;
    let only = NotifyTable { events: Some(vec![NotifyEvent::Hold]), ..quick };
    let receivers = Receivers::from([("slow".to_owned(), slow), ("quick".to_owned(), only)]);
    let mut herald = Herald::new(Stores::on_disk(dir.path()).daemon(), Arc::new(SystemClock));
    herald.receivers(&receivers);
    for n in 0..520 {
        let reason = if n % 2 == 0 { "removals_per_day" } else { "source_shrink" };
        let held = held(&format!("p{n}"), reason);
        herald.look(&[held]);
        if n % 100 == 99 {
            let all = n + 1;
            until("the other has all", async || quick_server.received_requests().await.unwrap().len() == all).await;
        }
    }
    herald.look(&[quiet("acme")]);
    until("the other has all", async || quick_server.received_requests().await.unwrap().len() == 520).await;
    assert_eq!(Spool::of(&Stores::on_disk(dir.path()).daemon(), "slow").count(), 500, "the oldest gave way");
    assert!(server.received_requests().await.unwrap().len() <= 1);
}
