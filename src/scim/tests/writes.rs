//! Writes: what is sent, that it is sent once, and what an answer means.

use super::*;
use crate::config::attributes::PushTime;
use crate::config::profile::{
    ElementStyle, GroupSupport, LookUp, MemberRemove, MemberValue, PatchPath as Style, UpdateMethod,
};
use crate::http::failure::{AfterFailure, CallKind, after_failure};

fn ann() -> Attributes {
    attributes(&[("userName", json!("Ann")), ("emails.work", json!("ann@example.com")), ("title", json!("x"))])
}

async fn create(server: &MockServer) -> Result<Created, CallError> {
    app(server).create_user(&SourceId::from("s-1"), &ann()).await
}

fn methods(seen: &[Request]) -> Vec<&str> {
    seen.iter().map(|request| request.method.as_str()).collect()
}

#[tokio::test]
async fn a_new_account_comes_back_with_its_id_and_what_the_app_made_of_it() {
    let made = json!({ "id": "7", "userName": "ann", "emails": [{ "type": "work", "value": "ann@example.com" }] });
    for status in [200, 201] {
        let server = always(json_reply(status, &made)).await;
        let created = create(&server).await.unwrap();
        assert_eq!(created.id.as_str(), "7");
        assert_eq!(created.echo, attributes(&[("userName", json!("ann")), ("emails.work", json!("ann@example.com"))]));
        let seen = requests(&server).await;
        // An answer that leaves a doubt whether the account is new is followed by one look.
        assert_eq!(seen.len(), if status == 200 { 2 } else { 1 });
        assert_eq!(seen[0].headers.get("content-type").unwrap(), "application/scim+json");
        assert_eq!(body(&seen[0])["externalId"], "s-1");
    }
}

#[tokio::test]
async fn ma9_an_id_in_the_location_counts_when_a_reading_shows_it() {
    for (location, id) in
        [("https://elsewhere.example/scim/v2/Users/a%2Fb%20c", "a/b c"), ("/Users/7/", "7"), ("Users/7?x=1", "7")]
    {
        let made = ResponseTemplate::new(201).insert_header("Location", location);
        let server = in_turn(vec![made, json_reply(200, &json!({ "id": id, "userName": "ANN" }))]).await;
        assert_eq!(create(&server).await.unwrap().id.as_str(), id, "{location}");
        let seen = requests(&server).await;
        assert_eq!(methods(&seen), ["POST", "GET"], "{location}");
        assert!(
            seen[1].url.path().contains("/Users/"),
            "a Location is never followed, its id is asked for: {}",
            seen[1].url
        );
    }
}

#[tokio::test]
async fn ma9_what_an_answer_lacks_is_looked_up_before_it_is_linked() {
    let nobody = || json_reply(200, &list_of(&[]));
    let found = || json_reply(200, &list_of(&[json!({ "id": "7", "userName": "ANN", "externalId": "s-1" })]));
    // No id to try, one that is none, one of somebody else.
    for (location, first) in [
        ("", None),
        ("https://x.example/scim/v2/Users", None),
        ("/Users/", None),
        // What programs write where they have no id is not even asked for.
        ("/Users/undefined", None),
        ("/Users/9", Some(ResponseTemplate::new(404))),
        ("/Users/8", Some(json_reply(200, &json!({ "id": "8", "userName": "bob" })))),
    ] {
        let made = ResponseTemplate::new(201).insert_header("Location", location);
        let server = in_turn([vec![made], first.into_iter().collect(), vec![found()]].concat()).await;
        assert_eq!(create(&server).await.unwrap().id.as_str(), "7", "{location}");
    }
    // An id that no reading shows is no link; whether it was made is found out later.
    for body in [None, Some(json!({ "userName": "ann" })), Some(json!({ "id": "", "userName": "ann" }))] {
        let made = match body {
            None => ResponseTemplate::new(201).insert_header("Location", "/Users/undefined"),
            Some(body) => json_reply(201, &body),
        };
        let server = in_turn(vec![made, nobody(), nobody(), nobody()]).await;
        let error = create(&server).await.unwrap_err();
        assert_eq!((error.class, error.maybe_done, error.status), (FailureClass::Unknown, true, Some(201)));
    }
    for other in [list_of(&[json!({ "id": "8", "userName": "bob" })]), list_of(&[user(1), user(2)])] {
        let server = in_turn(vec![ResponseTemplate::new(202), json_reply(200, &other), json_reply(200, &other)]).await;
        assert_eq!(create(&server).await.unwrap_err().class, FailureClass::Unknown);
    }
}

