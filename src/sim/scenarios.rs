//! The faults that rosterd promises to survive, and the tests that hold it to that. In: this list, and the names of all tests in the
//! tree. Out: the tables of `docs/reliability.md`.
//!
//! A test belongs to a scenario by its name (`s02_…`, `t7_…`, `…_and_t4_…`), or because the list names it. Tests in `src/` run in the
//! simulated world or against a socket in the same process; tests in `tests/it/` run the real binary or real servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::http::failure::CLASSES;
use crate::http::failure::{AfterFailure, CallKind, after_failure};
use crate::scim::FailureClass;

/// A fault: its id, what goes wrong, what holds all the same, where it has to be tested (S: simulated, B: with the real binary), and
/// tests that are named after something else.
struct Scenario(&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const SCENARIOS: &[Scenario] = &[
    Scenario(
        "MP3",
        "the attribute or column that says who is suspended is not shown any more, or is misspelt",
        "no user is activated for it, and no leaver gets an account; a near miss is an error; more activations than `activations_per_day` \
         are held, with who has access now and after",
        "SB",
        &[],
    ),
    Scenario(
        "MP4",
        "users are hidden from the reader, or renamed, and groups still name them",
        "they keep access and memberships; held with the names",
        "SB",
        &[],
    ),
    Scenario("MP6", "a CSV file is malformed, or cut off inside a row", "refused with the line; no change", "SB", &[]),
    Scenario(
        "MM4",
        "one entry does not say what every entry says",
        "it is left as it is and named; the others go on",
        "SB",
        &[],
    ),
    Scenario(
        "S1",
        "the directory answers well and shows nobody",
        "I2: no change; heals by itself",
        "SB",
        &["i2_a_directory_that_shows_nobody_is_an_error_and_no_call_is_made"],
    ),
    Scenario(
        "S2",
        "a list ends early without a word",
        "I2: no removal; held with the numbers",
        "SB",
        &["i2_sixty_percent_of_the_people_vanish"],
    ),
    Scenario(
        "S3",
        "the announced total is only the page's length",
        "nobody is hidden by it, nobody made twice",
        "SB",
        &[],
    ),
    Scenario(
        "S4",
        "one record is dropped from a page",
        "the missing one is asked for by id and kept",
        "S",
        &["i2_an_absence_that_nobody_confirms_needs_a_second_look_ten_minutes_later"],
    ),
    Scenario("S5", "pages shift while they are read", "repetitions are folded, who was skipped is kept", "SB", &[]),
    Scenario("S6", "the directory fails in the middle of a list", "the reading is thrown away; no change", "SB", &[]),
    Scenario(
        "S7",
        "a login page or a redirect instead of an answer",
        "named as such; the token goes nowhere",
        "SB",
        &[],
    ),
    Scenario("S8", "cut, garbled, wrongly framed answers", "refused whole; tries are bounded", "SB", &[]),
    Scenario(
        "S9",
        "the credential lost rights: people are there, groups are not",
        "held; no group is emptied",
        "SB",
        &["i2_all_groups_vanish"],
    ),
    Scenario(
        "S10",
        "an attribute is gone from every record",
        "nothing is cleared; held",
        "SB",
        &["i2_the_e_mail_is_missing_nearly_everywhere"],
    ),
    Scenario(
        "S11",
        "one id twice, or two people with one name",
        "neither is touched, both are named, the others go on",
        "SB",
        &["i3_two_people_of_one_user_name_are_both_set_aside_and_the_others_go_on"],
    ),
    Scenario(
        "S12",
        "a group renamed; a group created again under its name",
        "one change and no membership lost; held",
        "SB",
        &["j11_a_renamed_group_is_one_call"],
    ),
    Scenario(
        "S13",
        "everybody is disabled at once",
        "I2: held above the budget, carried out below",
        "SB",
        &["i2_everybody_is_disabled"],
    ),
    Scenario(
        "S14",
        "a stale copy of the directory answers",
        "within the budget at worst; nobody is doubled; heals with the next good reading",
        "SB",
        &[],
    ),
    Scenario(
        "S15",
        "a change feed expired or was reset",
        "a feed only wakes a tenant; every plan is made from a whole reading, and the schedule stands",
        "SB",
        &[],
    ),
    Scenario("S16", "pages without end, cursors that repeat", "I7: ended at a limit, in bounded memory", "SB", &[]),
    Scenario(
        "S17",
        "the directory manages the account that the token belongs to",
        "I2: never touched",
        "SB",
        &["i2_the_account_of_the_token_is_never_shut"],
    ),
    Scenario(
        "L1",
        "an LDAP answer nested deeper than 32 levels, or of a form that LDAP does not have",
        "refused before it is decoded, at StartTLS, bind and search; the process and its other tenants go on",
        "SB",
        &[],
    ),
    Scenario(
        "L2",
        "an LDAP answer without measure: one message, or entries without a page's end",
        "I7: refused at the limit, which is named with the entry; before the bind 1 MiB; memory stays flat",
        "SB",
        &[],
    ),
    Scenario(
        "S24",
        "a list of the directory or of the app that has no end in time",
        "I7: given up at a limit that is told with its key; nothing is planned from it; other tenants go on",
        "SB",
        &[
            "ma7_a_directory_without_end_is_given_up_at_the_time_limit",
            "ma7_a_list_without_end_is_given_up_at_the_time_limit_and_not_read_again",
            "ma7_a_directory_whose_pages_never_end_is_given_up_and_the_key_is_named",
            "ma7_an_app_whose_list_never_ends_is_given_up_and_the_key_is_named",
            "ma7_a_tenant_whose_app_never_ends_its_list_does_not_starve_the_others",
        ],
    ),
    Scenario(
        "C1",
        "an edit of the filter drops most people",
        "held before the first call, with names",
        "SB",
        &["i2_somebody_edits_the_filter", "i2_somebody_edits_the_scope"],
    ),
    Scenario("C2", "users are matched by something else", "I3: held before the first call", "SB", &[]),
    Scenario("C3", "a tenant is pointed at another app", "I4: held before the first call", "SB", &[]),
    Scenario(
        "C4",
        "a rule whose selector is empty or hits everybody",
        "empty never means all; over budget is held",
        "SB",
        &[],
    ),
    Scenario("C5", "the clock jumps", "nothing that waits for time happens early", "S", &[]),
    Scenario(
        "C6",
        "the world changes after an approval",
        "I10: the approval is void",
        "SB",
        &[
            "i10_the_plan_of_a_report_names_what_it_held_and_a_changed_world_voids_the_word",
            "i10_an_approval_is_void_when_the_world_has_changed",
        ],
    ),
    Scenario(
        "C7",
        "two processes on one tenant",
        "I5: the second is told who is first",
        "B",
        &["i5_a_second_process_is_told_who_holds_the_tenant"],
    ),
    Scenario(
        "C8",
        "somebody pauses in the middle of a run",
        "calls under way end, no other begins; goes on where it was",
        "SB",
        &[
            "a_pause_is_honoured_before_the_next_call_by_a_run_in_another_process",
            "a_pause_ends_a_run_before_its_next_call_and_leaves_nothing_half_done",
        ],
    ),
    Scenario("C9", "the state was written by a newer rosterd", "refused, byte for byte as it was", "SB", &[]),
    Scenario(
        "T1",
        "an account is made and the answer lost",
        "I3: looked for before it is made again",
        "SB",
        &[
            "i3_a_lost_answer_makes_no_second_account",
            "i3_a_create_is_repeated_only_where_the_first_was_surely_not_carried_out",
        ],
    ),
    Scenario("T2", "the app says that it exists already", "taken over, held, or named; never another name", "SB", &[]),
    Scenario("T3", "429, with every spelling of Retry-After", "I7: sane pauses, nothing lost", "SB", &[]),
    Scenario("T4", "5xx for an hour", "the breaker opens; all is caught up with later", "S", &[]),
    Scenario("T5", "success that is none", "not believed where the answer shows it", "SB", &[]),
    Scenario("T6", "an account or group deleted in the app", "made again once; a 404 alone proves nothing", "SB", &[]),
    Scenario("T7", "redirects of every kind", "I6: not followed; no byte of token or body goes there", "B", &[]),
    Scenario("T8", "answers that drip, or never begin", "I7: given up in time; other tenants go on", "B", &[]),
    Scenario("T9", "bodies without measure", "I7: cut at the limit, which is named", "B", &[]),
    Scenario(
        "T24",
        "an empty page that leads to another one, an answer that announces more than it shows",
        "I3: never taken for \"no match\"; no second account",
        "SB",
        &[
            "ma7_an_empty_page_with_a_cursor_does_not_mean_no_match",
            "ma7_no_account_is_created_for_a_user_behind_an_empty_page",
        ],
    ),
    Scenario(
        "T25",
        "answers that are small to send and large to keep",
        "I7: refused at a budget, or kept by hash and compared all the same",
        "SB",
        &[
            "i7_what_an_app_adds_to_what_was_sent_is_kept_up_to_a_limit",
            "i7_a_page_of_many_small_things_is_refused_before_it_fills_the_memory",
            "i7_what_an_app_makes_of_values_does_not_fill_the_state_and_is_compared_all_the_same",
        ],
    ),
    Scenario(
        "MA11",
        "the app shows no members, keeps what was deleted, or hides who was deactivated",
        "the comparison names what rosterd did, and proposes the setting that explains the rest; nothing is made twice",
        "B",
        &[],
    ),
    Scenario(
        "MB4",
        "the app hides inactive accounts, and the profile does not say so",
        "they stay linked, and a returning user gets the old account back",
        "B",
        &[],
    ),
    Scenario(
        "MA5",
        "one object that the app answers with 5xx, or not at all; filters that fail; a kind of change that is always refused",
        "others go on, leavers lose access; a look-up that fails creates nothing; few calls",
        "SB",
        &[],
    ),
    Scenario(
        "MA6",
        "dialects half done: PUT for users alone, reasons in extensions, a mark before JSON, an error behind the last page; group names that \
         the app rewrites",
        "used whole, shown, left out, the end; a setting that would be ignored is refused; the app's way of writing is no drift",
        "SB",
        &[],
    ),
    Scenario(
        "MA7",
        "pages and cursors without end",
        "a limit in time, told with its key; never taken for \"no match\"",
        "SB",
        &[],
    ),
    Scenario(
        "MA12",
        "the app can't rename a group",
        "held, ignored, or had by another group, as the profile says",
        "SB",
        &[],
    ),
    Scenario("T10", "a change is sent and its answer lost", "found out; done twice is done once", "SB", &[]),
    Scenario("T11", "the app shows late what it made", "I3: nobody is made twice", "SB", &[]),
    Scenario("T12", "the app writes values its own way", "I12: no endless difference", "SB", &[]),
    Scenario("T13", "the token dies in the middle of a run", "the tenant stops at once, without a storm", "SB", &[]),
    Scenario("T14", "one bad member spoils a whole call", "found by halving; the others get through", "SB", &[]),
    Scenario(
        "T15",
        "a group of many thousands",
        "in pieces that go on where they stopped; never a whole list",
        "SB",
        &[],
    ),
    Scenario(
        "P1",
        "killed, or without power, at every single point",
        "I1, I3, I8 after the next start",
        "SB",
        &["i8_a_kill_in_the_middle_loses_nothing_and_doubles_nobody"],
    ),
    Scenario(
        "P2",
        "state torn, zeroed, flipped, missing; the cache's engine panics",
        "noticed, kept aside, begun anew in adopt-only",
        "B",
        &["a_panic_inside_the_engine_is_damage_and_no_more"],
    ),
    Scenario("P3", "the disk is full or says no", "a call whose intent is not on the disk is not made", "B", &[]),
    Scenario("P4", "the state is lost, or an old one restored", "the first run only adopts", "SB", &[]),
    Scenario(
        "MM1",
        "one attribute changes for many users: swapped columns, a faulty suffix",
        "everything is held, by a stricter limit for what users are matched by",
        "SB",
        &[],
    ),
    Scenario(
        "MB1",
        "a restored state believes that nothing happened since",
        "everything linked is compared with the app: added at once, removed in the second run",
        "SB",
        &[],
    ),
    Scenario(
        "MB2",
        "a restored state forgets the day's removals",
        "they are taken over, or the day's limit counts as used up",
        "SB",
        &[],
    ),
    Scenario(
        "MP10",
        "the machine's clock is set ahead or back, or was wrong at the start",
        "nothing that waits for a time is deleted, no limit is refilled; deactivations go on",
        "SB",
        &[],
    ),
    Scenario(
        "MP12",
        "an undone run is done again at the next schedule",
        "exactly what was taken back is held until its record changes; the rest goes on",
        "SB",
        &[],
    ),
    Scenario("P5", "stopped in the middle of a run", "what is under way ends; the next run does the rest", "B", &[]),
    Scenario(
        "P6",
        "one tenant's file is a named pipe or hangs, its app never answers, drips or never ends",
        "every other tenant is run on time and answered; SIGTERM ends the process within ten seconds",
        "SB",
        &[],
    ),
    Scenario(
        "X1",
        "values made to break out",
        "they arrive as they are, or are refused; nothing breaks out",
        "SB",
        &[],
    ),
    Scenario(
        "X2",
        "a token looked for in everything that is written",
        "I6: found nowhere",
        "B",
        &["i6_the_token_is_in_no_output_and_no_file", "i6_no_log_line_holds_a_token_or_what_a_person_is_called"],
    ),
    Scenario(
        "X3",
        "secrets that others can read",
        "refused by name",
        "B",
        &["i6_check_refuses_a_token_that_others_can_read"],
    ),
    Scenario(
        "MA1",
        "a removal, an addition or a deactivation is accepted and not made",
        "a failure that says what the app still shows, and tried again; one look where the answer shows nothing",
        "SB",
        &[],
    ),
    Scenario(
        "MP1",
        "users and groups are made again in the directory, one of them or all",
        "a relink is proposed, and nothing is taken while it waits or by its approval",
        "SB",
        &[],
    ),
    Scenario(
        "MA2",
        "a change is answered with the value from before",
        "one look decides: a failure, or a stale answer; never learned as the app's way of writing",
        "SB",
        &[],
    ),
    Scenario(
        "MP2",
        "a removal is answered with 404, and the app has the object under another id",
        "the removal is made there, or the user is named in every run",
        "SB",
        &[],
    ),
    Scenario(
        "MA3",
        "the app takes an account out of its groups when it is deactivated",
        "the memberships are sent again with the activation, after one look",
        "SB",
        &[],
    ),
    Scenario(
        "MA4",
        "the app answers 201 to a create and keeps no account",
        "one listing at the end of a tenant's first run, and the weekly comparison, name the user; the account is created again",
        "SB",
        &[],
    ),
    Scenario(
        "MA13",
        "the app composes a value when it creates an account",
        "the value is sent once more; if a change does not set it for the first account of the run, it is the app's way of writing",
        "SB",
        &[],
    ),
    Scenario(
        "MM5",
        "an expression compares a text with a number, or makes a list without bound",
        "an error with its place for that user, who is left as they are",
        "B",
        &[],
    ),
    Scenario(
        "MP11",
        "the directory gives two present users one name",
        "neither account is changed, both users are named",
        "SB",
        &[],
    ),
    Scenario(
        "MA10",
        "the app refuses one attribute, and with it the whole change of a user",
        "sent in halves until it is alone; the others get through; what is refused for three users is not tried for more",
        "S",
        &[],
    ),
    Scenario(
        "MB5",
        "a value is taken away by a call that is never answered",
        "what the app shows replaces what was on record, also when it shows nothing",
        "SB",
        &[],
    ),
    Scenario(
        "MB3",
        "a group is empty in the directory and has managed users in the app",
        "it is looked up once, taken over and emptied of them",
        "SB",
        &[],
    ),
    Scenario(
        "MB6",
        "a deactivated account has the user name that another user gets",
        "its name is changed first",
        "SB",
        &[],
    ),
    Scenario(
        "MP5",
        "a search names a part of the tree that it does not show: a reference, an alias that leads out of the base",
        "the reading is incomplete; who is there is neither absent nor gone; the place is named",
        "SB",
        &[],
    ),
    Scenario(
        "MA8",
        "an app that does less with groups than it says: a removal without effect, an ignored name, a group that stays",
        "`doctor --probe` finds it with one throw-away group before the first sync; what it can't take away is named, with exit 1",
        "B",
        &[],
    ),
    Scenario(
        "MM3",
        "a directory holds several values where the app takes one, and its replicas send them in another order",
        "the value last sent stays as long as the directory holds it; else the one in the entry's name; else the smallest",
        "SB",
        &[],
    ),
    Scenario(
        "MP7",
        "an account or group is the directory's by one word: an id that another tool or tenant wrote",
        "conflict or held; nothing is shared or taken over",
        "SB",
        &[],
    ),
    Scenario(
        "MP8",
        "creates are answered with an object that is there, or linked already",
        "not linked, both named, no further creates of the kind",
        "SB",
        &[],
    ),
    Scenario(
        "MP9",
        "a create gives back what was there, or an app dates and keeps nothing as sent",
        "provenance from the answer, values brought in line; a new account is no failure",
        "SB",
        &[],
    ),
    Scenario(
        "MA9",
        "creates are answered without an id, or with one that is none",
        "looked up before it is linked; nobody twice",
        "SB",
        &[],
    ),
    Scenario(
        "MM2",
        "names that differ by nothing anybody sees",
        "compared as they are seen; left alone and named, never double",
        "SB",
        &[],
    ),
];

/// Names of test functions below a folder, with their files.
fn tests_below(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some(name) = name {
                    if marked && let Some((name, _)) = name.split_once('(') {
                        found.push((name.to_owned(), file.clone()));
                    }
                    marked = false;
                }
            }
        }
    }
}

