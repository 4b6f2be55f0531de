//! Look-ups by filter and by list, against apps that page, lie and forget.

use super::*;
use crate::config::profile::{LookUp, PagingStyle};
use crate::model::Conflict;

fn number(request: &Request, name: &str) -> Option<usize> {
    query(request, name).and_then(|text| text.parse().ok())
}

fn page_of(users: &[Value], total: Option<Value>) -> ResponseTemplate {
    let mut body = json!({ "Resources": users });
    if let Some(total) = total {
        body["totalResults"] = total;
    }
    json_reply(200, &body)
}

/// An honest app of `n` users, whose pages hold at most `most`, and which filters by userName.
fn honest(n: usize, most: usize) -> impl Fn(&Request) -> ResponseTemplate + Send + Sync {
    move |request| {
        let all: Vec<Value> = (1..=n).map(user).collect();
        if let Some(filter) = query(request, "filter") {
            let named = |user: &&Value| {
                let wanted = format!("userName eq {}", user["userName"]);
                filter.to_lowercase() == wanted.to_lowercase()
            };
            return json_reply(200, &list_of(&all.iter().filter(named).cloned().collect::<Vec<_>>()));
        }
        let start = number(request, "startIndex").unwrap_or(1).max(1);
        let count = number(request, "count").unwrap_or(most).min(most);
        let page: Vec<Value> = all.into_iter().skip(start - 1).take(count).collect();
        page_of(&page, Some(json!(n)))
    }
}

async fn found(app: &App, numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    short(&app.look_up_users(&keys(numbers), &[]).await.unwrap())
}

async fn lists_and_filters(server: &MockServer) -> (usize, usize) {
    let seen = requests(server).await;
    let filters = seen.iter().filter(|request| query(request, "filter").is_some()).count();
    (seen.len() - filters, filters)
}

#[tokio::test]
async fn nothing_is_asked_about_nobody() {
    let server = answering(honest(5, 5)).await;
    assert!(found(&app(&server), []).await.is_empty());
    assert!(requests(&server).await.is_empty());
}

#[tokio::test]
async fn whichever_way_takes_fewer_calls_is_taken() {
    // One person: by filter (externalId, then userName).
    let server = answering(honest(1000, 100)).await;
    assert_eq!(found(&app(&server), [7]).await, ["id-7"]);
    assert_eq!(lists_and_filters(&server).await, (0, 2));
    // Five people among a thousand: one page tells that filters are cheaper than nine more pages.
    let server = answering(honest(1000, 100)).await;
    assert_eq!(found(&app(&server), [1, 500, 999, 1001, 2000]).await, ["id-1", "id-500", "id-999", "-", "-"]);
    assert_eq!(lists_and_filters(&server).await, (1, 10));
    // Fifty people among a thousand: ten pages, and one to be sure.
    let server = answering(honest(1000, 100)).await;
    let all = found(&app(&server), 976..1026).await;
    assert_eq!(all.iter().filter(|word| *word == "-").count(), 25);
    assert_eq!(lists_and_filters(&server).await, (11, 0));
    // Many people, a small app.
    let server = answering(honest(3, 100)).await;
    assert_eq!(found(&app(&server), 1..=4).await, ["id-1", "id-2", "id-3", "-"]);
    assert_eq!(lists_and_filters(&server).await, (2, 0));
}

#[tokio::test]
async fn the_profile_decides_where_it_says_so() {
    let server = answering(honest(1000, 100)).await;
    let filter = app_with(&server, |profile| profile.read.look_up = LookUp::Filter);
    assert_eq!(found(&filter, 1..=20).await.len(), 20);
    assert_eq!(lists_and_filters(&server).await.0, 0);
    let server = answering(honest(30, 20)).await;
    let list = app_with(&server, |profile| {
        profile.read.look_up = LookUp::List;
        profile.read.user_match = vec!["userName".into()];
    });
    assert_eq!(found(&list, [3]).await, ["id-3"]);
    assert_eq!(lists_and_filters(&server).await.1, 0);
}

