//! The set-up guides, pasted line by line into a shell against the stand-ins: every command runs, and prints what the page says.
//!
//! A block fenced as `sh tested` is run; a block fenced as `text output` is what the block before it prints. What differs from one run or
//! machine to the next (ports, folders, times, ids, free space) is the same on both sides before they are compared.
//! `UPDATE_DOCS=1 cargo test --test it guides` writes the outputs into the pages.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::{Desk, TOKEN};
use crate::docs::read;
use crate::support::directory::{Directory, Group, Kind, Member, Person};
use crate::support::jumpcloud::{API_KEY, JumpCloud};
use crate::support::onelogin::{Account, OneLogin};
use crate::support::rig;
use crate::support::rosterd::Rosterd;
use crate::support::slapd::{Options, READER_DN, READER_PASSWORD, Slapd, Tls};

const MARK: &str = "-----8<----- end of block";
/// What a page shows for every id of a run or a plan.
pub(crate) const SHOWN_ID: &str = "01938d2c-5a7e-7c10-9f3e-3fa9c2d41b07";
/// What the reader has for what a test has.
const FOLDER: &str = "/home/you/heap";
const HEAP_URL: &str = "https://heapanalytics.com/scim/v2/your-tenant";

/// A block of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Commands,
    Output,
    Other,
}

/// The fenced blocks of a page, in order, each with its place.
fn blocks(page: &str) -> Vec<(Kept, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = page[at..].find("```").map(|place| at + place) {
        let begin = open + page[open..].find('\n').expect("a line") + 1;
        let end = begin + page[begin..].find("```").expect("a block ends");
        let kind = match page[open + 3..begin].trim() {
            "sh tested" => Kept::Commands,
            "text output" => Kept::Output,
            _ => Kept::Other,
        };
        found.push((kind, begin..end));
        at = end + 3;
    }
    found
}

/// Three people with the application by two groups, and one without.
fn company() -> Directory {
    let person = |uid: &str, given: &str, family: &str| Person {
        given_name: given.to_owned(),
        family_name: family.to_owned(),
        mail: format!("{uid}@example.com"),
        ..Person { uid: uid.to_owned(), ..Person::generate(0) }
    };
    let group = |cn: &str, uids: &[&str]| Group {
        cn: cn.to_owned(),
        kind: Kind::GroupOfNames,
        members: uids.iter().map(|uid| Member::Person((*uid).to_owned())).collect(),
    };
    Directory {
        people: vec![
            person("ann.lee", "Ann", "Lee"),
            person("bob.roy", "Bob", "Roy"),
            person("eve.fox", "Eve", "Fox"),
            person("dan.kim", "Dan", "Kim"),
        ],
        groups: vec![
            group("Heap Admins", &["eve.fox"]),
            group("Heap Analysts", &["ann.lee", "bob.roy"]),
            group("Sales", &["dan.kim"]),
        ],
    }
}

/// A page whose blocks are pasted, in order, into one shell in an empty folder.
struct Walk<'a> {
    page: &'a str,
    text: String,
    folder: PathBuf,
    /// What the shell runs for a block of the page.
    script: &'a dyn Fn(&str) -> String,
    /// What the page shows for what a block printed.
    plain: &'a dyn Fn(&str) -> String,
}

impl Walk<'_> {
    /// Runs the page on this machine and compares.
    fn run(&self) {
        judge(self.page, &self.text, &self.paste(), self.plain);
    }

    /// What the page's blocks of commands printed.
    fn paste(&self) -> String {
        std::fs::create_dir(&self.folder).unwrap();
        let script = (self.script)(&commands(&self.text));
        let binary = Path::new(env!("CARGO_BIN_EXE_rosterd")).parent().unwrap();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}")])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {script}\n{stdout}\n{stderr}", self.page);
        stdout.into_owned()
    }
}

/// Runs a page in a shell that is not on this machine and compares.
pub(crate) fn walk_elsewhere(page: &str, shell: &dyn Fn(&str) -> String) {
    let text = read(page);
    judge(page, &text, &shell(&commands(&text)), &str::to_owned);
}

/// A page's blocks of commands as one script, with a mark after each.
fn commands(text: &str) -> String {
    let blocks = blocks(text).into_iter().filter(|(kind, _)| *kind == Kept::Commands);
    blocks.map(|(_, at)| format!("{}\necho '{MARK}'\n", &text[at])).collect()
}

