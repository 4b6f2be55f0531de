//! Lists as a directory declares them. What comes in is where a list is asked for, how it pages and what proves it whole; what goes out are its entries,
//! each once. This module must not depend on what the entries are.
//!
//! A further way of paging or proof is a variant of [`Paging`] and an arm in [`Api::list`].

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::paging::{self, Manner, Page, Pages, Row};
use super::{Api, ApiRequest, passes};
use crate::http::{HttpResponse, http_date};
use crate::progress::Progress;
use crate::source::{Incomplete, SourceError};

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
        let label = question.what.to_owned();
        Self { question, label, limit, paging, envelope, id: ["id", "_id"], since: None, born: |_| None }
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

    /// The entries of an answer, how many there are in all, and where the next page begins.
    ///
    /// # Errors
    /// When it holds no list of objects.
    pub(crate) fn entries(&self, api: &Api, reply: &HttpResponse) -> Result<Entries, SourceError> {
        let malformed = |why: &str| SourceError::Malformed(format!("{} from {}: {why}", self.label, api.host()));
        let [member, header] = self.envelope.total;
        let mut total = reply.header(header).and_then(|text| text.trim().parse().ok());
        let mut next = match self.paging {
            ListPaging::Cursor { header, .. } => reply.header(header).map(str::to_owned),
            _ => None,
        };
        let rows = match api.json(&self.label, reply)? {
            Value::Array(rows) => rows,
            Value::Object(mut object) => {
                total = object.get(member).and_then(Value::as_u64).or(total);
                if let ListPaging::Unproven { cursor: [name, _], .. } = self.paging {
                    next = pick(&object, name).and_then(Value::as_str).map(str::to_owned);
                }
                match object.remove(self.envelope.rows) {
                    Some(Value::Array(rows)) => rows,
                    _ => {
                        return Err(malformed(&format!("unexpected JSON: `{}` is no list", self.envelope.rows)));
                    }
                }
            }
            _ => return Err(malformed("unexpected JSON: it is no list")),
        };
        let object = |row: Value| match row {
            Value::Object(object) => Ok(object),
            _ => Err(malformed("unexpected JSON: an entry is no object")),
        };
        let rows = rows.into_iter().map(object).collect::<Result<_, _>>()?;
        Ok((rows, total, next.filter(|next| !next.trim().is_empty())))
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
pub(super) struct Asked<'a, T> {
    api: &'a Api,
    list: &'a List,
    make: &'a EntryReader<'a, T>,
}

impl<T: Send> Asked<'_, T> {
    async fn ask(&self, question: ApiRequest) -> Result<Page<T>, SourceError> {
        let reply = self.api.read(&question).await?;
        let (entries, total, next) = self.list.entries(self.api, &reply)?;
        let row = |entry: Object| {
            let id = self.list.id_of(&entry)?;
            let made = self.list.since.and_then(|name| text(&entry, name)?.parse().ok());
            let made = made.or_else(|| (self.list.born)(&id));
            Ok(Row { made, value: (self.make)(&id, entry)?, id })
        };
        let rows = entries.into_iter().map(row).collect::<Result<_, SourceError>>()?;
        Ok(Page { rows, total, at: reply.header("date").and_then(http_date), next })
    }

    /// The page after a cursor; the first without one.
    pub(super) async fn after(&self, cursor: Option<&str>) -> Result<Page<T>, SourceError> {
        let question = self.list.question.clone();
        self.ask(match (cursor, &self.list.paging) {
            (None, _) => question.with("limit", self.list.limit),
            (Some(cursor), ListPaging::Unproven { cursor: [_, name], .. }) => {
                question.with("limit", self.list.limit).with(name, cursor)
            }
            (Some(cursor), _) => question.with("cursor", cursor),
        })
        .await
    }
}

#[async_trait]
impl<T: Send> Pages<T> for Asked<'_, T> {
    fn what(&self) -> String {
        self.list.label.clone()
    }

    async fn page(&self, skip: u64, limit: u64) -> Result<Page<T>, SourceError> {
        self.ask(self.list.question.clone().with("limit", limit).with("skip", skip)).await
    }
}

impl Api {
    /// Reads a list whole: every entry once, by id.
    ///
    /// # Errors
    /// What the directory said, or that the list can't be proved whole.
    pub(crate) async fn list<T: Send>(
        &self,
        list: &List,
        at_once: usize,
        progress: &dyn Progress,
        make: &EntryReader<'_, T>,
    ) -> Result<Vec<(Box<str>, T)>, SourceError> {
        let asked = Asked { api: self, list, make };
        let rows = match &list.paging {
            ListPaging::Position | ListPaging::Chained => {
                let (mut rows, mut known) = (Vec::new(), HashSet::new());
                let mut take = |row: Row<T>| {
                    let is_new = known.insert(row.id.clone());
                    if is_new {
                        rows.push(row);
                        progress.advance(1);
                    }
                    is_new
                };
                let manner = Manner { limit: list.limit, at_once };
                match list.paging {
                    ListPaging::Chained => paging::read_chained(&asked, manner, &mut take).await?,
                    _ => paging::read(&asked, manner, &mut take).await?,
                };
                rows
            }
            ListPaging::Cursor { most, .. } => passes::whole(&asked, most.as_ref(), progress).await?,
            ListPaging::Unproven { pages, .. } => {
                let pass = passes::once(&asked, *pages, progress).await?;
                if pass.is_cut {
                    let why = format!("{pages} pages, more than this list ever has");
                    let (what, received) = (list.label.clone(), pass.rows.len() as u64);
                    return Err(Incomplete::Cut { what, received, why }.into());
                }
                pass.rows
            }
        };
        Ok(rows.into_iter().map(|row| (row.id, row.value)).collect())
    }
}