#[tokio::test]
async fn s34_an_id_that_no_request_can_carry_is_no_account() {
    for id in ["..", "."] {
        let server = always(json_reply(201, &json!({ "id": id, "userName": "ann" }))).await;
        let error = create(&server).await.unwrap_err();
        assert_eq!((error.class, error.maybe_done), (FailureClass::Unsupported, false), "{id}");
        assert!(error.message.contains(&format!("{id:?}")) && error.message.contains("nothing was linked"), "{error}");
        let server = always(json_reply(201, &json!({ "id": id, "displayName": "Staff" }))).await;
        let error = app(&server).create_group(&SourceId::from("g"), "Staff", &[]).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Unsupported, "{id}");
    }
}

/// The evidence in an answer to a create, if it is none of a new account.
fn there(created: &Created) -> Option<&str> {
    match &created.origin {
        ResponseOrigin::New => None,
        ResponseOrigin::There { evidence, .. } | ResponseOrigin::Another { evidence } => Some(evidence),
    }
}

#[tokio::test]
async fn mp9_an_account_that_was_there_is_known_by_the_answer() {
    let began = "Tue, 15 Nov 2022 08:12:31 GMT";
    let sent = json!({ "id": "7", "userName": "ANN", "title": "x", "externalId": "s-1" });
    let with = |more: Value| {
        let mut body = sent.clone();
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        body
    };
    let made_at = |at: &str| json!({ "meta": { "created": at } });
    for (status, body, new) in [
        (201, sent.clone(), true),
        (201, with(made_at("2022-11-15T08:12:31Z")), true),
        (201, with(made_at("2022-11-15T08:12:28.5")), true),
        (200, with(made_at("2022-11-15T08:12:33Z")), true),
        (201, with(json!({ "meta": { "created": "2022-11-15T08:12:31Z" }, "title": "made up" })), true),
        (201, with(made_at("2022-11-15T08:10:00Z")), false),
        (201, with(made_at("2019-01-01T00:00:00+02:00")), false),
        (200, sent.clone(), false),
        (201, with(json!({ "title": "Owner" })), false),
        (201, with(json!({ "userName": "cfo" })), false),
        (201, with(json!({ "externalId": "other" })), false),
        (201, with(json!({ "emails": [{ "type": "work", "value": "cfo@example.com" }] })), false),
    ] {
        let server = always(json_reply(status, &body).insert_header("Date", began)).await;
        let created = create(&server).await.unwrap();
        assert_eq!(there(&created).is_none(), new, "{status} {body}: {:?}", created.origin);
    }
    let body = with(json!({ "meta": { "created": "2019-01-01T00:00:00Z" }, "active": false, "roles": ["admin"] }));
    let server = always(json_reply(201, &body).insert_header("Date", began)).await;
    let created = create(&server).await.unwrap();
    let ResponseOrigin::There { account: Some(account), .. } = created.origin else { panic!("{created:?}") };
    assert_eq!((account.active, account.roles), (false, vec!["admin".to_owned()]));
    assert_eq!(account.attributes.text(&Path::user_name()), Some("ANN"));
}

/// Answers of an app whose POST shows one thing, and a GET of the same object another.
async fn shown_twice(status: u16, posted: Value, read: Value) -> MockServer {
    answering(move |request| {
        let (status, body) = if request.method.as_str() == "POST" { (status, &posted) } else { (200, &read) };
        json_reply(status, body).insert_header("Date", "Tue, 15 Nov 2022 08:12:31 GMT")
    })
    .await
}

