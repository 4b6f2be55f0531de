//! The stand-in itself, before anything is tested with it: it answers as the vendor's spec says, and as the vendor's own tools
//! have found the real one to answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::directory::Directory;
use crate::support::http::{block_on, client};
use crate::support::jumpcloud::{API_KEY, JumpCloud, group_id, person_id};
use crate::support::prism::Prism;
use crate::support::proxy::Rule;
use crate::support::rig::{glue, require};

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn call(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    let mut request = client().request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    block_on(async move {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    })
}

fn get(url: &str) -> Answer {
    call("GET", url, &[("x-api-key", API_KEY)], None)
}

fn ids(rows: &Value, id: &str) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row.pointer(id).unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_answer_fits_the_vendors_spec() {
    let Some(rig) = require("prism") else { return };
    let cloud = JumpCloud::start(&Directory::generate(30, 3, 40));
    cloud.change(|org| {
        org.bind("Heap", &["group-0000"]);
        org.bind_person("Heap", 3);
        org.set_custom(1, "heapRole", "admin");
        org.suspend(2);
    });
    let prism = Prism::before(&rig, &glue().join("specs/jumpcloud/api.json"), &cloud.root());
    let app = cloud.change(|org| org.app("Heap").id.clone());
    let (person, group) = (person_id(1), group_id(0));
    for path in [
        "/api/systemusers?limit=100&skip=0&sort=_id".to_owned(),
        format!("/api/systemusers/{person}"),
        "/api/applications?limit=100&skip=0&sort=name".to_owned(),
        "/api/v2/usergroups?limit=100&skip=0&sort=name".to_owned(),
        format!("/api/v2/usergroups/{group}"),
        format!("/api/v2/usergroups/{group}/members?limit=100&skip=0"),
        format!("/api/v2/applications/{app}/associations?targets=user_group&limit=100&skip=0"),
        format!("/api/v2/applications/{app}/associations?targets=user&limit=100&skip=0"),
    ] {
        let answer = get(&format!("{}{path}", prism.base_url));
        assert_eq!((answer.status, answer.header("sl-violations")), (200, None), "{path}: {}", answer.text);
    }
    let key = [("x-api-key", API_KEY)];
    let events = json!({"service": ["directory"], "start_time": "2026-11-01T00:00:00Z", "limit": 100, "sort": "ASC"});
    let url = format!("{}/insights/directory/v1/events", prism.base_url);
    let answer = call("POST", &url, &key, Some(&events));
    assert_eq!((answer.status, answer.header("sl-violations")), (200, None), "{}", answer.text);
    assert_eq!(answer.json().as_array().unwrap().len(), 2, "{}", answer.text);
    let person = json!({"username": "new", "email": "new@example.org", "firstname": "New"});
    let answer = call("POST", &format!("{}/api/systemusers", prism.base_url), &key, Some(&person));
    assert_eq!((answer.status, answer.header("sl-violations")), (200, None), "{}", answer.text);

    // Prism does look: what the spec forbids is found in both directions.
    let answer = get(&format!("{}/api/v2/applications/{app}/associations?targets=planet", prism.base_url));
    assert_eq!(answer.status, 422, "{}", answer.text);
    cloud.change(|org| org.set(1, "state", "ASLEEP"));
    let answer = get(&format!("{}/api/systemusers/{}", prism.base_url, person_id(1)));
    assert_eq!(answer.status, 500, "{}", answer.text);
}

#[test]
fn it_pages_by_ten_unless_told_and_never_by_more_than_a_hundred() {
    let cloud = JumpCloud::start(&Directory::generate(250, 1, 150));
    let users = |query: &str| get(&format!("{}/systemusers?{query}", cloud.base_url())).json();
    assert_eq!(users("sort=_id")["results"].as_array().unwrap().len(), 10);
    let page = users("sort=_id&limit=1000&skip=100");
    assert_eq!((page["results"].as_array().unwrap().len(), &page["totalCount"]), (100, &json!(250)));
    assert_eq!(ids(&page["results"], "/_id"), (100..200).map(person_id).collect::<Vec<_>>());
    assert_eq!(users("sort=_id&limit=100&skip=250")["results"], json!([]));
    assert_eq!(users("filter=username:$eq:u00007")["totalCount"], 1);
    // Nobody promises an order to whoever asks for none.
    let unsorted: BTreeSet<Vec<String>> = (0..3).map(|_| ids(&users("limit=10")["results"], "/_id")).collect();
    assert!(unsorted.len() > 1, "{unsorted:?}");

    let members = format!("{}/v2/usergroups/{}/members", cloud.base_url(), group_id(0));
    let page = get(&format!("{members}?limit=100&skip=100"));
    assert_eq!((page.header("x-total-count"), page.header("link")), (Some("150"), None));
    assert_eq!(ids(&page.json(), "/to/id").len(), 50);
    cloud.change(|org| (org.total_header, org.link_header) = (false, true));
    let page = get(&format!("{members}?limit=100"));
    assert!(
        page.header("x-total-count").is_none() && page.header("link").unwrap().contains("skip=100"),
        "{}",
        page.text
    );
    assert_eq!(get(&format!("{members}?limit=100&skip=100")).header("link"), None);
}

#[test]
fn it_refuses_as_the_vendor_does() {
    let cloud = JumpCloud::start(&Directory::generate(3, 1, 3));
    let users = format!("{}/systemusers", cloud.base_url());
    let groups = format!("{}/v2/usergroups", cloud.base_url());
    assert_eq!(call("GET", &users, &[("x-api-key", "expired")], None).status, 401);
    let refused = call("GET", &groups, &[], None);
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!(401)));
    cloud.change(|org| org.keys.get_mut(API_KEY).unwrap().multi_tenant = true);
    let with_org = |id: &str| call("GET", &users, &[("x-api-key", API_KEY), ("x-org-id", id)], None).status;
    let own = cloud.change(|org| org.id.clone());
    assert_eq!((get(&users).status, with_org("short"), with_org(&person_id(0)), with_org(&own)), (401, 400, 404, 200));
    cloud.change(|org| {
        org.keys.get_mut(API_KEY).unwrap().multi_tenant = false;
        org.keys.get_mut(API_KEY).unwrap().groups = false;
    });
    assert_eq!((get(&groups).status, get(&users).status), (403, 200));
    assert_eq!(get(&format!("{users}/{}", person_id(99))).status, 404);
    cloud.change(|org| org.limit_per_second = Some(2));
    let statuses: Vec<u16> = (0..6).map(|_| get(&users).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn rows_move_between_pages_and_lists_lag_behind_on_demand() {
    let cloud = JumpCloud::start(&Directory::generate(30, 1, 3));
    cloud.after(Rule::on("GET", "/api/systemusers"), |org| org.delete_person(&person_id(0)));
    let users = |skip: usize| get(&format!("{}/systemusers?sort=_id&limit=10&skip={skip}", cloud.base_url())).json();
    let (first, second) = (users(0), users(10));
    assert_eq!((&first["totalCount"], &second["totalCount"]), (&json!(30), &json!(29)));
    assert_eq!(ids(&second["results"], "/_id")[0], person_id(11), "the tenth slipped through");
    cloud.change(|org| {
        org.lists_lag(true);
        org.delete_person(&person_id(5));
    });
    assert_eq!(users(0)["totalCount"], 29);
    assert_eq!(get(&format!("{}/systemusers/{}", cloud.base_url(), person_id(5))).status, 404);
    assert_eq!(cloud.counts()["GET /api/systemusers"], 3);
    assert_eq!(cloud.counts()["GET /api/systemusers/{id}"], 1);
}