/// Writes what the blocks of a page printed into the page if that is wanted, and fails where the page says something else.
fn judge(page: &str, text: &str, stdout: &str, plain: &dyn Fn(&str) -> String) {
    let plain = |part: &str| steady(&plain(part.trim_start_matches('\n')));
    let printed: Vec<String> = stdout.split(&format!("{MARK}\n")).map(plain).collect();
    let (updated, wrong) = compare(text, &printed);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(page), updated).unwrap();
    }
    assert!(wrong.is_empty(), "{page}:\n{}", wrong.join("\n=====\n"));
}

/// The page with what the blocks printed, and where it says something else.
fn compare(text: &str, printed: &[String]) -> (String, Vec<String>) {
    let blocks = blocks(text);
    let (mut wrong, mut updated, mut copied) = (Vec::new(), String::new(), 0);
    let commands = blocks.iter().enumerate().filter(|(_, (kind, _))| *kind == Kept::Commands);
    for ((ix, (_, at)), actual) in commands.zip(printed) {
        match blocks.get(ix + 1).filter(|(kind, _)| *kind == Kept::Output) {
            Some((_, output)) => {
                let (command, shown) = (&text[at.clone()], &text[output.clone()]);
                if steady(shown) != *actual {
                    wrong.push(format!("{command}\nprints\n{actual}\nand the page says\n{shown}"));
                }
                updated.push_str(&text[copied..output.start]);
                updated.push_str(actual);
                copied = output.end;
            }
            None if actual.is_empty() => {}
            None => {
                wrong.push(format!("{}\nprints, and the page does not show\n{actual}", &text[at.clone()]));
            }
        }
    }
    updated.push_str(&text[copied..]);
    (updated, wrong)
}

/// Walks through a guide, with the reader's own values and addresses.
fn walk(page: &str, desk: &Desk, directory: (&str, &str), own: impl Fn(&str) -> String) {
    let folder = desk.rosterd.path().join("empty");
    let script = |script: &str| {
        let script = own(script).replace("your_heap_token", TOKEN).replace(HEAP_URL, &desk.base_url);
        // Only a test has both sides on this machine.
        let script = script.replace("= \\\"$HEAP_URL\\\"", "= \\\"$HEAP_URL\\\"\\nallow_http_loopback = true");
        assert!(script.matches("allow_http_loopback").count() == 2 && !script.contains("heapanalytics"), "{script}");
        // The reader waits a moment until the service has begun; the script waits until it has a next run.
        script.replace(
            "service=$!",
            "service=$!\nuntil rosterd status acme --format json | grep -qE '\"due\": ?\"'; do sleep 0.05; done",
        )
    };
    let host =
        |url: &str| url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    let plain = |text: &str| {
        let text = text.replace(&desk.base_url, HEAP_URL).replace(&*folder.to_string_lossy(), FOLDER);
        let text = text.replace(directory.0, directory.1).replace(&host(&desk.base_url), &host(HEAP_URL));
        text.replace(&host(directory.0), &host(directory.1))
    };
    Walk { page, text: read(page), folder: folder.clone(), script: &script, plain: &plain }.run();
    assert_eq!(desk.user_names().len(), 3, "{page}");
}

/// Walks through a page that brings its own rehearsal app, on port 18080.
fn rehearse(page: &str) {
    let rosterd = Rosterd::new();
    let folder = rosterd.path().join("empty");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // The reader waits a moment between two pasted lines; the script waits until the app answers.
    let answers =
        format!("for i in $(seq 200); do (: > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.05; done");
    // The reader types the id that was shown.
    let shown = "$(rosterd status acme | sed -n 's/.*rosterd approve acme \\([0-9a-f]*\\).*/\\1/p' | head -n 1)";
    let script = |script: &str| {
        let script = script.replace("18080", &port).replace("sandbox=$!", &format!("sandbox=$!\n{answers}"));
        let script = script.replace("kill $sandbox", "kill $sandbox\nwait $sandbox || true");
        script.replace("approve acme 3fa9c2", &format!("approve acme {shown}"))
    };
    let plain = |text: &str| text.replace(&*folder.to_string_lossy(), "/home/you/rosterd").replace(&port, "18080");
    Walk { page, text: read(page), folder: folder.clone(), script: &script, plain: &plain }.run();
}

