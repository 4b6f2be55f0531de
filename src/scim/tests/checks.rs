//! The connection check (J2): each way to be wrong has its own sentence.

use super::*;

async fn failure(server: &MockServer) -> CallError {
    app(server).check().await.unwrap_err()
}

#[tokio::test]
async fn j2_one_call_proves_address_token_and_scim() {
    let server = always(json_reply(200, &list_of(&[]))).await;
    app(&server).check().await.unwrap();
    let seen = requests(&server).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].url.path(), "/scim/v2/Users");
    assert!(query(&seen[0], "filter").unwrap().starts_with("userName eq \"rosterd-check-"));
    assert_eq!(seen[0].headers.get("authorization").unwrap(), &format!("Bearer {TOKEN}"));
}

#[tokio::test]
async fn j2_every_wrong_setting_is_told_in_its_own_words() {
    for (answer, class, words) in [
        (scim_error(401, "", "expired"), FailureClass::Unauthorized, "does not accept the token (401: expired)"),
        (scim_error(403, "", "no scope"), FailureClass::Forbidden, "knows the token but does not let it"),
        (ResponseTemplate::new(404), FailureClass::NotFound, "no SCIM user list"),
        (
            ResponseTemplate::new(200).set_body_raw("<html><title>Sign in</title>", "text/html"),
            FailureClass::NotScim,
            "titled \"Sign in\"",
        ),
        (json_reply(200, &json!({ "hello": "world" })), FailureClass::NotScim, "no SCIM user list"),
        (
            ResponseTemplate::new(302).insert_header("Location", "https://sso.example/x"),
            FailureClass::Redirect,
            "sso.example",
        ),
    ] {
        let server = always(answer).await;
        let found = failure(&server).await;
        assert_eq!(found.class, class);
        assert!(found.message.contains(words), "{}", found.message);
        assert!(!found.message.contains(TOKEN));
    }
}

#[tokio::test]
async fn j2_an_unreachable_app_is_told_from_one_that_refuses() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/scim", closed.local_addr().unwrap());
    drop(closed);
    let found = app_at(base, |_| {}).check().await.unwrap_err();
    assert_eq!(found.class, FailureClass::Unreachable);
    assert!(found.message.contains("refused"), "{}", found.message);
}

#[tokio::test]
async fn i6_a_token_that_the_app_quotes_is_taken_out() {
    let server = always(scim_error(401, "", &format!("token {TOKEN} is expired"))).await;
    let found = failure(&server).await;
    assert!(found.message.contains("token [token] is expired"), "{}", found.message);
}

#[tokio::test]
async fn an_app_that_says_404_for_nobody_is_understood_and_remembered() {
    let server = answering(|request| match query(request, "filter") {
        Some(_) => ResponseTemplate::new(404),
        None => json_reply(200, &list_of(&[user(1)])),
    })
    .await;
    let app = app(&server);
    app.check().await.unwrap();
    assert_eq!(short(&app.look_up_users(&keys([9]), &[]).await.unwrap()), ["-"]);
}

#[tokio::test]
async fn an_app_that_ignores_or_refuses_filters_is_listed_from_then_on() {
    for refusal in [None, Some(scim_error(400, "invalidFilter", "no")), Some(ResponseTemplate::new(501))] {
        let server = answering(move |request| match (query(request, "filter"), &refusal) {
            (Some(_), Some(refusal)) => refusal.clone(),
            _ => json_reply(200, &list_of(&[user(1), user(2)])),
        })
        .await;
        let app = app(&server);
        app.check().await.unwrap();
        let before = requests(&server).await.len();
        assert_eq!(short(&app.look_up_users(&keys([2, 3]), &[]).await.unwrap()), ["id-2", "-"]);
        let since = requests(&server).await.split_off(before);
        assert!(since.iter().all(|request| query(request, "filter").is_none()), "no filter is tried again");
    }
}
