//! Figures kept in `benches/results.json`, and the page made of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::directory::Size;
use crate::meter::Figures;
use crate::{daemon, first_sync, idle};

/// The sizes by the flags that ask for them; the first is measured by default.
pub(crate) const SIZES: [(&str, Size); 3] = [
    ("small", Size { people: 100_000, groups: 1_000, memberships: 500_000 }),
    ("middle", Size { people: 1_000_000, groups: 10_000, memberships: 5_000_000 }),
    ("large", Size { people: 1_000_000, groups: 50_000, memberships: 10_000_000 }),
];

const MIB: f64 = 1_048_576.0;

/// The last figures of everything.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) sizes: BTreeMap<String, idle::Found>,
    pub(crate) first_sync: Option<first_sync::Found>,
    #[serde(default)]
    pub(crate) daemon: daemon::Found,
    #[serde(default)]
    pub(crate) worlds: Option<Figures>,
}

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Results {
    pub(crate) fn load() -> Self {
        match fs::read(at("benches/results.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("what an earlier run wrote"),
            Err(_) => Self::default(),
        }
    }

    pub(crate) fn save(&self) {
        let json = serde_json::to_string_pretty(self).expect("figures are JSON") + "\n";
        fs::write(at("benches/results.json"), json).expect("the tree takes the figures");
        fs::write(at("docs/benchmarks.md"), self.page().expect("text takes text")).expect("the tree takes the page");
    }

    fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = INTRODUCTION.to_owned();
        self.aims(&mut page)?;
        for (name, size) in SIZES {
            let people = separated(size.people);
            let (groups, memberships) = (separated(size.groups), separated(size.memberships));
            write!(page, "\n## {people} people, {groups} groups, {memberships} memberships\n\n")?;
            match self.sizes.get(name) {
                Some(found) => one_size(&mut page, found)?,
                None => writeln!(page, "Not measured yet: `cargo bench -- --{name}`.")?,
            }
        }
        page.push_str("\n## The first sync\n\n");
        match &self.first_sync {
            Some(found) => first_sync(&mut page, found)?,
            None => {
                page.push_str("Not measured yet: no SCIM server was installed; `./test --setup-only` installs some.\n")
            }
        }
        page.push_str("\n## The daemon\n\n");
        the_daemon(&mut page, &self.daemon)?;
        leavers(&mut page, &self.daemon)?;
        if let Some(worlds) = &self.worlds {
            write!(
                page,
                "\n## Simulated worlds\n\n{:.1} worlds of {} steps a second on all processors, in a debug build ({} in a minute): \
                 `ROSTERD_SOAK_SECONDS=600 cargo test --lib seeded::soak -- --ignored --nocapture` lives longer ([reliability.md](reliability.md)).\n",
                worlds["rate"], worlds["steps"], worlds["worlds"]
            )?;
        }
        Ok(page)
    }

    /// What the design promises, beside what was found.
    fn aims(&self, page: &mut String) -> std::fmt::Result {
        let mut aim = |what: &str, found: Option<(String, bool)>| {
            let (figure, verdict) = match found {
                Some((figure, true)) => (figure, "met"),
                Some((figure, false)) => (figure, "**missed**"),
                None => ("not measured yet".to_owned(), ""),
            };
            writeln!(page, "| {what} | {figure} | {verdict} |")
        };
        let (large, small) = (self.sizes.get("large"), self.sizes.get("small"));
        aim(
            "quiet cycle of 1,000,000 people with 10,000,000 memberships: at most twice the processor time of only parsing the bytes",
            large.map(|found| {
                let ratio = found.quiet["cpu"] / found.parse["cpu"];
                (format!("{ratio:.2} times"), ratio <= 2.0)
            }),
        )?;
        aim(
            "the same where the file was written anew and says the same",
            large.map(|found| {
                let ratio = found.rewritten["cpu"] / found.parse["cpu"];
                (format!("{ratio:.2} times"), ratio <= 2.0)
            }),
        )?;
        aim("the same: at most 1 GiB", large.map(|found| memory(found, 1024.0)))?;
        aim("the same: no calls", large.map(calls))?;
        aim(
            "quiet cycle of 100,000 people: at most 1 s of processor time",
            small.map(|found| (seconds(found.quiet["cpu"]), found.quiet["cpu"] <= 1.0)),
        )?;
        aim("the same: at most 200 MiB", small.map(|found| memory(found, 200.0)))?;
        aim("the same: no calls", small.map(calls))?;
        aim(
            "first sync: at least 90 % of a bare load generator's rate",
            self.first_sync.as_ref().map(|found| {
                let share = found.bare["wall"] / found.sync["wall"];
                (format!("{:.0} %", share * 100.0), share >= 0.9)
            }),
        )?;
        let daemon = &self.daemon;
        let build = |found: &Figures| if found["debug"] > 0.0 { ", in a debug build" } else { "" };
        aim(
            "1,000 tenants: ready in 2 s",
            daemon.idle.as_ref().map(|found| (seconds(found["ready"]), found["ready"] <= 2.0)),
        )?;
        aim(
            "a leaver behind 100,000 newcomers at 50 calls a second reaches the app within 1 s of the end of the reading, whatever the cause",
            // Figures of before know one cause alone.
            daemon
                .leaver
                .as_ref()
                .filter(|found| found.contains_key("group_deleted"))
                .map(|found| (format!("{}{}", seconds(found["waited"]), build(found)), found["waited"] <= 1.0)),
        )?;
        let leaving = |name: &'static str, limit: f64| {
            let figure = |found: &Figures| (format!("{}{}", seconds(found[name]), build(found)), found[name] <= limit);
            daemon.leaving.as_ref().map(figure)
        };
        aim(
            "one who leaves during a run, in a directory with a change feed (JumpCloud): within 60 s",
            leaving("jumpcloud", 60.0),
        )?;
        aim(
            "the same in a directory without one (a file): within 60 s and one full reading (here below 1 s)",
            leaving("file", 61.0),
        )?;
        let kept = |found: &Figures, suffix: &str| {
            let (used, most) = (found[&format!("used{suffix}")], found[&format!("most_in_a_second{suffix}")]);
            (format!("{:.1} %, {most} in one second", used * 100.0), most <= found["rate"] + 1.0)
        };
        aim(
            "over a minute at least 98 % of a rate of 50/s is used, and in no second more than 50 and the burst of 1",
            daemon.pace.as_ref().map(|found| {
                let (figure, is_kept) = kept(found, "");
                (figure, is_kept && found["used"] >= 0.98)
            }),
        )?;
        aim(
            "the same with every 100th call refused for a second (429): never more",
            daemon.pace.as_ref().map(|found| kept(found, "_with_429")),
        )
    }
}