#[tokio::test]
async fn mp9_a_doubt_means_one_look() {
    let posted = json!({ "id": "7", "userName": "Ann", "externalId": "s-1", "title": "Made up" });
    let dated = |at: &str| {
        let mut read = posted.clone();
        read["meta"] = json!({ "created": at });
        read
    };
    for (status, at, new) in
        [(201, "2022-11-15T08:12:31Z", true), (200, "2022-11-15T08:12:31Z", true), (201, "2019-01-01T00:00:00Z", false)]
    {
        let server = shown_twice(status, posted.clone(), dated(at)).await;
        let created = create(&server).await.unwrap();
        assert_eq!(there(&created).is_none(), new, "{status} {at}: {:?}", created.origin);
        assert_eq!(methods(&requests(&server).await), ["POST", "GET"]);
    }
    // An app that dates nothing is asked once, not for everybody.
    let server = shown_twice(200, posted.clone(), posted.clone()).await;
    let app = app(&server);
    for _ in 0..3 {
        let created = app.create_user(&SourceId::from("s-1"), &ann()).await.unwrap();
        assert!(matches!(created.origin, ResponseOrigin::There { is_certain: false, .. }), "{created:?}");
    }
    assert_eq!(methods(&requests(&server).await), ["POST", "GET", "POST", "POST"]);
}

#[tokio::test]
async fn mp9_values_that_an_app_writes_in_its_own_way_are_no_other_accounts() {
    let long = "the quick brown fox";
    let sent = attributes(&[
        ("userName", json!("ann.lee@example.com")),
        ("displayName", json!("Ann  Lee")),
        ("title", json!(long)),
    ]);
    for (shown, new) in [
        (json!({ "displayName": "ann-lee" }), true),
        (json!({ "title": "the quick brown" }), false),
        (json!({ "title": "the quick brown f" }), true),
        (json!({ "userName": "ann_lee@example_com" }), true),
        (json!({ "userName": "ann.lee" }), true),
        (json!({ "userName": "ann.lee", "externalId": null }), false),
        (json!({ "userName": "cfo" }), false),
    ] {
        let mut body =
            json!({ "id": "7", "userName": "ann.lee@example.com", "externalId": "s-1", "displayName": "Ann Lee" });
        shown.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let server = always(json_reply(201, &body)).await;
        let created = app(&server).create_user(&SourceId::from("s-1"), &sent).await.unwrap();
        assert_eq!(there(&created).is_none(), new, "{shown}: {:?}", created.origin);
    }
}

#[tokio::test]
async fn mp9_a_group_that_an_app_names_in_its_own_way_is_no_mix_up() {
    for (status, shown, is_new, is_another) in [
        (201, json!({ "displayName": "sales-ops" }), true, false),
        (201, json!({ "displayName": "team_7", "externalId": "g" }), true, false),
        (201, json!({ "displayName": "team_7" }), false, true),
        (201, json!({ "displayName": "sales-ops", "externalId": "h" }), false, true),
        (201, json!({ "displayName": "Sales & Ops", "externalId": "h" }), false, true),
        (201, json!({ "displayName": "sales-ops", "members": [{ "value": "9" }] }), false, false),
        (201, json!({ "displayName": "sales-ops", "members": [{ "value": "a" }] }), true, false),
        (200, json!({ "displayName": "team_7", "externalId": "g" }), false, false),
    ] {
        let mut body = shown.clone();
        body["id"] = json!("g7");
        let server = always(json_reply(status, &body)).await;
        let app = app_with(&server, |profile| profile.groups.send_external_id = true);
        let created = app.create_group(&SourceId::from("g"), "Sales & Ops", &[member("a")]).await.unwrap();
        let is = (there(&created).is_none(), matches!(created.origin, ResponseOrigin::Another { .. }));
        assert_eq!(is, (is_new, is_another), "{status} {shown}: {:?}", created.origin);
    }
}

#[tokio::test]
async fn ma9_what_programs_write_for_no_id_is_looked_up() {
    for id in [json!("undefined"), json!("null"), json!(" "), json!("None"), json!(null), json!({ "value": "7" })] {
        let made = json_reply(201, &json!({ "id": id, "userName": "ann" }));
        let found = json_reply(200, &list_of(&[json!({ "id": "7", "userName": "ANN", "externalId": "s-1" })]));
        let server = in_turn(vec![made, found]).await;
        assert_eq!(create(&server).await.unwrap().id.as_str(), "7", "{id}");
    }
    // A Location by the user name leads to another id: what the look-up finds counts.
    let shown = json!({ "id": "7", "userName": "Ann", "externalId": "s-1" });
    let made = ResponseTemplate::new(201).insert_header("Location", "/Users/Ann");
    let server = in_turn(vec![made, json_reply(200, &shown), json_reply(200, &list_of(&[shown]))]).await;
    assert_eq!(create(&server).await.unwrap().id.as_str(), "7");
}

