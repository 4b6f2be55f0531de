use jiff::SignedDuration;

use super::super::trouble::Cause;
use super::*;
use crate::config::secret::Secrets;
use crate::model::TenantState as Standing;

const TENANT: &str = "[source.file]\npath = \"people.json\"\n[target]\nbase_url = \"https://app.example.org/scim/v2\"\n\
                      token = { env = \"TOKEN\" }\n";

/// Tenants by name and schedule, read as the real files are.
fn roll(tenants: &[(&str, &str)]) -> Roll {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rosterd.toml");
    std::fs::write(&config, "state_dir = \"state\"\n").unwrap();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    for (name, schedule) in tenants {
        let text = format!("schedule = {schedule:?}\n{TENANT}");
        std::fs::write(folder.path().join(format!("tenants/{name}.toml")), text).unwrap();
    }
    let usable = crate::tenancy::load_usable(&config, &[], None).unwrap();
    let broken = usable.broken.into_iter().map(|broken| (broken.name, mistake("a mistake"))).collect();
    Roll { tenants: usable.loaded.tenants, broken, is_partial: false }
}

fn now() -> Timestamp {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

fn later(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn name(text: &str) -> TenantName {
    TenantName::parse(text).unwrap()
}

fn started(book: &mut Book, at: Timestamp, room: usize) -> Vec<String> {
    book.start(at, room).iter().map(|tenant| tenant.name.to_string()).collect()
}

fn ended(standing: Standing) -> RunEnd {
    RunEnd::new(standing, "")
}

fn book(tenants: &[(&str, &str)]) -> Book {
    let mut book = Book::default();
    book.take(roll(tenants), |_| None, now());
    book
}

#[test]
fn i5_a_tenant_never_runs_twice_at_once() {
    let mut book = book(&[("acme", "every 1m")]);
    assert_eq!(started(&mut book, later(1), 9), ["acme"]);
    for minute in 2..100 {
        assert_eq!(started(&mut book, later(minute), 9), [""; 0], "it is still running");
    }
    book.ended(&name("acme"), ended(Standing::Ok), later(100));
    assert_eq!(
        started(&mut book, later(100), 9),
        [""; 0],
        "what was missed meanwhile is not made up for a hundred times"
    );
    assert_eq!(started(&mut book, later(101), 9), ["acme"]);
}

#[test]
fn who_waits_longest_comes_first_and_nobody_is_forgotten() {
    let mut book = book(&[("a", "every 5m"), ("b", "every 5m"), ("c", "every 5m"), ("d", "every 5m")]);
    let mut order = Vec::new();
    for minute in 1..60 {
        let one = started(&mut book, later(minute), 1);
        for tenant in &one {
            book.ended(&name(tenant), ended(Standing::Ok), later(minute));
        }
        order.extend(one);
    }
    for tenant in ["a", "b", "c", "d"] {
        let times = order.iter().filter(|ran| *ran == tenant).count();
        assert!((9..=12).contains(&times), "{tenant} ran {times} times: {order:?}");
    }
}

#[test]
fn a_failing_tenant_is_tried_less_and_less_often_and_recovers_at_once() {
    let mut book = book(&[("acme", "every 1m")]);
    let mut tries = Vec::new();
    for minute in 1..600 {
        if !started(&mut book, later(minute), 1).is_empty() {
            tries.push(minute);
            book.ended(&name("acme"), ended(Standing::Failing), later(minute));
        }
    }
    assert!((8..20).contains(&tries.len()), "{tries:?}");
    assert!(book.line().contains("1 failing (acme)"), "{}", book.line());
    let last = later(tries.last().unwrap() + 70);
    assert_eq!(started(&mut book, last, 1), ["acme"]);
    book.ended(&name("acme"), ended(Standing::Ok), last);
    assert_eq!(started(&mut book, last + SignedDuration::from_mins(1), 1), ["acme"], "and back on its schedule");
    for standing in [Standing::Held, Standing::Paused, Standing::Busy, Standing::Partial] {
        let mut book = super::tests::book(&[("acme", "every 1m")]);
        started(&mut book, later(1), 1);
        book.ended(&name("acme"), ended(standing), later(1));
        assert_eq!(started(&mut book, later(2), 1), ["acme"], "{standing:?} is no failure");
    }
}

#[test]
fn a_reload_adds_removes_and_changes_without_disturbing_the_rest() {
    let mut book = book(&[("a", "every 1h"), ("b", "every 1h")]);
    started(&mut book, later(1), 2);
    book.ended(&name("a"), ended(Standing::Ok), later(1));
    let due = book.entries[&name("a")].due;
    let changes = book.take(roll(&[("a", "every 1h"), ("c", "every 1h")]), |_| None, later(2));
    assert_eq!((changes.added, changes.removed), (vec![name("c")], vec![name("b")]));
    assert_eq!(book.entries[&name("a")].due, due, "nothing changed for it");
    assert_eq!(book.running(), 1, "the run of the removed one is not cut off");
    book.ended(&name("b"), ended(Standing::Ok), later(3));
    assert!(!book.entries.contains_key(&name("b")), "and it does not run again");
    book.take(roll(&[("a", "every 5m"), ("c", "every 1h")]), |_| None, later(4));
    assert_eq!(started(&mut book, later(7), 9).iter().filter(|ran| *ran == "a").count(), 1, "the new schedule holds");
}

#[test]
fn j17_a_file_that_comes_back_while_its_run_ends_is_taken_up_again() {
    let mut book = book(&[("a", "every 1m")]);
    started(&mut book, later(1), 1);
    book.take(roll(&[]), |_| None, later(2));
    book.take(roll(&[("a", "every 1m")]), |_| None, later(3));
    book.ended(&name("a"), ended(Standing::Ok), later(4));
    assert_eq!(started(&mut book, later(6), 1), ["a"]);
}

#[test]
fn i1_a_file_with_mistakes_leaves_its_tenant_as_it_was() {
    let mut book = book(&[("a", "every 1m"), ("b", "every 1m")]);
    let mut roll = roll(&[("a", "every 1m"), ("b", "often"), ("c", "often")]);
    roll.broken.sort_by(|a, b| a.0.cmp(&b.0));
    let changes = book.take(roll, |_| None, later(1));
    assert_eq!(changes.broken, [name("b"), name("c")]);
    let mut ran = started(&mut book, later(2), 9);
    ran.sort();
    assert_eq!(ran, ["a", "b"], "b goes on as it was");
    assert_eq!(book.entries[&name("b")].mistake.as_ref().map(Mistake::summary).as_deref(), Some("here: a mistake"));
    assert!(book.line().starts_with("3 tenants: ") && book.line().contains("1 with mistakes in the file (c)"));
}

#[test]
fn feeds_are_asked_now_and_then_and_never_instead_of_a_run() {
    let mut book = book(&[("a", "every 1h"), ("b", "every 1h"), ("soon", "every 1m")]);
    assert!(book.ask_feeds(now(), 9).is_empty(), "nobody has run yet");
    started(&mut book, later(1), 9);
    assert!(book.ask_feeds(later(1), 9).is_empty(), "all are running");
    for tenant in ["a", "b", "soon"] {
        book.ended(&name(tenant), ended(Standing::Ok), later(1));
    }
    let asked = |book: &mut Book, at| -> Vec<String> {
        book.ask_feeds(at, 9).iter().map(|(tenant, _)| tenant.name.to_string()).collect()
    };
    assert_eq!(asked(&mut book, later(1)), ["a", "b"], "the third runs in a minute anyway");
    assert_eq!(asked(&mut book, later(5)), [""; 0], "no answer yet");
    assert!(book.hinted(&name("a"), Some(FeedHint::Changed { seen: later(5), events: 3 }), later(5)));
    assert!(!book.hinted(&name("b"), Some(FeedHint::NotOffered), later(5)));
    assert_eq!(started(&mut book, later(5), 9).iter().filter(|ran| *ran == "a").count(), 1, "it runs now");
    book.ended(&name("a"), ended(Standing::Ok), later(6));
    let again = book.ask_feeds(later(6), 9);
    assert_eq!(
        again.iter().map(|(tenant, since)| (tenant.name.as_str(), *since)).collect::<Vec<_>>(),
        [("a", later(5))]
    );
    assert!(!book.hinted(&name("a"), None, later(7)), "an error wakes nobody");
    assert_eq!(book.ask_feeds(later(8), 9).first().map(|(_, since)| *since), Some(later(5)), "and loses nothing");
}

/// O4: somebody who was suspended while no daemon was there does not wait for the next scheduled run.
#[test]
fn o4_after_a_restart_the_feed_is_asked_at_once_and_from_the_last_run_on() {
    let mut book = Book::default();
    let run = LastRun { started: later(-30), ended: later(-29) };
    book.take(roll(&[("a", "every 2h")]), |_| Some(run), now());
    let asked: Vec<Timestamp> = book.ask_feeds(now(), 9).into_iter().map(|(_, since)| since).collect();
    assert_eq!(asked, [run.started]);
    assert!(book.hinted(&name("a"), Some(FeedHint::Changed { seen: now(), events: 1 }), now()));
    assert_eq!(started(&mut book, now(), 9), ["a"]);
}

#[test]
fn o4_a_tenant_whose_last_run_is_older_than_its_schedule_runs_at_the_start() {
    let mut book = Book::default();
    let run = LastRun { started: later(-60 * 24), ended: later(-60 * 24) };
    book.take(roll(&[("a", "every 2h"), ("b", "0 3 * * *")]), |_| Some(run), now());
    let mut ran = started(&mut book, later(1), 9);
    ran.sort();
    assert_eq!(ran, ["a", "b"]);
}

#[test]
fn s15_a_feed_that_expired_or_was_reset_is_no_news_and_the_schedule_stands() {
    let mut book = book(&[("a", "every 1h")]);
    started(&mut book, later(1), 9);
    book.ended(&name("a"), ended(Standing::Ok), later(1));
    for minute in 2..55 {
        assert_eq!(book.ask_feeds(later(minute), 9).len(), 1, "asked again and again");
        assert!(!book.hinted(&name("a"), None, later(minute)), "no answer is no reason to run");
        assert_eq!(started(&mut book, later(minute), 9), [""; 0]);
    }
    assert_eq!(started(&mut book, later(62), 9), ["a"], "nor one not to");
}

#[test]
fn a_reload_tries_a_failing_tenant_at_once() {
    let mut book = book(&[("a", "every 1m"), ("b", "every 1h")]);
    for minute in [1, 3, 6, 11] {
        started(&mut book, later(minute), 9);
        book.ended(&name("a"), ended(Standing::Failing), later(minute));
        book.ended(&name("b"), ended(Standing::Ok), later(minute));
    }
    assert_eq!(started(&mut book, later(12), 9), [""; 0]);
    // The token was mended, and somebody said so.
    book.take(roll(&[("a", "every 1m"), ("b", "every 1h")]), |_| None, later(12));
    assert_eq!(started(&mut book, later(12), 9), ["a"], "and nobody else is disturbed");
}

fn refused(mark: SecretsMark) -> RunEnd {
    let about = RunContext { cause: Some(Cause::Credential), mark: Some(mark), ..RunContext::default() };
    RunEnd { about, ..ended(Standing::Failing) }
}

fn mark_of(token: &str) -> SecretsMark {
    let tenants = roll(&[("acme", "every 1m")]).tenants;
    tenants[0].credentials(&Secrets::new(None, |_| Some(token.to_owned()))).mark
}

#[test]
fn i7_what_fails_for_a_day_is_in_quarantine_until_it_succeeds_once() {
    let mut book = book(&[("acme", "every 1m")]);
    let (mut tries, mut quarantined) = (Vec::new(), None);
    for minute in 1..3 * 24 * 60 {
        if !started(&mut book, later(minute), 1).is_empty() {
            tries.push(minute);
            book.ended(&name("acme"), ended(Standing::Failing), later(minute));
            if book.entries[&name("acme")].standing == Standing::Quarantined {
                quarantined.get_or_insert(minute);
            }
        }
    }
    let since = quarantined.unwrap();
    assert!((24 * 60..26 * 60).contains(&since), "after a day: {since}");
    let slow: Vec<i64> = tries.windows(2).filter(|pair| pair[0] >= since).map(|pair| pair[1] - pair[0]).collect();
    assert!(slow.len() >= 6 && slow.iter().all(|pause| (360..=361).contains(pause)), "{slow:?}");
    assert!(book.line().contains("1 quarantined (acme)"), "{}", book.line());
    let again = later(4 * 24 * 60);
    assert_eq!(started(&mut book, again, 1), ["acme"]);
    book.ended(&name("acme"), ended(Standing::Ok), again);
    assert_eq!(started(&mut book, again + SignedDuration::from_mins(1), 1), ["acme"], "and back on its schedule");
    book.ended(&name("acme"), ended(Standing::Failing), again + SignedDuration::from_mins(1));
    assert_eq!(book.entries[&name("acme")].standing, Standing::Failing, "patience begins anew");
}

#[test]
fn a_failure_a_day_is_no_quarantine_after_two() {
    let mut book = book(&[("acme", "every 24h")]);
    for day in 1..4 {
        assert_eq!(started(&mut book, later(day * 24 * 60 + 60 * day), 1), ["acme"]);
        book.ended(&name("acme"), ended(Standing::Failing), later(day * 24 * 60 + 60 * day));
        assert_eq!(book.entries[&name("acme")].standing, Standing::Failing);
    }
}

#[test]
fn i7_a_refused_credential_is_tried_rarely_until_it_is_another_one_or_somebody_reloads() {
    let mut book = book(&[("acme", "every 1m")]);
    let mut tries = Vec::new();
    for minute in 1..24 * 60 {
        if !started(&mut book, later(minute), 1).is_empty() {
            tries.push(minute);
            book.ended(&name("acme"), refused(mark_of("old")), later(minute));
        }
    }
    assert!(tries.len() <= 9, "no account is locked: {tries:?}");
    let last = later(*tries.last().unwrap());
    assert!(book.refused(last).is_empty(), "not looked at each second");
    let (soon, then) = (last + SignedDuration::from_secs(6), last + SignedDuration::from_secs(7));
    let waiting = book.refused(soon);
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].1 == mark_of("old") && waiting[0].1 != mark_of("new"));
    assert_eq!(started(&mut book, soon, 1), [""; 0], "the same is not tried");
    book.secret_changed(&name("acme"), soon);
    assert_eq!(started(&mut book, soon, 1), ["acme"]);
    book.ended(&name("acme"), refused(mark_of("new")), then);
    assert_eq!(started(&mut book, then, 1), [""; 0]);
    book.take(roll(&[("acme", "every 1m")]), |_| None, then);
    assert_eq!(started(&mut book, then, 1), ["acme"], "somebody reloaded");
}