/// Whether a test's name says that it is about this scenario: `s02_…`, `s2_…`, `t3_and_t4_…`.
fn is_named(test: &str, id: &str) -> bool {
    let ids = test.split('_').take_while(|part| *part == "and" || as_id(part).is_some());
    let id = id.to_lowercase();
    ids.into_iter().any(|part| as_id(part) == as_id(&id))
}

fn as_id(part: &str) -> Option<(&str, u32)> {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let known = ["s", "c", "t", "p", "x", "l", "mp", "ma", "mm", "mb"].contains(&letters);
    Some((letters, part.strip_prefix(letters)?.parse().ok()?)).filter(|_| known)
}

/// The table of scenarios, and what is missing in it.
fn scenarios() -> (String, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut simulated, mut real) = (Vec::new(), Vec::new());
    tests_below(&root.join("src"), &mut simulated);
    tests_below(&root.join("tests/it"), &mut real);
    let mut table = "| | what goes wrong | what holds | tested by | result |\n|---|---|---|---|---|\n".to_owned();
    let mut missing = Vec::new();
    for Scenario(id, fault, promise, wanted, also) in SCENARIOS {
        let mut cells = Vec::new();
        for (mark, tests) in [('S', &simulated), ('B', &real)] {
            let mine: Vec<_> =
                tests.iter().filter(|(name, _)| is_named(name, id) || also.contains(&name.as_str())).collect();
            let first = mine.iter().find(|(name, _)| is_named(name, id)).or(mine.first());
            match first {
                Some((name, file)) => cells.push(format!("{mark}: `{name}` ({file})")),
                None if wanted.contains(mark) => missing.push(format!("{id} has no test marked {mark}")),
                None => {}
            }
        }
        for name in *also {
            if !simulated.iter().chain(&real).any(|(test, _)| test == name) {
                missing.push(format!("{id}: there is no test {name}"));
            }
        }
        writeln!(table, "| {id} | {fault} | {promise} | {} | holds |", cells.join("<br>")).unwrap();
    }
    (table, missing)
}