/// The text without what differs between runs and machines: times, durations, ids, sizes.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let shown: Vec<&str> = line.split(' ').collect();
        let mut words: Vec<String> = shown.iter().map(|shown| word(shown)).collect();
        // A version is no number of seconds.
        for at in 1..words.len() {
            if shown[at - 1] == "SCIM" {
                words[at] = shown[at].to_owned();
            }
        }
        // An id without a letter looks like a number; after these commands it is one all the same.
        for at in 2..words.len() {
            let id = words[at].trim_end_matches('`').to_owned();
            let is_id = id.len() >= 6 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_id && ["approve", "reject"].contains(&words[at - 2].as_str()) {
                words[at] = words[at].replace(&id, "3fa9c2");
            }
        }
        let mut line = words.join(" ");
        for (unit, shown) in [(" GiB free", "24 GiB free"), (" TiB free", "24 GiB free"), (" MiB free", "24 GiB free")]
        {
            if let Some((before, after)) = line.clone().split_once(unit) {
                let before = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ',');
                line = format!("{before}{shown}{after}");
            }
        }
        steady.push_str(line.trim_end());
        steady.push('\n');
    }
    steady
}

/// One word: a time of day, a date, a number of seconds, an id in hexadecimal digits.
fn word(word: &str) -> String {
    let core = word.trim_end_matches([',', '.', ':', ';', ')', '`']).trim_start_matches('(');
    let rest = |shown: &str| word.replacen(core, shown, 1);
    let digits = |text: &str, separator: char, lengths: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == lengths.len()
            && parts
                .iter()
                .zip(lengths)
                .all(|(part, length)| part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let seconds = core.split_once('.').is_some_and(|(whole, part)| {
        !whole.is_empty()
            && whole.len() < 4
            && part.len() <= 2
            && !part.is_empty()
            && (whole.to_owned() + part).bytes().all(|byte| byte.is_ascii_digit())
    });
    let time = core.strip_suffix('Z').unwrap_or(core);
    if digits(time, ':', &[2, 2]) || digits(time, ':', &[2, 2, 2]) {
        return rest(if time == core { "09:30" } else { "09:30Z" });
    }
    if digits(core, '-', &[4, 2, 2]) {
        return rest("2026-12-01");
    }
    if core.parse::<jiff::Timestamp>().is_ok() {
        return rest("2026-12-01T09:30:00Z");
    }
    if uuid::Uuid::parse_str(core).is_ok() {
        return rest(SHOWN_ID);
    }
    if seconds {
        return rest("0.1");
    }
    let is_id = (6..=40).contains(&core.len()) && is_hex(core) && core.bytes().any(|byte| byte.is_ascii_digit());
    if is_id && core.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return rest("3fa9c2");
    }
    word.to_owned()
}

#[test]
fn j2_jumpclouds_guide_goes_from_a_key_and_a_token_to_a_service_by_copy_and_paste() {
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| {
        org.bind("Heap", &["Heap Admins", "Heap Analysts"]);
        org.set_custom(2, "heapRole", "admin");
    });
    let urls = (cloud.base_url(), cloud.insights_url());
    walk(
        "docs/jumpcloud.md",
        &Desk::with_app(&["--profile", "heap"]),
        (&urls.0, "https://console.jumpcloud.com/api"),
        |script| {
            script.replace("jca_your_key", API_KEY).replace(
                "region = \\\"$JUMPCLOUD_REGION\\\"",
                &format!(
                    "base_url = \\\"{}\\\"\\ninsights_url = \\\"{}\\\"\\nallow_http_loopback = true",
                    urls.0, urls.1
                ),
            )
        },
    );
}

#[test]
fn o1_onelogins_guide_goes_from_credentials_and_a_token_to_a_service_by_copy_and_paste() {
    let onelogin = OneLogin::start(Account::of(&company(), "Heap", &["Heap Admins", "Heap Analysts"]));
    onelogin.change(|account| account.set_heap_role("eve.fox", Some("admin")));
    walk(
        "docs/onelogin.md",
        &Desk::with_app(&["--profile", "heap"]),
        (&onelogin.base_url, "https://acme.onelogin.com"),
        |script| {
            let script = script.replace("your_client_id", &onelogin.client_id);
            script.replace("your_client_secret", &onelogin.client_secret).replace(
                "subdomain = \\\"$ONELOGIN_SUBDOMAIN\\\"",
                &format!("base_url = \\\"{}\\\"\\nallow_http_loopback = true", onelogin.base_url),
            )
        },
    );
}

/// One test for each page with a rehearsal app, so that they run side by side.
macro_rules! rehearsed {
    ($($test:ident: $page:literal,)*) => {
        $(#[test]
        fn $test() {
            rehearse($page);
        })*

        #[test]
        fn every_page_with_a_rehearsal_is_rehearsed() {
            let mut pages = vec!["README.md", "docs/heap.md", "docs/service.md", "docs/upgrade.md", "docs/jumpcloud.md", "docs/onelogin.md", "docs/openldap.md"];
            pages.extend([$($page),*]);
            for page in crate::docs::pages() {
                let has_blocks = read(&page).contains("```sh tested\n");
                assert_eq!(has_blocks, pages.contains(&page.as_str()), "{page}: which test runs it?");
            }
        }
    };
}

