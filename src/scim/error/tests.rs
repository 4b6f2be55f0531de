use serde_json::json;

use super::*;

const ROOM: Room = Room { bytes: 8 << 20, key: "transport.max_response_bytes", members_as_values: false };

fn reply(status: u16, content_type: &str, body: impl ToString) -> HttpResponse {
    HttpResponse {
        status,
        content_type: Some(content_type.to_owned()).filter(|kind| !kind.is_empty()),
        location: None,
        location_host: None,
        retry_after: None,
        headers: Default::default(),
        body: body.to_string().into_bytes(),
        fault: None,
    }
}

const GET: RequestKind<'static> = RequestKind { method: Method::Get, path: "/Users" };
const POST: RequestKind<'static> = RequestKind { method: Method::Post, path: "/Users" };
const PATCH: RequestKind<'static> = RequestKind { method: Method::Patch, path: "/Users/7" };

fn error(asked: RequestKind<'_>, reply: &HttpResponse) -> CallError {
    asked.answer(reply, ROOM).unwrap_err()
}

fn scim(status: u16, scim_type: &str, detail: &str) -> HttpResponse {
    let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string() });
    if !scim_type.is_empty() {
        body["scimType"] = scim_type.into();
    }
    if !detail.is_empty() {
        body["detail"] = detail.into();
    }
    reply(status, "application/scim+json", body)
}

#[test]
fn every_status_of_the_table_has_its_class() {
    for (status, scim_type, class, maybe_done) in [
        (400, "", FailureClass::Invalid, false),
        (400, "invalidFilter", FailureClass::Invalid, false),
        (400, "invalidValue", FailureClass::Invalid, false),
        (400, "uniqueness", FailureClass::Conflict, false),
        (400, "Mutability", FailureClass::Immutable, false),
        (401, "", FailureClass::Unauthorized, false),
        (402, "", FailureClass::Forbidden, false),
        (403, "sensitive", FailureClass::Forbidden, false),
        (404, "", FailureClass::NotFound, false),
        (405, "", FailureClass::Unsupported, false),
        (408, "", FailureClass::Server, true),
        (409, "uniqueness", FailureClass::Conflict, false),
        (409, "", FailureClass::Conflict, false),
        (410, "", FailureClass::NotFound, false),
        (412, "", FailureClass::Changed, false),
        (413, "tooMany", FailureClass::TooLarge, false),
        (415, "", FailureClass::Invalid, false),
        (422, "", FailureClass::Invalid, false),
        (429, "", FailureClass::Throttled, false),
        (500, "", FailureClass::Server, true),
        (501, "", FailureClass::Unsupported, false),
        (502, "", FailureClass::Server, true),
        (503, "", FailureClass::Server, true),
        (504, "", FailureClass::Server, true),
        (599, "", FailureClass::Server, true),
    ] {
        let found = error(PATCH, &scim(status, scim_type, "why"));
        assert_eq!((found.class, found.maybe_done), (class, maybe_done), "{status} {scim_type}");
        assert_eq!(found.status, Some(status));
        assert_eq!(found.scim_type.as_deref().unwrap_or_default(), scim_type);
        assert!(found.message.ends_with(": why"), "{}", found.message);
        assert!(!error(GET, &scim(status, scim_type, "why")).maybe_done, "a read is never half done");
    }
}

