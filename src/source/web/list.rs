//! Lists as a directory declares them. What comes in is where a list is asked for, how it pages and what proves it whole; what goes out are its entries,
//! each once. This module must not depend on what the entries are.
//!
//! A further way of paging or proof is a variant of [`ListPaging`] and an arm in [`WebConnection::list`].

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::WebConnection;
use super::api::{Api, ApiRequest};
use super::paging::{self, Manner, Page, PageStart, Pages, Row};
use super::passes;
use crate::http::{HttpResponse, http_date};
use crate::progress::Progress;
use crate::source::SourceError;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// A list and how it is asked for.
#[derive(Debug, Clone)]
pub struct List {
    /// The question, without position and size.
    pub(crate) question: ApiRequest,
    /// What it holds, for messages; the question's own words if they are enough.
    pub(crate) label: String,
    /// Entries a page.
    pub(crate) limit: u64,
    /// Which place comes next, and what proves that none was passed over.
    pub(crate) paging: ListPaging,
    /// What holds the entries and counts them.
    pub(crate) envelope: &'static ListEnvelope,
    /// The member with an entry's id, and what stands in for it: `_id`, `to.id`.
    pub(crate) id: [&'static str; 2],
    /// Whether ids are numbers: what is none was never an id here, and what is one is taken for an id.
    pub(crate) numbered: bool,
    /// The member that tells since when an entry is there.
    pub(crate) since: Option<&'static str>,
    /// The time that an id itself tells.
    pub(crate) born: fn(&str) -> Option<Timestamp>,
}

/// How the answers of an API hold a list: bare, or as a member of an object.
#[derive(Debug)]
pub(crate) struct ListEnvelope {
    /// The member with the entries.
    pub(crate) rows: &'static str,
    /// The member and the header that say how many there are in all.
    pub(crate) total: [&'static str; 2],
}

/// How a list pages, with the proof that nothing was lost between two pages.
#[derive(Debug, Clone)]
pub(crate) enum ListPaging {
    /// By position (`skip`, `limit`): totals and dates of birth, else page chained to page.
    Position,
    /// The same, where entries don't say when they were made: page chained to page.
    Chained,
    /// A cursor in a header: totals and dates of birth, or nobody beyond `most`, or two equal passes. A page is asked for with the cursor alone.
    Cursor {
        /// The header.
        header: &'static str,
        /// Everybody who may be on the list, where that is known.
        most: Option<HashSet<Box<str>>>,
    },
    /// A cursor in the body, without a proof: what is missing has to be asked for by id. At most so many pages.
    Unproven {
        /// The member, and the parameter that takes it back.
        cursor: [&'static str; 2],
        /// At most so many pages.
        pages: u32,
    },
}

/// The entries of one answer, how many there are in all, and where the next page begins.
pub(crate) type Entries = (Vec<Object>, Option<u64>, Option<String>);

impl List {
    /// A list whose label is the question's.
    pub(crate) fn new(question: ApiRequest, limit: u64, paging: ListPaging, envelope: &'static ListEnvelope) -> Self {
        let (label, id) = (question.what.to_owned(), ["id", "_id"]);
        Self { question, label, limit, paging, envelope, id, numbered: false, since: None, born: |_| None }
    }

    /// With one more parameter.
    pub(crate) fn with(self, name: &'static str, value: impl ToString) -> Self {
        Self { question: self.question.with(name, value), ..self }
    }

    /// With the member that tells since when an entry is there.
    pub(crate) fn since(self, name: &'static str) -> Self {
        Self { since: Some(name), ..self }
    }

    /// With other words for messages.
    pub(crate) fn called(self, label: String) -> Self {
        Self { label, ..self }
    }

    /// The question for the first entries only.
    pub(crate) fn first(&self, limit: u64) -> ApiRequest {
        let question = self.question.clone().with("limit", limit);
        if matches!(self.paging, ListPaging::Position | ListPaging::Chained) {
            question.with("skip", 0)
        } else {
            question
        }
    }

    /// The question for one entry, below the list's own path; `None` for an id that was never one here.
    pub(crate) fn one(&self, id: &str) -> Option<ApiRequest> {
        let path = self.question.request.segments.iter().map(String::as_str).chain([id]);
        (!self.numbered || self.knows(id)).then(|| ApiRequest::get(self.question.what, path))
    }

    /// Whether a text is surely meant as an id.
    pub(crate) fn knows(&self, text: &str) -> bool {
        self.numbered && text.parse::<u64>().is_ok()
    }