#[tokio::test]
async fn mp8_what_a_look_up_has_shown_is_no_new_object() {
    let server = answering(|request| match request.method.as_str() {
        "POST" => json_reply(201, &json!({ "id": "7", "userName": "ann" })),
        _ => json_reply(200, &list_of(&[json!({ "id": "7", "userName": "cfo" })])),
    })
    .await;
    let app = app_with(&server, |profile| profile.read.look_up = LookUp::List);
    let keys = UserKeys { source_id: SourceId::from("s-1"), attributes: ann(), except: None };
    assert_eq!(app.look_up_users(&[keys], &[]).await.unwrap(), [Match::Nobody]);
    let created = app.create_user(&SourceId::from("s-1"), &ann()).await.unwrap();
    assert!(matches!(created.origin, ResponseOrigin::Another { .. }), "{created:?}");

    let server = always(json_reply(201, &json!({ "id": "g7", "displayName": "Everybody" }))).await;
    let created = crate::scim::tests::app(&server).create_group(&SourceId::from("g"), "Staff", &[]).await.unwrap();
    assert!(matches!(created.origin, ResponseOrigin::Another { .. }), "{created:?}");
}

#[tokio::test]
async fn t5_a_success_that_shows_the_account_as_it_was_is_none() {
    for still in [json!(true), json!("True")] {
        let server = always(json_reply(200, &json!({ "id": "7", "userName": "ann", "active": still }))).await;
        let shown = app(&server).set_active(&AppId::from("7"), false).await.unwrap();
        assert_eq!(shown.active, Some(true), "`apply` judges it");
    }
    for (status, shown) in
        [(200, json!({ "active": false })), (200, json!({ "id": "7" })), (200, json!({ "active": "False" }))]
    {
        let server = always(json_reply(status, &shown)).await;
        app(&server).set_active(&AppId::from("7"), false).await.unwrap();
    }
}

/// A member of this id.
fn member(id: &str) -> MemberKeys {
    MemberKeys { id: AppId::from(id), user_name: format!("{id}@example.com") }
}

#[tokio::test]
async fn t1_no_write_is_ever_repeated_in_here() {
    for status in [400, 401, 403, 409, 412, 413, 422, 429, 500, 501, 502, 503, 504, 301, 307] {
        let server = always(ResponseTemplate::new(status)).await;
        let app = app(&server);
        let id = AppId::from("7");
        let error = create(&server).await.unwrap_err();
        assert_eq!(error.maybe_done, (500..600).contains(&status) && status != 501, "{status}");
        app.update_user(&id, &ann(), &[]).await.unwrap_err();
        app.set_active(&id, false).await.unwrap_err();
        app.delete_user(&id).await.unwrap_err();
        app.create_group(&SourceId::from("g"), "G", &[]).await.unwrap_err();
        app.rename_group(&id, "H").await.unwrap_err();
        app.add_members(&id, &[member("a")]).await.unwrap_err();
        app.remove_members(&id, &[member("a")]).await.unwrap_err();
        app.delete_group(&id).await.unwrap_err();
        let seen = requests(&server).await;
        let expected = ["POST", "PATCH", "PATCH", "DELETE", "POST", "PATCH", "PATCH", "PATCH", "DELETE"];
        assert_eq!(methods(&seen), expected, "{status}");
    }
}

#[tokio::test]
async fn t1_a_lost_answer_is_told_apart_from_a_refusal() {
    let slow = ResponseTemplate::new(201).set_delay(Duration::from_secs(5));
    let server = always(slow).await;
    let app = app_with(&server, |profile| profile.transport.timeout_secs = 1);
    let error = app.create_user(&SourceId::from("s"), &ann()).await.unwrap_err();
    assert_eq!((error.class, error.status, error.maybe_done), (FailureClass::Unknown, None, true));
    assert_eq!((error.method, error.path.as_str()), ("POST", "/Users"));
}

