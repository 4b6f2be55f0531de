//! The state of a tenant whose app is in step already, without the hours that a first sync of a million people would take.

use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rosterd::clock::{Clock, SystemClock};
use rosterd::model::{AppId, Attributes, Path as ScimPath, Provenance, RunId, RunStatus, SourceId};
use rosterd::progress::Silent;
use rosterd::source::file::FileSource;
use rosterd::source::{GroupIx, Snapshot, take_snapshot};
use rosterd::store::{Effect, Ledger, RunSummary, Trigger};
use rosterd::tenancy::Tenant;

use crate::meter::{Figures, Since, figures, peak_memory};
use crate::tenant::{self, DIRECTORY};

/// Members that one effect names.
const MEMBERS: usize = 500;

/// Records under way at once.
const AT_ONCE: usize = 64;

/// Writes a state in which every person and group of the directory is linked and was sent as it is.
pub(crate) fn seed(folder: &Path) -> Figures {
    let mut loaded = tenant::load(folder);
    let tenant = loaded.tenants.pop().expect("one tenant");
    tenant::runtime().block_on(async {
        let source = FileSource::new(folder.join(DIRECTORY), b',');
        let snapshot = take_snapshot(&source, &[], &Silent).await.unwrap();
        let clock = Arc::new(SystemClock);
        let (store, _) = loaded.stores.tenant(&tenant.name).open("a benchmark", clock.clone()).unwrap();
        let run = RunId::new("seed");
        store.run_started(&run, Trigger::Command, "", None).await.unwrap();
        let people = snapshot.users().map(|user| person(&tenant, &snapshot, user));
        let groups = snapshot.groups().flat_map(|ix| group(&snapshot, ix));
        // Many at once, as `apply` does it: what is under way together reaches the disk together.
        let noted = stream::iter(people.chain(groups)).map(|effects| store.noted(&run, "seeded".into(), effects));
        noted.buffered(AT_ONCE).try_collect::<Vec<()>>().await.unwrap();
        store.trusted(&run, "seeded".into()).await.unwrap();
        let now = clock.now();
        let summary = RunSummary {
            first_sync: None,
            run,
            plan: String::new(),
            status: RunStatus::Ok,
            planned: 0,
            done: 0,
            held: 0,
            failed: 0,
            calls: 0,
            created: 0,
            note: String::new(),
            reading_s: None,
            addresses: None,
            quiet_at: None,
            signs: None,
            dangling: None,
            clock: None,
            clock_doubted: false,
            settings: None,
            counts: Some(snapshot.counts()),
            started: now,
            ended: now,
        };
        store.run_ended(summary).await.unwrap();
    });
    Figures::new()
}

/// A measurement: the cache folded anew from the journal, as `rosterd state rebuild` does.
pub(crate) fn rebuild(folder: &Path) -> Figures {
    let mut loaded = tenant::load(folder);
    let tenant = loaded.tenants.pop().expect("one tenant");
    let (store, _) = loaded.stores.tenant(&tenant.name).open("a benchmark", Arc::new(SystemClock)).unwrap();
    let since = Since::now();
    store.rebuild().unwrap();
    figures([("cpu", since.cpu()), ("wall", since.wall()), ("peak", peak_memory())])
}

fn person(tenant: &Tenant, snapshot: &Snapshot, user: rosterd::source::UserIx) -> Vec<Effect> {
    let id = SourceId::new(snapshot.id(user));
    let mut set: Attributes = tenant.mapping.apply(&snapshot.record(user)).expect("a mapping that fits").values;
    set.set(ScimPath::external_id(), id.as_str().into());
    let app_id = AppId::new(format!("u{}", user.0));
    vec![
        Effect::UserLinked { id: id.clone(), app_id, provenance: Provenance::Created },
        Effect::UserSent { id, set, clear: Vec::new(), active: Some(true), echo: Attributes::new() },
    ]
}

/// A group's link, and its members in several records.
fn group(snapshot: &Snapshot, ix: GroupIx) -> impl Iterator<Item = Vec<Effect>> {
    let group = snapshot.group(ix).expect("a group");
    let app_id = AppId::new(format!("g{}", ix.0));
    let (id, provenance, name) = (group.id.clone(), Provenance::Created, group.name.to_string());
    let link = vec![Effect::GroupLinked { id, app_id, provenance, name }];
    let members = group.members.chunks(MEMBERS).map(|some| {
        let users = some.iter().map(|user| SourceId::new(snapshot.id(*user))).collect();
        vec![Effect::MembersAdded { group: group.id.clone(), users }]
    });
    std::iter::once(link).chain(members)
}