#[tokio::test]
async fn discovery_is_a_hint_about_filters_and_pages() {
    let config = json!({ "filter": { "supported": false, "maxResults": 7 }, "patch": { "supported": true } });
    let app_side = honest(20, 100);
    let server = answering(move |request| match request.url.path() {
        "/scim/v2/ServiceProviderConfig" => json_reply(200, &config),
        _ => app_side(request),
    })
    .await;
    let app = app_with(&server, |profile| profile.transport.discovery = true);
    assert_eq!(found(&app, [20]).await, ["id-20"]);
    assert_eq!(found(&app, [19]).await, ["id-19"]);
    let seen = requests(&server).await;
    assert_eq!(seen.iter().filter(|request| request.url.path().ends_with("Config")).count(), 1, "asked once");
    assert!(seen.iter().filter_map(|request| number(request, "count")).all(|count| count == 7));
    // An app without discovery is as good.
    for broken in [
        ResponseTemplate::new(404),
        ResponseTemplate::new(500),
        json_reply(200, &json!([])),
        ResponseTemplate::new(401),
    ] {
        let app_side = honest(20, 100);
        let server = answering(move |request| match request.url.path() {
            "/scim/v2/ServiceProviderConfig" => broken.clone(),
            _ => app_side(request),
        })
        .await;
        let app = app_with(&server, |profile| profile.transport.discovery = true);
        assert_eq!(found(&app, [20]).await, ["id-20"]);
    }
}

#[tokio::test]
async fn every_way_of_paging_leads_to_everybody() {
    // Pages shorter than asked for, totals as text, a page behind the end that is an error.
    let server = answering(|request| {
        let start = number(request, "startIndex").unwrap();
        match start {
            1..=50 => page_of(&(start..(start + 7).min(51)).map(user).collect::<Vec<_>>(), Some(json!("50"))),
            _ => ResponseTemplate::new(400),
        }
    })
    .await;
    let list = |profile: &mut Profile| profile.read.look_up = LookUp::List;
    assert_eq!(found(&app_with(&server, list), [50, 51]).await, ["id-50", "-"]);
    // No totals at all: until the empty page.
    let server = answering(|request| {
        let start = number(request, "startIndex").unwrap();
        page_of(&(start..=50).take(10).map(user).collect::<Vec<_>>(), None)
    })
    .await;
    assert_eq!(found(&app_with(&server, list), [50, 51]).await, ["id-50", "-"]);
    // Cursors that nobody asked for (RFC 9865 §2.3), with characters that need encoding.
    let server = answering(|request| {
        let at: usize =
            query(request, "cursor").map_or(1, |cursor| cursor.trim_start_matches("a+/=:").parse().unwrap());
        let mut body = json!({ "Resources": (at..at + 10).map(user).collect::<Vec<_>>() });
        if at < 41 {
            body["nextCursor"] = format!("a+/=:{}", at + 10).into();
        }
        json_reply(200, &body)
    })
    .await;
    assert_eq!(found(&app_with(&server, list), [50, 51]).await, ["id-50", "-"]);
    // Cursors that must be asked for.
    let server = answering(|request| match query(request, "cursor").as_deref() {
        Some("") => json_reply(200, &json!({ "Resources": [user(1)], "nextCursor": "x" })),
        Some("x") => json_reply(200, &json!({ "Resources": [user(2)] })),
        _ => ResponseTemplate::new(400),
    })
    .await;
    let cursor =
        |profile: &mut Profile| (profile.read.look_up, profile.read.paging) = (LookUp::List, PagingStyle::Cursor);
    assert_eq!(found(&app_with(&server, cursor), [2, 3]).await, ["id-2", "-"]);
    // No paging: everything at once, whatever is asked.
    let server = answering(|request| {
        assert_eq!(request.url.query(), None);
        json_reply(200, &list_of(&(1..=300).map(user).collect::<Vec<_>>()))
    })
    .await;
    let none = |profile: &mut Profile| (profile.read.look_up, profile.read.paging) = (LookUp::List, PagingStyle::None);
    assert_eq!(found(&app_with(&server, none), [300, 301]).await, ["id-300", "-"]);
}

#[tokio::test]
async fn an_app_that_breaks_on_count_is_read_without() {
    let server = answering(|request| match number(request, "count") {
        Some(_) => ResponseTemplate::new(500).set_body_raw("<html>", "text/html"),
        None => json_reply(200, &list_of(&[user(1), user(2)])),
    })
    .await;
    let app = app_with(&server, |profile| profile.read.look_up = LookUp::List);
    assert_eq!(found(&app, [2, 3]).await, ["id-2", "-"]);
    assert_eq!(found(&app, [1]).await, ["id-1"]);
    let counts = requests(&server).await.iter().filter(|request| number(request, "count").is_some()).count();
    assert_eq!(counts, 1, "tried once, then remembered");
}