#[tokio::test]
async fn mp2_an_id_that_the_app_does_not_know_is_told_from_a_deletion() {
    for status in [200, 202, 204] {
        let server = always(ResponseTemplate::new(status)).await;
        app(&server).delete_user(&AppId::from("7")).await.unwrap();
        app(&server).delete_group(&AppId::from("7")).await.unwrap();
    }
    for status in [404, 410] {
        let server = always(ResponseTemplate::new(status)).await;
        assert_eq!(app(&server).delete_user(&AppId::from("7")).await.unwrap_err().class, FailureClass::NotFound);
        assert_eq!(app(&server).delete_group(&AppId::from("7")).await.unwrap_err().class, FailureClass::NotFound);
    }
    // A sign-in page in place of an answer deletes nobody.
    let server = always(ResponseTemplate::new(200).set_body_raw("<html>", "text/html")).await;
    assert_eq!(app(&server).delete_user(&AppId::from("7")).await.unwrap_err().class, FailureClass::NotScim);
}

#[tokio::test]
async fn an_update_is_one_patch_and_returns_the_echo_if_there_is_one() {
    let server = always(json_reply(200, &json!({ "id": "7", "userName": "ann", "title": "y", "nickName": "z" }))).await;
    let set = attributes(&[("title", json!("x")), ("userName", json!("Ann"))]);
    let echo = app(&server).update_user(&AppId::from("7"), &set, &[p("nickName")]).await.unwrap().attributes;
    let shown = attributes(&[("title", json!("y")), ("userName", json!("ann")), ("nickName", json!("z"))]);
    assert_eq!(echo, shown, "what was to be cleared is shown too");
    let seen = requests(&server).await;
    assert_eq!((methods(&seen), seen[0].url.path()), (vec!["PATCH"], "/scim/v2/Users/7"));
    assert_eq!(body(&seen[0])["Operations"].as_array().unwrap().len(), 3);
    let server = always(ResponseTemplate::new(204)).await;
    assert!(app(&server).update_user(&AppId::from("7"), &set, &[]).await.unwrap().attributes.is_empty());
}

#[tokio::test]
async fn nothing_to_write_sends_nothing() {
    let server = always(ResponseTemplate::new(500)).await;
    let app =
        app_with(&server, |profile| profile.attributes.set(&["title"], |one| one.push = Some(PushTime::OnCreate)));
    app.update_user(&AppId::from("7"), &attributes(&[("title", json!("x"))]), &[]).await.unwrap();
    app.add_members(&AppId::from("7"), &[]).await.unwrap();
    app.remove_members(&AppId::from("7"), &[]).await.unwrap();
    assert!(requests(&server).await.is_empty());
}

#[tokio::test]
async fn j6_an_attribute_that_can_not_change_is_never_sent_in_a_change() {
    let server = always(ResponseTemplate::new(200)).await;
    let app = app_with(&server, |profile| profile.attributes.fix(&["userName", "emails"]));
    for (set, clear) in [
        (attributes(&[("userName", json!("anna"))]), vec![]),
        (attributes(&[("title", json!("x")), ("emails.work", json!("b@example.com"))]), vec![]),
        (Attributes::new(), vec![p("emails.work")]),
    ] {
        let error = app.update_user(&AppId::from("7"), &set, &clear).await.unwrap_err();
        assert_eq!((error.class, error.status, error.maybe_done), (FailureClass::Immutable, None, false));
    }
    assert!(requests(&server).await.is_empty());
    app.create_user(&SourceId::from("s"), &ann()).await.unwrap_err();
    assert_eq!(body(&requests(&server).await[0])["userName"], "Ann", "a new account has them");
}

#[tokio::test]
async fn a_path_that_finds_nothing_is_sent_once_more_in_fitting_form() {
    let server = answering(|request| match request.method.as_str() {
        "GET" => json_reply(200, &json!({ "id": "7", "userName": "ann", "title": "old" })),
        _ if String::from_utf8_lossy(&request.body).contains("[type eq") => {
            scim_error(400, "noTarget", "no such email")
        }
        _ => ResponseTemplate::new(204),
    })
    .await;
    let set = attributes(&[("emails.work", json!("a@example.com")), ("title", json!("x"))]);
    app(&server).update_user(&AppId::from("7"), &set, &[p("phoneNumbers.work")]).await.unwrap();
    let seen = requests(&server).await;
    assert_eq!(methods(&seen), ["PATCH", "GET", "PATCH"]);
    let expected = json!([
        { "op": "add", "path": "emails", "value": [{ "type": "work", "value": "a@example.com" }] },
        { "op": "replace", "path": "title", "value": "x" },
    ]);
    assert_eq!(body(&seen[2])["Operations"], expected);
    // Refused again: that is the answer.
    let stubborn = answering(|request| match request.method.as_str() {
        "GET" => json_reply(200, &json!({ "id": "7", "emails": [{ "type": "work", "value": "b" }] })),
        _ => scim_error(400, "noTarget", "no"),
    })
    .await;
    let error = app(&stubborn).update_user(&AppId::from("7"), &set, &[]).await.unwrap_err();
    assert_eq!(error.scim_type.as_deref(), Some("noTarget"));
    assert_eq!(methods(&requests(&stubborn).await), ["PATCH", "GET"]);
}