/// What follows a failed call: the table that the code itself reads.
fn steps() -> String {
    let words = |step: AfterFailure| match step {
        AfterFailure::Fail => "failed",
        AfterFailure::FailAndLookUp => "set aside, and look what is there",
        AfterFailure::Retry => "wait, repeat",
        AfterFailure::LookUpThenRetry => "wait, look, repeat if it is not there",
        AfterFailure::LookUpOnly => "wait, look, leave it to the next run",
        AfterFailure::SplitBatch => "send in halves",
        AfterFailure::StopTenant => "stop the tenant",
    };
    let mut by_class: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for status in 300..600 {
        by_class.entry(format!("{:?}", FailureClass::of(status))).or_default().push(status.to_string());
    }
    let mut table =
        "| what the app does | HTTP | read | create | change | members |\n|---|---|---|---|---|---|\n".to_owned();
    for class in CLASSES {
        let named = by_class.get(&format!("{class:?}")).cloned().unwrap_or_default();
        let status = match named.len() {
            0 => "–".to_owned(),
            1..=6 => named.join(", "),
            _ => format!("{} and others up to {}", named[0], named[named.len() - 1]),
        };
        let cells = [CallKind::Read, CallKind::Create, CallKind::Change, CallKind::Members]
            .map(|kind| words(after_failure(class, kind)));
        writeln!(table, "| {} | {status} | {} |", in_words(class), cells.join(" | ")).unwrap();
    }
    table
}