#[tokio::test]
async fn a_passing_500_is_no_reason_to_stop_paging() {
    let first = Mutex::new(true);
    let app_side = honest(250, 100);
    let server = answering(move |request| {
        if std::mem::take(&mut *first.lock().unwrap()) { ResponseTemplate::new(500) } else { app_side(request) }
    })
    .await;
    let app = app_with(&server, |profile| profile.read.look_up = LookUp::List);
    assert_eq!(found(&app, [250, 251]).await, ["id-250", "-"]);
}

/// An app that is listed only, by pages of ten.
async fn listed(server: &MockServer) -> Result<Vec<String>, CallError> {
    let app = app_with(server, |profile| {
        (profile.read.look_up, profile.read.page_size, profile.read.max_pages) = (LookUp::List, 10, 50);
    });
    app.look_up_users(&keys([1, 30, 99]), &[]).await.map(|found| short(&found))
}

#[tokio::test]
async fn s3_a_total_that_is_only_the_pages_length_hides_nobody() {
    let server = answering(|request| {
        let start = number(request, "startIndex").unwrap();
        let page: Vec<Value> = (start..=30).take(10).map(user).collect();
        page_of(&page, Some(json!(page.len())))
    })
    .await;
    assert_eq!(listed(&server).await.unwrap(), ["id-1", "id-30", "-"]);
}

#[tokio::test]
async fn i2_a_list_that_is_not_whole_says_nothing_about_who_is_absent() {
    // More announced than shown.
    let server = answering(|request| {
        let start = number(request, "startIndex").unwrap();
        page_of(&(start..=20).take(10).map(user).collect::<Vec<_>>(), Some(json!(30)))
    })
    .await;
    let error = listed(&server).await.unwrap_err();
    assert_eq!(error.class, FailureClass::NotScim);
    assert!(error.message.contains("there are 30, and shows 20"), "{}", error.message);
    // The same page again and again.
    let server = answering(|_| page_of(&(1..=10).map(user).collect::<Vec<_>>(), Some(json!(30)))).await;
    assert!(listed(&server).await.is_err());
    assert!(requests(&server).await.len() < 8, "noticed, not walked for ever");
    // A page in the middle that fails for good.
    let server = answering(|request| match number(request, "startIndex").unwrap() {
        11 => ResponseTemplate::new(500),
        start => page_of(&(start..start + 10).map(user).collect::<Vec<_>>(), Some(json!(30))),
    })
    .await;
    assert_eq!(listed(&server).await.unwrap_err().class, FailureClass::Server);
    // Cursors in a circle, and lists without end.
    let server = answering(|_| json_reply(200, &json!({ "Resources": [user(1)], "nextCursor": "x" }))).await;
    assert!(listed(&server).await.unwrap_err().message.contains("leads to itself"));
    let flip = Mutex::new(0);
    let server = answering(move |_| {
        let mut turn = flip.lock().unwrap();
        *turn += 1;
        json_reply(200, &json!({ "Resources": [user(1), user(2)], "nextCursor": format!("c{}", *turn % 2) }))
    })
    .await;
    assert!(listed(&server).await.unwrap_err().message.contains("repeat themselves"));
    let endless = Mutex::new(0);
    let server = answering(move |_| {
        let mut next = endless.lock().unwrap();
        *next += 1;
        page_of(&[user(*next)], None)
    })
    .await;
    assert!(listed(&server).await.unwrap_err().message.contains("not ended after 50 pages"));
    // A resource that can't be told from others.
    let server = always(page_of(&[json!({ "userName": "x" })], Some(json!(1)))).await;
    assert!(listed(&server).await.unwrap_err().message.contains("no id"));
}

