//! A real second process that is killed with no warning (promises I1, I3).

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const HOME: &str = "ROSTERD_TEST_KILLED_WRITER";

/// Not a test of its own: the child that `p1_…` starts and kills. It prints every number it was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _) = Stores::on_disk(home).tenant(&tenant()).open("child", Arc::new(SystemClock)).unwrap();
        let store = Arc::new(store);
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for n in 0.. {
                        let user = format!("{}-{task}-{n}", std::process::id());
                        let seq = store.intent(intent(&user)).await.unwrap();
                        println!("acknowledged {seq} {user}");
                        store.outcome(seq, OutcomeResult::Done { status: None }, vec![linked(&user)]).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn p1_what_was_acknowledged_survives_kill_nine() {
    let home = Home::new();
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::process::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(HOME, home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 50 + round * 37;
        let numbers = |line: String| {
            let rest = line.strip_prefix("acknowledged ")?.to_owned();
            let (seq, user) = rest.split_once(' ')?;
            Some((seq.parse::<u64>().ok()?, user.to_owned()))
        };
        acknowledged.extend(lines.by_ref().filter_map(|line| numbers(line.unwrap())).take(enough));
        child.kill().unwrap();
        // What it printed between the last line read and its death was acknowledged as well.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(numbers));
        child.wait().unwrap();

        let store = home.open();
        let all: Vec<Record> = home.state().records(1).unwrap().collect::<Result<_, _>>().unwrap();
        for (seq, user) in &acknowledged {
            let record = &all[*seq as usize - 1];
            assert!(
                matches!(&record.event, JournalEvent::Intent(intent) if intent.object.id() == &id(user)),
                "intent {seq}"
            );
        }
        let done: Vec<_> = all
            .iter()
            .filter_map(|record| match &record.event {
                JournalEvent::Outcome { effects, .. } => Some(effects),
                _ => None,
            })
            .collect();
        assert_eq!(store.counts().unwrap().users, done.len() as u64, "the cache says what the journal says");
        let open = store.open_intents().len();
        assert_eq!(
            open,
            all.iter().filter(|record| matches!(record.event, JournalEvent::Intent(_))).count() - done.len()
        );
        // Settled, so that the next round starts clean.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for open in store.open_intents() {
            let user = open.intent.object.id().as_str().to_owned();
            let result = OutcomeResult::Failed { status: None, detail: "looked up".into() };
            runtime.block_on(store.outcome(open.seq, result, vec![linked(&user)])).unwrap();
        }
        acknowledged.clear();
        drop(store);
        assert!(home.state().verify().unwrap().broken.is_none());
    }
}
