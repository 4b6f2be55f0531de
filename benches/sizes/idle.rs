//! The quiet cycle: nothing changed, nothing is sent. Beside it: only parsing the same bytes.

use std::hint::black_box;
use std::path::Path;

use serde::Deserialize;

use crate::meter::{Figures, Since, figures, peak_memory};
use crate::tenant::{DIRECTORY, sync};

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
    let (wall, cpu) = (since.wall(), since.cpu());
    let groups = document.groups.iter().map(|group| group.members.len() + group.id.len() + group.name.len());
    let people = document.users.iter().filter(|user| user.active && !user.id.is_empty());
    black_box((groups.sum::<usize>(), people.count()));
    figures([("bytes", bytes.len() as f64), ("read_cpu", read), ("cpu", cpu), ("wall", wall), ("peak", peak_memory())])
}

/// One cycle of a tenant whose app is in step. The app's address is one where nobody listens: a call would be a failure.
pub(crate) fn cycle(folder: &Path) -> Figures {
    let since = Since::now();
    let report = sync(folder, false);
    let (wall, cpu) = (since.wall(), since.cpu());
    let tally = report.tally();
    assert_eq!(tally.planned, 0, "{:?}", report.status());
    figures([("cpu", cpu), ("wall", wall), ("peak", peak_memory()), ("calls", report.calls.total as f64)])
}
