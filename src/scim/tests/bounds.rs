//! Answers without measure: in time, in pages, in bytes, and ids that lead nowhere.

use super::*;
use crate::config::profile::{LookUp, PagingStyle};
use crate::model::{SnapshotCounts, digest};
use crate::progress::Silent;

fn by_list(profile: &mut Profile) {
    profile.read.look_up = LookUp::List;
}

/// Pages that never end, each with somebody new.
async fn endless() -> MockServer {
    let next = Mutex::new(0);
    answering(move |request| {
        if query(request, "filter").is_some() {
            return json_reply(200, &list_of(&[]));
        }
        let mut next = next.lock().unwrap();
        *next += 1;
        let body = json!({ "Resources": [user(*next)], "nextCursor": format!("c{next}") });
        json_reply(200, &body).set_delay(Duration::from_millis(20))
    })
    .await
}

#[tokio::test]
async fn ma7_a_list_without_end_is_given_up_at_the_time_limit_and_not_read_again() {
    let server = endless().await;
    let app = app_with(&server, |profile| {
        by_list(profile);
        profile.read.time_limit = Some("1s".parse().unwrap());
    });
    let begun = Instant::now();
    let error = app.look_up_users(&keys([7]), &[]).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((error.class, error.status), (FailureClass::NotScim, None));
    for part in
        ["time limit of 1s", "pages with", "rows had come", "no account is taken for absent", "read.time_limit = \""]
    {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    let error = app.census(&[], &[], &Silent).await.unwrap_err();
    assert!(error.message.contains("time limit"), "{}", error.message);
}

#[tokio::test]
async fn ma7_an_app_that_says_nothing_does_not_outlast_the_limit_either() {
    let server = always(json_reply(200, &list_of(&[])).set_delay(Duration::from_secs(30))).await;
    let app = app_with(&server, |profile| {
        by_list(profile);
        profile.read.time_limit = Some("1s".parse().unwrap());
    });
    let begun = Instant::now();
    let error = app.look_up_users(&keys([7]), &[]).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5) && error.message.contains("0 pages"), "{}", error.message);
}

#[test]
fn ma7_the_limit_grows_with_what_was_read_last_and_with_what_is_announced() {
    let fresh = || app_at("http://127.0.0.1:9/scim/v2".to_owned(), |_| {});
    let hours = |app: &App, announced| app.time_limit(100, announced).after().as_secs_f64() / 3600.0;
    assert_eq!(hours(&fresh(), Some(1_000_000)), 12.0, "a first reading");
    let known = fresh();
    known.expect(Some(SnapshotCounts { users: 500, groups: 9, memberships: 4000 }), Duration::from_millis(100));
    assert_eq!(hours(&known, None), 0.5);
    assert_eq!(hours(&known, Some(5)), 0.5);
    // Two thousand pages of a second each, three times.
    assert!((hours(&known, Some(2_000)) - 1.67).abs() < 0.01, "{}", hours(&known, Some(2_000)));
    assert_eq!(hours(&known, Some(u64::MAX)), 12.0, "what an app announces is believed up to a point");
    let large = fresh();
    large.expect(Some(SnapshotCounts { users: 1_000_000, groups: 9, memberships: 0 }), Duration::from_secs(2));
    assert!((hours(&large, None) - 16.67).abs() < 0.01, "{}", hours(&large, None));
}

#[tokio::test]
async fn s16_cursors_that_lead_round_in_a_circle_are_noticed() {
    for rows in [json!([]), Value::Null] {
        for circle in [2, 3, 7] {
            let turn = Mutex::new(0);
            let rows = rows.clone();
            let server = answering(move |_| {
                let mut turn = turn.lock().unwrap();
                *turn += 1;
                json_reply(
                    200,
                    &json!({ "Resources": rows, "totalResults": 9, "nextCursor": format!("c{}", *turn % circle) }),
                )
            })
            .await;
            let error = app_with(&server, by_list).look_up_users(&keys([1]), &[]).await.unwrap_err();
            assert!(error.message.contains("round in a circle"), "{}", error.message);
            assert!(requests(&server).await.len() <= 2 * (circle + 1), "{} requests", requests(&server).await.len());
        }
    }
}

#[tokio::test]
async fn s16_empty_pages_that_lead_to_ever_new_ones_end() {
    let turn = Mutex::new(0);
    let server = answering(move |_| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        json_reply(200, &json!({ "Resources": [], "nextCursor": format!("c{turn}") }))
    })
    .await;
    let error = app_with(&server, by_list).look_up_users(&keys([1]), &[]).await.unwrap_err();
    assert!(error.message.contains("pages in a row were empty"), "{}", error.message);
}

