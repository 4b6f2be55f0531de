use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::*;
use crate::identity::ROOT;
use crate::store::Stores;

/// A tenant's state.
struct Home {
    dir: tempfile::TempDir,
    state: TenantStore,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = Stores::on_disk(dir.path()).tenant(&crate::model::TenantName::parse("acme").unwrap());
        Self { dir, state }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("acme")
    }

    fn file(&self, decision: &Decision) -> PathBuf {
        self.path().join(file_of(decision))
    }
}

impl std::ops::Deref for Home {
    type Target = Notes;

    fn deref(&self) -> &Notes {
        self.state.notes()
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn during() -> Timestamp {
    time("2026-01-01T12:00:00Z")
}

fn approval(plan: &str) -> Decision {
    Decision {
        plan: plan.to_owned(),
        verdict: DecisionVerdict::Approve,
        by: "ann".to_owned(),
        identity: None,
        reason: "quarter's end".to_owned(),
        at: time("2026-01-01T00:00:00Z"),
        expires: time("2026-01-02T00:00:00Z"),
    }
}

fn by(uid: u32) -> Option<Identity> {
    Some(Identity { user: None, login_uid: None, login: None, process: None, says: None, uid })
}

fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

fn decisions(folder: &Notes, plan: &str, known: &[Noted], now: Timestamp) -> Vec<Decision> {
    about(look(folder, known, now).unwrap(), plan, known, now)
}

fn plans(folder: &Notes, now: Timestamp) -> Vec<String> {
    look(folder, &[], now).unwrap().decisions.into_iter().map(|filed| filed.decision.plan).collect()
}

#[test]
fn i2_an_approval_is_for_one_plan_until_it_expires_and_is_used_up_once() {
    let dir = Home::new();
    let folder = &dir;
    let after = time("2026-01-02T00:00:00Z");
    assert_eq!(decisions(folder, "abc", &[], during()), []);
    folder.state.decide(&approval("abc")).unwrap();
    assert_eq!(decisions(folder, "abc", &[], during()).len(), 1);
    assert_eq!(decisions(folder, "abd", &[], during()), []);
    assert_eq!(decisions(folder, "abc", &[], after), []);
    use_up(folder, "abc").unwrap();
    assert_eq!(decisions(folder, "abc", &[], during()), []);
}

#[test]
fn decisions_about_other_plans_are_forgotten() {
    let dir = Home::new();
    for plan in ["abc", "def"] {
        dir.state.decide(&approval(plan)).unwrap();
    }
    dir.state.decide_on_undo(&approval("fff")).unwrap();
    forget_others(&dir, Some("def"), during(), during()).unwrap();
    assert_eq!(plans(&dir, during()), ["def", "fff"]);
    forget_others(&dir, None, during(), during()).unwrap();
    assert_eq!(plans(&dir, during()), ["fff"], "no sync comes to the plan of an undo");
    forget_others(&dir, None, during(), time("2026-01-02T00:00:00Z")).unwrap();
    assert!(all(&dir).unwrap().is_empty());
}

#[test]
fn a_word_given_while_a_run_was_under_way_is_left_for_the_next() {
    let dir = Home::new();
    let before = time("2025-12-31T23:59:00Z");
    dir.state.decide(&approval("abc")).unwrap();
    forget_others(&dir, None, before, before).unwrap();
    assert_eq!(plans(&dir, before), ["abc"]);
}

#[test]
fn i7_a_file_that_makes_no_sense_decides_nothing_stops_nobody_and_is_named() {
    let dir = Home::new();
    dir.state.decide(&approval("abc")).unwrap();
    std::fs::write(dir.file(&approval("abc")), "{").unwrap();
    std::fs::write(dir.path().join("held.json"), "").unwrap();
    let found = look(&dir, &[], during()).unwrap();
    assert!(found.decisions.is_empty() && !is_approval_waiting(&found, &[], during()));
    assert!(
        found.refused[0].to_string().contains("abc.json decides nothing: it is no decision"),
        "{:?}",
        found.refused
    );
    assert_eq!(dir.state.held().unwrap(), None);
    forget_others(&dir, None, during(), during()).unwrap();
    assert_eq!(dir.state.refused_decisions(during()).unwrap().len(), 1, "it stays for a person to see");
}

#[test]
fn i6_a_plan_id_leads_to_no_other_folder() {
    assert_eq!(file_of(&approval("../../etc/x")), "decisions/etcx.json");
}

#[test]
fn sec5_what_the_first_version_wrote_is_still_read_and_says_nothing_of_the_journal() {
    let text = r#"{"plan":"abc","verdict":"approve","by":"Board of Directors","reason":"","at":"2026-01-01T00:00:00Z",
        "expires":"2026-01-02T00:00:00Z","noted":true}"#;
    let read: Decision = serde_json::from_str(text).unwrap();
    assert_eq!((read.by.as_str(), read.identity.as_ref()), ("Board of Directors", None), "a record stays as it is");
    assert!(!serde_json::to_string(&read).unwrap().contains("noted"));
    assert!(serde_json::from_str::<Decision>(&text.replace("\"noted\"", "\"known\"")).is_err());
    let dir = Home::new();
    dir.state.decide(&approval("abc")).unwrap();
    std::fs::write(dir.file(&approval("abc")), text).unwrap();
    let found = decisions(&dir, "abc", &[], during());
    let identity = found[0].identity.clone().unwrap();
    assert_eq!((identity.uid, identity.says.as_deref()), (own_uid(), Some("Board of Directors")), "who wrote the file");
    assert_eq!(found[0].by, identity.name());
}

#[test]
fn sec6_a_file_is_from_its_owner_unless_this_process_wrote_it_or_the_journal_has_it() {
    let dir = Home::new();
    let other = own_uid() + 7;
    let given = Decision { identity: by(other), ..approval("abc") };
    let whose = |known: &[Noted]| decisions(&dir, "abc", known, during())[0].identity.clone().unwrap();
    dir.state.decide(&given).unwrap();
    assert_eq!(whose(&[]).uid, other, "the daemon, within one process");
    let path = dir.file(&given);
    let sealed = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, sealed.replace("quarter's end", "another one")).unwrap();
    assert_eq!(whose(&[]).uid, own_uid(), "the seal is that of another decision");
    let mut value: serde_json::Value = serde_json::from_str(&sealed).unwrap();
    value.as_object_mut().unwrap().remove("seal");
    std::fs::write(&path, value.to_string()).unwrap();
    assert_eq!(
        (whose(&[]).uid, whose(&[]).says.as_deref()),
        (own_uid(), Some("ann")),
        "a process before this one, or anybody"
    );
    let noted = Noted { decision: given, waits: true };
    assert_eq!(whose(&[noted]).uid, other, "a run took notice of it before");
}