const INTRODUCTION: &str = "# Benchmarks

`cargo bench` measures 100,000 people and the first sync, and writes this page; `cargo bench -- --middle` and `-- --large` measure a
million people. Every measurement is a process of its own, which reads its processor time and peak memory from the kernel. What is
compared was measured in turns, and the best of several runs counts: other work on the machine only adds to a figure.

A quiet cycle reads the file and finds it byte for byte what it was when nothing was left to do. Where it was written anew, its entries
are looked through for the same content. Only where they say something else, or the same in another order, everybody is compared by the
index; what that spends beyond parsing it spends on memory, since every member is looked up in a table of some 30 MB.

| aim | found | |
|---|---|---|
";

fn one_size(page: &mut String, found: &idle::Found) -> std::fmt::Result {
    let (parse, quiet, rewritten) = (&found.parse, &found.quiet, &found.rewritten);
    writeln!(
        page,
        "A directory of {:.0} MB of JSON with random-looking ids; an app that is in step, at an address where nobody listens.\n",
        parse["bytes"] / 1e6
    )?;
    writeln!(page, "| | processor time | peak memory | calls |\n|---|---|---|---|")?;
    let mut row = |what: &str, cpu: f64, figures: &Figures| {
        let calls = figures.get("calls").map_or(String::new(), f64::to_string);
        writeln!(page, "| {what} | {} | {:.0} MiB | {calls} |", seconds(cpu), figures["peak"] / MIB)
    };
    row("only parsing the bytes, which are in memory, into borrowed values", parse["cpu"], parse)?;
    row("the same with reading the file", parse["cpu"] + parse["read_cpu"], parse)?;
    row("quiet cycle: the file is what it was", quiet["cpu"], quiet)?;
    row("quiet cycle after the file was written anew and says the same", rewritten["cpu"], rewritten)?;
    if let Some(reordered) = &found.reordered {
        row(
            "quiet cycle after two members at its end changed places: compared by the index",
            reordered["cpu"],
            reordered,
        )?;
    }
    let seldom = [
        ("full comparison with the cache's rows, without an index", &found.compare),
        ("`state rebuild`: the cache folded anew from the journal", &found.rebuild),
    ];
    for (what, figures) in seldom {
        if let Some(figures) = figures {
            row(what, figures["cpu"], figures)?;
        }
    }
    writeln!(
        page,
        "\nThe quiet cycle takes {:.2} times as long as only parsing. With a file written anew it is {:.2} times, and {:.2} times as \
         long as reading the file and parsing it.\n",
        quiet["cpu"] / parse["cpu"],
        rewritten["cpu"] / parse["cpu"],
        rewritten["cpu"] / (parse["cpu"] + parse["read_cpu"])
    )?;
    writeln!(page, "Measured on {}.", found.on)
}