/// An app that shows the account behind the first page of a filter's answer.
async fn behind_the_first_page(by_cursor: bool, first: Value) -> MockServer {
    answering(move |request| {
        let filter = query(request, "filter").unwrap_or_default();
        if !filter.to_lowercase().contains("user7@") {
            return json_reply(200, &list_of(&[]));
        }
        let is_second = query(request, "cursor").is_some_and(|cursor| cursor == "more")
            || query(request, "startIndex").is_some_and(|start| start == "2");
        match is_second {
            true => json_reply(200, &json!({ "Resources": [user(7)], "totalResults": 2 })),
            false if by_cursor => json_reply(200, &json!({ "Resources": first, "nextCursor": "more" })),
            false => json_reply(200, &json!({ "Resources": first, "totalResults": 2 })),
        }
    })
    .await
}

fn by_filter(profile: &mut Profile) {
    profile.read.look_up = LookUp::Filter;
}

#[tokio::test]
async fn ma7_an_empty_page_with_a_cursor_does_not_mean_no_match() {
    let server = behind_the_first_page(true, json!([])).await;
    let found = app_with(&server, by_filter).look_up_users(&keys([7, 8]), &[]).await.unwrap();
    assert_eq!(short(&found), ["id-7", "-"]);
    let seen = requests(&server).await;
    let second = seen.iter().find(|request| query(request, "cursor").is_some()).unwrap();
    assert!(query(second, "filter").is_some(), "the filter goes with every page");
}

#[tokio::test]
async fn ma7_a_filters_answer_that_announces_more_is_read_on() {
    // A typed address may be found in an element of another type: the first row is none of ours, the second is.
    let work = |address: &str| json!([{ "value": address, "type": "work" }]);
    let other = json!({ "id": "x", "userName": "x", "emails": [{ "value": "user7@example.com", "type": "home" }] });
    let server = answering(move |request| match query(request, "startIndex").as_deref() {
        Some("2") => {
            let mut found = user(7);
            found["emails"] = work("user7@example.com");
            json_reply(200, &json!({ "Resources": [found], "totalResults": 2 }))
        }
        _ => json_reply(200, &json!({ "Resources": [other], "totalResults": 2 })),
    })
    .await;
    let app = app_with(&server, |profile| {
        by_filter(profile);
        profile.read.user_match = vec!["emails.work".into()];
    });
    let key = UserKeys {
        source_id: SourceId::from("s"),
        attributes: attributes(&[("emails.work", json!("user7@example.com"))]),
        except: None,
    };
    assert_eq!(short(&app.look_up_users(&[key], &[]).await.unwrap()), ["id-7"]);
}

#[tokio::test]
async fn ma7_an_answer_that_never_shows_what_it_announces_is_left_to_the_list() {
    // The cursors of filters go round; the list is whole, and has somebody whom the filter never shows.
    let turn = Mutex::new(0);
    let server = answering(move |request| {
        if query(request, "filter").is_none() {
            return json_reply(200, &list_of(&[user(7)]));
        }
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        json_reply(200, &json!({ "Resources": [], "nextCursor": format!("c{}", *turn % 3) }))
    })
    .await;
    let found = app_with(&server, by_filter).look_up_users(&keys([7, 8]), &[]).await.unwrap();
    assert_eq!(short(&found), ["id-7", "-"]);
    assert!(requests(&server).await.len() < 40);
    // A match whose answer announces nonsense is a match all the same, and costs one question more.
    let server =
        answering(|request| match query(request, "filter").is_some_and(|filter| filter.contains("userName")) {
            true => json_reply(200, &json!({ "Resources": [user(7)], "totalResults": 5000 })),
            false => json_reply(200, &list_of(&[])),
        })
        .await;
    let found = app_with(&server, by_filter).look_up_users(&keys([7]), &[]).await.unwrap();
    assert_eq!(short(&found), ["id-7"]);
    assert_eq!(requests(&server).await.len(), 3);
    // Without paging there is no further page to ask for.
    let server = behind_the_first_page(false, json!([user(8)])).await;
    let app = app_with(&server, |profile| {
        by_filter(profile);
        profile.read.paging = PagingStyle::None;
    });
    assert!(
        app.look_up_users(&keys([7]), &[]).await.is_ok_and(|found| short(&found) == ["-"]),
        "an honest list decides"
    );
}

fn created(id: Value, display_name: &str) -> ResponseTemplate {
    json_reply(201, &json!({ "id": id, "userName": "ann", "displayName": display_name }))
}