#[test]
fn sec5_a_file_that_others_could_have_written_decides_nothing() {
    let dir = Home::new();
    dir.state.decide(&approval("abc")).unwrap();
    let path = dir.file(&approval("abc"));
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let refused = |why: &str| {
        let found = look(&dir, &[], during()).unwrap();
        assert!(found.decisions.is_empty(), "{why}");
        assert!(found.refused.iter().all(|refused| refused.why.contains(why)), "{why}: {:?}", found.refused);
        assert_eq!(found.refused.len(), 1);
    };
    mode(&path, 0o622);
    refused("can be written by others (mode 0622)");
    mode(&path, 0o600);
    mode(&dir.path().join(DECISIONS), 0o777);
    refused("its folder can be written by others");
    mode(&dir.path().join(DECISIONS), 0o700);
    assert_eq!(plans(&dir, during()), ["abc"]);
    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    refused("it is a link");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("it is no regular file");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(dir.path().join(DECISIONS), dir.path().join("real")).unwrap();
    std::fs::rename(&elsewhere, dir.path().join("real/abc.json")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join(DECISIONS)).unwrap();
    refused("its folder is a link");
}

#[test]
fn sec5_a_file_of_another_account_decides_nothing() {
    if own_uid() != ROOT {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let dir = Home::new();
    dir.state.decide(&approval("abc")).unwrap();
    let path = dir.file(&approval("abc"));
    std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).unwrap();
    let refused = dir.state.refused_decisions(during()).unwrap();
    assert!(refused[0].why.contains("(uid 65534") && refused[0].why.contains("belongs to"), "{refused:?}");
    assert!(plans(&dir, during()).is_empty());
    // Root's word counts in a state of the service's.
    std::os::unix::fs::chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
    assert_eq!(plans(&dir, during()), ["abc"]);
}