#[tokio::test]
async fn i4_whole_lists_and_puts_keep_what_is_not_ours() {
    let current = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "7", "userName": "ann", "nickName": "theirs",
        "meta": { "version": "1" }, "groups": [{ "value": "g" }], "active": true,
        "emails": [{ "type": "home", "value": "theirs" }, { "type": "work", "value": "old" }],
    });
    let shown = current.clone();
    let server = answering(move |request| match request.method.as_str() {
        "GET" => json_reply(200, &shown),
        _ => ResponseTemplate::new(204),
    })
    .await;
    let set = attributes(&[("emails.work", json!("new")), ("title", json!("x"))]);
    let emails = json!([{ "type": "home", "value": "theirs" }, { "type": "work", "value": "new" }]);

    let lists = app_with(&server, |profile| profile.users.elements = ElementStyle::WholeList);
    lists.update_user(&AppId::from("7"), &set, &[]).await.unwrap();
    let sent = body(requests(&server).await.last().unwrap());
    let replaced = json!({ "op": "replace", "path": "emails", "value": emails });
    assert!(sent["Operations"].as_array().unwrap().contains(&replaced), "{sent}");

    let pathless = app_with(&server, |profile| profile.users.patch_path = Style::Pathless);
    pathless.update_user(&AppId::from("7"), &set, &[]).await.unwrap();
    let sent = body(requests(&server).await.last().unwrap());
    assert_eq!(sent["Operations"], json!([{ "op": "replace", "value": { "emails": emails, "title": "x" } }]));

    let put = app_with(&server, |profile| profile.users.update_method = UpdateMethod::PutMerge);
    put.update_user(&AppId::from("7"), &set, &[p("nickName")]).await.unwrap();
    let seen = requests(&server).await;
    assert_eq!(methods(&seen[seen.len() - 2..]), ["GET", "PUT"]);
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "7", "userName": "ann", "active": true,
        "emails": emails, "title": "x",
    });
    assert_eq!(body(seen.last().unwrap()), expected);
    put.set_active(&AppId::from("7"), false).await.unwrap();
    let sent = body(requests(&server).await.last().unwrap());
    assert_eq!((&sent["active"], &sent["nickName"]), (&json!(false), &json!("theirs")));
}

#[tokio::test]
async fn i2_a_put_is_never_built_on_a_failed_read() {
    for bad in [
        ResponseTemplate::new(404),
        ResponseTemplate::new(500),
        json_reply(200, &json!({})),
        ResponseTemplate::new(200),
    ] {
        let server = answering(move |request| match request.method.as_str() {
            "GET" => bad.clone(),
            _ => ResponseTemplate::new(200),
        })
        .await;
        let app = app_with(&server, |profile| {
            profile.users.update_method = UpdateMethod::PutMerge;
            profile.groups.member_remove = MemberRemove::PutRemaining;
        });
        app.update_user(&AppId::from("7"), &ann(), &[]).await.unwrap_err();
        app.remove_members(&AppId::from("7"), &[member("a")]).await.unwrap_err();
        assert!(requests(&server).await.iter().all(|request| request.method.as_str() == "GET"));
    }
}