fn in_words(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Unauthorized => "refuses the token",
        FailureClass::Forbidden => "forbids the call",
        FailureClass::NotFound => "does not know the object",
        FailureClass::Conflict => "has such an object already",
        FailureClass::Changed => "says that the object changed meanwhile",
        FailureClass::TooLarge => "finds the call too large",
        FailureClass::Throttled => "asks to slow down",
        FailureClass::Invalid => "finds the values wrong",
        FailureClass::Immutable => "lets nobody change that attribute",
        FailureClass::Unsupported => "does not offer that",
        FailureClass::Server => "is in trouble",
        FailureClass::Redirect => "points elsewhere",
        FailureClass::NotScim => "answers something that is no SCIM: HTML, cut off, too large, too deep",
        FailureClass::Unreachable => "can't be reached: nothing was sent",
        FailureClass::Untrusted => "has a certificate that is not accepted, or no TLS: nothing was sent",
        FailureClass::Unknown => "says nothing: it may have been done",
        FailureClass::Closed => "is asked no more: this process was told to stop, and nothing was sent",
    }
}

fn page() -> (String, Vec<String>) {
    let (table, missing) = scenarios();
    let page = format!(
        "# Reliability\n\n\
         Written by the tests: `ROSTERD_WRITE_DOCS=1 cargo test --lib scenarios`. Edit `src/sim/scenarios.rs` instead.\n\n\
         ## Faults, and what holds all the same\n\n\
         S: in the simulated world or against a socket in the same process. B: the real binary against a real server or a loopback\n\
         server that commits the fault. A scenario without its tests fails the build, and so does a test that fails.\n\n\
         Beside these, `cargo test` lives 2,000 seeded worlds of 50 steps (`src/sim/seeded`): edits, cycles, kills, power cuts, full\n\
         disks, lost states and approvals by chance against seven kinds of apps, all promises checked after every step. A longer soak:\n\
         `ROSTERD_SOAK_SECONDS=600 cargo test --lib seeded::soak -- --ignored --nocapture`, with `ROSTERD_SEEDS_FROM` and `ROSTERD_SEEDS_TO`;\n\
         how fast that is stands in [benchmarks.md](benchmarks.md).\n\n\
         {table}\n\
         ## What follows a failed call\n\n\
         `src/http/failure.rs` is this table, and nothing else decides. A call is tried as often as the profile's `pace.attempts` says; the\n\
         last failure sets the object aside. A call of which nobody knows whether it was carried out stays open in the journal, and the\n\
         next run looks before it plans.\n\n\
         {}\n",
        steps()
    );
    (page, missing)
}

#[test]
fn every_scenario_has_its_tests_and_the_page_says_which() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let (page, missing) = page();
    assert!(missing.is_empty(), "{missing:#?}");
    if std::env::var_os("ROSTERD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/reliability.md is stale; run: ROSTERD_WRITE_DOCS=1 cargo test --lib scenarios");
}

#[test]
fn a_test_is_known_by_its_name() {
    assert!(is_named("s02_a_list", "S2") && is_named("s2_a_list", "S2") && is_named("t3_and_t4_waits", "T4"));
    assert!(is_named("ma5_one", "MA5") && is_named("mp01_one", "MP1") && !is_named("ma15_one", "MA5"));
    assert!(!is_named("s12_a_list", "S2") && !is_named("i2_s2_list", "S2") && !is_named("sets_aside", "S2"));
}