#[tokio::test]
async fn s5_a_list_that_shifts_while_it_is_read_is_read_once_more() {
    let readings = Mutex::new(0);
    let server = answering(move |request| {
        let start = number(request, "startIndex").unwrap();
        let mut readings = readings.lock().unwrap();
        *readings += usize::from(start == 1);
        // In the first reading somebody in front is deleted after page one: number 11 moves to page one unseen.
        let all: Vec<usize> = if *readings == 1 && start > 1 { (2..=31).collect() } else { (1..=30).collect() };
        let total = all.len();
        page_of(
            &all.into_iter().skip(start - 1).take(10).map(user).collect::<Vec<_>>(),
            Some(json!(total + *readings % 2)),
        )
    })
    .await;
    assert_eq!(listed(&server).await.unwrap(), ["id-1", "id-30", "-"]);
}

#[tokio::test]
async fn scimmys_page_behind_the_end_that_repeats_rows_does_no_harm() {
    let server = answering(|request| {
        let start = number(request, "startIndex").unwrap().min(21);
        page_of(&(start..=30).take(10).map(user).collect::<Vec<_>>(), Some(json!(30)))
    })
    .await;
    assert_eq!(listed(&server).await.unwrap(), ["id-1", "id-30", "-"]);
}

#[tokio::test]
async fn an_old_cursor_starts_the_list_again() {
    let tries = Mutex::new(0);
    let server = answering(move |request| match query(request, "cursor") {
        None => json_reply(200, &json!({ "Resources": [user(1)], "nextCursor": "x" })),
        Some(_) => {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            if *tries == 1 {
                scim_error(400, "expiredCursor", "old")
            } else {
                json_reply(200, &json!({ "Resources": [user(30)] }))
            }
        }
    })
    .await;
    assert_eq!(listed(&server).await.unwrap(), ["id-1", "id-30", "-"]);
}

#[tokio::test]
async fn where_totals_lie_the_filters_have_to_do() {
    let app_side = honest(30, 10);
    let server = answering(move |request| match query(request, "filter") {
        Some(_) => app_side(request),
        None => {
            let start = number(request, "startIndex").unwrap();
            page_of(&(start..=30).take(10).map(user).collect::<Vec<_>>(), Some(json!(31)))
        }
    })
    .await;
    assert_eq!(found(&app(&server), [1, 2, 3, 30, 31, 32]).await, ["id-1", "id-2", "id-3", "id-30", "-", "-"]);
}

#[tokio::test]
async fn i3_an_app_that_ignores_filters_gives_nobody_a_strangers_account() {
    let server = answering(|request| {
        if query(request, "filter").is_some() {
            return json_reply(200, &list_of(&[user(1), user(2), user(3)]));
        }
        honest(3, 100)(request)
    })
    .await;
    let app = app(&server);
    assert_eq!(found(&app, [2, 9]).await, ["id-2", "-"]);
    let (_, filters) = lists_and_filters(&server).await;
    assert_eq!(found(&app, [3]).await, ["id-3"]);
    assert_eq!(lists_and_filters(&server).await.1, filters, "learned");
    // One synthetic person for any filter.
    let server = answering(|request| match query(request, "filter") {
        Some(_) => json_reply(200, &list_of(&[json!({ "id": "0", "userName": "example" })])),
        None => honest(3, 100)(request),
    })
    .await;
    assert_eq!(found(&app_with(&server, |_| {}), [2]).await, ["id-2"]);
}

#[tokio::test]
async fn i3_a_404_to_a_filter_means_nobody_only_where_the_profile_says_so() {
    let server = always(ResponseTemplate::new(404)).await;
    assert_eq!(app(&server).look_up_users(&keys([1]), &[]).await.unwrap_err().class, FailureClass::NotFound);
    let lenient = app_with(&server, |profile| profile.read.no_match_404 = true);
    assert_eq!(found(&lenient, [1]).await, ["-"]);
}

#[tokio::test]
async fn i3_an_announced_match_that_is_not_shown_is_an_error() {
    let server = always(json_reply(200, &json!({ "totalResults": 1, "Resources": [] }))).await;
    let error = app(&server).look_up_users(&keys([1]), &[]).await.unwrap_err();
    assert!(error.message.contains("announces a match and shows none"), "{}", error.message);
}

#[tokio::test]
async fn i3_names_that_filters_may_garble_are_looked_for_in_the_list() {
    let server = answering(|request| {
        assert_eq!(query(request, "filter"), None);
        json_reply(200, &list_of(&[json!({ "id": "q", "userName": "o\"brien\\" })]))
    })
    .await;
    let key = UserKeys {
        source_id: SourceId::from("s"),
        attributes: attributes(&[("userName", json!("O\"Brien\\"))]),
        except: None,
    };
    let found = app(&server).look_up_users(&[key], &[]).await.unwrap();
    assert_eq!(short(&found), ["q"]);
}