#[tokio::test]
async fn groups_are_made_renamed_and_filled_as_the_profile_says() {
    let server = always(json_reply(201, &json!({ "id": "g", "displayName": "Sales" }))).await;
    let members = [member("a"), member("b c")];
    let plain = app(&server);
    let created = plain.create_group(&SourceId::from("s"), "Sales", &[]).await.unwrap();
    assert_eq!((created.id.as_str(), created.echo.text(&p("displayName"))), ("g", Some("Sales")));
    let core = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let expected = json!({ "schemas": [core], "displayName": "Sales", "externalId": "s" });
    assert_eq!(body(&requests(&server).await[0]), expected, "no members unless some are given");

    let base = format!("{}/scim/v2/Users", server.uri());
    let full = app_with(&server, |profile| {
        profile.groups.member_ref = true;
        profile.groups.send_external_id = false;
    });
    full.create_group(&SourceId::from("s"), "Sales", &members).await.unwrap();
    let sent = body(requests(&server).await.last().unwrap());
    let elements =
        json!([{ "value": "a", "$ref": format!("{base}/a") }, { "value": "b c", "$ref": format!("{base}/b%20c") }]);
    assert_eq!(sent, json!({ "schemas": [core], "displayName": "Sales", "members": elements }));
    full.add_members(&AppId::from("g"), &members).await.unwrap();
    let sent = body(requests(&server).await.last().unwrap());
    assert_eq!(sent["Operations"], json!([{ "op": "add", "path": "members", "value": elements }]));
    full.rename_group(&AppId::from("g"), "Vente").await.unwrap();
    let sent = body(requests(&server).await.last().unwrap());
    assert_eq!(sent["Operations"], json!([{ "op": "replace", "path": "displayName", "value": "Vente" }]));

    let before = requests(&server).await.len();
    let none = app_with(&server, |profile| profile.groups.support = GroupSupport::LinkOnly);
    let error = none.create_group(&SourceId::from("s"), "Sales", &[]).await.unwrap_err();
    assert_eq!((error.class, error.path.as_str()), (FailureClass::Unsupported, "/Groups"));
    assert_eq!(requests(&server).await.len(), before);
}

#[tokio::test]
async fn members_leave_in_every_way_the_profile_knows() {
    let group = json!({ "id": "g", "displayName": "G", "meta": {}, "members": [
        { "value": "a" }, { "value": "b", "display": "B" }, { "value": "foreign" }] });
    let server = answering(move |request| match request.method.as_str() {
        "GET" => json_reply(200, &group),
        _ => ResponseTemplate::new(204),
    })
    .await;
    let leaving = [member("a"), member("zz")];
    let last = async || body(requests(&server).await.last().unwrap());
    app(&server).remove_members(&AppId::from("g"), &leaving).await.unwrap();
    let paths: Vec<_> = last().await["Operations"].as_array().unwrap().iter().map(|op| op["path"].clone()).collect();
    assert_eq!(paths, ["members[value eq \"a\"]", "members[value eq \"zz\"]"]);

    let put = app_with(&server, |profile| profile.groups.member_remove = MemberRemove::PutRemaining);
    put.remove_members(&AppId::from("g"), &leaving).await.unwrap();
    let expected =
        json!({ "id": "g", "displayName": "G", "members": [{ "value": "b", "display": "B" }, { "value": "foreign" }] });
    assert_eq!(last().await, expected);
    let before = requests(&server).await.len();
    put.remove_members(&AppId::from("g"), &[member("zz")]).await.unwrap();
    assert_eq!(requests(&server).await.len(), before + 1, "who is not in it needs no PUT");
}

#[tokio::test]
async fn t14_a_member_who_is_not_there_is_removed_but_hides_no_others() {
    let server = always(scim_error(400, "noTarget", "no such member")).await;
    let app = app(&server);
    app.remove_members(&AppId::from("g"), &[member("a")]).await.unwrap();
    let error = app.remove_members(&AppId::from("g"), &[member("a"), member("b")]).await.unwrap_err();
    assert_eq!(after_failure(error.class, CallKind::Members), AfterFailure::SplitBatch);
}

#[tokio::test]
async fn members_go_by_user_name_where_the_app_wants_that() {
    let server = always(ResponseTemplate::new(204)).await;
    let app = app_with(&server, |profile| profile.groups.member_value = MemberValue::UserName);
    app.add_members(&AppId::from("g"), &[member("a"), member("b")]).await.unwrap();
    let seen = requests(&server).await;
    assert_eq!(methods(&seen), ["PATCH"], "the name is known and not asked for");
    let value = &body(&seen[0])["Operations"][0]["value"];
    assert_eq!(*value, json!([{ "value": "a@example.com" }, { "value": "b@example.com" }]));
}