rehearsed! {
    five_minutes_go_by_copy_and_paste: "docs/five-minutes.md",
    a_hold_is_read_and_decided_by_copy_and_paste: "docs/deciding.md",
    a_user_comes_back_by_copy_and_paste: "docs/people-come-back.md",
    two_tenants_share_an_app_by_copy_and_paste: "docs/several-tenants.md",
    ids_change_by_copy_and_paste: "docs/changing-ids.md",
    the_scope_is_changed_by_copy_and_paste: "docs/scope.md",
    a_run_is_reverted_by_copy_and_paste: "docs/undo.md",
    changes_by_hand_are_found_by_copy_and_paste: "docs/drift.md",
    a_backup_is_made_and_restored_by_copy_and_paste: "docs/backup.md",
    a_profile_is_written_by_copy_and_paste: "docs/profiles.md",
    json_is_read_by_copy_and_paste: "docs/json.md",
    a_mapping_is_changed_by_copy_and_paste: "docs/expressions.md",
    a_token_is_replaced_by_copy_and_paste: "docs/secrets.md",
    a_connection_is_checked_by_copy_and_paste: "docs/doctor.md",
    an_attribute_is_mapped_by_copy_and_paste: "docs/mapping.md",
    a_missing_account_is_explained_by_copy_and_paste: "docs/why.md",
}

#[test]
fn openldaps_guide_goes_from_an_account_and_a_token_to_a_first_sync_by_copy_and_paste() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut company = company();
    for group in &mut company.groups {
        group.cn = group.cn.replace("Heap", "App");
    }
    let slapd = Slapd::start_with(&rig, &company, Options { tls: Tls::Good, ..Options::default() });
    let desk = Desk::with_app(&[]);
    let folder = desk.rosterd.path().join("empty");
    let (ca, ids) = (slapd.ca_file().display().to_string(), slapd.entry_uuids());
    let own = [
        ("ldaps://ldap.example.org", slapd.tls_url()),
        ("/etc/ssl/our-ca.pem", ca.clone()),
        ("cn=rosterd,dc=example,dc=org", READER_DN.to_owned()),
        ("your_ldap_password", READER_PASSWORD.to_owned()),
        ("https://app.example.com/scim/v2", desk.base_url.clone()),
        ("your_app_token", TOKEN.to_owned()),
    ];
    let script = |script: &str| {
        let script = own.iter().fold(script.to_owned(), |script, (page, own)| script.replace(page, own));
        // Only a test has the app on this machine.
        script.replace("\\\"$APP_URL\\\"", "\\\"$APP_URL\\\"\\nallow_http_loopback = true")
    };
    let plain = |text: &str| {
        let text = text.replace(&*folder.to_string_lossy(), "/home/you/rosterd");
        let text = own.iter().fold(text, |text, (page, own)| text.replace(own, page));
        let host =
            |url: &str| url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
        let text = [&own[0], &own[4]].iter().fold(text, |text, (page, own)| text.replace(&host(own), &host(page)));
        ids.values().fold(text, |text, id| text.replace(id, SHOWN_ID))
    };
    Walk {
        page: "docs/openldap.md",
        text: read("docs/openldap.md"),
        folder: folder.clone(),
        script: &script,
        plain: &plain,
    }
    .run();
    assert_eq!(desk.user_names().len(), 3);
}

#[test]
fn the_guides_show_no_command_that_is_not_run_and_no_table_that_is_not_toml() {
    for page in ["docs/jumpcloud.md", "docs/onelogin.md"] {
        let text = read(page);
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (kind, at) in blocks(&text) {
            let opening = text[..at.start].trim_end().rsplit('\n').next().unwrap().to_owned();
            match kind {
                Kept::Commands | Kept::Output => {}
                Kept::Other => {
                    assert_eq!(opening, "```toml", "{page}: a block that no test looks at");
                    let table: Result<toml::Table, _> = toml::from_str(&text[at.clone()]);
                    assert!(table.is_ok(), "{page}: {table:?}");
                }
            }
        }
        for (key, part) in [
            ("O2, O3", "on_unassigned"),
            ("O3", "on_deleted"),
            ("J7", "groups.manage"),
            ("the plan", "Premier"),
            ("what comes first", "single sign-on"),
            ("the way in Heap", "Enable SCIM Provisioning"),
            ("activation", "rosterd doctor acme"),
            ("the schedule", "schedule"),
            ("an app that was provisioned before", "provisioned the app before"),
        ] {
            assert!(flowing.contains(part), "{page}: {key}: {part}");
        }
    }
}

