//! `doctor --probe` against an app that answers a change with another account than the one that was asked for.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::CheckVerdict;

/// What the app does with a change.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    /// It makes a second account of the same name and answers with it.
    Doubles,
    /// It answers with a stranger's account, and changes nothing.
    ShowsAStranger,
    /// It carries the change out, and answers with an id under which there is nothing.
    WrongId,
    /// A GET of any account of the probe shows its newest one.
    ReadsTheNewest,
}

#[derive(Default)]
struct Accounts {
    all: BTreeMap<u64, Value>,
    next: u64,
}

impl Accounts {
    fn add(&mut self, mut user: Value) -> Value {
        self.next += 1;
        user["id"] = json!(self.next.to_string());
        self.all.insert(self.next, user.clone());
        user
    }

    fn named(&self, name: &str) -> Vec<Value> {
        let is = |user: &&Value| user["userName"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name));
        self.all.values().filter(is).cloned().collect()
    }
}

/// A list of the accounts that a filter such as `userName eq "ann"` finds.
fn found(accounts: &Accounts, request: &Request) -> Value {
    let all: Vec<Value> = match query(request, "filter") {
        Some(filter) => accounts.named(filter.split('"').nth(1).unwrap_or_default()),
        None => accounts.all.values().cloned().collect(),
    };
    let count = query(request, "count").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    list_of(&all.into_iter().take(count).collect::<Vec<_>>())
}