#[tokio::test]
async fn paths_and_headers_of_the_profile_are_used() {
    let server = always(ResponseTemplate::new(204)).await;
    let app = app_with(&server, |profile| {
        profile.transport.users_path = "/directory/users/".into();
        profile.transport.trailing_slash = true;
        profile.transport.auth_header = "X-Api-Key".into();
        profile.transport.auth_template = "key={token}".into();
        profile.transport.user_agent = "tester/1".into();
        profile.transport.content_type = "application/json".into();
        profile.transport.extra_headers = [("X-Extra".to_owned(), "1".to_owned())].into();
    });
    app.set_active(&AppId::from("7"), true).await.unwrap();
    let _ = app.create_user(&SourceId::from("s"), &ann()).await;
    let seen = requests(&server).await;
    assert_eq!(seen[0].url.path(), "/scim/v2/directory/users/7");
    assert_eq!(seen[1].url.path(), "/scim/v2/directory/users/");
    for (name, value) in [
        ("x-api-key", "key=the-app-token"),
        ("user-agent", "tester/1"),
        ("content-type", "application/json"),
        ("x-extra", "1"),
    ] {
        assert_eq!(seen[0].headers.get(name).unwrap(), value);
    }
    assert!(seen[0].headers.get("authorization").is_none());
}

#[tokio::test]
async fn many_calls_at_once_stay_within_the_limit() {
    let busy = Arc::new(Mutex::new((0_usize, 0_usize)));
    let server = always(ResponseTemplate::new(204).set_delay(Duration::from_millis(20))).await;
    let app = Arc::new(app_with(&server, |profile| profile.pace.in_flight = 4));
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let (app, busy) = (Arc::clone(&app), Arc::clone(&busy));
            tokio::spawn(async move {
                app.set_active(&AppId::new(n.to_string()), true).await.unwrap();
                busy.lock().unwrap().0 += 1;
            })
        })
        .collect();
    let started = Instant::now();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(200), "forty calls of 20 ms, four at a time");
    assert_eq!(busy.lock().unwrap().0, 40);
}

#[tokio::test]
async fn no_write_that_waits_for_the_rate_goes_out_after_the_end_of_a_run() {
    let server = always(ResponseTemplate::new(200)).await;
    let hourly = BucketSpec { matches: String::new(), rate: "1/h".parse().unwrap(), burst: 1 };
    let app = Arc::new(app_paced(format!("{}/scim/v2", server.uri()), &[hourly], |profile| profile.pace.in_flight = 4));
    app.set_active(&AppId::from("7"), true).await.unwrap();
    let waiting = (0..3).map(|_| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.set_active(&AppId::from("7"), false).await })
    });
    let waiting: Vec<_> = waiting.collect();
    tokio::task::yield_now().await;
    app.close();
    for call in waiting {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.class, error.maybe_done), (FailureClass::Closed, false));
    }
    assert_eq!(app.set_active(&AppId::from("7"), false).await.unwrap_err().class, FailureClass::Closed);
    assert_eq!(requests(&server).await.len(), 1);
}

#[tokio::test]
async fn ma1_the_members_in_an_answer_are_read_in_every_form_and_a_cut_list_says_so() {
    let plain = json!([{ "value": "a" }, { "value": "b" }]);
    let by_ref = json!([{ "$ref": "https://x.test/Users/a" }, { "$ref": "../Users/b/" }]);
    for (members, more, is_cut) in [
        (plain.clone(), json!({}), false),
        (by_ref, json!({}), false),
        (json!(["a", "b"]), json!({}), false),
        (plain.clone(), json!({ "totalMembers": 2 }), false),
        (plain.clone(), json!({ "totalMembers": 9 }), true),
        (plain, json!({ "nextCursor": "c" }), true),
    ] {
        let mut body = json!({ "id": "g", "displayName": "G", "members": members });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let server = always(json_reply(200, &body)).await;
        let shown = app(&server).remove_members(&AppId::from("g"), &[member("z")]).await.unwrap().members.unwrap();
        assert_eq!((shown.values, shown.is_cut), (vec!["a".to_owned(), "b".to_owned()], is_cut), "{body}");
        let read = app(&server).get_group(&AppId::from("g")).await.unwrap().unwrap().members;
        assert_eq!(read.is_none(), is_cut, "a list that is cut is none: {body}");
    }
}