#[test]
fn a_restart_forgets_no_failures() {
    let mut book = book(&[("acme", "every 1m")]);
    book.recall(&name("acme"), FailureHistory::recalled(7, Some(now() - SignedDuration::from_hours(30))));
    assert_eq!(started(&mut book, later(1), 1), ["acme"], "it is tried");
    book.ended(&name("acme"), ended(Standing::Failing), later(1));
    assert_eq!(book.entries[&name("acme")].standing, Standing::Quarantined);
}

#[test]
fn p6_a_tenant_that_is_tried_again_by_itself_leaves_the_others_as_they_are() {
    let mut book = Book::default();
    let hung = |name: &str| (TenantName::parse(name).unwrap(), mistake("it did not answer"));
    let first = Roll { broken: vec![hung("b"), hung("c")], ..roll(&[("a", "every 1h")]) };
    book.take(first, |_| None, now());
    let again = Roll { broken: vec![hung("c")], is_partial: true, ..roll(&[("b", "every 1h")]) };
    let changes = book.take(again, |_| None, later(1));
    assert_eq!((changes.added.len(), changes.removed.len()), (1, 0));
    assert_eq!(book.entries.keys().map(TenantName::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(book.never_right.keys().map(TenantName::as_str).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn ma7_a_run_that_takes_very_long_does_not_keep_a_place_from_others() {
    let tenants = [("a", "every 1m"), ("b", "every 1m"), ("c", "every 1m"), ("d", "every 1m")];
    let mut book = book(&tenants);
    assert_eq!(book.room(1, later(1)), 1);
    assert_eq!(started(&mut book, later(1), 1).len(), 1);
    assert_eq!(book.room(1, later(10)), 0, "it may take its time");
    assert_eq!(book.room(1, later(11)), 1, "but not everybody's");
    assert_eq!(started(&mut book, later(11), 1).len(), 1);
    assert_eq!(book.room(1, later(11)), 0);
    assert_eq!(book.room(1, later(60)), 0, "never more than twice as many as there are places");
    assert_eq!(book.room(4, later(11)), 3);
}

fn mistake(message: &str) -> Mistake {
    Mistake { place: "here".into(), message: message.into(), hint: None }
}