#[tokio::test]
async fn t2_a_name_that_is_taken_but_not_found_by_filter_is_found_in_the_list() {
    // An app whose filter compares with case, although userName has none.
    let server = answering(|request| match (request.method.as_str(), query(request, "filter")) {
        ("POST", _) => scim_error(409, "uniqueness", "taken"),
        (_, Some(_)) => json_reply(200, &list_of(&[])),
        _ => json_reply(200, &list_of(&[user(1)])),
    })
    .await;
    let app = app(&server);
    assert_eq!(found(&app, [1]).await, ["-"]);
    let error = app.create_user(&SourceId::from("src-1"), &keys([1])[0].attributes).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Conflict);
    assert_eq!(found(&app, [1]).await, ["id-1"]);
}

#[tokio::test]
async fn groups_are_looked_up_without_their_members() {
    let group = |id: &str, name: &str| json!({ "id": id, "displayName": name, "members": [{ "value": "x" }] });
    let server = always(json_reply(200, &list_of(&[group("g1", "Sales"), group("g2", "R&D")]))).await;
    let key = |id: &str, name: &str| GroupKeys {
        source_id: SourceId::from(id),
        display_name: name.to_owned(),
        released: Vec::new(),
    };
    let wanted = [key("a", "sales"), key("b", "Support"), key("c", "r&d")];
    let found = app(&server).look_up_groups(&wanted).await.unwrap();
    let Match::One { found: sales, by } = &found[0] else { panic!("{found:?}") };
    assert_eq!((sales.id.as_str(), sales.members.as_ref(), by.as_str()), ("g1", None, "displayName"));
    assert_eq!(found[1], Match::Nobody);
    let seen = requests(&server).await;
    assert!(seen.iter().all(|request| query(request, "excludedAttributes").as_deref() == Some("members")));
    let unable = app_with(&server, |profile| profile.read.exclude_members_on_look_up = false);
    unable.look_up_groups(&wanted).await.unwrap();
    assert!(query(requests(&server).await.last().unwrap(), "excludedAttributes").is_none());
}

#[test]
fn j12_a_released_group_that_two_records_match_is_that_ones_whose_id_it_carries() {
    let key = |id: &str, name: &str, released: &[&str]| GroupKeys {
        source_id: SourceId::from(id),
        display_name: name.to_owned(),
        released: released.iter().map(|id| AppId::from(*id)).collect(),
    };
    let group = json!({ "id": "g7", "displayName": "Sales", "externalId": "a" });
    let shown = [group.as_object().unwrap().clone()];
    let profile = Profile::default();
    let found = groups_among(&profile, &[key("a", "Sales West", &[]), key("b", "Sales", &["g7"])], &shown);
    assert_eq!(found[0], Match::One { found: AppId::from("g7"), by: "externalId".to_owned() });
    assert!(matches!(&found[1], Match::Conflict(Conflict::OfAnother { external_id, .. }) if external_id == "a"));
    // Where neither carries the id, nobody has it.
    let found = groups_among(&profile, &[key("c", "Sales", &["g7"]), key("d", "sales", &["g7"])], &shown);
    assert!(found.iter().all(|found| matches!(found, Match::Conflict(_))), "{found:?}");
}

#[tokio::test]
async fn an_external_id_that_is_never_written_is_never_asked_for() {
    let server = answering(honest(10, 10)).await;
    let app = app_with(&server, |profile| profile.users.send_external_id = false);
    assert_eq!(found(&app, [3]).await, ["id-3"]);
    assert_eq!(lists_and_filters(&server).await, (0, 1));
}

#[tokio::test]
async fn i7_a_long_list_keeps_only_what_is_wanted_and_all_of_it() {
    let server = answering(honest(3_000, 500)).await;
    let app = app_with(&server, |profile| (profile.read.look_up, profile.read.page_size) = (LookUp::List, 500));
    let found = app.look_up_users(&keys((1..=3_000).step_by(7)), &[p("userName")]).await.unwrap();
    assert!(found.iter().all(|found| matches!(found, Match::One { .. })));
}