    /// The entries of an answer, how many there are in all, and where the next page begins.
    ///
    /// # Errors
    /// When it holds no list of objects.
    pub(crate) fn entries(&self, api: &Api, reply: &HttpResponse) -> Result<Entries, SourceError> {
        let odd =
            |why: String| SourceError::Malformed(format!("{} from {}: unexpected JSON: {why}", self.label, api.host()));
        let ListEnvelope { rows, total: [member, header] } = self.envelope;
        let body: Value = api.json(&self.label, reply)?;
        let total = || reply.header(header)?.trim().parse().ok();
        let total = body.get(member).and_then(Value::as_u64).or_else(total);
        let next = match self.paging {
            ListPaging::Cursor { header, .. } => reply.header(header),
            ListPaging::Unproven { cursor: [name, _], .. } => body.as_object().and_then(|body| text(body, name)),
            ListPaging::Position | ListPaging::Chained => None,
        };
        let next = next.filter(|next| !next.trim().is_empty()).map(str::to_owned);
        let entries = match body {
            Value::Object(mut body) => body.remove(*rows).unwrap_or_default(),
            bare => bare,
        };
        let Value::Array(entries) = entries else { return Err(odd(format!("`{rows}` is no list"))) };
        let object = |entry| match entry {
            Value::Object(object) => Ok(object),
            _ => Err(odd("an entry is no object".to_owned())),
        };
        Ok((entries.into_iter().map(object).collect::<Result<_, _>>()?, total, next))
    }

    /// The id of an entry, as text.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn id_of(&self, entry: &Object) -> Result<Box<str>, SourceError> {
        let found = self.id.iter().find_map(|name| id(pick(entry, name)?));
        found.ok_or_else(|| SourceError::Malformed(format!("{}: an entry without `{}`", self.label, self.id[0])))
    }
}

/// An id as text: a text that is not empty, or a whole number.
pub(crate) fn id(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Value::Number(number) if number.is_u64() => Some(number.to_string().into()),
        _ => None,
    }
}

/// A member of a record, by its path: `to.id`.
pub(crate) fn pick<'a>(record: &'a Object, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((outer, inner)) => pick(record.get(outer)?.as_object()?, inner),
        None => record.get(path),
    }
}

/// A text of a record that is there and not empty.
pub(crate) fn text<'a>(record: &'a Object, path: &str) -> Option<&'a str> {
    pick(record, path)?.as_str().filter(|text| !text.is_empty())
}

/// What an entry of a list becomes.
pub(crate) type EntryReader<'a, T> = dyn Fn(&str, Object) -> Result<T, SourceError> + Sync + 'a;

/// A list on its way.
struct ListRequest<'a, T> {
    api: &'a Api,
    list: &'a List,
    progress: &'a dyn Progress,
    make: &'a EntryReader<'a, T>,
}

#[async_trait]
impl<T: Send> Pages<T> for ListRequest<'_, T> {
    fn what(&self) -> String {
        self.list.label.clone()
    }

    async fn page(&self, start: PageStart<'_>) -> Result<Page<T>, SourceError> {
        let (list, question) = (self.list, self.list.question.clone());
        let question = match (start, &list.paging) {
            (PageStart::Position { skip, limit }, _) => question.with("limit", limit).with("skip", skip),
            (PageStart::Cursor(None), _) => question.with("limit", list.limit),
            (PageStart::Cursor(Some(cursor)), ListPaging::Unproven { cursor: [_, name], .. }) => {
                question.with("limit", list.limit).with(name, cursor)
            }
            (PageStart::Cursor(Some(cursor)), _) => question.with("cursor", cursor),
        };
        let reply = self.api.read(&question).await?;
        let (entries, total, next) = list.entries(self.api, &reply)?;
        self.progress.advance(entries.len() as u64);
        let row = |entry: Object| {
            let id = list.id_of(&entry)?;
            let made = list.since.and_then(|name| text(&entry, name)?.parse().ok()).or_else(|| (list.born)(&id));
            Ok(Row { made, value: (self.make)(&id, entry)?, id })
        };
        let rows = entries.into_iter().map(row).collect::<Result<_, SourceError>>()?;
        Ok(Page { rows, total, at: reply.header("date").and_then(http_date), next })
    }
}

impl WebConnection {
    /// Reads a list whole: every entry once, by id.
    ///
    /// # Errors
    /// What the directory said, or that the list can't be proved whole.
    pub(crate) async fn list<T: Send>(
        &self,
        list: &List,
        progress: &dyn Progress,
        make: &EntryReader<'_, T>,
    ) -> Result<Vec<(Box<str>, T)>, SourceError> {
        let pages = ListRequest { api: &self.api, list, progress, make };
        let manner = Manner { limit: list.limit, at_once: self.at_once };
        let rows = match &list.paging {
            ListPaging::Position => paging::read(&pages, manner).await,
            ListPaging::Chained => paging::read_chained(&pages, manner).await,
            ListPaging::Cursor { most, .. } => passes::whole(&pages, most.as_ref()).await,
            ListPaging::Unproven { pages: most, .. } => passes::unproven(&pages, *most).await,
        }?;
        Ok(rows.into_iter().map(|(id, row)| (id, row.value)).collect())
    }
}
