use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse as _;

use super::*;
use crate::sandbox::calls::CallMethod;

fn names(app: &SandboxApp, kind: ResourceType) -> Vec<String> {
    app.read().all(kind).iter().map(|row| row.text(kind.naming()).unwrap().to_owned()).collect()
}

#[test]
fn every_preset_can_be_typed_and_is_explained() {
    for preset in Misbehave::all() {
        assert_eq!(preset.to_string().parse::<Misbehave>(), Ok(preset));
        assert!(!preset.help().is_empty() && !preset.help().contains('\n'));
    }
    let unknown = "heap".parse::<Misbehave>().unwrap_err();
    assert!(unknown.to_string().contains("rename-duplicates"), "{unknown}");
}

/// The statuses that a number of writes get before they are carried out; `None` is let through.
fn refusals(preset: Misbehave, calls: usize) -> Vec<Option<u16>> {
    let mischief = Mischief::new(vec![preset]);
    for read in [CallMethod::Get, CallMethod::Search, CallMethod::Other] {
        assert!(mischief.before(read, || Timestamp::UNIX_EPOCH).is_none(), "reads do not count");
    }
    let writes =
        [CallMethod::Post, CallMethod::Put, CallMethod::Patch, CallMethod::Delete].into_iter().cycle().take(calls);
    writes.map(|write| mischief.before(write, || Timestamp::UNIX_EPOCH).map(|r| r.status().as_u16())).collect()
}

#[test]
fn throttled_and_flaky_apps_refuse_every_nth_write() {
    let nth = |n: usize, status: u16| (1..=15).map(|i| (i % n == 0).then_some(status)).collect::<Vec<_>>();
    assert_eq!(refusals(Misbehave::Throttle, 15), nth(5, 429));
    assert_eq!(refusals(Misbehave::ThrottleDate, 15), nth(5, 429));
    assert_eq!(refusals(Misbehave::Flaky, 15), nth(7, 503));
    assert_eq!(refusals(Misbehave::Amnesia, 15), vec![None; 15]);
}

#[test]
fn retry_after_comes_in_both_forms() {
    let header_of = |preset| {
        let mischief = Mischief::new(vec![preset]);
        let refused = (0..5).find_map(|_| mischief.before(CallMethod::Post, || Timestamp::UNIX_EPOCH)).unwrap();
        refused.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
    };
    assert_eq!(header_of(Misbehave::Throttle), "1");
    assert_eq!(header_of(Misbehave::ThrottleDate), "Thu, 01 Jan 1970 00:00:02 GMT");
}

#[test]
fn a_lost_response_hides_only_creates_that_were_made() {
    let mischief = Mischief::new(vec![Misbehave::LostResponse]);
    let status = |method: &Method, status: StatusCode| mischief.after(method, status.into_response()).status();
    assert_eq!(status(&Method::PATCH, StatusCode::OK), StatusCode::OK);
    assert_eq!(status(&Method::POST, StatusCode::CONFLICT), StatusCode::CONFLICT, "not counted");
    for _ in 0..8 {
        assert_eq!(status(&Method::POST, StatusCode::CREATED), StatusCode::CREATED);
    }
    assert_eq!(status(&Method::POST, StatusCode::CREATED), StatusCode::GATEWAY_TIMEOUT);
}