#[test]
fn every_error_body_is_understood_or_shown() {
    for (body, said) in [
        (json!({ "detail": "no such seat" }).to_string(), "400: no such seat"),
        (json!({ "Detail": "x", "scimtype": "invalidValue" }).to_string(), "400 invalidValue: x"),
        (json!({ "Errors": [{ "description": "old", "code": "400" }] }).to_string(), "400: old"),
        (json!({ "errors": ["one", { "message": "two" }] }).to_string(), "400: one; two"),
        (json!({ "error": { "code": 7, "message": "deep" } }).to_string(), "400: deep"),
        (json!({ "error": "invalid_token", "error_description": "expired" }).to_string(), "400: expired"),
        (json!({ "title": "Bad", "type": "about:blank" }).to_string(), "400: Bad"),
        (json!({ "detail": [{ "loc": ["body"], "msg": "field required" }] }).to_string(), "400: field required"),
        (json!({ "status": 400 }).to_string(), r#"400: {"status":400}"#),
        ("plain words".to_owned(), "400: plain words"),
        (String::new(), "400 bad request"),
        (
            "<html><head><TITLE> Blocked </TITLE></head>".to_owned(),
            r#"400: the answer is an HTML page titled "Blocked""#,
        ),
        ("<html>".to_owned(), "400: the answer is an HTML page"),
        ("{\"detail\": \"cut".to_owned(), "400: {\"detail\": \"cut"),
    ] {
        assert_eq!(error(GET, &reply(400, "", &body)).message, said, "{body}");
    }
}

#[test]
fn j4_the_apps_own_words_about_a_foreign_account_reach_the_operator() {
    let words = "This account exists outside of your organization and must be deleted there first";
    for status in [400, 403, 409] {
        assert!(error(POST, &scim(status, "", words)).message.ends_with(words));
    }
}

#[test]
fn t2_an_app_that_says_400_for_a_duplicate_is_understood() {
    for words in ["User already exists", "email already in use", "userName must be unique", "Duplicate entry 'x'"] {
        assert_eq!(error(POST, &scim(400, "", words)).class, FailureClass::Conflict, "{words}");
        assert_eq!(error(GET, &scim(400, "", words)).class, FailureClass::Invalid, "nothing to collide with: {words}");
    }
    assert_eq!(error(POST, &scim(400, "", "userName is required")).class, FailureClass::Invalid);
}

#[test]
fn t7_a_redirect_names_only_the_host() {
    let moved = HttpResponse {
        location: Some("https://evil.example/login?user=ann".into()),
        location_host: Some("evil.example".into()),
        ..reply(302, "", "")
    };
    let found = error(POST, &moved);
    assert_eq!((found.class, found.maybe_done), (FailureClass::Redirect, false));
    assert!(found.message.contains("evil.example") && !found.message.contains("ann"), "{}", found.message);
}

#[test]
fn s7_a_page_instead_of_scim_is_no_success() {
    for body in ["<!DOCTYPE html><title>Sign in</title>", "  <html>"] {
        let found = error(POST, &reply(200, "text/html; charset=utf-8", body));
        assert_eq!((found.class, found.maybe_done), (FailureClass::NotScim, true));
        assert_eq!(error(GET, &reply(200, "", body)).class, FailureClass::NotScim);
    }
    let found = error(POST, &reply(200, "text/html", "<title>Sign in</title>"));
    assert_eq!(found.message, r#"200, but the answer is an HTML page titled "Sign in""#);
}

#[test]
fn s8_a_success_that_can_not_be_read_is_no_success() {
    for body in ["{\"id\":", "[]", "\"ok\"", "{\"id\": \u{feff}1}", &"[".repeat(100_000)] {
        let found = error(POST, &reply(201, "application/json", body));
        assert_eq!((found.class, found.maybe_done), (FailureClass::NotScim, true), "{}", found.message);
    }
    let cut = HttpResponse { fault: Some(BodyFault::Cut("reset".into())), ..reply(201, "", "{\"id\":") };
    assert_eq!((error(POST, &cut).class, error(POST, &cut).maybe_done), (FailureClass::Unknown, true));
    assert_eq!(error(GET, &cut).class, FailureClass::Unknown, "worth another try");
    let large = HttpResponse { fault: Some(BodyFault::TooLarge(8)), ..reply(200, "", "{\"id\":") };
    assert_eq!(error(GET, &large).class, FailureClass::NotScim, "not worth another try");
    assert!(error(GET, &large).message.contains("larger than 8 bytes"));
}

#[test]
fn t5_an_error_dressed_as_success_is_an_error() {
    let mut dressed = scim(409, "uniqueness", "taken");
    dressed.status = 200;
    assert_eq!(error(POST, &dressed).class, FailureClass::Conflict);
}

#[test]
fn successes_with_and_without_body() {
    assert_eq!(PATCH.answer(&reply(204, "", ""), ROOM), Ok(None));
    assert_eq!(PATCH.answer(&reply(200, "application/json", " \n"), ROOM), Ok(None));
    assert_eq!(PATCH.answer(&reply(200, "application/json", "null"), ROOM), Ok(None));
    let body = POST.answer(&reply(201, "text/plain", json!({ "id": "7" })), ROOM).unwrap().unwrap();
    assert_eq!(json::text(&body, "ID").as_deref(), Some("7"));
}

#[test]
fn what_the_app_says_can_not_play_tricks_on_a_terminal() {
    assert_eq!(clean("a\u{1b}[31mred\u{7}\r\n\tb\u{202e}c\u{200b}\u{feff}  d "), "a[31mred bc d");
    let long = clean(&"é".repeat(10_000));
    assert_eq!(long.chars().count(), 301);
    assert!(long.ends_with('…'));
}

#[test]
fn no_answer_says_whether_it_may_have_been_done() {
    let lost = POST.no_answer(SendError::NoAnswer("the connection broke".into()));
    assert_eq!((lost.class, lost.maybe_done), (FailureClass::Unknown, true));
    assert!(lost.message.contains("may have been carried out"));
    let refused = POST.no_answer(SendError::Unreachable("refused".into()));
    assert_eq!((refused.class, refused.maybe_done), (FailureClass::Unreachable, false));
    assert!(!GET.no_answer(SendError::NoAnswer("x".into())).maybe_done);
}
