//! Dialects that are used whole: PUT for groups, reasons wherever they are, marks before JSON, errors behind the last page.

use super::*;
use crate::config::profile::{LookUp, UpdateMethod};

fn by_put(profile: &mut Profile) {
    profile.users.update_method = UpdateMethod::PutMerge;
}

/// A group of two members that takes no PATCH.
async fn without_patch() -> MockServer {
    answering(|request| match request.method.as_str() {
        "GET" => json_reply(200, &json!({
            "id": "g1", "displayName": "Eng", "members": [{ "value": "a", "display": "A" }, { "value": "b" }], "meta": {},
        })),
        "PUT" => json_reply(200, &serde_json::from_slice::<Value>(&request.body).unwrap()),
        _ => ResponseTemplate::new(405),
    })
    .await
}

fn member(id: &str) -> MemberKeys {
    MemberKeys { id: AppId::from(id), user_name: id.to_owned() }
}

async fn last_put(server: &MockServer) -> Value {
    requests(server).await.iter().rfind(|request| request.method.as_str() == "PUT").map(body).unwrap()
}

#[tokio::test]
async fn ma6_where_users_go_by_put_groups_follow() {
    let server = without_patch().await;
    let app = app_with(&server, by_put);
    app.add_members(&AppId::from("g1"), &[member("b"), member("c")]).await.unwrap();
    let values = |group: &Value| -> Vec<String> {
        group["members"].as_array().unwrap().iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(values(&last_put(&server).await), ["a", "b", "c"], "foreign members stay");
    app.remove_members(&AppId::from("g1"), &[member("b")]).await.unwrap();
    assert_eq!(values(&last_put(&server).await), ["a"]);
    app.rename_group(&AppId::from("g1"), "Engineering").await.unwrap();
    let renamed = last_put(&server).await;
    assert_eq!((renamed["displayName"].as_str(), values(&renamed).len()), (Some("Engineering"), 2));
    let patched = requests(&server).await.iter().filter(|request| request.method.as_str() == "PATCH").count();
    assert_eq!(patched, 0);
}

#[tokio::test]
async fn ma6_groups_have_a_key_of_their_own() {
    let server = without_patch().await;
    let patches = app_with(&server, |profile| {
        by_put(profile);
        profile.groups.update_method = Some(UpdateMethod::Patch);
    });
    assert_eq!(
        patches.add_members(&AppId::from("g1"), &[member("c")]).await.unwrap_err().class,
        FailureClass::Unsupported
    );
    let puts = app_with(&server, |profile| profile.groups.update_method = Some(UpdateMethod::PutMerge));
    puts.add_members(&AppId::from("g1"), &[member("c")]).await.unwrap();
    // Without readable members a PUT would empty the group.
    let blind = app_with(&server, |profile| {
        by_put(profile);
        profile.read.members_readable = false;
    });
    assert_eq!(
        blind.add_members(&AppId::from("g1"), &[member("c")]).await.unwrap_err().class,
        FailureClass::Unsupported
    );
}

#[tokio::test]
async fn ma6_the_reason_is_shown_wherever_it_is() {
    for body in [
        json!({ "status": "400", "urn:acme:scim:error:1.0": { "reason": "x", "message": "no seat is left" } }),
        json!({ "detail": "Bad Request", "urn:acme:error": { "detail": "no seat is left" } }),
        json!({ "detail": "", "urn:acme:error": "no seat is left" }),
        json!({ "response": { "detail": "no seat is left" } }),
        json!({ "response": { "errors": [{ "message": "no seat is left" }] } }),
        json!({ "message": "no seat is left" }),
        json!({ "errors": [{ "message": "no seat is left" }] }),
        json!({ "error": "invalid", "error_description": "no seat is left" }),
        json!({ "title": "no seat is left" }),
    ] {
        let server = always(json_reply(400, &body)).await;
        let error = app(&server).delete_user(&AppId::from("1")).await.unwrap_err();
        assert!(error.message.contains("no seat is left"), "{body}: {}", error.message);
    }
}

#[tokio::test]
async fn ma6_a_byte_order_mark_before_json_is_left_out() {
    let marked = |status: u16, body: &Value| {
        ResponseTemplate::new(status).set_body_raw(format!("\u{feff}{body}"), "application/scim+json")
    };
    let server = always(marked(200, &list_of(&[user(7)]))).await;
    assert_eq!(reads_short(&app(&server).look_up_users(&keys([7]), &[]).await.unwrap()), ["id-7"]);
    let server = always(marked(400, &json!({ "detail": "no seat is left" }))).await;
    let error = app(&server).delete_user(&AppId::from("1")).await.unwrap_err();
    assert_eq!(error.message, "400: no seat is left");
}

fn reads_short(found: &[Match<AppUser>]) -> Vec<String> {
    let id = |found: &Match<AppUser>| match found {
        Match::One { found, .. } => found.id.to_string(),
        _ => "-".to_owned(),
    };
    found.iter().map(id).collect()
}

#[tokio::test]
async fn ma6_an_error_behind_the_last_announced_row_is_the_end() {
    for status in [500, 503, 404, 400, 501] {
        let server = answering(move |request| match query(request, "startIndex").as_deref() {
            Some("1") => json_reply(200, &list_of(&[user(1), user(2)])),
            _ => ResponseTemplate::new(status),
        })
        .await;
        let app = app_with(&server, |profile| {
            profile.read.look_up = LookUp::List;
            profile.read.page_size = 2;
        });
        assert_eq!(reads_short(&app.look_up_users(&keys([2, 9]), &[]).await.unwrap()), ["id-2", "-"], "{status}");
        assert_eq!(requests(&server).await.len(), 2, "{status}: it is not asked for again");
    }
    // Before that, it is no end.
    let server = answering(|request| match query(request, "startIndex").as_deref() {
        Some("1") => json_reply(200, &json!({ "totalResults": 5, "Resources": [user(1), user(2)] })),
        _ => ResponseTemplate::new(500),
    })
    .await;
    let app = app_with(&server, |profile| {
        profile.read.look_up = LookUp::List;
        profile.read.page_size = 2;
    });
    assert_eq!(app.look_up_users(&keys([9]), &[]).await.unwrap_err().class, FailureClass::Server);
}
