//! The way to one organisation. In: the table and the credential. Out: questions answered, in the product's own page and error
//! shapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use super::paging::{Manner, Page, Pages, Row};
use crate::clock::Clock;
use crate::config::directory::jumpcloud::JumpCloudTable;
use crate::http::pace::Pacer;
use crate::http::retry::Backoff;
use crate::http::{Auth, ClientSettings, Reply, Secret, SetupError, http_date};
use crate::source::SourceError;
use crate::source::web::{Api, Grant, Login, Meaning, Question, WebSettings, refusal};

/// The product's name in messages.
const PRODUCT: &str = "JumpCloud";

/// One organisation, and how it is asked.
pub(super) struct Reach {
    /// API v1, with v2 below it.
    pub(super) api: Api,
    /// Directory Insights, where it is known and wanted.
    pub(super) insights: Option<Api>,
    /// The organisation's id, if the operator gives it.
    pub(super) org_id: Option<String>,
    /// Whether staged people count as active.
    pub(super) staged: bool,
    pub(super) manner: Manner,
    /// Whether people were seen: only then *not found* means that somebody is gone.
    pub(super) has_seen_people: AtomicBool,
    pub(super) clock: Arc<dyn Clock>,
}

impl Reach {
    pub(super) fn new(
        table: &JumpCloudTable,
        secret: &Secret,
        ca_pem: Option<Vec<u8>>,
        pacer: &Pacer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let timeout = Duration::from_secs(table.web.timeout_secs);
        let settings = |url: &str| {
            let mut settings = ClientSettings::new(url);
            settings.allow_http_loopback = table.web.allow_http_loopback;
            settings.ca_pem.clone_from(&ca_pem);
            (settings.idle_timeout, settings.total_timeout) = (timeout, timeout * 2);
            settings
        };
        let api = |url: &str| {
            let mut client = settings(url);
            client.extra_headers.extend(table.org_id.iter().map(|id| ("x-org-id".to_owned(), id.clone())));
            let login = login(table, secret, &settings)?;
            let cap = Duration::from_millis(table.web.backoff_cap_ms);
            let backoff = Backoff { base: WebSettings::BACKOFF.base.min(cap), cap };
            let (pacer, attempts) = (pacer.clone(), table.web.attempts);
            let (product, forgive_403) = (PRODUCT, true);
            Api::new(WebSettings { product, client, login, pacer, attempts, backoff, forgive_403, meaning })
        };
        Ok(Self {
            api: api(table.api_url())?,
            insights: table.feed_url().map(api).transpose()?,
            org_id: table.org_id.clone(),
            staged: table.staged,
            manner: Manner { limit: u64::from(table.page_size), at_once: table.web.in_flight as usize },
            has_seen_people: AtomicBool::new(false),
            clock,
        })
    }

    /// Puts a question that has an answer wherever the address and the organisation are right.
    pub(super) async fn read(&self, question: &Question) -> Result<Reply, SourceError> {
        match self.find(question).await? {
            Some(reply) => Ok(reply),
            None => Err(SourceError::Settings(format!(
                "{} answers that it has no {} (404): is `base_url` the address of API v1{}?",
                self.api.host(),
                question.what,
                if self.org_id.is_some() { ", and `org_id` an organisation that this credential may see" } else { "" }
            ))),
        }
    }

    /// Puts a question whose answer may be that there is no such thing.
    pub(super) async fn find(&self, question: &Question) -> Result<Option<Reply>, SourceError> {
        self.api.find(question).await
    }

    /// When an answer was given, on the vendor's clock.
    pub(super) fn at(&self, reply: &Reply) -> Timestamp {
        reply.header("date").and_then(http_date).unwrap_or_else(|| self.clock.now())
    }

    pub(super) fn saw_people(&self) {
        self.has_seen_people.store(true, Ordering::Relaxed);
    }
}

/// What JumpCloud answers to an address that it blocks for a while.
const BLOCKED: [&str; 2] = ["blocked", "suspected abuse"];

/// What JumpCloud answers when the key belongs to several organisations and the header that names one is missing.
const SEVERAL_ORGANISATIONS: &str = "multi-tenant";

/// What a refusal means that has the status of another one. A block of this address comes as a 403, and even the first answer may be one.
pub(super) fn meaning(reply: &Reply) -> Option<Meaning> {
    let said = refusal(reply);
    match reply.status {
        401 if said.contains(SEVERAL_ORGANISATIONS) => Some(Meaning::NoOrganisation),
        403 if BLOCKED.iter().any(|words| said.contains(words)) => Some(Meaning::TooFast),
        _ => None,
    }
}

fn login(
    table: &JumpCloudTable,
    secret: &Secret,
    settings: &impl Fn(&str) -> ClientSettings,
) -> Result<Login, SetupError> {
    let Some(id) = table.client_id.as_ref().filter(|_| table.api_key.is_none()) else {
        let (header, template) = ("x-api-key".to_owned(), "{token}".to_owned());
        return Ok(Login::Fixed(Auth { header, template, token: secret.clone() }));
    };
    let grant = table.grant_url().ok_or_else(|| SetupError::new("`token_url` is missing: where tokens come from"))?;
    let (parent, last) = split(grant)?;
    let mut endpoint = settings(&parent);
    endpoint.auth = Some(Auth {
        header: "authorization".to_owned(),
        template: "Basic {token}".to_owned(),
        token: secret.basic_with(id),
    });
    Ok(Login::Granted(Box::new(Grant {
        endpoint,
        segments: vec![last],
        body: b"grant_type=client_credentials&scope=api".to_vec(),
        content_type: "application/x-www-form-urlencoded",
        header: "authorization",
        template: "Bearer {token}",
        on_server_error: "",
    })))
}