fn first_sync(page: &mut String, found: &first_sync::Found) -> std::fmt::Result {
    let first_sync::Found { on, server, trials, people, in_flight, bare, sync, notepad } = found;
    writeln!(
        page,
        "{} people, {in_flight} calls in flight, a fresh instance of {server} for every run: it is the fastest that `./test` installs \
         (people a second in a short trial: {}). The load generator sends the bodies that rosterd sends, and keeps no journal.\n",
        separated(*people),
        trials.iter().map(|(name, rate)| format!("{name} {rate:.0}")).collect::<Vec<_>>().join(", ")
    )?;
    writeln!(page, "| | time | people a second |\n|---|---|---|")?;
    let mut row =
        |what: &str, wall: f64| writeln!(page, "| {what} | {} | {:.0} |", seconds(wall), *people as f64 / wall);
    row("bare load generator", bare["wall"])?;
    row("`rosterd sync` from nothing, look-ups and state on disk included", sync["wall"])?;
    row("the same with an app that only takes notes", notepad["wall"])?;
    writeln!(page, "\nMeasured on {on}.")
}

/// What a leaver waits for, cause by cause and directory by directory.
fn leavers(page: &mut String, found: &daemon::Found) -> std::fmt::Result {
    page.push_str("\n## Leavers\n\n");
    if let Some(leaver) = found.leaver.as_ref().filter(|leaver| leaver.contains_key("group_deleted")) {
        writeln!(
            page,
            "One user leaves and {} come in the same reading, at {} calls a second. Seconds from the end of the reading until the app is \
             told, and how many calls it got before:\n\n| cause | waited | calls before |\n|---|---|---|",
            separated(leaver["backlog"] as u64),
            leaver["rate"]
        )?;
        for (cause, name) in [
            ("suspended", "suspended"),
            ("deleted", "deleted"),
            ("revoked (out of the last group)", "revoked"),
            ("their group disassociated from the application", "group_disassociated"),
            ("their group deleted", "group_deleted"),
        ] {
            let Some(waited) = leaver.get(name) else { continue };
            writeln!(page, "| {cause} | {} | {} |", seconds(*waited), leaver[&format!("{name}_calls_before")])?;
        }
    }
    if let Some(leaving) = &found.leaving {
        writeln!(
            page,
            "\nOne user is suspended in the directory while a run creates {} accounts at {} a second: the app is told after {} with \
             JumpCloud, and after {} with a file.",
            separated(leaving["newcomers"] as u64),
            leaving["rate"],
            seconds(leaving["jumpcloud"]),
            seconds(leaving["file"])
        )?;
    }
    page.push_str(LEAVERS_BY_DIRECTORY);
    Ok(())
}

