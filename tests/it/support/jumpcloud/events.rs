//! Directory Insights: `POST /events`.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::org::{Org, is_beyond_retention};
use super::serve::{answer, with};

const MOST: usize = 10_000;
const DEFAULT_LIMIT: usize = 1000;

pub(super) fn query(org: &Org, body: &Value) -> Response {
    if !org.insights {
        return answer(402, &json!({"message": "Directory Insights is not enabled for this organization"}));
    }
    let time = |name: &str| body[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(start) = time("start_time") else { return answer(400, &json!({"message": "start_time is required"})) };
    if body["service"].as_array().is_none_or(Vec::is_empty) {
        return answer(400, &json!({"message": "service is required"}));
    }
    if is_beyond_retention(start) {
        let message = "start_time is greater than Directory Insights' 90 day retention period";
        return answer(400, &json!({"message": message}));
    }
    let end = time("end_time").unwrap_or(Timestamp::MAX);
    let limit = body["limit"].as_u64().map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap()).min(MOST);
    let at = |event: &Value| event["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let mut events: Vec<&Value> = org.events.iter().filter(|event| (start..=end).contains(&at(event))).collect();
    events.sort_by_key(|event| at(event));
    if body["sort"].as_str().is_some_and(|sort| sort.eq_ignore_ascii_case("desc")) {
        events.reverse();
    }
    let done = body["search_after"][0].as_u64().unwrap_or(0);
    let page: Vec<&Value> = events.into_iter().skip(usize::try_from(done).unwrap()).take(limit).collect();
    let after = json!([done + page.len() as u64]);
    let mut response = answer(StatusCode::OK.as_u16(), &json!(page));
    with(&mut response, "x-result-count", &page.len().to_string());
    with(&mut response, "x-limit", &limit.to_string());
    with(&mut response, "x-sort", "ASC");
    // Always there, even when nothing follows.
    with(&mut response, "x-search_after", &after.to_string());
    response
}
