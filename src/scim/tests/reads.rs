//! Single reads: what is repeated, what is not, what is believed.

use super::*;

fn got(id: &str) -> ResponseTemplate {
    json_reply(200, &json!({ "id": id, "userName": "ann", "active": "False", "externalId": "s-1" }))
}

#[tokio::test]
async fn a_person_is_read_with_the_values_asked_for() {
    let server = always(json_reply(
        200,
        &json!({ "id": "a/b", "userName": "ann", "active": "False", "emails": [{ "type": "work", "value": "x" }] }),
    ))
    .await;
    let found = app(&server).get_user(&AppId::from("a/b"), &[p("emails.work"), p("title")]).await.unwrap().unwrap();
    assert!(!found.active);
    assert_eq!(found.attributes, attributes(&[("userName", json!("ann")), ("emails.work", json!("x"))]));
    assert_eq!(requests(&server).await[0].url.path(), "/scim/v2/Users/a%2Fb");
}

#[tokio::test]
async fn who_is_not_there_is_none_and_a_failure_is_never_none() {
    for status in [404, 410] {
        let server = always(ResponseTemplate::new(status)).await;
        assert_eq!(app(&server).get_user(&AppId::from("x"), &[]).await, Ok(None));
        assert_eq!(app(&server).get_group(&AppId::from("x")).await, Ok(None));
    }
    for status in [400, 401, 403, 409, 429, 500, 501, 503] {
        let server = always(ResponseTemplate::new(status)).await;
        assert!(app(&server).get_user(&AppId::from("x"), &[]).await.is_err(), "{status}");
    }
    let server = always(json_reply(200, &list_of(&[]))).await;
    assert_eq!(app(&server).get_user(&AppId::from("x"), &[]).await.unwrap_err().class, FailureClass::NotScim);
    let server = always(got("other")).await;
    assert!(app(&server).get_user(&AppId::from("x"), &[]).await.unwrap_err().message.contains("other was shown"));
}

#[tokio::test]
async fn reads_are_repeated_where_that_may_help_and_not_for_ever() {
    for (bad, tries) in [(500, 3), (502, 3), (503, 3), (429, 3), (400, 1), (401, 1), (403, 1), (501, 1)] {
        let server = always(ResponseTemplate::new(bad)).await;
        let found = app(&server).get_user(&AppId::from("x"), &[]).await.unwrap_err();
        assert_eq!(requests(&server).await.len(), tries, "{bad}");
        assert_eq!(found.message.contains("(tried 3 times)"), tries == 3);
    }
    let server = in_turn(vec![ResponseTemplate::new(503), ResponseTemplate::new(429), got("x")]).await;
    assert!(app(&server).get_user(&AppId::from("x"), &[]).await.unwrap().is_some());
}

#[tokio::test]
async fn t3_a_throttled_app_holds_off_everybody_for_as_long_as_it_asked() {
    for wish in ["0.4".to_owned(), "1".to_owned(), jiff::fmt::rfc2822::to_string(&now_plus(1)).unwrap()] {
        let wish = wish.replace("+0000", "GMT");
        let throttled = ResponseTemplate::new(429).insert_header("Retry-After", wish.as_str());
        let server = in_turn(vec![throttled, got("x")]).await;
        let app = app(&server);
        let started = Instant::now();
        app.get_user(&AppId::from("x"), &[]).await.unwrap();
        // A date has whole seconds, so a little over no time at all may be left of it.
        let least = if wish.contains("GMT") { 0 } else { 350 };
        assert!(started.elapsed() >= Duration::from_millis(least), "{wish}: {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_millis(2_500), "{wish}");
    }
    let throttled = ResponseTemplate::new(429).insert_header("Retry-After", "0.5");
    let server = in_turn(vec![throttled, got("x")]).await;
    let app = app(&server);
    let error = app.set_active(&AppId::from("y"), true).await.unwrap_err();
    assert_eq!((error.class, error.retry_after), (FailureClass::Throttled, Some(Duration::from_millis(500))));
    let started = Instant::now();
    app.get_user(&AppId::from("x"), &[]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(400), "the next call waits, although it is another one");
}

fn now_plus(seconds: i64) -> jiff::Zoned {
    use crate::clock::Clock as _;
    let now = crate::clock::SystemClock.now();
    (now + jiff::SignedDuration::from_secs(seconds)).to_zoned(jiff::tz::TimeZone::UTC)
}

#[tokio::test]
async fn members_are_shown_only_where_the_app_shows_them() {
    for (members, seen) in [
        (json!([{ "value": "a" }, { "value": 7 }, "c"]), vec!["a", "7", "c"]),
        (Value::Null, vec![]),
        (json!([]), vec![]),
    ] {
        let group = json!({ "id": "g", "displayName": "G", "members": members });
        let server = always(json_reply(200, &group)).await;
        let found = app(&server).get_group(&AppId::from("g")).await.unwrap().unwrap();
        assert_eq!(found.members.unwrap(), seen);
        let hidden = app_with(&server, |profile| profile.read.members_readable = false);
        assert_eq!(hidden.get_group(&AppId::from("g")).await.unwrap().unwrap().members, None);
    }
}

#[tokio::test]
async fn calls_are_counted_by_method() {
    let server = always(ResponseTemplate::new(204)).await;
    let app = app(&server);
    app.set_active(&AppId::from("x"), true).await.unwrap();
    app.delete_user(&AppId::from("x")).await.unwrap();
    app.delete_group(&AppId::from("x")).await.unwrap();
    let _ = app.delete_user(&AppId::from("")).await.unwrap_err();
    let stats = app.stats();
    assert_eq!(stats.total, 3, "what is not sent is not counted");
    assert_eq!(stats.by_method, [("DELETE".to_owned(), 2), ("PATCH".to_owned(), 1)].into());
}

#[tokio::test]
async fn i6_an_id_can_never_address_something_else() {
    let server = always(ResponseTemplate::new(204)).await;
    let app = app(&server);
    for id in ["", ".", ".."] {
        let error = app.delete_user(&AppId::from(id)).await.unwrap_err();
        assert_eq!((error.class, error.maybe_done), (FailureClass::Invalid, false), "{id:?}");
    }
    app.delete_user(&AppId::from("../Groups/1?x#y")).await.unwrap();
    let seen = requests(&server).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].url.path(), "/scim/v2/Users/..%2FGroups%2F1%3Fx%23y");
}