/// An address without its last segment, and that segment.
fn split(address: &str) -> Result<(String, String), SetupError> {
    let wrong = || SetupError::new(format!("the address {address:?} can't be used for tokens: it has no path"));
    let mut url = Url::parse(address).map_err(|_| wrong())?;
    let path = url.path().trim_end_matches('/').to_owned();
    let (parent, last) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()).ok_or_else(wrong)?;
    url.set_path(parent);
    Ok((url.as_str().trim_end_matches('/').to_owned(), last.to_owned()))
}

/// A list of API v1 or v2.
pub(super) struct List<'a, R> {
    pub(super) reach: &'a Reach,
    /// The question, without position and size.
    pub(super) question: Question,
    /// What it holds, for messages.
    pub(super) what: String,
    /// Makes a row of a record.
    pub(super) row: fn(&Reach, Map<String, Value>) -> Result<R, SourceError>,
}

#[async_trait]
impl<R: Row + Send> Pages for List<'_, R> {
    type Row = R;

    fn what(&self) -> String {
        self.what.clone()
    }

    async fn page(&self, skip: u64, limit: u64) -> Result<Page<R>, SourceError> {
        let question = self.question.clone().with("limit", limit).with("skip", skip);
        let reply = self.reach.read(&question).await?;
        let Records { rows, total } = records(&self.reach.api, &self.what, &reply)?;
        let rows = rows.into_iter().map(|record| (self.row)(self.reach, record)).collect::<Result<_, _>>()?;
        Ok(Page { rows, total, at: self.reach.at(&reply) })
    }
}

/// The records of a page, and how many there are in all if the answer tells.
pub(super) struct Records {
    pub(super) rows: Vec<Map<String, Value>>,
    pub(super) total: Option<u64>,
}

/// v1 wraps its records and counts them in the body; v2 sends them bare and counts them in a header. Some wrap there too.
pub(super) fn records(api: &Api, what: &str, reply: &Reply) -> Result<Records, SourceError> {
    #[derive(Deserialize)]
    struct Wrapped {
        results: Vec<Map<String, Value>>,
        #[serde(rename = "totalCount")]
        total: Option<u64>,
    }
    let header = reply.header("x-total-count").and_then(|text| text.trim().parse().ok());
    if reply.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Ok(Records { rows: json(api, what, reply)?, total: header });
    }
    let Wrapped { results, total } = json(api, what, reply)?;
    Ok(Records { rows: results, total: total.or(header) })
}

pub(super) fn json<T: DeserializeOwned>(api: &Api, what: &str, reply: &Reply) -> Result<T, SourceError> {
    api.json(what, reply)
}

/// The time that the first four bytes of an id tell; ids are made of the second of their birth.
pub(super) fn born(id: &str) -> Option<Timestamp> {
    let hex = id.get(..8).filter(|_| id.len() == 24)?;
    Timestamp::from_second(i64::from(u32::from_str_radix(hex, 16).ok()?)).ok()
}

/// A text of a record that is there and not empty.
pub(super) fn text<'a>(record: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    record.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        assert_eq!(born("5f1a0c2e9d3b7a4c8e6f0a11"), Some("2020-07-23T22:16:14Z".parse().unwrap()));
        assert_eq!((born("5f1a"), born("zzzz0c2e9d3b7a4c8e6f0a11")), (None, None));
    }

    #[test]
    fn the_token_address_is_split_at_its_last_slash() {
        let parts = |text: &str| split(text).ok();
        let (parent, last) = parts("https://admin-oauth.id.jumpcloud.com/oauth2/token").unwrap();
        assert_eq!((parent.as_str(), last.as_str()), ("https://admin-oauth.id.jumpcloud.com/oauth2", "token"));
        assert!(parts("https://id.example.org").is_none() && parts("https://id.example.org/").is_none());
    }

    #[test]
    fn a_block_of_the_address_is_never_taken_for_a_missing_right() {
        let said = |status: u16, message: &str| {
            let body = serde_json::json!({ "message": message }).to_string().into_bytes();
            meaning(&Reply {
                status,
                content_type: Some("application/json".to_owned()),
                location: None,
                location_host: None,
                retry_after: None,
                headers: reqwest::header::HeaderMap::new(),
                body,
                fault: None,
            })
        };
        assert_eq!(said(403, "your IP has been blocked due to suspected abuse"), Some(Meaning::TooFast));
        assert_eq!(said(403, "role"), None);
        assert_eq!(said(401, "ID not included for multi-tenant admin"), Some(Meaning::NoOrganisation));
        assert_eq!(said(401, "your IP has been blocked"), None);
    }
}