#[tokio::test]
async fn i7_what_an_app_adds_to_what_was_sent_is_kept_up_to_a_limit() {
    let sent = attributes(&[("userName", json!("ann")), ("displayName", json!("Ann"))]);
    let long = "x".repeat(100_000);
    let server = always(created(json!("7"), &long)).await;
    let made = app(&server).create_user(&SourceId::from("s"), &sent).await.unwrap();
    assert_eq!(made.echo.get(&p("userName")), Some(&json!("ann")));
    let kept = made.echo.get(&p("displayName")).unwrap();
    assert!(digest::is_digest(kept) && kept.to_string().len() < 200, "{kept}");
    assert!(digest::same(Some(kept), Some(&json!(long))) && !digest::same(Some(kept), Some(&json!("Ann"))));
    // What comes back as it was sent is no addition, however long.
    let sent = attributes(&[("userName", json!("ann")), ("displayName", json!(long))]);
    let made = app(&server).create_user(&SourceId::from("s"), &sent).await.unwrap();
    assert_eq!(made.echo, sent);
    // The same limit for whoever is looked at or found.
    let shown = json!({ "id": "7", "userName": "user7@example.com", "displayName": long, "title": "Lead" });
    let server = answering(move |request| match request.url.path().ends_with("/7") {
        true => json_reply(200, &shown),
        false => json_reply(200, &list_of(std::slice::from_ref(&shown))),
    })
    .await;
    let mapped = [p("displayName"), p("title")];
    let one = app(&server).get_user(&AppId::from("7"), &mapped).await.unwrap().unwrap();
    let found = app(&server).look_up_users(&keys([7]), &mapped).await.unwrap().remove(0).one().unwrap();
    for user in [one, found] {
        assert!(digest::same(user.attributes.get(&p("displayName")), Some(&json!(long))));
        assert!(serde_json::to_string(&user).unwrap().len() < 1000);
        assert_eq!(user.attributes.text(&p("title")), Some("Lead"));
    }
}

#[tokio::test]
async fn i7_an_answer_about_one_user_has_a_limit_of_its_own() {
    let fat = |id: &str| json!({ "id": id, "userName": "ann", "members": [], "x": "y".repeat(300 << 10) });
    let server = answering(move |request| {
        let path = request.url.path();
        json_reply(200, &if path.ends_with("/7") { fat("7") } else { list_of(&[fat("7")]) })
    })
    .await;
    let app = app(&server);
    let error = app.get_user(&AppId::from("7"), &[]).await.unwrap_err();
    assert!(error.message.contains("larger than 262144 bytes (transport.max_user_response_bytes"), "{}", error.message);
    let error = app.update_user(&AppId::from("7"), &attributes(&[("title", json!("x"))]), &[]).await.unwrap_err();
    assert!(error.message.contains("max_user_response_bytes") && error.maybe_done, "{}", error.message);
    assert!(app.get_group(&AppId::from("7")).await.unwrap().is_some(), "groups have the limit of lists");
    assert!(app.census(&[], &[], &Silent).await.is_ok_and(|census| census.users.len() == 1), "and so have lists");
    app.delete_user(&AppId::from("7")).await.expect("what is said of a deletion means nothing");
}

#[tokio::test]
async fn i7_a_page_of_many_small_things_is_refused_before_it_fills_the_memory() {
    let row = "{\"id\":\"a\",\"x\":[{\"a\":1},{\"a\":1},{\"a\":1},{\"a\":1},{\"a\":1},{\"a\":1},{\"a\":1},{\"a\":1}]},";
    let body = format!("{{\"totalResults\":1,\"Resources\":[{}{{}}]}}", row.repeat(40_000));
    assert!(body.len() < 8 << 20);
    let server = always(ResponseTemplate::new(200).set_body_raw(body, "application/scim+json")).await;
    let error = app_with(&server, by_list).look_up_users(&keys([1]), &[]).await.unwrap_err();
    assert!(
        error.message.contains("64 MiB of memory") && error.message.contains("max_response_bytes"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn sec34_an_id_that_no_request_can_name_is_not_linked() {
    let long = "a".repeat(2000);
    for id in [json!(".."), json!("undefined"), json!("a/../b"), json!("a\nb"), json!(long)] {
        let server = answering(move |request| match request.method.as_str() {
            "POST" => created(id.clone(), "Ann"),
            _ => json_reply(200, &list_of(&[json!({ "id": id, "userName": "ann" })])),
        })
        .await;
        let app = app(&server);
        let sent = attributes(&[("userName", json!("ann"))]);
        let error = app.create_user(&SourceId::from("s"), &sent).await.unwrap_err();
        assert!(error.message.contains("nothing was linked"), "{}", error.message);
        assert!(error.message.len() < 500 && !error.message.contains(char::is_control), "{}", error.message);
        let key = UserKeys { source_id: SourceId::from("s"), attributes: sent, except: None };
        let found = app.look_up_users(&[key], &[]).await.unwrap().remove(0);
        let Match::Conflict(conflict) = found else { panic!("{found:?}") };
        let detail = conflict.to_string();
        assert!(detail.contains("userName") && detail.len() < 500, "{detail}");
    }
    // A name in place of the id: what the app really calls it is found by a look.
    let server = answering(|request| match request.method.as_str() {
        "POST" => ResponseTemplate::new(201).insert_header("location", "/scim/v2/Users/undefined"),
        _ => json_reply(200, &list_of(&[json!({ "id": "7", "userName": "ann" })])),
    })
    .await;
    let made =
        app(&server).create_user(&SourceId::from("s"), &attributes(&[("userName", json!("ann"))])).await.unwrap();
    assert_eq!(made.id.as_str(), "7");
}
