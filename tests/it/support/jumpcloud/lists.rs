//! Lists: filter, sort, skip, limit, fields. v1 separates names by spaces and writes `$eq`; v2 takes commas and `eq`.

use serde_json::{Map, Value};

/// The parameters of a list, not yet understood.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// What the vendor gives to whoever asks for nothing.
const DEFAULT_LIMIT: usize = 10;
const MOST: usize = 100;

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        Self { pairs: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, String> {
        match self.get(name) {
            None | Some("") => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{name} must be a number")),
        }
    }

    /// Skip and limit; a limit above the greatest is cut down in silence.
    pub(super) fn window(&self) -> Result<(usize, usize), String> {
        Ok((self.number("skip", 0)?, self.number("limit", DEFAULT_LIMIT)?.min(MOST)))
    }

    /// Fields wanted; `None` for all.
    fn fields(&self, separator: char) -> Option<Vec<&str>> {
        let fields = self.get("fields").filter(|text| !text.is_empty())?;
        Some(fields.split(separator).map(str::trim).collect())
    }

    /// A page of records: how many there are in all, and the page. `turn` moves the order of a list that nobody sorted.
    pub(super) fn page<'a>(
        &self,
        records: impl Iterator<Item = &'a Map<String, Value>>,
        v1: bool,
        turn: usize,
    ) -> Result<(usize, Vec<Value>), String> {
        let (skip, limit) = self.window()?;
        let mut records: Vec<&Map<String, Value>> = records.collect();
        for filter in self.all("filter").filter(|filter| !filter.is_empty()) {
            let test = filter_of(filter, v1)?;
            records.retain(|record| test(record));
        }
        let separator = if v1 { ' ' } else { ',' };
        match self.get("sort").filter(|sort| !sort.is_empty()) {
            Some(sort) => {
                let (field, down) = match sort.split(separator).next().unwrap_or_default().strip_prefix('-') {
                    Some(field) => (field, true),
                    None => (sort, false),
                };
                records.sort_by_key(|record| text(record, field));
                if down {
                    records.reverse();
                }
            }
            None if records.is_empty() => {}
            None => {
                let by = turn % records.len();
                records.rotate_left(by);
            }
        }
        let fields = self.fields(separator);
        let shown = records.iter().skip(skip).take(limit).map(|record| match &fields {
            None => Value::Object((*record).clone()),
            Some(fields) => {
                let wanted = |name: &str| matches!(name, "_id" | "id") || fields.contains(&name);
                let kept = record.iter().filter(|(name, _)| wanted(name));
                Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
        });
        Ok((records.len(), shown.collect()))
    }
}

fn text(record: &Map<String, Value>, field: &str) -> String {
    match record.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

type Test = Box<dyn Fn(&Map<String, Value>) -> bool>;

fn filter_of(filter: &str, v1: bool) -> Result<Test, String> {
    let mut parts = filter.splitn(3, ':');
    let (Some(field), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("invalid filter {filter}"));
    };
    let operator = match (v1, operator.strip_prefix('$')) {
        (true, Some(operator)) => operator,
        (false, None) => operator,
        _ => return Err(format!("invalid operator {operator}")),
    };
    let (field, value) = (field.to_owned(), value.to_owned());
    Ok(match operator {
        "eq" => Box::new(move |record| text(record, &field) == value),
        "ne" => Box::new(move |record| text(record, &field) != value),
        "gt" => Box::new(move |record| text(record, &field) > value),
        "lt" => Box::new(move |record| text(record, &field) < value),
        "sw" if v1 => Box::new(move |record| text(record, &field).starts_with(&value)),
        _ => return Err(format!("invalid operator {operator}")),
    })
}
