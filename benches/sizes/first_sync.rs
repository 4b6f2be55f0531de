//! The first sync, beside a bare load generator that sends the same bodies to a fresh instance of the same server, with as many
//! calls in flight. In: the servers that `./test` installs. Out: seconds of both, and of the same sync with an app that only takes
//! notes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::directory::{self, Size};
use crate::machine;
use crate::meter::{Figures, Since, best, figures, in_child};
use crate::notepad::Notepad;
use crate::support::rig;
use crate::support::servers::{Kind, ScimServer};
use crate::tenant::{self, DIRECTORY, Target, sync};

const SIZE: Size = Size { people: 10_000, groups: 0, memberships: 0 };
const IN_FLIGHT: usize = 8;
/// People by whom the fastest server is found.
const TRIAL: usize = 200;
/// On a machine with other work a measurement is often disturbed, seldom all of them.
const ROUNDS: usize = 6;
const KINDS: [Kind; 5] = [Kind::Scim2Server, Kind::BetterAuth, Kind::Scimmy, Kind::Canaille, Kind::DjangoScim2];

/// What a load generator needs to know, as a file of its folder.
#[derive(Serialize, Deserialize)]
struct Load {
    users: String,
    token: String,
    people: usize,
}

/// What was found.
#[derive(Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) on: String,
    pub(crate) server: String,
    /// Calls a second of every server that took part in the trial.
    pub(crate) trials: Vec<(String, f64)>,
    pub(crate) people: u64,
    pub(crate) in_flight: usize,
    pub(crate) bare: Figures,
    pub(crate) sync: Figures,
    pub(crate) notepad: Figures,
}

/// `None` where no server is installed.
pub(crate) fn measure() -> Option<Found> {
    let bodies = tempfile::tempdir().unwrap();
    let notepad = take_notes(&bodies.path().join("bodies"));
    let trials: Vec<(Kind, f64)> =
        KINDS.into_iter().filter_map(|kind| Some((kind, trial(kind, bodies.path())?))).collect();
    let (kind, _) = *trials.iter().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    let (mut bare, mut with_rosterd) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let rig = rig::require(kind.name())?;
        bare.push(
            load(&ScimServer::start(&rig, kind), bodies.path(), SIZE.people as usize).expect("it took them before"),
        );
        let server = ScimServer::start(&rig, kind);
        with_rosterd.push(first_sync(&server.base_url, &server.token));
    }
    let trials = trials.into_iter().map(|(kind, rate)| (kind.name().to_owned(), rate)).collect();
    let (bare, sync) = (best(bare), best(with_rosterd));
    let (on, server) = (machine::today(), kind.name().to_owned());
    Some(Found { on, server, trials, people: SIZE.people, in_flight: IN_FLIGHT, bare, sync, notepad })
}

/// Syncs with an app that does nothing but write down the bodies it is sent: they are what the load generator sends later.
fn take_notes(to: &Path) -> Figures {
    let notepad = Notepad::open();
    let figures = first_sync(&notepad.base_url, "none");
    let bodies = notepad.bodies();
    assert_eq!(bodies.len() as u64, SIZE.people, "one body for each person");
    fs::write(to, bodies.join("\n")).unwrap();
    figures
}

fn first_sync(base_url: &str, token: &str) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    directory::write(&folder.path().join(DIRECTORY), SIZE, false).unwrap();
    tenant::write(folder.path(), &Target { base_url, token, in_flight: IN_FLIGHT });
    in_child("first-sync", folder.path())
}

/// People a second in a first try; `None` for a server that is not installed, or does not take these people.
fn trial(kind: Kind, bodies: &Path) -> Option<f64> {
    let rig = rig::require(kind.name())?;
    let figures = load(&ScimServer::start(&rig, kind), bodies, TRIAL)?;
    Some(TRIAL as f64 / figures["wall"])
}

fn load(server: &ScimServer, bodies: &Path, people: usize) -> Option<Figures> {
    let load = Load { users: format!("{}/Users", server.base_url), token: server.token.clone(), people };
    fs::write(bodies.join("load.json"), serde_json::to_vec(&load).unwrap()).unwrap();
    let figures = in_child("load", bodies);
    if figures["refused"] > 0.0 {
        println!("{} does not take these people", server.name);
        return None;
    }
    Some(figures)
}

/// A measurement: `rosterd sync` with an app that is empty.
pub(crate) fn run_sync(folder: &Path) -> Figures {
    let since = Since::now();
    let report = sync(folder, false);
    let (wall, cpu) = (since.wall(), since.cpu());
    assert_eq!(report.tally().done, SIZE.people, "{:?}", report.status());
    figures([("wall", wall), ("cpu", cpu), ("calls", report.calls.total as f64)])
}

/// A measurement: nothing but the calls.
pub(crate) fn run_load(folder: &Path) -> Figures {
    let Load { users, token, people } = serde_json::from_slice(&fs::read(folder.join("load.json")).unwrap()).unwrap();
    let bodies = fs::read_to_string(folder.join("bodies")).unwrap();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let send = |body: &str| {
        let call = client.post(&users).bearer_auth(&token).header("content-type", "application/scim+json");
        let call = call.header("accept", "application/scim+json").body(body.to_owned());
        async move {
            let answer = call.send().await.unwrap();
            let taken = answer.status() == reqwest::StatusCode::CREATED;
            answer.bytes().await.unwrap();
            taken
        }
    };
    tenant::runtime().block_on(async {
        let begun = Instant::now();
        let calls = stream::iter(bodies.lines().take(people)).map(send).buffer_unordered(IN_FLIGHT);
        let refused = calls.filter(|taken| std::future::ready(!taken)).count().await;
        figures([("wall", begun.elapsed().as_secs_f64()), ("refused", refused as f64)])
    })
}