#[test]
fn o2_o3_j7_init_says_where_the_vendors_choose_differently_and_asks_at_a_terminal() {
    let rosterd = Rosterd::new();
    let init = |more: &[&str]| rosterd.run(&[&["init"], more].concat()).expect_code(0).stdout.clone();
    let file = |tenant: &str| std::fs::read_to_string(rosterd.path().join(format!("tenants/{tenant}.toml"))).unwrap();
    let lines = |text: &str, key: &str| text.lines().filter(|line| line.starts_with(key)).count();

    // Without a terminal: one line for each key, and the default that can be reverted.
    let said = init(&["plain", "--source", "onelogin", "--app", "heap"]);
    assert_eq!(
        (lines(&said, "users.on_unassigned = deactivate: "), lines(&said, "groups.manage = true: ")),
        (1, 1),
        "{said}"
    );
    assert!(
        said.contains("on_unassigned = \"delete\"") && file("plain").contains("\non_unassigned = \"deactivate\"\n")
    );
    let said = init(&["bound", "--source", "jumpcloud", "--app", "heap"]);
    assert_eq!((lines(&said, "users.on_unassigned"), lines(&said, "groups.manage = true: ")), (0, 1), "{said}");
    let said = init(&["other", "--source", "file", "--app", "heap"]);
    assert_eq!(lines(&said, "groups.manage"), 0, "no console has a box for a file: {said}");
    let document = rosterd.run(&["init", "script", "--source", "onelogin", "--app", "heap", "--format", "json"]);
    let document = document.expect_code(0).json();
    assert_eq!(document["differences"][0]["key"], "users.on_unassigned", "{document:#}");
    assert_eq!(document["differences"][0]["vendor"], "delete", "{document:#}");

    // Chosen on the command line: written, and not asked or said again.
    let said = init(&["chosen", "--source", "onelogin", "--app", "heap", "--on-unassigned", "delete"]);
    assert!(
        file("chosen").contains("\non_unassigned = \"delete\"\n") && lines(&said, "users.on_unassigned") == 0,
        "{said}"
    );

    // At a terminal: asked until it is one of the two.
    for (tenant, typed, written) in [("asked", "remove\ndelete\n", "delete"), ("kept", "\n", "deactivate")] {
        let config = rosterd.path().join("rosterd.toml");
        let command = format!(
            "{} --config {} init {tenant} --source onelogin --app heap",
            env!("CARGO_BIN_EXE_rosterd"),
            config.display()
        );
        let mut terminal = Command::new("script")
            .args(["-qefc", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` of util-linux");
        terminal.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = terminal.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && shown.contains("press Enter for deactivate"), "{shown}");
        assert!(file(tenant).contains(&format!("\non_unassigned = \"{written}\"\n")), "{tenant}: {shown}");
    }
}

#[test]
fn a_page_that_shows_something_else_than_its_commands_print_is_found() {
    let page = "```sh tested\necho one\n```\n\n```text output\none\n```\n\n```sh tested\necho two\n```\n";
    let printed = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    assert_eq!(commands(page), format!("echo one\n\necho '{MARK}'\necho two\n\necho '{MARK}'\n"));
    assert_eq!(compare(page, &printed(["one\n", ""])), (page.to_owned(), Vec::new()));
    let (updated, wrong) = compare(page, &printed(["1\n", "two\n"]));
    assert!(wrong.len() == 2 && wrong[1].contains("the page does not show\ntwo"), "{wrong:?}");
    assert!(updated.contains("```text output\n1\n```"), "{updated}");
}

#[test]
fn what_differs_between_runs_is_the_same_before_it_is_compared() {
    let shown = "  held 3fa9c2  at 2026-12-01 09:30 UTC, in 0.1 s (24 GiB free)\n";
    assert_eq!(steady("  held 91be07ac  at 2026-11-30 02:15 UTC, in 12.3 s (1,024.5 GiB free)\n"), shown);
    assert_eq!(steady(shown), shown);
    assert_eq!(steady("added 3 accounts of 12 for ann.lee\n"), "added 3 accounts of 12 for ann.lee\n");
    assert_eq!(
        steady("SCIM 2.0 at 12:04:09Z, `rosterd approve acme 40718295`"),
        "SCIM 2.0 at 09:30Z, `rosterd approve acme 3fa9c2`\n"
    );
}
