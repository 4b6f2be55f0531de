//! The quiet cycle: nothing changed, nothing is sent. Beside it: only parsing the same bytes.

use std::hint::black_box;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::directory::{self, Size};
use crate::machine;
use crate::meter::{Figures, Since, best, figures, in_child, peak_memory};
use crate::tenant::{self, DIRECTORY, Target, sync};

/// So often is measured, in turns: what disturbs one disturbs the other.
const ROUNDS: usize = 5;

/// What was found at one size.
#[derive(Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) on: String,
    pub(crate) parse: Figures,
    pub(crate) quiet: Figures,
    /// The same with a file that says the same in other bytes.
    pub(crate) rewritten: Figures,
    /// The same with two members of the last group in another order, so that the difference is found at the very end.
    #[serde(default)]
    pub(crate) reordered: Option<Figures>,
    /// Only where the folder was made anew: a kept one has an index already.
    pub(crate) compare: Option<Figures>,
    /// Only at the smallest size: at the others it takes many minutes.
    pub(crate) rebuild: Option<Figures>,
}

/// Makes a directory and the state of a tenant that is in step with it, unless the folder has them, and measures.
pub(crate) fn measure(folder: &Path, size: Size) -> Found {
    if !folder.join("state").exists() {
        std::fs::create_dir_all(folder).unwrap();
        directory::write(&folder.join(DIRECTORY), size, false).unwrap();
        // Nobody listens there: one call would be the end of the measurement.
        let base_url = "https://127.0.0.1:9/scim/v2";
        tenant::write(folder, &Target { base_url, token: "none", in_flight: 4 });
        in_child("seed", folder);
    }
    let rebuild = (size.people < 1_000_000).then(|| in_child("rebuild", folder));
    // Without an index everybody is compared with the rows, and a new index is written.
    let compare = (!folder.join("state/acme/index").exists()).then(|| in_child("cycle", folder));
    let (mut parses, mut cycles, mut rewritten, mut reordered) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        parses.push(in_child("parse", folder));
        write_anew(&folder.join(DIRECTORY));
        rewritten.push(in_child("cycle", folder));
        cycles.push(in_child("cycle", folder));
        reorder(&folder.join(DIRECTORY));
        reordered.push(in_child("cycle", folder));
    }
    let (quiet, rewritten, reordered) = (best(cycles), best(rewritten), Some(best(reordered)));
    Found { on: machine::today(), parse: best(parses), quiet, rewritten, reordered, compare, rebuild }
}

/// Other bytes that say the same: one more line end.
fn write_anew(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"\n").unwrap();
}

/// Lets the last two members of the last group change places.
fn reorder(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let end = file.metadata().unwrap().len();
    let mut tail = vec![0; 4096.min(end as usize)];
    let from = end - tail.len() as u64;
    file.read_exact_at(&mut tail, from).unwrap();
    let text = String::from_utf8(tail).unwrap();
    let members = &text[..text.rfind("\"]").expect("the end of the last list")];
    let ids: Vec<&str> = members.rsplit("\",\"").take(2).collect();
    let [last, before] = ids[..] else { panic!("two members in the last group") };
    let swapped = text.replace(&format!("{before}\",\"{last}"), &format!("{last}\",\"{before}"));
    assert_ne!(swapped, text);
    file.write_all_at(swapped.as_bytes(), from).unwrap();
}

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
