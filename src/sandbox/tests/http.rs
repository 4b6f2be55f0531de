use std::net::SocketAddr;

use reqwest::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, Method};

use super::*;
use crate::sandbox::{MethodCounts, Options, Running, start};

const SCIM: &str = "application/scim+json";

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

struct Caller {
    running: Running,
    client: Client,
}

impl Caller {
    async fn new(options: Options) -> Self {
        // plain http needs no certificates, and a test machine may have none
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { running: start(options).await.unwrap(), client }
    }

    async fn plain() -> Self {
        Self::new(Options { clock: Arc::new(Ticking::default()), ..Options::default() }).await
    }

    async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Reply {
        let mut request = self.client.request(method, format!("{}{path}", self.running.base_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        Reply { status, headers, body }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        self.raw(method, path, &[("content-type", SCIM)], body.map(|body| body.to_string().into_bytes())).await
    }
}

#[tokio::test]
async fn a_user_lives_and_dies_by_the_book() {
    let caller = Caller::plain().await;
    let made = caller.call(Method::POST, "/Users", Some(&user("ann", json!({ "externalId": "1" })))).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.headers[CONTENT_TYPE], SCIM);
    let id = id_of(&made.body);
    assert_eq!(made.headers[LOCATION].to_str().unwrap(), format!("{}/Users/{id}", caller.running.base_url()));
    assert_eq!(made.body["meta"]["location"], made.headers[LOCATION].to_str().unwrap());
    assert_eq!(made.body["meta"]["created"], "2027-01-15T08:00:00Z");

    let path = format!("/Users/{id}");
    assert_eq!(caller.call(Method::GET, &path, None).await.body, made.body);
    let patch = ops(json!([{ "op": "replace", "path": "active", "value": false }]));
    let patched = caller.call(Method::PATCH, &path, Some(&patch)).await;
    assert_eq!((patched.status, &patched.body["active"]), (200, &json!(false)));
    let replaced = caller.call(Method::PUT, &path, Some(&user("anna", json!({})))).await;
    assert_eq!((replaced.status, &replaced.body["userName"]), (200, &json!("anna")));
    let listed = caller.call(Method::GET, "/Users?filter=userName%20eq%20%22ANNA%22", None).await;
    assert_eq!((listed.status, &listed.body["Resources"]), (200, &json!([replaced.body])));
    assert_eq!(caller.call(Method::DELETE, &path, None).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(caller.call(method, &path, None).await.status, 404);
    }
    assert_eq!(caller.call(Method::PATCH, &path, Some(&patch)).await.status, 404);
    assert!(caller.running.users().is_empty());
    caller.running.stop().await.unwrap();
}

#[tokio::test]
async fn errors_have_the_body_of_the_rfc() {
    let caller = Caller::plain().await;
    caller.call(Method::POST, "/Users", Some(&user("ann", json!({})))).await;
    let clash = caller.call(Method::POST, "/Users", Some(&user("ANN", json!({})))).await;
    assert_eq!(
        (clash.status, &clash.body["status"], &clash.body["scimType"]),
        (409, &json!("409"), &json!("uniqueness"))
    );
    assert_eq!(clash.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(clash.headers[CONTENT_TYPE], SCIM);
    let table = [
        (Method::GET, "/Users/nobody", 404, Value::Null),
        (Method::GET, "/Users/%ff", 404, Value::Null),
        (Method::GET, "/nosuch", 404, Value::Null),
        (Method::GET, "/users", 404, Value::Null),
        (Method::GET, "/Users?filter=nosuch%20pr", 400, json!("invalidFilter")),
        (Method::GET, "/Users?count=x", 400, json!("invalidValue")),
        (Method::DELETE, "/Users", 405, Value::Null),
        (Method::PUT, "/Schemas", 405, Value::Null),
        (Method::POST, "/ServiceProviderConfig", 405, Value::Null),
        (Method::GET, "/.search", 405, Value::Null),
        (Method::GET, "/Users/.search", 405, Value::Null),
        (Method::POST, "/.search", 415, Value::Null),
        (Method::POST, "/Bulk", 501, Value::Null),
        (Method::GET, "/Me", 501, Value::Null),
        (Method::GET, "/Schemas?filter=id%20pr", 403, Value::Null),
        (Method::GET, "/Schemas/urn:nosuch", 404, Value::Null),
        (Method::GET, "/ResourceTypes/nosuch", 404, Value::Null),
    ];
    for (method, path, status, scim_type) in table {
        let reply = caller.raw(method.clone(), path, &[], None).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.body["status"], status.to_string(), "{method} {path}");
        assert_eq!(reply.body.get("scimType").cloned().unwrap_or(Value::Null), scim_type, "{method} {path}");
    }
    let refused = caller.call(Method::DELETE, "/Users", None).await;
    assert!(refused.headers[ALLOW].to_str().unwrap().contains("GET"), "405 says what is allowed (RFC 9110 §15.5.6)");
}

#[tokio::test]
async fn bodies_must_be_labelled_and_small_and_json() {
    let caller = Caller::plain().await;
    let body = user("ann", json!({})).to_string().into_bytes();
    let post = async |label: &str, body: Vec<u8>| {
        let reply = caller.raw(Method::POST, "/Users", &[("content-type", label)], Some(body)).await;
        (reply.status, reply.body.get("scimType").and_then(Value::as_str).map(str::to_owned))
    };
    assert_eq!(post("text/plain", body.clone()).await, (415, None));
    assert_eq!(caller.raw(Method::POST, "/Users", &[], Some(body.clone())).await.status, 415);
    let syntax = Some("invalidSyntax".to_owned());
    assert_eq!(post(SCIM, b"{\"schemas\": [".to_vec()).await, (400, syntax.clone()));
    assert_eq!(post(SCIM, vec![0xff]).await, (400, syntax.clone()));
    assert_eq!(post(SCIM, Vec::new()).await, (400, syntax.clone()));
    assert_eq!(post(SCIM, "[".repeat(500_000).into_bytes()).await, (400, syntax), "no stack is spent on nesting");
    assert_eq!(post(SCIM, vec![b' '; (1 << 20) + 1]).await, (413, None));
    assert_eq!(post("application/json; charset=utf-8", body).await.0, 201);
    assert_eq!(caller.running.users().len(), 1);
}

#[tokio::test]
async fn i6_the_token_is_asked_for_everywhere_and_shown_nowhere() {
    let options = Options { bearer: Some("s3cret".to_owned()), ..Options::default() };
    assert!(!format!("{options:?}").contains("s3cret"));
    let caller = Caller::new(options).await;
    for path in ["/Users", "/ServiceProviderConfig", "/nosuch"] {
        for wrong in [
            None,
            Some("s3cret"),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer s3cre"),
            Some("Basic s3cret"),
            Some("Bearer s3cret "),
        ] {
            // header values lose their outer blanks on the way, so the last one is the right one
            let right = wrong == Some("Bearer s3cret ");
            let headers: Vec<(&str, &str)> = wrong.map(|wrong| (AUTHORIZATION.as_str(), wrong)).into_iter().collect();
            let reply = caller.raw(Method::GET, path, &headers, None).await;
            assert_eq!(reply.status == 401, !right, "{path} {wrong:?}");
            assert_eq!(reply.headers.get(WWW_AUTHENTICATE).is_some(), !right, "{path} {wrong:?}");
        }
        let reply = caller.raw(Method::GET, path, &[(AUTHORIZATION.as_str(), "bearer s3cret")], None).await;
        assert_ne!(reply.status, 401, "{path}");
    }
    assert!(!format!("{:?}", caller.running.requests()).contains("s3cret"));
}

#[tokio::test]
async fn discovery_says_what_is_so() {
    let caller = Caller::new(Options { page_size_max: 7, bearer: None, ..Options::default() }).await;
    let config = caller.call(Method::GET, "/ServiceProviderConfig", None).await.body;
    assert_eq!(config["filter"], json!({ "supported": true, "maxResults": 7 }));
    for (feature, supported) in
        [("patch", true), ("bulk", false), ("sort", false), ("etag", false), ("changePassword", false)]
    {
        assert_eq!(config[feature]["supported"], supported, "{feature}");
    }
    for (path, keys) in [("/ResourceTypes", vec!["User", "Group"]), ("/Schemas", vec![USER, ENTERPRISE, GROUP])] {
        let listed = caller.call(Method::GET, path, None).await.body;
        let resources = listed["Resources"].as_array().unwrap();
        assert_eq!(listed["totalResults"], resources.len());
        for key in keys {
            let entry = resources.iter().find(|entry| entry["id"] == key).unwrap_or_else(|| panic!("{path} has {key}"));
            let location = entry["meta"]["location"].as_str().unwrap();
            let path = location.strip_prefix(&caller.running.base_url()).unwrap();
            assert_eq!(caller.call(Method::GET, path, None).await.body, *entry);
        }
    }
}

#[tokio::test]
async fn a_search_is_a_query_whose_filter_stays_out_of_the_address() {
    const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    let caller = Caller::plain().await;
    let ann = id_of(&caller.call(Method::POST, "/Users", Some(&user("ann", json!({})))).await.body);
    caller.call(Method::POST, "/Users", Some(&user("bob", json!({})))).await;
    caller.call(Method::POST, "/Groups", Some(&group("team", &[&ann]))).await;
    let search = async |path: &str, more: Value| {
        let mut body = json!({ "schemas": [SEARCH] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        caller.call(Method::POST, path, Some(&body)).await
    };
    let by_name = json!({ "filter": "userName eq \"ANN\"", "attributes": ["userName"], "startIndex": 1, "count": 5 });
    let found = search("/Users/.search", by_name.clone()).await;
    assert_eq!((found.status, &found.body["totalResults"]), (200, &json!(1)));
    assert_eq!(found.body["Resources"], json!([{ "schemas": [USER], "id": ann, "userName": "ann" }]));
    let all = search("/.search", json!({ "excludedAttributes": ["members"], "startIndex": 2 })).await.body;
    assert_eq!((&all["totalResults"], &all["itemsPerPage"]), (&json!(3), &json!(2)));
    assert_eq!(all["Resources"][1]["displayName"], "team");
    assert_eq!(all["Resources"][1].get("members"), None);
    let both = search("/.search", json!({ "filter": format!("id eq \"{ann}\"") })).await.body;
    assert_eq!(both["totalResults"], 1);
    for (path, body, scim_type) in [
        ("/.search", by_name, "invalidFilter"),
        ("/Users/.search", json!({ "filter": 5 }), "invalidSyntax"),
        ("/Users/.search", json!({ "count": "5" }), "invalidValue"),
        ("/Users/.search", json!({ "attributes": "userName" }), "invalidSyntax"),
        ("/Users/.search", json!({ "schemas": [USER] }), "invalidSyntax"),
    ] {
        let refused = search(path, body.clone()).await;
        assert_eq!((refused.status, &refused.body["scimType"]), (400, &json!(scim_type)), "{path} {body}");
    }
    assert_eq!(caller.running.counts().search, 8);
    assert_eq!(caller.running.counts().writes(), 3);
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    for listen in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let options = Options { listen: listen.parse().unwrap(), ..Options::default() };
        let refused = start(options).await.err().expect("refused");
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
    }
    let taken: SocketAddr = Caller::plain().await.running.addr();
    assert!(taken.ip().is_loopback());
}

#[tokio::test]
async fn options_that_mean_nothing_are_refused() {
    for options in [
        Options { page_size_max: 0, ..Options::default() },
        Options { immutable: vec!["nosuch".to_owned()], ..Options::default() },
        Options { immutable: vec!["groups".to_owned()], ..Options::default() },
    ] {
        let kind = start(options).await.err().expect("refused").kind();
        assert_eq!(kind, std::io::ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn calls_are_counted_and_the_last_ones_kept() {
    let caller = Caller::plain().await;
    caller.call(Method::GET, "/Users?count=1", None).await;
    caller.call(Method::POST, "/Users", Some(&user("ann", json!({})))).await;
    caller.call(Method::DELETE, "/Users/nobody", None).await;
    let counts = caller.running.counts();
    assert_eq!(counts, MethodCounts { get: 1, post: 1, delete: 1, ..MethodCounts::default() });
    assert_eq!((counts.writes(), counts.total()), (2, 3));
    let calls = caller.running.requests();
    let seen: Vec<(&str, &str, u16)> = calls.iter().map(|c| (c.method.as_str(), c.path.as_str(), c.status)).collect();
    assert_eq!(
        seen,
        [("GET", "/scim/v2/Users", 200), ("POST", "/scim/v2/Users", 201), ("DELETE", "/scim/v2/Users/nobody", 404)]
    );
    assert_eq!(calls[0].query.as_deref(), Some("count=1"));
    for _ in 0..1100 {
        caller.call(Method::GET, "/ServiceProviderConfig", None).await;
    }
    assert_eq!(caller.running.counts().get, 1101);
    assert_eq!(caller.running.requests().len(), 1024);
}

#[tokio::test]
async fn read_outs_show_what_it_holds() {
    let caller = Caller::plain().await;
    let ann = id_of(&caller.call(Method::POST, "/Users", Some(&user("ann", json!({ "externalId": "1" })))).await.body);
    caller.call(Method::POST, "/Groups", Some(&group("team", &[&ann]))).await;
    let users = caller.running.users();
    assert_eq!(users.len(), 1);
    assert_eq!((users[0].id.as_str(), users[0].user_name.as_str(), users[0].active), (ann.as_str(), "ann", true));
    assert_eq!(users[0].external_id.as_deref(), Some("1"));
    let groups = caller.running.groups();
    assert_eq!((groups[0].display_name.as_str(), &groups[0].members), ("team", &vec![ann]));
}

#[tokio::test]
async fn html_errors_are_pages_and_good_answers_stay_json() {
    let caller = Caller::new(Options { misbehave: vec![Misbehave::HtmlErrors], ..Options::default() }).await;
    let missing = caller.raw(Method::GET, "/Users/nobody", &[], None).await;
    assert_eq!((missing.status, missing.headers[CONTENT_TYPE].to_str().unwrap()), (404, "text/html; charset=utf-8"));
    assert_eq!(caller.call(Method::GET, "/Users", None).await.headers[CONTENT_TYPE], SCIM);
}

#[tokio::test]
async fn a_lost_create_is_made_all_the_same() {
    let caller = Caller::new(Options { misbehave: vec![Misbehave::LostResponse], ..Options::default() }).await;
    let mut statuses = Vec::new();
    for n in 1..=10 {
        statuses.push(caller.call(Method::POST, "/Users", Some(&user(&format!("u{n}"), json!({})))).await.status);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 201, 201, 201, 504, 201]);
    assert_eq!(caller.running.users().len(), 10);
}

#[tokio::test]
async fn an_apps_habits_come_from_its_folder() {
    let habits = crate::config::profiles::shipped("heap").unwrap().habits().unwrap();
    let caller = Caller::new(Options::of(habits).unwrap()).await;
    let ann = caller.call(Method::POST, "/Users", Some(&user("ann@x.test", json!({})))).await.body;
    assert!(ann["roles"][0]["value"].is_string());
    let rename = ops(json!([{ "op": "replace", "path": "userName", "value": "anna@x.test" }]));
    assert_eq!(caller.call(Method::PATCH, &format!("/Users/{}", id_of(&ann)), Some(&rename)).await.status, 200);
    assert_eq!(caller.running.users().len(), 2);
}

#[tokio::test]
async fn it_stops_while_a_client_keeps_its_connection() {
    let caller = Caller::plain().await;
    caller.call(Method::GET, "/Users", None).await;
    let addr = caller.running.addr();
    caller.running.stop().await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

/// What is published is what the schema room has: every attribute with every characteristic, without the password that this server does not keep.
#[tokio::test]
async fn the_published_schemas_are_those_of_the_schema_room() {
    let caller = Caller::plain().await;
    for schema in [&crate::schema::USER, &crate::schema::ENTERPRISE, &crate::schema::GROUP] {
        let answer = caller.call(Method::GET, &format!("/Schemas/{}", schema.urn), None).await;
        let published = answer.body["attributes"].as_array().unwrap();
        let kept = schema.attributes.iter().filter(|attribute| attribute.name != "password");
        assert_eq!(published.len(), kept.clone().count(), "{}", schema.urn);
        for (published, attribute) in published.iter().zip(kept) {
            let said = |key: &str| published[key].as_str();
            assert_eq!(said("name"), Some(attribute.name));
            assert_eq!(published["multiValued"], attribute.multi_valued, "{}", attribute.name);
            assert_eq!(published["required"], attribute.required, "{}", attribute.name);
            assert_eq!(published["caseExact"].as_bool(), attribute.case_exact, "{}", attribute.name);
            assert_eq!(said("type"), Some(attribute.ty.name()), "{}", attribute.name);
            let parts = published["subAttributes"].as_array().map_or(0, Vec::len);
            assert_eq!(parts, attribute.sub_attributes.len(), "{}", attribute.name);
        }
    }
    let groups = caller.call(Method::GET, &format!("/Schemas/{USER}"), None).await.body;
    let groups = groups["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "groups").unwrap().clone();
    assert_eq!((&groups["mutability"], &groups["returned"]), (&json!("readOnly"), &json!("default")));
    let kinds = &groups["subAttributes"].as_array().unwrap()[3];
    assert_eq!((&kinds["name"], &kinds["canonicalValues"]), (&json!("type"), &json!(["direct"])));
}