#[test]
fn an_app_without_filters_answers_everybody() {
    let app = app_with(vec![Misbehave::NoFilter], |_| {});
    made(&app, ResourceType::User, &user("ann", json!({})));
    made(&app, ResourceType::User, &user("bob", json!({})));
    let page = app.list(&[ResourceType::User], &by_filter(r#"userName eq "ann""#).unwrap()).unwrap();
    assert_eq!(page["totalResults"], 2);
}

#[test]
fn an_app_that_enforces_nothing_makes_duplicates_and_finds_both() {
    let app = app_with(vec![Misbehave::Duplicates], |_| {});
    made(&app, ResourceType::User, &user("ann", json!({})));
    made(&app, ResourceType::User, &user("ANN", json!({})));
    let page = app.list(&[ResourceType::User], &by_filter(r#"userName eq "ann""#).unwrap()).unwrap();
    assert_eq!(page["totalResults"], 2);
    app.read().assert_consistent();
}

#[test]
fn an_app_that_lower_cases_shows_what_it_stored() {
    let app = app_with(vec![Misbehave::Lowercase], |_| {});
    let body = user("Ann@Acme.Test", json!({ "emails": [{ "value": "Ann@Acme.Test" }], "displayName": "Ann" }));
    let ann = create(&app, ResourceType::User, &body).unwrap();
    assert_eq!((&ann["userName"], &ann["emails"][0]["value"]), (&json!("ann@acme.test"), &json!("ann@acme.test")));
    assert_eq!(ann["displayName"], "Ann");
    let rename = json!([{ "op": "replace", "path": "userName", "value": "ANNA" }]);
    assert_eq!(patch(&app, ResourceType::User, &id_of(&ann), rename).unwrap()["userName"], "anna");
}

#[test]
fn hidden_members_are_there_but_never_shown() {
    let app = app_with(vec![Misbehave::HiddenMembers], |_| {});
    let ann = made(&app, ResourceType::User, &user("ann", json!({})));
    let team = create(&app, ResourceType::Group, &group("team", &[&ann])).unwrap();
    assert_eq!(team.get("members"), None);
    assert_eq!(get(&app, ResourceType::Group, &id_of(&team)).get("members"), None);
    let probe = app.list(&[ResourceType::Group], &by_filter(&format!(r#"members.value eq "{ann}""#)).unwrap()).unwrap();
    assert_eq!((&probe["totalResults"], probe["Resources"][0].get("members")), (&json!(1), None));
}

#[test]
fn short_pages_still_lead_to_the_end() {
    let app = app_with(vec![Misbehave::ShortPages], |_| {});
    for n in 0..5 {
        made(&app, ResourceType::User, &user(&format!("u{n}"), json!({})));
    }
    let mut seen = 0;
    let mut pages = Vec::new();
    while seen < 5 {
        let page = app.list(&[ResourceType::User], &query(&format!("count=3&startIndex={}", seen + 1))).unwrap();
        let size = page["Resources"].as_array().unwrap().len();
        assert!(size > 0, "a page that is not the last is not empty");
        pages.push(size);
        seen += size;
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[test]
fn a_renamed_user_becomes_a_second_account_where_the_app_is_like_heap() {
    let app = app_with(vec![Misbehave::RenameDuplicates], |personality| {
        personality.default_role = Some("consumer".to_owned())
    });
    let ann = create(&app, ResourceType::User, &user("ann@x.test", json!({ "externalId": "1" }))).unwrap();
    assert_eq!(ann["roles"], json!([{ "value": "consumer" }]));
    let given =
        create(&app, ResourceType::User, &user("bob@x.test", json!({ "roles": [{ "value": "admin" }] }))).unwrap();
    assert_eq!(given["roles"], json!([{ "value": "admin" }]));

    let rename = ops(json!([{ "op": "replace", "path": "userName", "value": "anna@x.test" }]));
    let answer = app.patch(ResourceType::User, &id_of(&ann), &query(""), &rename).unwrap().unwrap();
    assert_ne!(answer["id"], ann["id"]);
    assert_eq!(get(&app, ResourceType::User, &id_of(&ann)), ann, "the first account is as it was");
    app.replace(ResourceType::User, &id_of(&ann), &query(""), &user("anne@x.test", json!({}))).unwrap();
    assert_eq!(names(&app, ResourceType::User), ["ann@x.test", "bob@x.test", "anna@x.test", "anne@x.test"]);
    let other = json!([{ "op": "replace", "path": "title", "value": "Boss" }]);
    assert_eq!(patch(&app, ResourceType::User, &id_of(&ann), other).unwrap()["title"], "Boss");
    assert_eq!(names(&app, ResourceType::User).len(), 4);
    app.read().assert_consistent();
}

#[test]
fn an_app_with_amnesia_forgets_the_external_id() {
    let app = app_with(vec![Misbehave::Amnesia], |_| {});
    let ann = create(&app, ResourceType::User, &user("ann", json!({ "externalId": "1" }))).unwrap();
    assert_eq!(ann.get("externalId"), None);
    let page = app.list(&[ResourceType::User], &by_filter(r#"externalId eq "1""#).unwrap()).unwrap();
    assert_eq!(page["totalResults"], 0);
}

#[test]
fn j6_a_changed_e_mail_address_makes_a_second_account_too_where_the_app_is_like_heap() {
    let app = app_with(vec![Misbehave::RenameDuplicates], |_| {});
    let mail = |address: &str| json!({ "emails": [{ "value": address, "type": "work" }] });
    let ann = create(&app, ResourceType::User, &user("ann@x.test", mail("ann@x.test"))).unwrap();
    let moved = ops(json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "anna@x.test" }]));
    let answer = app.patch(ResourceType::User, &id_of(&ann), &query(""), &moved).unwrap().unwrap();
    assert_ne!(answer["id"], ann["id"]);
    assert_eq!(get(&app, ResourceType::User, &id_of(&ann)), ann, "the first account is as it was");
    assert_eq!(names(&app, ResourceType::User), ["ann@x.test", "anna@x.test"]);
}

#[test]
fn j4_an_account_outside_of_the_organisation_is_in_the_way_and_never_shown() {
    let app = app_with(Vec::new(), |personality| personality.foreign = vec!["eve@x.test".to_owned()]);
    let refused = create(&app, ResourceType::User, &user("Eve@x.test", json!({}))).unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.scim_type), (409, Some("uniqueness")));
    assert!(refused.detail.contains("its owner has to delete it there first"), "{}", refused.detail);
    assert!(names(&app, ResourceType::User).is_empty());
}

#[test]
fn o6_a_role_is_one_of_those_there_are() {
    let app = app_with(Vec::new(), |personality| personality.roles = vec!["admin".to_owned(), "analyst".to_owned()]);
    let roles = |name: &str| json!({ "roles": [{ "value": name }] });
    let refused = create(&app, ResourceType::User, &user("ann", roles("boss"))).unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.scim_type), (400, Some("invalidValue")));
    assert!(refused.detail.contains("admin, analyst"), "{}", refused.detail);
    let ann = create(&app, ResourceType::User, &user("ann", roles("admin"))).unwrap();
    let other = json!([{ "op": "replace", "path": "roles", "value": [{ "value": "boss" }] }]);
    assert!(patch(&app, ResourceType::User, &id_of(&ann), other).is_err());
    assert_eq!(get(&app, ResourceType::User, &id_of(&ann))["roles"], ann["roles"]);
}

#[test]
fn a_page_can_claim_to_be_the_whole_list() {
    let app = app_with(vec![Misbehave::PageTotals], |_| {});
    for n in 0..5 {
        made(&app, ResourceType::User, &user(&format!("u{n}"), json!({})));
    }
    let page = app.list(&[ResourceType::User], &query("count=2&startIndex=4")).unwrap();
    assert_eq!((&page["totalResults"], page["Resources"].as_array().unwrap().len()), (&json!(2), 2));
}

#[test]
fn reads_show_a_new_resource_late_and_its_name_is_taken_at_once() {
    let app = app_with(vec![Misbehave::LateReads], |_| {});
    let ann = id_of(&create(&app, ResourceType::User, &user("ann", json!({}))).unwrap());
    // Each look at this clock is a second later.
    let shown: Vec<bool> = (0..3).map(|_| app.get(ResourceType::User, &ann, &query("")).is_ok()).collect();
    assert_eq!(shown, [false, false, true]);
    let bob = user("bob", json!({}));
    assert!(create(&app, ResourceType::User, &bob).is_ok() && create(&app, ResourceType::User, &bob).is_err());
}