#[test]
fn sec37_a_decision_from_the_future_or_for_longer_than_a_week_decides_nothing() {
    let week = |text: &str| time("2026-01-01T00:00:00Z").checked_add(text.parse::<SignedDuration>().unwrap()).unwrap();
    for (at, expires, now, counts) in [
        (week("PT0S"), week("PT168H"), during(), true),
        (week("PT0S"), week("PT169H"), during(), false),
        (week("PT12H4M"), week("PT20H"), during(), true),
        (week("PT12H6M"), week("PT20H"), during(), false),
        (week("PT7200H"), week("PT7224H"), during(), false),
        (week("PT0S"), Timestamp::MAX, during(), false),
        (Timestamp::MIN, week("PT20H"), during(), false),
    ] {
        let dir = Home::new();
        dir.state.decide(&Decision { at, expires, ..approval("abc") }).unwrap();
        let found = look(&dir, &[], now).unwrap();
        assert_eq!(
            (found.decisions.len(), found.refused.len()),
            if counts { (1, 0) } else { (0, 1) },
            "{at} {expires}"
        );
    }
}

#[test]
fn sec5_an_approval_that_the_journal_calls_used_is_good_for_no_other_run() {
    let dir = Home::new();
    dir.state.decide(&approval("abc")).unwrap();
    let decision = decisions(&dir, "abc", &[], during()).remove(0);
    for (waits, counts) in [(true, true), (false, false)] {
        let known = [Noted { decision: decision.clone(), waits }];
        assert_eq!(!decisions(&dir, "abc", &known, during()).is_empty(), counts, "waits: {waits}");
        let found = look(&dir, &known, during()).unwrap();
        assert_eq!(is_approval_waiting(&found, &known, during()), counts);
    }
}

#[test]
fn sec7_enough_people_are_different_people_and_none_of_them_edited() {
    let rule = |people, editors: &[u32]| ApprovalRule {
        people,
        needs_reason: false,
        editors: editors.iter().filter_map(|uid| by(*uid)).collect(),
    };
    let said = |uid: u32, verdict| Decision { identity: by(uid), verdict, ..approval("abc") };
    let yes = |uid| said(uid, DecisionVerdict::Approve);
    let weigh = |rule: &ApprovalRule, decisions: &[Decision]| match rule.weigh(decisions) {
        Weighed::Undecided => "undecided".to_owned(),
        Weighed::Approved(words) => format!("approved by {}", words.len()),
        Weighed::Waiting(words) => format!("waiting after {}", words.len()),
        Weighed::Rejected(_) => "rejected".to_owned(),
    };
    let nobody: &[u32] = &[];
    for (people, editors, decisions, what) in [
        (1, nobody, vec![], "undecided"),
        (0, nobody, vec![yes(1)], "approved by 1"),
        (1, nobody, vec![yes(1)], "approved by 1"),
        (1, &[1], vec![yes(1)], "approved by 1"),
        (1, nobody, vec![said(1, DecisionVerdict::Reject), yes(2)], "approved by 1"),
        (1, nobody, vec![yes(2), said(1, DecisionVerdict::Reject)], "rejected"),
        (2, nobody, vec![yes(1)], "waiting after 1"),
        (2, nobody, vec![yes(1), yes(1)], "waiting after 1"),
        (2, nobody, vec![yes(1), yes(2)], "approved by 2"),
        (2, &[2], vec![yes(1), yes(2)], "waiting after 1"),
        (2, &[1, 2], vec![yes(1), yes(2)], "undecided"),
        (2, &[2], vec![yes(1), yes(2), yes(3)], "approved by 2"),
        (2, nobody, vec![yes(1), said(3, DecisionVerdict::Reject), yes(2)], "waiting after 1"),
        (2, nobody, vec![approval("abc"), yes(2)], "waiting after 1"),
        (3, nobody, vec![yes(1), yes(2)], "waiting after 2"),
    ] {
        assert_eq!(weigh(&rule(people, editors), &decisions), what, "{people} {editors:?} {decisions:?}");
    }
    let with_reason = ApprovalRule { needs_reason: true, ..rule(1, &[]) };
    assert_eq!(weigh(&with_reason, &[Decision { reason: " ".to_owned(), ..yes(1) }]), "undecided");
    assert_eq!(weigh(&with_reason, &[yes(1)]), "approved by 1");
}