/// An app with this habit and a stranger's account, `1`.
async fn doubling(habit: Habit) -> (MockServer, Arc<Mutex<Accounts>>) {
    let accounts = Arc::new(Mutex::new(Accounts::default()));
    accounts.lock().unwrap().add(json!({ "userName": "stranger@example.com", "active": true }));
    let shared = Arc::clone(&accounts);
    let server = answering(move |request| {
        let mut accounts = shared.lock().unwrap();
        let id: Option<u64> = request.url.path().rsplit('/').next().and_then(|last| last.parse().ok());
        match (request.method.as_str(), id) {
            ("POST", _) => {
                let user = body(request);
                if !accounts.named(user["userName"].as_str().unwrap()).is_empty() {
                    return scim_error(409, "uniqueness", "the name is taken");
                }
                json_reply(201, &accounts.add(user))
            }
            ("GET", None) => json_reply(200, &found(&accounts, request)),
            ("GET", Some(id)) => {
                let newest = accounts.all.last_key_value().map(|(_, user)| user.clone());
                match accounts.all.get(&id) {
                    Some(_) if habit == Habit::ReadsTheNewest => json_reply(200, &newest.unwrap()),
                    Some(user) => json_reply(200, user),
                    None => scim_error(404, "", "there is none"),
                }
            }
            ("DELETE", Some(id)) => match accounts.all.remove(&id) {
                Some(_) => ResponseTemplate::new(204),
                None => scim_error(404, "", "there is none"),
            },
            ("PATCH" | "PUT", Some(id)) => {
                let user = accounts.all[&id].clone();
                match habit {
                    Habit::Doubles | Habit::ReadsTheNewest => json_reply(200, &accounts.add(user)),
                    Habit::ShowsAStranger => json_reply(200, &accounts.all[&1].clone()),
                    Habit::WrongId => {
                        let mut answer = user;
                        answer["id"] = json!("999");
                        json_reply(200, &answer)
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    (server, accounts)
}

async fn probed(server: &MockServer) -> super::super::Probed {
    let base_url = format!("{}/scim/v2", server.uri());
    let make = move |profile: Profile| {
        let settings = AppSettings {
            profile,
            base_url: base_url.clone(),
            login: Login::key("Authorization", "Bearer {token}", &Secret::new(TOKEN).unwrap()),
            identity: None,
            ca_pem: None,
            network: Default::default(),
            allow_http_loopback: true,
            pacer: Pacer::new(&[], 4),
            seed: 1,
        };
        App::new(settings)
    };
    let mut profile = Profile::default();
    profile.transport.discovery = false;
    profile.pace.attempts = 1;
    let names = ProbeNames::new("x", "example.com");
    probe(&make, &profile, &names, &CancellationToken::new()).await.unwrap_or_else(|why| panic!("{why}"))
}

fn told(probed: &super::super::Probed, check: &str) -> Vec<(CheckVerdict, String)> {
    let about = probed.findings.iter().filter(|one| one.check == check);
    about.map(|one| (one.verdict, one.detail.clone())).collect()
}

/// The accounts that are there in the end.
fn names(accounts: &Mutex<Accounts>) -> Vec<String> {
    accounts.lock().unwrap().all.values().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn j6_a_change_that_is_answered_with_another_account_is_a_verdict_of_its_own_and_both_are_taken_away() {
    let (server, accounts) = doubling(Habit::Doubles).await;
    let probed = probed(&server).await;
    let update = told(&probed, "update");
    assert_eq!(update[0].0, CheckVerdict::Wrong, "{update:?}");
    let evidence = "of account 2 was answered with account 3, which has the probe's name: a second account was made";
    assert!(update[0].1.contains(evidence), "{update:?}");
    assert!(update.iter().all(|(_, detail)| !detail.contains("ignored")), "{update:?}");
    assert_eq!(
        told(&probed, "DELETE"),
        [(CheckVerdict::Ok, "the account is gone, and the name can have one again".to_owned())]
    );
    assert!(
        probed.knobs.iter().all(|knob| knob.key != "delete_effect"),
        "no advice from the second account: {:?}",
        probed.knobs
    );
    assert_eq!((probed.left.len(), probed.ended.as_deref()), (0, None), "{:?}", probed.left);
    assert_eq!(names(&accounts), ["stranger@example.com"], "all of the probe's are gone");
}

#[tokio::test]
async fn j6_an_answer_that_shows_a_strangers_account_is_told_and_the_stranger_is_left_alone() {
    let (server, accounts) = doubling(Habit::ShowsAStranger).await;
    let probed = probed(&server).await;
    let update = told(&probed, "update");
    assert!(
        update[0].1.contains("account 1, whose user name is \"stranger@example.com\"; it was left alone"),
        "{update:?}"
    );
    assert_eq!((probed.left.len(), names(&accounts)), (0, vec!["stranger@example.com".to_owned()]));
    let deleted = requests(&server).await;
    assert!(deleted.iter().all(|one| one.method.as_str() != "DELETE" || !one.url.path().ends_with("/1")));
}

#[tokio::test]
async fn j6_an_id_under_which_there_is_nothing_is_told_as_that() {
    let (server, accounts) = doubling(Habit::WrongId).await;
    let probed = probed(&server).await;
    let update = told(&probed, "update");
    assert!(update[0].1.contains("account 999, which the app does not show"), "{update:?}");
    assert_eq!((probed.left.len(), names(&accounts)), (0, vec!["stranger@example.com".to_owned()]));
}

#[tokio::test]
async fn j6_where_an_id_leads_to_another_account_nothing_is_deleted_by_it_and_what_is_left_is_told() {
    let (server, accounts) = doubling(Habit::ReadsTheNewest).await;
    let probed = probed(&server).await;
    let update = told(&probed, "update");
    assert_eq!(update[0].0, CheckVerdict::Wrong, "{update:?}");
    // The newest one is what its id shows; when it is gone, the next one is.
    assert_eq!(
        (names(&accounts), probed.left.len()),
        (vec!["stranger@example.com".to_owned()], 0),
        "{:?}",
        probed.left
    );
}

#[tokio::test]
async fn j6_an_answer_about_another_account_is_no_success_of_a_change() {
    for answer in [json!({ "id": "8", "userName": "ANN", "active": false }), json!({ "id": "x", "title": "t" })] {
        let server = always(json_reply(200, &answer)).await;
        let app = app(&server);
        let set = attributes(&[("title", json!("t"))]);
        let id = AppId::from("7");
        for error in [app.update_user(&id, &set, &[]).await.unwrap_err(), app.set_active(&id, false).await.unwrap_err()]
        {
            assert_eq!((error.class, error.maybe_done, error.status), (FailureClass::NotScim, true, Some(200)));
            assert!(error.message.contains("of account 7 was answered with account"), "{error}");
        }
    }
    // An answer without an id, or without a body, says nothing of another account.
    for answer in [json_reply(200, &json!({ "title": "t" })), ResponseTemplate::new(204)] {
        let server = always(answer).await;
        app(&server).update_user(&AppId::from("7"), &attributes(&[("title", json!("t"))]), &[]).await.unwrap();
    }
}
