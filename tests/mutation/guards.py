#!/usr/bin/env python3
"""Takes each guard out of a copy of the code, one at a time, and sees whether a test notices.

In: this tree. Out: docs/guard-mutations.md. The copy is compiled once: every guard gets a switch, an environment variable
chooses which one is off, and the unit tests of the rooms concerned run for each until one fails: first the test that noticed last
time. Nothing of this is in the program that is shipped.

    tests/mutation/guards.py            all of them; writes the page
    tests/mutation/guards.py rekey      one or some of them; a single one with what its tests say
    tests/mutation/guards.py --check    only whether each guard is found in the code, once; ./test does this at its end
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guard-mutations.md"
OFF = 'crate::is_off("{0}")'

# Seconds. Without some guards a test never ends, which counts as noticed.
LIMIT, LIMIT_OF_ONE = 600, 120
ENDLESS = "` never ends"


def start(name, file, signature, leave="return;"):
    """A guard that is a function: switched off, it leaves at once."""
    return name, file, signature, signature + f"\n        if {OFF.format(name)} {{ {leave} }}"


def instead(name, file, old, new):
    """A guard that is a condition. `OFF` in `new` stands for the switch."""
    return name, file, old, new.replace("OFF", OFF.format(name))


def check(name, function, arguments):
    return start(name, "src/guard/checks.rs", f"pub(super) fn {function}(&mut self{arguments}) {{")


FACTS, LIMITS, BOTH = ", facts: &Facts", ", limits: &GuardLimits", ", facts: &Facts, limits: &GuardLimits"

GUARDS = {
    "own_account": ("the account of the token is never shut", check("own_account", "check_own_account", FACTS)),
    "adopt_only": ("a state in doubt removes nothing", check("adopt_only", "check_adopt_only", FACTS)),
    "source_shrink": ("a reading that shrank holds everything", check("source_shrink", "check_reading", BOTH)),
    "rekey": ("ids that all change hold everything", check("rekey", "check_rekey", BOTH)),
    "attribute_loss": ("attributes that vanish hold everything", check("attribute_loss", "check_attribute_loss", BOTH)),
    "settings_change": ("an edit of the tenant file is held", check("settings_change", "check_settings", BOTH)),
    "approval": ("`[approval]` is asked for", check("approval", "check_asked_before", LIMITS)),
    "rekey_removals": (
        "an approval of changed ids removes nobody",
        instead(
            "rekey_removals",
            "src/guard/checks.rs",
            "if operation.op().takes_access() {",
            "if !OFF && operation.op().takes_access() {",
        ),
    ),
    "namesakes": (
        "nothing is taken from a record that may be there under another id",
        instead(
            "namesakes",
            "src/plan/people.rs",
            "if self.heard.namesakes.are_those_of(&row) {",
            "if !OFF && self.heard.namesakes.are_those_of(&row) {",
        ),
    ),
    "under_another_id": (
        "a 404 ends a removal only where nothing matches",
        instead(
            "under_another_id",
            "src/apply/elsewhere.rs",
            "let app_id = target.app_id.as_ref().filter(|_| error.class == FailureClass::NotFound)?;",
            "let app_id = target.app_id.as_ref().filter(|_| !OFF && error.class == FailureClass::NotFound)?;",
        ),
    ),
    "relink": ("a made-anew identity is proposed, not taken", check("relink", "check_relinks", "")),
    "final_delete": ("a deletion for ever waits", check("final_delete", "check_final", FACTS)),
    "group_removals": ("a group's own limit", check("group_removals", "check_groups", BOTH)),
    "removals_per_day": ("the rolling budget", check("removals_per_day", "check_removals", BOTH)),
    "creates_per_day": ("the seat limit", check("creates_per_day", "check_creates", BOTH)),
    "activations_per_day": (
        "the limit of activations",
        start(
            "activations_per_day",
            "src/guard/activations.rs",
            "pub(super) fn check_activations(&mut self, facts: &Facts, limits: &GuardLimits) {",
        ),
    ),
    "changed_values": (
        "values that change for many hold everything",
        start(
            "changed_values",
            "src/guard/changes.rs",
            "pub(super) fn check_changed_values(&mut self, facts: &Facts, limits: &GuardLimits) {",
        ),
    ),
    "clock": ("what waits for a time needs a clock to trust", check("clock", "check_clock", FACTS)),
    "undone": (
        "what was taken back is not made again",
        start("undone", "src/guard/undone.rs", "pub(super) fn check_undone(&mut self, facts: &Facts) {"),
    ),
    "losses_unknown": (
        "a restored state has no new day's budget",
        instead(
            "losses_unknown",
            "src/guard/checks.rs",
            "let unknown = facts.losses_unknown",
            "let unknown = !OFF && facts.losses_unknown",
        ),
    ),
    "upgrade": ("what a newer version alone would change waits once", check("upgrade", "check_upgrade", FACTS)),
    "guard_change": ("a loosened guard is held once", check("guard_change", "check_guard_change", FACTS)),
    "adoptions": ("the adoption of an account waits for approval", check("adoptions", "check_adoptions", "")),
    "source_evidence": (
        "a sign of suspension that is gone activates nobody",
        start("source_evidence", "src/guard/evidence.rs", "pub(super) fn check_signs(&mut self, facts: &Facts) {"),
    ),
    "dangling_member": (
        "a user whom a group still names is not gone",
        start("dangling_member", "src/guard/evidence.rs", "pub(super) fn check_dangling(&mut self, facts: &Facts) {"),
    ),
    "odd_entries": (
        "many odd entries are a failed reading",
        start("odd_entries", "src/source/reading.rs", "fn too_many_odd(&self) -> Option<Incomplete> {", "return None;"),
    ),
    "neighbours_lost_create": (
        "what another tenant has linked is not what a lost create made",
        start(
            "neighbours_lost_create",
            "src/apply/created.rs",
            "pub(super) fn is_no_neighbours(neighbours: &dyn Neighbours, object: &ObjectRef, id: &AppId) -> bool {",
            "return true;",
        ),
    ),
    "group_contradiction": (
        "a group is not taken over for an `externalId` alone",
        instead(
            "group_contradiction",
            "src/plan/adopt.rs",
            "Ok((!is_known).then(|| Obstacle::GroupContradicts {",
            "Ok((!is_known && !OFF).then(|| Obstacle::GroupContradicts {",
        ),
    ),
    "group_name_seen": (
        "a group's name with an unseen character is not sent",
        instead(
            "group_name_seen",
            "src/desired/mod.rs",
            "Ok(name) if text::unfit_as_group_name(&name).is_some() => {",
            "Ok(name) if !OFF && text::unfit_as_group_name(&name).is_some() => {",
        ),
    ),
    "duplicates": (
        "an account that a user seems to have is not made twice",
        start("duplicates", "src/guard/duplicates.rs", "pub(super) fn check_duplicates(&mut self, limits: &GuardLimits) {"),
    ),
    "none_left": (
        "never down to nobody",
        instead(
            "none_left",
            "src/guard/checks.rs",
            "let none_left = !accounts_end",
            "let none_left = !OFF && !accounts_end",
        ),
    ),
    "answers_judged": (
        "a value from before a change is no way of writing the new one",
        instead("answers_judged", "src/apply/proof.rs", "if doubtful.is_empty() {", "if OFF || doubtful.is_empty() {"),
    ),
    "members_judged": (
        "members whom the app shows as before are not taken for changed",
        instead(
            "members_judged",
            "src/apply/members.rs",
            "as_before.binary_search(at).is_ok()",
            "!OFF && as_before.binary_search(at).is_ok()",
        ),
    ),
    "unanswered_values": (
        "what an unanswered call took away is on record no more",
        instead(
            "unanswered_values",
            "src/apply/recover.rs",
            "let gone = self.not_shown(intent, &found.attributes);",
            "let gone = if OFF { Vec::new() } else { self.not_shown(intent, &found.attributes) };",
        ),
    ),
    "last_look": (
        "the last look before a call",
        start(
            "last_look",
            "src/guard/gate.rs",
            "pub fn admit(&self, operation: &Operation, app_id: Option<&AppId>, known: &[&Attributes]) -> Result<(), Obstacle> {",
            "return Ok(());",
        ),
    ),
    "protected": (
        "protected people are never touched",
        start(
            "protected",
            "src/plan/rules.rs",
            "pub fn covers(&self, id: &str, attributes: &[&Attributes]) -> bool {",
            "return false;",
        ),
    ),
    "approval_of_this_plan": (
        "an approval is for one plan",
        instead(
            "approval_of_this_plan",
            "src/guard/mod.rs",
            "if !self.is_about(approved) {",
            "if !OFF && !self.is_about(approved) {",
        ),
    ),
    "approval_expires": (
        "an approval expires",
        instead(
            "approval_expires",
            "src/store/memory.rs",
            "found.retain(|decision| decision.plan == plan && decision.expires > now);",
            "found.retain(|decision| decision.plan == plan && (OFF || decision.expires > now));",
        ),
    ),
    "approval_once": (
        "an approval is good once",
        start(
            "approval_once",
            "src/store/decisions.rs",
            "pub(super) fn use_up(notes: &Notes, plan: &str) -> Result<(), StoreError> {",
            "return Ok(());",
        ),
    ),
    "second_look": (
        "an absence needs a second look",
        instead(
            "second_look",
            "src/plan/people.rs",
            "row.missed_since.is_some_and(|since| self.ground.now.duration_since(since) >= SECOND_LOOK);",
            "OFF || row.missed_since.is_some_and(|since| self.ground.now.duration_since(since) >= SECOND_LOOK);",
        ),
    ),
    "asked_again": (
        "an absence is asked about again just before the call",
        start(
            "asked_again",
            "src/cycle/observe.rs",
            "async fn still_absent(&self, objects: &[ObjectRef]) -> Vec<bool> {",
            "return vec![true; objects.len()];",
        ),
    ),
    "references": (
        "a reference inside the base makes a reading incomplete",
        start(
            "references",
            "src/source/ldap/reference.rs",
            "pub(super) fn covers(&self, addresses: &[String]) -> bool {",
            "return true;",
        ),
    ),
    "several_values": (
        "the value last sent stays while the directory holds it",
        instead(
            "several_values",
            "src/plan/several.rs",
            "if changed.is_empty() {\n        return;\n    }\n    for",
            "if OFF || changed.is_empty() {\n        return;\n    }\n    for",
        ),
    ),
    "unread_group": (
        "an unread group still holds its members",
        instead("unread_group", "src/plan/groups.rs", "if group.unread.is_some() {", "if !OFF && group.unread.is_some() {"),
    ),
    "unread_holds_accounts": (
        "while a group is unread nobody loses an account for being in none",
        instead(
            "unread_holds_accounts",
            "src/plan/people.rs",
            "if desired.unread().next().is_some() {",
            "if !OFF && desired.unread().next().is_some() {",
        ),
    ),
    "sentinels": (
        "a sentinel must be visible",
        start("sentinels", "src/source/snapshot.rs", "pub fn shows(&self, sentinel: &str) -> bool {", "return true;"),
    ),
    "look_before_repeat": (
        "a create is looked for before it is repeated",
        instead(
            "look_before_repeat",
            "src/apply/calls.rs",
            "if step != AfterFailure::Retry {",
            "if !OFF && step != AfterFailure::Retry {",
        ),
    ),
    "unknown_key": (
        "a look-up that fails creates nothing",
        start(
            "unknown_key",
            "src/scim/unanswered.rs",
            "pub(super) fn leave_aside(unknown: BTreeMap<usize, Conflict>, answers: &mut [Match<JsonObject>]) {",
        ),
    ),
    "removals_go_on": (
        "what takes access goes on while the app carries out anything",
        instead(
            "removals_go_on",
            "src/apply/breaker.rs",
            "!op.takes_access() || self.went_well.is_empty()",
            "OFF || !op.takes_access() || self.went_well.is_empty()",
        ),
    ),
    "lost_creates": (
        "an account that the app did not keep is no link",
        start(
            "lost_creates",
            "src/apply/verify.rs",
            "async fn lost<'n>(&self, unlisted: &[AppId], created: &'n HashMap<AppId, New>) -> Vec<&'n New> {",
            "return Vec::new();",
        ),
    ),
    "left_open": (
        "what was not answered is looked up by the next run",
        instead(
            "left_open",
            "src/apply/calls.rs",
            "let known = is_found || !matches!(",
            "let known = OFF || is_found || !matches!(",
        ),
    ),
    "settled": (
        "nobody looks before the app shows what it made",
        instead(
            "settled",
            "src/apply/retry.rs",
            "AfterFailure::LookUpThenRetry | AfterFailure::LookUpOnly => pause.max(self.settles_after),",
            "AfterFailure::LookUpThenRetry | AfterFailure::LookUpOnly if !OFF => pause.max(self.settles_after),",
        ),
    ),
    "gone_is_asked_twice": (
        "a 404 alone does not end a link",
        start(
            "gone_is_asked_twice",
            "src/apply/elsewhere.rs",
            "pub(super) async fn sought(&self, object: &ObjectRef, app_id: &AppId) -> Sought {",
            "return Sought::Gone;",
        ),
    ),
    "sync_before_call": (
        "an intent is on the disk before the call",
        instead(
            "sync_before_call",
            "src/store/state.rs",
            "self.append(JournalEvent::Intent(Box::new(intent)), Until::OnDisk).await",
            "self.append(JournalEvent::Intent(Box::new(intent)), if OFF { Until::Written } else { Until::OnDisk }).await",
        ),
    ),
    "recovery": (
        "open intents are looked up before anything is planned",
        instead(
            "recovery",
            "src/apply/recover.rs",
            "for OpenIntent { seq, at, intent } in state.open_intents() {",
            "for OpenIntent { seq, at, intent } in if OFF { Vec::new() } else { state.open_intents() } {",
        ),
    ),
    "chain": (
        "a journal's records are chained",
        instead(
            "chain",
            "src/store/journal/read.rs",
            "if self.prev.as_ref().is_some_and(|prev| *prev != record.prev) {",
            "if !OFF && self.prev.as_ref().is_some_and(|prev| *prev != record.prev) {",
        ),
    ),
    "page_repeat": (
        "pages that repeat themselves are an error",
        instead(
            "page_repeat",
            "src/scim/list.rs",
            "(Position::Cursor(_), Some(_)) if nothing_new && len > 0 => {",
            "(Position::Cursor(_), Some(_)) if !OFF && nothing_new && len > 0 => {",
        ),
    ),
    "total_is_not_believed": (
        "a total that is only the page's length hides nobody",
        instead(
            "total_is_not_believed",
            "src/scim/list.rs",
            "let is_proven = all_announced && len < first_len;",
            "let is_proven = all_announced && (OFF || len < first_len);",
        ),
    ),
    "counts_reconciled": (
        "a list that delivers less than it announced is no reading",
        instead(
            "counts_reconciled",
            "src/source/reading.rs",
            "if let Some(announced) = list.announced.filter(|total| *total != list.received) {",
            "if let Some(announced) = list.announced.filter(|total| !OFF && *total != list.received) {",
        ),
    ),
    "match_verified": (
        "what a filter answers is compared with what was asked",
        instead(
            "match_verified",
            "src/scim/lookup.rs",
            "if given.as_ref() != Some(&wanted) {",
            "if !OFF && given.as_ref() != Some(&wanted) {",
        ),
    ),
    "origin": (
        "no request leaves the configured base",
        start("origin", "src/http/client.rs", "fn is_below(&self, url: &Url) -> bool {", "return true;"),
    ),
    "one_writer": (
        "a second process does not get in",
        instead(
            "one_writer",
            "src/store/lock.rs",
            "Err(TryLockError::WouldBlock) => {",
            "Err(TryLockError::WouldBlock) if OFF => {}\n            Err(TryLockError::WouldBlock) => {",
        ),
    ),
    "unanswered_counts": (
        "whoever may have lost access by an unanswered call counts against the budget",
        instead(
            "unanswered_counts",
            "src/apply/calls.rs",
            "self.note_losses(operation, Reason::MayHaveLost).await?;",
            "if !OFF { self.note_losses(operation, Reason::MayHaveLost).await?; }",
        ),
    ),
    "hidden_stays": (
        "an account the app hides while it is off keeps its link",
        instead("hidden_stays", "src/apply/recover.rs", "None if !was_active &&", "None if !OFF && !was_active &&"),
    ),
    "doubted": (
        "memberships nobody can ask about are made again",
        instead(
            "doubted",
            "src/apply/recover.rs",
            "false => effects.push(doubted(id, intent)),",
            "false if OFF => {}\n            false => effects.push(doubted(id, intent)),",
        ),
    ),
}

# The rooms that may notice. The naive model and the large tables would, too; they only take longer to say so.
TESTS = [
    *["cycle::", "guard::", "plan::", "source::", "store::", "errand::", "scim::", "http::", "apply::"],
    *["sim::seeded::points", "sim::seeded::seeds_that"],
    *["--skip", "rules_model", "--skip", "rules_table", "--skip", "rules_fates", "--skip", "errand::tests::i9"],
]

SWITCH = """
/// Which guard is off.
pub(crate) fn is_off(name: &str) -> bool {
    std::env::var("ROSTERD_GUARD_OFF").is_ok_and(|off| off == name)
}
"""


def with_switches(root):
    """The text of each file that holds a guard, with the switches in it."""
    texts = {}
    for _, (_, file, old, new) in GUARDS.values():
        text = texts.get(file) or (root / file).read_text()
        if text.count(old) != 1:
            sys.exit(f"{file} has {text.count(old)} times, not once: {old}")
        texts[file] = text.replace(old, new)
    return texts


def copy_with_switches(place):
    for name in ["src", "config", "tests", "benches", "docs"]:
        shutil.copytree(ROOT / name, place / name)
    for name in ["Cargo.toml", "Cargo.lock", "README.md", "rust-toolchain.toml", "clippy.toml"]:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place / name)
    for file, text in with_switches(place).items():
        (place / file).write_text(text)
    lib = place / "src" / "lib.rs"
    lib.write_text(lib.read_text() + SWITCH)


def build(place):
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    command = ["cargo", "test", "--lib", "--no-run", "--locked"]
    env = {**os.environ, "CARGO_TARGET_DIR": target}
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)
    found = re.search(r"Executable unittests src/lib.rs \((.*)\)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"the copy with switches does not build:\n{done.stderr}")
    return str((place / found[1]).resolve())


def failures(tests, place, off, names, limit=LIMIT, stop_at_first=True):
    """The tests that fail while a guard is off, as far as they were waited for, and what the tests said."""
    env = {**os.environ, "ROSTERD_GUARD_OFF": off}
    found, output, slow, late = [], [], None, []
    running = subprocess.Popen(
        [tests, *names], cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    timer = threading.Timer(limit, lambda: (late.append(True), running.kill()))
    timer.start()
    try:
        for line in running.stdout:
            output.append(line)
            if failed := re.fullmatch(r"test ([\w:]+) \.\.\. FAILED\n", line):
                found.append(failed[1])
                if stop_at_first:
                    break
            if long := re.fullmatch(r"test ([\w:]+) has been running for over 60 seconds\n", line):
                slow = long[1]
    finally:
        timer.cancel()
        running.kill()
        running.wait()
    if late and not found:
        found.append(f"{slow}{ENDLESS}")
    return found, "".join(output)


def notices(tests, place, guard, known):
    """A test that fails without the guard: the one that noticed last time, or else the first one that does."""
    if known:
        found, output = failures(tests, place, guard, ["--exact", known.removesuffix(ENDLESS)], LIMIT_OF_ONE)
        if found:
            return found[0], output
    found, output = failures(tests, place, guard, TESTS)
    return (found[0] if found else None), output


def rows_of_the_page():
    """The test that noticed last time, by guard."""
    lines = PAGE.read_text().splitlines() if PAGE.exists() else []
    cells = [line.split("|") for line in lines if line.startswith("| `")]
    return {cell[1].strip(" `"): cell[-2].strip(" `") for cell in cells if "::" in cell[-2]}


def write_page(rows):
    def row(name, what):
        test = rows.get(name)
        shown = "not tried yet" if test is None else f"`{test}" if test.endswith(ENDLESS) else f"`{test}`"
        return f"| `{name}` | {what} | {shown} |\n"

    PAGE.write_text(
        "# What happens without each guard\n\n"
        "`tests/mutation/guards.py` switches each guard off in a copy of the code and runs the unit tests until one fails. A guard\n"
        "whose absence no test notices would not be held by anything.\n\n"
        "| guard | what it holds | a test that fails without it |\n|---|---|---|\n"
        + "".join(row(name, what) for name, (what, _) in GUARDS.items())
    )


def main():
    asked = sys.argv[1:]
    if asked == ["--check"]:
        with_switches(ROOT)
        print(f"{len(GUARDS)} guards can be switched off")
        return
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "copy"
        place.mkdir()
        copy_with_switches(place)
        tests = build(place)
        rows, unnoticed = rows_of_the_page(), []
        whole, output = failures(tests, place, "nothing", TESTS, stop_at_first=False)
        if whole:
            sys.exit(f"with all guards on, tests fail already: {whole}\n{output}")
        for name in asked or GUARDS:
            test, output = notices(tests, place, name, rows.get(name))
            print(f"{name}: {test or 'no test fails'}", flush=True)
            if len(asked) == 1:
                print(output)
            if test is None:
                unnoticed.append(name)
            else:
                rows[name] = test
                write_page(rows)
    if unnoticed:
        sys.exit(f"no test notices the absence of: {', '.join(unnoticed)}")


main()
