//! Accounts that share a name with new users: by which calls they are found.

use super::*;
use crate::config::profile::LookUp;
use crate::model::KnownNames;

fn account(id: usize) -> Value {
    json!({
        "id": format!("id-{id}"), "userName": format!("login{id}"), "displayName": format!("Name {id}"), "active": id.is_multiple_of(2),
        "emails": [{"value": format!("Mail{id}@Example.com"), "type": "home"}],
    })
}

/// What an app of these accounts does with a filter.
#[derive(Clone, Copy, PartialEq)]
enum Filters {
    All,
    UserNameOnly,
    ErrorOnEmail,
    IgnoresEmail,
}

/// An app of `n` accounts, a hundred a page at most.
fn filled(n: usize, filters: Filters, lists: bool) -> impl Fn(&Request) -> ResponseTemplate + Send + Sync {
    move |request| {
        let all: Vec<Value> = (1..=n).map(account).collect();
        let number =
            |name: &str, otherwise: usize| query(request, name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        let page = || {
            let (start, count) = (number("startIndex", 1).max(1), number("count", 100).min(100));
            let page: Vec<Value> = all.iter().skip(start - 1).take(count).cloned().collect();
            json_reply(200, &json!({ "totalResults": n, "Resources": page }))
        };
        let Some(filter) = query(request, "filter") else {
            return if lists { page() } else { scim_error(403, "sensitive", "no lists") };
        };
        let (attribute, value) = filter.split_once(" eq ").unwrap();
        let value = value.trim_matches('"').to_lowercase();
        let has = |text: &Value| text.as_str().is_some_and(|text| text.to_lowercase() == value);
        let found: Vec<Value> = match (attribute, filters) {
            ("userName", _) => all.iter().filter(|one| has(&one["userName"])).cloned().collect(),
            ("externalId", _) => Vec::new(),
            (_, Filters::All) if attribute == "displayName" => {
                all.iter().filter(|one| has(&one["displayName"])).cloned().collect()
            }
            (_, Filters::All) => all.iter().filter(|one| has(&one["emails"][0]["value"])).cloned().collect(),
            (_, Filters::UserNameOnly) => return scim_error(400, "invalidFilter", "only userName"),
            (_, Filters::ErrorOnEmail) => return json_reply(500, &json!({"detail": "no such column"})),
            (_, Filters::IgnoresEmail) => return page(),
        };
        json_reply(200, &list_of(&found))
    }
}

/// What users `1..` are called: another user name, and the address of the account of the same number.
fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<KnownNames> {
    let one = |n: usize| KnownNames {
        identifiers: vec![format!("User{n}@example.com"), format!("mail{n}@example.com")],
        display: vec![format!("name {n}")],
    };
    numbers.into_iter().map(one).collect()
}

async fn alike(app: &App, numbers: &[usize], search: LookalikeScope) -> Vec<String> {
    let (keys, names) = (keys(numbers.iter().copied()), names(numbers.iter().copied()));
    let (matches, found) = app.look_up_newcomers(&keys, names, &[], search).await.unwrap();
    assert!(matches.iter().all(|found| *found == Match::Nobody));
    let mut ids: Vec<String> = found.iter().map(|one| format!("{} {}", one.id, one.user_name)).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Lists and filters that were asked for.
async fn counted(server: &MockServer) -> (usize, usize) {
    let seen = requests(server).await;
    let filters = seen.iter().filter(|request| query(request, "filter").is_some()).count();
    (seen.len() - filters, filters)
}

#[tokio::test]
async fn j6_a_list_that_is_read_anyway_shows_them_for_no_further_call() {
    let server = answering(filled(250, Filters::All, true)).await;
    let all: Vec<usize> = (1..=200).collect();
    let found = alike(&app(&server), &all, LookalikeScope::Thorough).await;
    assert_eq!(found.len(), 200, "and only those who are asked for");
    assert_eq!(counted(&server).await, (3, 0), "200 new users and 250 accounts: three pages");
    let empty = answering(filled(0, Filters::All, true)).await;
    assert_eq!(alike(&app(&empty), &all, LookalikeScope::Thorough).await, [""; 0]);
    assert_eq!(counted(&empty).await, (1, 0), "an empty app: one page, as before");
}

#[tokio::test]
async fn j6_few_users_in_a_large_app_cost_a_few_filters_each() {
    let server = answering(filled(5_000, Filters::All, true)).await;
    assert_eq!(alike(&app(&server), &[7], LookalikeScope::Cheap).await, ["id-7 login7"]);
    // `externalId` and `userName` of the look-up; one more user name, two addresses.
    assert_eq!(counted(&server).await, (0, 5));
    let server = answering(filled(5_000, Filters::All, true)).await;
    assert_eq!(alike(&app(&server), &[4_000, 9_000], LookalikeScope::Thorough).await, ["id-4000 login4000"]);
    // The names before the `@` and the display name besides.
    assert_eq!(counted(&server).await, (0, 16));
    let server = answering(filled(5_000, Filters::All, true)).await;
    assert_eq!(alike(&app(&server), &[1, 2, 3, 4, 5], LookalikeScope::Thorough).await.len(), 5);
    let (lists, filters) = counted(&server).await;
    assert!(lists == 1 && filters <= 40, "the first page tells that filters are cheaper: {lists}, {filters}");
}

#[tokio::test]
async fn j6_a_filter_by_address_that_is_refused_fails_or_is_ignored_leads_to_the_list_on_a_first_sync() {
    for filters in [Filters::UserNameOnly, Filters::ErrorOnEmail, Filters::IgnoresEmail] {
        let server = answering(filled(270, filters, true)).await;
        let app = app(&server);
        assert_eq!(alike(&app, &[250], LookalikeScope::Thorough).await, ["id-250 login250"]);
        let (lists, _) = counted(&server).await;
        assert_eq!(lists, 3);
        // In later runs no list is read for it, and the question is not asked again.
        let before = requests(&server).await.len();
        alike(&app, &[260], LookalikeScope::Cheap).await;
        assert_eq!(requests(&server).await.len() - before, 3, "externalId and two user names");
    }
}

#[tokio::test]
async fn j6_an_app_that_does_neither_is_used_as_it_is() {
    let server = answering(filled(300, Filters::UserNameOnly, false)).await;
    assert_eq!(alike(&app(&server), &[7], LookalikeScope::Thorough).await, [""; 0], "no evidence, and no failure");
    let by_filter = |profile: &mut Profile| profile.read.look_up = LookUp::Filter;
    let server = answering(filled(300, Filters::UserNameOnly, true)).await;
    assert_eq!(alike(&app_with(&server, by_filter), &[7], LookalikeScope::Thorough).await, [""; 0]);
    assert_eq!(counted(&server).await.0, 0, "`read.look_up = \"filter\"` is obeyed");
    let server = always(json_reply(401, &json!({"detail": "no"}))).await;
    let refused = app(&server).look_up_newcomers(&keys([7]), names([7]), &[], LookalikeScope::Thorough).await;
    assert_eq!(refused.unwrap_err().class, FailureClass::Unauthorized);
}
