//! The quiet cycle: nothing changed, nothing is sent. Beside it: only parsing the same bytes.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use rosterd::desired::{Scope, derive};
use rosterd::progress::Silent;
use rosterd::source::file::FileSource;
use rosterd::source::{GroupRow, take_snapshot};
use serde::Deserialize;

use crate::meter::{Figures, Since, peak_memory};

pub(crate) const DIRECTORY: &str = "people.json";

#[derive(Deserialize)]
struct Document<'t> {
    #[serde(borrow)]
    users: Vec<User<'t>>,
    #[serde(borrow)]
    groups: Vec<Group<'t>>,
}

#[derive(Deserialize)]
struct User<'t> {
    id: &'t str,
    active: bool,
}

#[derive(Deserialize)]
struct Group<'t> {
    id: &'t str,
    name: &'t str,
    #[serde(borrow)]
    members: Vec<&'t str>,
}

/// Only parsing: the bytes are in memory already, and nothing is done with what they say.
pub(crate) fn parse(folder: &Path) -> Figures {
    let reading = Since::now();
    let bytes = std::fs::read(folder.join(DIRECTORY)).unwrap();
    let read = reading.cpu();
    let since = Since::now();
    let document: Document<'_> = serde_json::from_slice(&bytes).unwrap();
    let (wall, cpu) = (since.wall().as_secs_f64(), since.cpu());
    let members: usize =
        document.groups.iter().map(|group| group.members.len() + group.id.len() + group.name.len()).sum();
    let people = document.users.iter().filter(|user| user.active && !user.id.is_empty()).count();
    black_box((members, people));
    figures([("bytes", bytes.len() as f64), ("read_cpu", read), ("cpu", cpu), ("wall", wall), ("peak", peak_memory())])
}

/// Reading the directory and working out who belongs.
pub(crate) fn desired(folder: &Path) -> Figures {
    let since = Since::now();
    let source = FileSource::new(folder.join(DIRECTORY), b',');
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let snapshot = runtime.block_on(take_snapshot(&source, &[], &Silent)).unwrap();
    let (read_wall, read_cpu) = (since.wall().as_secs_f64(), since.cpu());
    let named = |group: &GroupRow| Ok(group.name.to_string());
    let scope = Scope { groups: None, all_users: false, nested: true, filter: None, group_name: &named };
    let desired = derive(&snapshot, &scope);
    black_box(desired.assigned_count());
    figures([
        ("read_wall", read_wall),
        ("read_cpu", read_cpu),
        ("cpu", since.cpu()),
        ("wall", since.wall().as_secs_f64()),
        ("peak", peak_memory()),
    ])
}

fn figures<const N: usize>(pairs: [(&str, f64); N]) -> Figures {
    pairs.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect::<BTreeMap<_, _>>()
}
