//! Filters that fail for one value, for some, or for all.

use super::*;
use crate::config::profile::LookUp;
use crate::model::CheckVerdict;

/// Each filter is answered by `filtered`; the list holds users 1 to 3.
async fn app_whose_filters(filtered: impl Fn(&str) -> Option<ResponseTemplate> + Send + Sync + 'static) -> MockServer {
    answering(move |request| match query(request, "filter") {
        Some(filter) => filtered(&filter).unwrap_or_else(|| {
            let found: Vec<Value> = (1..=3)
                .map(user)
                .filter(|user| filter.to_lowercase().contains(user["userName"].as_str().unwrap()))
                .collect();
            json_reply(200, &list_of(&found))
        }),
        None => json_reply(200, &list_of(&[user(1), user(2), user(3)])),
    })
    .await
}

fn always_filter(profile: &mut Profile) {
    profile.read.look_up = LookUp::Filter;
}

fn details(found: &[Match<AppUser>]) -> Vec<String> {
    let detail = |found: &Match<AppUser>| match found {
        Match::Nobody => "-".to_owned(),
        Match::One { found, .. } => found.id.to_string(),
        Match::Conflict(conflict) => conflict.to_string(),
    };
    found.iter().map(detail).collect()
}

#[tokio::test]
async fn ma5_a_filter_that_fails_for_one_user_leaves_that_user_aside_and_no_other() {
    for refusal in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(503),
        ResponseTemplate::new(403),
        ResponseTemplate::new(200).set_body_raw("<html>no</html>", "text/html"),
    ] {
        let server = app_whose_filters(move |filter| filter.contains("User9@").then(|| refusal.clone())).await;
        let app = app_with(&server, always_filter);
        let found = details(&app.look_up_users(&keys([1, 9, 2, 7]), &[]).await.unwrap());
        assert_eq!([&found[0], &found[2], &found[3]], ["id-1", "id-2", "-"], "{found:?}");
        assert!(found[1].contains("could not be asked") && found[1].contains("read.look_up = \"list\""), "{found:?}");
    }
}

#[tokio::test]
async fn ma5_filters_that_all_fail_are_replaced_by_the_list() {
    for status in [500, 502, 404, 403] {
        let server = app_whose_filters(move |_| Some(ResponseTemplate::new(status))).await;
        let app = app(&server);
        for wanted in [vec![1], vec![1, 7], vec![1, 2, 3, 7, 8, 9]] {
            let found = details(&app.look_up_users(&keys(wanted.clone()), &[]).await.unwrap());
            let right: Vec<String> =
                wanted.iter().map(|n| if *n <= 3 { format!("id-{n}") } else { "-".to_owned() }).collect();
            assert_eq!(found, right, "{status}");
        }
        let asked = requests(&server).await.iter().filter(|request| query(request, "filter").is_some()).count();
        assert!(asked <= 6, "filters are not tried again: {asked}");
    }
}

#[tokio::test]
async fn ma5_a_404_to_some_filters_is_settled_by_the_list() {
    let server = app_whose_filters(|filter| (!filter.contains("User1@")).then(|| ResponseTemplate::new(404))).await;
    let app = app(&server);
    assert_eq!(details(&app.look_up_users(&keys([1, 9]), &[]).await.unwrap()), ["id-1", "-"]);
}

#[tokio::test]
async fn ma5_filters_that_all_fail_leave_all_aside_where_no_list_may_be_read() {
    for (status, key) in [(500, "read.look_up = \"list\""), (404, "read.no_match_404 = true")] {
        let server = app_whose_filters(move |_| Some(ResponseTemplate::new(status))).await;
        let app = app_with(&server, always_filter);
        let found = details(&app.look_up_users(&keys(1..=40), &[]).await.unwrap());
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|detail| detail.contains(key)), "no user counts as absent: {found:?}");
        assert!(requests(&server).await.len() < 30, "the others are not asked");
    }
}

#[tokio::test]
async fn ma5_an_app_that_answers_nothing_is_an_error_and_names_the_key() {
    let server = always(ResponseTemplate::new(500)).await;
    for edit in [always_filter as fn(&mut Profile), |_| {}] {
        let error = app_with(&server, edit).look_up_users(&keys([1, 2]), &[]).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Server, "{error}");
    }
    let error = app_with(&server, always_filter).look_up_users(&keys([1]), &[]).await.unwrap_err();
    assert!(error.message.contains("read.look_up"), "{error}");
}

#[tokio::test]
async fn ma5_doctor_asks_a_filter_that_matches_and_one_that_does_not() {
    for (status, verdict, part) in [
        (None, CheckVerdict::Ok, "one that matches shows its account"),
        (Some(500), CheckVerdict::Warning, "one for a user name from the list fails"),
        (Some(404), CheckVerdict::Warning, "a filter that matches no account is answered with 404"),
    ] {
        let server = app_whose_filters(move |_| status.map(ResponseTemplate::new)).await;
        let wanted = Use { mapped: &[], groups: false, now: jiff::Timestamp::UNIX_EPOCH };
        let found = app(&server).examine(&wanted).await;
        let filters = found.iter().find(|finding| finding.check == "filters").unwrap();
        assert_eq!(filters.verdict, verdict, "{filters:?}");
        assert!(filters.detail.contains(part), "{filters:?}");
        assert_eq!(filters.remedy.is_some(), status.is_some());
    }
}