const LEAVERS_BY_DIRECTORY: &str = "
What it takes at most while a run goes on, by directory. A full reading at the configured rate is part of it, since nobody loses access on the
word of anything less; `rosterd status` shows how long the last one took.

| directory | looked at | at most |
|---|---|---|
| JumpCloud, with Directory Insights (`insights = true`) | its change feed every 20 s | 20 s and one full reading |
| OneLogin, with events (`events = true`) | its change feed every 20 s | 20 s and one full reading |
| JumpCloud or OneLogin without their feeds | the directory, every 60 s | 60 s and one full reading |
| LDAP | the directory, every 60 s | 60 s and one full reading |
| file | the file, every 60 s | 60 s and one full reading |

What a vendor takes to publish an event comes on top. A run of `--plan FILE` or `--only`, or of an approved hold, looks for no leavers.
";

fn the_daemon(page: &mut String, found: &daemon::Found) -> std::fmt::Result {
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / MIB);
    if let Some(idle) = &found.idle {
        writeln!(
            page,
            "{} tenants of {} people, all in step, each with an app of its own: ready after {}. In a minute in which no tenant is due: {} \
             of processor time, {}. In a minute in which each runs once: {} of processor time for {:.0} quiet cycles, {}.\n",
            idle["tenants"],
            idle["people"],
            seconds(idle["ready"]),
            seconds(idle["asleep_cpu"]),
            mib(idle["asleep_memory"]),
            seconds(idle["awake_cpu"]),
            idle["awake_runs"],
            mib(idle["awake_memory"]),
        )?;
    }
    if let Some(soak) = &found.soak {
        writeln!(
            page,
            "A soak: {} tenants of {} people for {:.0} minutes, each due every 5 s; {} of them on real servers, the rest on embedded apps, \
             of which some lose answers, take names twice, fail or throttle; one app hangs, one answers 500. {} edits of people and \
             groups, {} reloads with an edited and a broken tenant file each, a stop and two kills. Nothing was lost and nobody \
             doubled: all were in step {} after the last edit. No tenant in good health was later than {}; {} of processor time; \
             memory at most {}, in the last life {} at first and {} at its end.\n",
            soak["tenants"],
            soak["people"],
            soak["minutes"],
            soak["real_apps"],
            soak["edits"],
            soak["reloads"],
            seconds(soak["in_step_after"]),
            seconds(soak["late"]),
            seconds(soak["cpu"]),
            mib(soak["memory"]),
            mib(soak["memory_early"]),
            mib(soak["memory_end"]),
        )?;
    }
    match found.on.as_str() {
        "" => writeln!(page, "Not measured yet: `cargo bench -- --daemon`."),
        on => writeln!(page, "Measured on {on}."),
    }
}

fn memory(found: &idle::Found, limit: f64) -> (String, bool) {
    let all = [Some(&found.quiet), Some(&found.rewritten), found.reordered.as_ref()];
    let peak = all.into_iter().flatten().map(|figures| figures["peak"]).fold(0.0, f64::max) / MIB;
    (format!("{peak:.0} MiB"), peak <= limit)
}

fn calls(found: &idle::Found) -> (String, bool) {
    let calls = found.quiet["calls"];
    (calls.to_string(), calls == 0.0)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// A number as people read it: `1,000,000`.
fn separated(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
