//! The command line as scripts and people use it: exit codes, JSON, messages. The app is the embedded one, the directory a file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::until;
use crate::support::proxy::{Fault, Proxy, Rule};
use crate::support::rosterd::{Rosterd, Running};

pub(crate) const TOKEN: &str = "canary-3f9c1d77a2";

/// An installation with a directory file, an embedded app and a proxy between.
pub(crate) struct Desk {
    pub(crate) rosterd: Rosterd,
    _app: Running,
    pub(crate) base_url: String,
    pub(crate) proxy: Proxy,
    people: PathBuf,
}

pub(crate) fn person(id: &str, name: &str) -> Value {
    json!({"id": id, "userName": name, "email": format!("{name}@acme.test"), "givenName": name, "familyName": "Test", "displayName": name})
}

pub(crate) fn company() -> Value {
    json!({
        "users": [person("p1", "ann"), person("p2", "bob"), person("p3", "cid"), person("p4", "dee")],
        "groups": [{"id": "g1", "name": "Staff", "members": ["p1", "p2", "p3"]}, {"id": "g2", "name": "Empty", "members": []}],
    })
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with_app(&[])
    }

    pub(crate) fn with_app(options: &[&str]) -> Self {
        let rosterd = Rosterd::new();
        let command = [&["sandbox", "--token", TOKEN, "--format", "json"], options].concat();
        let app = rosterd.spawn(&command);
        let deadline = Instant::now() + Duration::from_secs(20);
        let base_url = loop {
            if let Ok(line) = serde_json::from_str::<Value>(app.stdout().trim()) {
                break line["base_url"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "the sandbox did not start: {}", app.stderr());
            std::thread::sleep(Duration::from_millis(10));
        };
        let proxy = Proxy::before(&base_url);
        let people = rosterd.file("people.json", &company().to_string());
        rosterd.secret("app.token", TOKEN);
        let desk = Self { rosterd, _app: app, base_url, proxy, people };
        desk.tenant("");
        desk
    }

    pub(crate) fn tenant(&self, extra: &str) {
        self.write_tenant("", extra);
    }

    /// The tenant file, with lines before its first table.
    pub(crate) fn head(&self, head: &str) {
        self.write_tenant(head, "");
    }

    /// The tenant file, with lines before its first table and further tables.
    pub(crate) fn head_and_tables(&self, head: &str, tables: &str) {
        self.write_tenant(head, tables);
    }

    fn write_tenant(&self, head: &str, extra: &str) {
        self.rosterd.tenant(
            "acme",
            &format!(
                "{head}[source.file]\npath = \"../people.json\"\n\n[target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\n\
                 rate = \"1000/s\"\nallow_http_loopback = true\n{extra}",
                self.proxy.base_url
            ),
        );
    }

    pub(crate) fn directory(&self, document: &Value) {
        // As an operator should: a reader sees the old file or the new one.
        let new = self.people.with_extension("new");
        std::fs::write(&new, document.to_string()).unwrap();
        std::fs::rename(&new, &self.people).unwrap();
    }

    pub(crate) fn sync(&self, code: i32) -> Value {
        let run = self.rosterd.run(&["sync", "acme", "--format", "json"]);
        run.expect_code(code);
        run.json()
    }

    pub(crate) fn app(&self, path: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(format!("{}{path}", self.base_url)).bearer_auth(TOKEN);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        serde_json::from_str(&text).unwrap()
    }

    /// A call that somebody else makes in the app, by hand.
    pub(crate) fn by_hand(&self, method: &str, path: &str, body: &Value) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .request(method.parse().unwrap(), format!("{}{path}", self.base_url))
            .bearer_auth(TOKEN)
            .header("content-type", "application/scim+json")
            .body(body.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, text) = runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status(), answer.text().await.unwrap())
        });
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// An account that somebody makes in the app by hand.
    pub(crate) fn hand_made(&self, name: &str, more: &Value) -> String {
        let mut body =
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.by_hand("POST", "/Users", &body)["id"].as_str().unwrap().to_owned()
    }

    /// The account of this user name, as the app shows it.
    pub(crate) fn account(&self, name: &str) -> Value {
        let all = self.app("/Users");
        let found = all["Resources"].as_array().unwrap().iter().find(|user| user["userName"] == name).cloned();
        found.unwrap_or_else(|| panic!("there is no {name}: {all:#}"))
    }

    pub(crate) fn user_names(&self) -> Vec<String> {
        let list = self.app("/Users");
        let names =
            list["Resources"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn j2_one_sync_then_quiet_with_the_documented_json() {
    let desk = Desk::new();
    let preview = desk.rosterd.run(&["plan", "acme", "--format", "json"]);
    let plan = preview.expect_code(0).json();
    assert_eq!(plan["operations"][0]["result"], "planned");
    assert!(desk.proxy.writes().is_empty());

    let report = desk.sync(0);
    for key in ["tenant", "run", "plan", "status", "snapshot", "operations", "summary", "calls", "holds"] {
        assert!(!report[key].is_null(), "{key} is missing: {report:#}");
    }
    assert_eq!(report["plan"], plan["plan"], "i10: what was shown is what ran");
    assert_eq!(report["summary"], json!({"create_user": 3, "create_group": 1, "add_members": 1}), "j8: no empty group");
    assert_eq!((&report["planned"], &report["done"]), (&json!(5), &json!(5)));
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
    desk.proxy.forget();
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
    assert!(desk.proxy.calls().is_empty(), "i12: no request at all");
    desk.rosterd.run(&["sync", "acme", "--dry-run", "--detailed-exitcode"]).expect_code(0);
    desk.directory(
        &json!({"users": [person("p1", "ann")], "groups": [{"id": "g1", "name": "Staff", "members": ["p1"]}]}),
    );
    desk.rosterd.run(&["sync", "acme", "--dry-run", "--detailed-exitcode"]).expect_code(2);
}

#[test]
fn i12_a_quiet_run_opens_no_cache() {
    let desk = Desk::new();
    desk.sync(0);
    let (cache, hidden) = (desk.rosterd.path().join("state/acme/cache"), desk.rosterd.path().join("hidden"));
    std::fs::rename(&cache, &hidden).unwrap();
    desk.proxy.forget();
    desk.sync(0);
    desk.rosterd.run(&["plan", "acme"]).expect_code(0);
    assert!(!cache.exists() && desk.proxy.calls().is_empty());
    std::fs::rename(&hidden, &cache).unwrap();
    let mut document = company();
    document["users"][0] = person("p1", "anna");
    desk.directory(&document);
    assert_eq!(desk.sync(0)["summary"], json!({"update_user": 1}), "the cache caught up with the quiet run");
}

#[test]
fn i10_a_saved_plan_runs_exactly_or_not_at_all() {
    let desk = Desk::new();
    desk.rosterd.run(&["plan", "acme", "--out", "acme.plan"]).expect_code(0);
    let saved = std::fs::read_to_string(desk.rosterd.path().join("acme.plan")).unwrap();
    desk.rosterd.file("edited.plan", &saved.replace("ann", "eve"));
    let refused = desk.rosterd.run(&["sync", "acme", "--plan", "edited.plan"]);
    assert!(refused.expect_code(78).stderr.contains("was changed after it was saved"), "{}", refused.stderr);

    let mut document = company();
    document["users"][0]["displayName"] = json!("Somebody else");
    desk.directory(&document);
    let void = desk.rosterd.run(&["sync", "acme", "--plan", "acme.plan"]);
    assert!(void.expect_code(1).stderr.contains("is void"), "{}", void.stderr);
    assert!(desk.proxy.writes().is_empty());

    desk.directory(&company());
    desk.rosterd.run(&["sync", "acme", "--plan", "acme.plan"]).expect_code(0);
    assert_eq!(desk.user_names().len(), 3);
}

#[test]
fn five_mistakes_are_shown_at_once_in_their_places() {
    let desk = Desk::new();
    desk.rosterd.tenant(
        "acme",
        "schedul = \"*/10 * * * *\"\n[source.file]\npath = 7\n[target]\nbase_url = \"http://app.example.org/scim\"\ntoken = \"geheim\"\n[users]\non_deleted = \"remove\"\n",
    );
    let run = desk.rosterd.run(&["check"]);
    run.expect_code(78);
    for place in ["acme.toml:1:1", "acme.toml:3:8", "acme.toml:5:12", "acme.toml:6:9", "acme.toml:8:14"] {
        assert!(run.stderr.contains(place), "{place} is not shown:\n{}", run.stderr);
    }
    assert!(run.stderr.contains("`schedule`"), "the nearest known key: {}", run.stderr);
    assert!(!run.stderr.contains("geheim"), "i6: a secret in the wrong place is not shown");
    let json = desk.rosterd.run(&["check", "--format", "json"]).expect_code(78).json();
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 5, "{json:#}");
}

#[test]
fn i7_one_broken_tenant_file_keeps_no_other_tenant_from_its_turn() {
    let desk = Desk::new();
    desk.rosterd.tenant("broken", "schedul = 1\n");
    let run = desk.rosterd.run(&["sync", "--all"]);
    assert!(run.expect_code(78).stderr.contains("broken.toml:1:1"), "{}", run.stderr);
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
}

#[test]
fn i6_check_refuses_a_token_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let token = desk.rosterd.path().join("app.token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = desk.rosterd.run(&["check"]);
    assert!(run.expect_code(78).stderr.contains("chmod 600"), "{}", run.stderr);
}

#[test]
fn t13_a_bad_token_stops_the_tenant_in_one_sentence() {
    let desk = Desk::new();
    desk.rosterd.secret("app.token", "wrong");
    let run = desk.rosterd.run(&["sync", "acme"]);
    run.expect_code(1);
    assert!(run.stderr.contains("401") && run.stderr.contains("nothing was changed"), "{}", run.stderr);
    assert!(desk.proxy.writes().is_empty());
}

#[test]
fn t13_a_token_that_dies_midway_stops_at_once() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("POST", "/Users").skip(1).times(1000), Fault::status(401));
    desk.tenant("in_flight = 1\n");
    let report = desk.sync(1);
    assert_eq!(report["status"], "failed");
    assert_eq!(report["planned"], json!(report["done"].as_u64().unwrap() + report["failed"].as_u64().unwrap()));
    assert_eq!(desk.proxy.writes().len(), 2, "one account, one 401, and no storm");
}

#[test]
fn s8_a_directory_file_cut_in_half_changes_nothing() {
    let desk = Desk::new();
    desk.sync(0);
    let text = company().to_string();
    std::fs::write(&desk.people, &text[..text.len() / 2]).unwrap();
    desk.proxy.forget();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(run.expect_code(1).stderr.contains("people.json:1:"), "{}", run.stderr);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn j5_accounts_that_are_there_are_adopted_and_foreign_ones_left_alone() {
    let desk = Desk::new();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for name in ["ANN", "stranger"] {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true});
        let request = client
            .post(format!("{}/Users", desk.base_url))
            .bearer_auth(TOKEN)
            .header("content-type", "application/scim+json")
            .body(body.to_string());
        assert_eq!(runtime.block_on(request.send()).unwrap().status(), 201);
    }
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(report["summary"]["create_user"], 2);
    let all = desk.app("/Users");
    let of = |name: &str| {
        let all = all["Resources"].as_array().unwrap();
        all.iter()
            .filter(|user| user["userName"].as_str().unwrap().eq_ignore_ascii_case(name))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of("ann").len(), 1, "i3: no second account");
    assert_eq!(of("ann")[0]["externalId"], "p1");
    assert_eq!(of("stranger")[0]["externalId"], Value::Null, "i4: nobody assigned it, nobody touches it");
}

#[test]
fn i2_too_many_leavers_are_held_and_the_rest_goes_on() {
    let desk = Desk::new();
    let crowd: Vec<Value> = (0..20).map(|at| person(&format!("c{at}"), &format!("crowd{at}"))).collect();
    let ids: Vec<String> = (0..20).map(|at| format!("c{at}")).collect();
    let document = |active: bool, more: bool| {
        let mut users = crowd.clone();
        for user in &mut users {
            user["active"] = json!(active);
        }
        let mut members = ids.clone();
        if more {
            users.push(person("n1", "newcomer"));
            members.push("n1".to_owned());
        }
        json!({"users": users, "groups": [{"id": "g1", "name": "Staff", "members": members}]})
    };
    desk.directory(&document(true, false));
    desk.sync(0);
    desk.directory(&document(false, true));
    let report = desk.sync(3);
    assert_eq!(report["status"], "held");
    assert_eq!(report["holds"][0]["reason"], "removals_per_day");
    assert_eq!(report["held"], 20);
    assert!(desk.user_names().contains(&"newcomer".to_owned()), "additions are not held");
    let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!(status[0]["last_run"]["held"], 20, "i11: status says the same: {status:#}");
    desk.directory(&document(true, true));
    desk.sync(0);
}

#[test]
fn i5_a_second_process_is_told_who_holds_the_tenant() {
    let desk = Desk::with_app(&[]);
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(5)));
    let first = desk.rosterd.spawn(&["sync", "acme"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().is_empty() {
        assert!(Instant::now() < deadline, "{}", first.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = desk.rosterd.run(&["sync", "acme"]);
    assert!(second.expect_code(75).stderr.contains("busy"), "{}", second.stderr);
    desk.rosterd.run(&["plan", "acme"]).expect_code(0);
    first.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn i8_the_journal_explains_and_proves_itself_and_the_cache_is_rebuilt_from_it() {
    let desk = Desk::new();
    desk.sync(0);
    let shown = desk.rosterd.run(&["journal", "show", "acme", "--format", "json"]);
    let records: Vec<Value> =
        shown.expect_code(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let intents = records.iter().filter(|record| record["event"].get("intent").is_some()).count();
    assert_eq!(intents, desk.proxy.writes().len(), "an intent for every write");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);

    std::fs::remove_dir_all(desk.rosterd.path().join("state/acme/cache")).unwrap();
    desk.rosterd.run(&["state", "rebuild", "acme"]).expect_code(0);
    desk.proxy.forget();
    desk.sync(0);
    // That the app was asked for the empty group is known by the cache alone.
    assert_eq!(desk.proxy.writes().len(), 0, "i12: nothing was lost with the cache");
    let counts = desk.proxy.counts();
    assert!(counts.keys().all(|call| matches!(&call[..], "GET /Groups" | "GET /ServiceProviderConfig")), "{counts:?}");
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty(), "i12: a quiet run asks nothing");

    let journal =
        std::fs::read_dir(desk.rosterd.path().join("state/acme/journal")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("Staff", "Stuff", 1)).unwrap();
    let run = desk.rosterd.run(&["journal", "verify", "acme"]);
    assert!(run.expect_code(1).stderr.contains("broken at record"), "{}", run.stderr);
}

#[test]
fn p4_a_lost_state_adopts_and_removes_nothing() {
    let desk = Desk::new();
    desk.sync(0);
    std::fs::remove_dir_all(desk.rosterd.path().join("state/acme")).unwrap();
    let mut document = company();
    document["users"][1]["active"] = json!(false);
    desk.directory(&document);
    desk.proxy.forget();
    let report = desk.sync(0);
    assert_eq!(report["summary"], json!({"adopt_user": 3, "adopt_group": 1}), "i3: nobody is made twice");
    assert!(desk.proxy.writes().is_empty());
    assert_eq!(desk.user_names().len(), 3);
    let next = desk.sync(0);
    assert_eq!(next["summary"], json!({"deactivate_user": 1}), "who was suspended meanwhile is known again, and goes");
}

#[test]
fn i6_the_token_is_in_no_output_and_no_file() {
    let desk = Desk::new();
    for command in
        [&["sync", "acme", "-vv"][..], &["status"], &["check"], &["journal", "show", "acme"], &["plan", "acme", "-vv"]]
    {
        let run = desk.rosterd.run(command);
        assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "{command:?}");
    }
    let holding = desk.rosterd.files_holding(TOKEN);
    assert_eq!(holding, [desk.rosterd.path().join("app.token")]);
}

#[test]
fn i6_no_log_line_holds_a_token_or_what_a_person_is_called() {
    let desk = Desk::new();
    let private = ["quarck", "Zenobia", "Brandywine", "0177-2255"];
    let mut document = company();
    document["users"][0] = json!({
        "id": "p1", "userName": "quarck", "email": "quarck@acme.test", "givenName": "Zenobia",
        "familyName": "Brandywine", "displayName": "Zenobia Brandywine", "phone": "0177-2255",
    });
    desk.directory(&document);
    // One call is refused with the person's name in the answer, and one is repeated.
    let words = "{\"status\":\"400\",\"detail\":\"quarck Brandywine is not welcome\"}";
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::body(400, words));
    desk.proxy.inject(Rule::on("POST", "/Groups").times(1), Fault::status(503));
    let mut logged = String::new();
    for format in ["json", "human"] {
        let sync = ["sync", "acme", "--format", format, "--quiet"];
        let run = desk.rosterd.run_with(&sync, &[("RUST_LOG", "rosterd=trace")]);
        logged.push_str(&run.stderr);
    }
    for told in
        ["directory read", "planned", "request succeeded", "request failed", "ended", "create_user", "user p1", "acme"]
    {
        assert!(logged.contains(told), "{told}: {logged}");
    }
    for hidden in private.iter().chain(&[TOKEN]) {
        assert!(!logged.contains(hidden), "{hidden}: {logged}");
    }
}

#[test]
fn t7_a_redirect_is_not_followed_and_nothing_of_the_token_goes_there() {
    let desk = Desk::new();
    let elsewhere = Proxy::before(&desk.base_url);
    desk.proxy
        .inject(Rule::on("POST", "/Users").times(1000), Fault::redirect(&format!("{}/Users", elsewhere.base_url)));
    let report = desk.sync(1);
    assert!(elsewhere.calls().is_empty());
    assert!(report["stopped"].as_str().unwrap().contains("redirect"), "{report:#}");
}

#[test]
fn t3_and_t4_throttling_and_server_errors_are_waited_out() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::too_many_requests("1"));
    desk.proxy.inject(Rule::on("POST", "/Groups").times(1), Fault::status(503));
    let report = desk.sync(0);
    assert_eq!(report["failed"], 0, "{report:#}");
    assert_eq!(desk.user_names().len(), 3);
}

#[test]
fn t2_one_refused_person_does_not_stop_the_others() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::html(400));
    let report = desk.sync(4);
    assert_eq!(report["status"], "partial");
    assert_eq!(
        report["failed"].as_u64().unwrap() + report["done"].as_u64().unwrap(),
        report["planned"].as_u64().unwrap()
    );
    let report = desk.sync(0);
    assert_eq!(report["status"], "ok", "the next run makes up for it: {report:#}");
    assert_eq!(desk.user_names().len(), 3);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn i3_a_lost_answer_makes_no_second_account() {
    let desk = Desk::with_app(&["--misbehave", "duplicates"]);
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Truncate);
    let report = desk.sync(0);
    assert_eq!(report["failed"], 0, "{report:#}");
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"], "the app takes duplicates, and there are none");
}

#[test]
fn i8_a_kill_in_the_middle_loses_nothing_and_doubles_nobody() {
    let desk = Desk::with_app(&["--misbehave", "duplicates"]);
    desk.tenant("in_flight = 1\n");
    desk.proxy.inject(Rule::on("POST", "/Users").skip(1).times(1), Fault::Delay(Duration::from_secs(30)));
    let first = desk.rosterd.spawn(&["sync", "acme"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().len() < 2 {
        assert!(Instant::now() < deadline, "{}", first.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The second create is at the app, its answer is held back: now the process dies.
    while desk.user_names().len() < 2 {
        assert!(Instant::now() < deadline, "the app has the second account at last");
    }
    first.signal("KILL");
    drop(first);
    desk.sync(0);
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn p5_ctrl_c_finishes_what_is_under_way_and_the_next_run_ends_it() {
    let desk = Desk::new();
    desk.tenant("in_flight = 1\n");
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(2)));
    let first = desk.rosterd.spawn(&["sync", "acme", "--format", "json"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().is_empty() {
        assert!(Instant::now() < deadline, "{}", first.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    first.signal("INT");
    let run = first.wait(Duration::from_secs(30));
    let report = run.expect_code(4).json();
    assert_eq!(report["done"], 1, "the call under way was finished: {report:#}");
    assert_eq!(desk.proxy.writes().len(), 1, "and no other began");
    desk.sync(0);
    assert_eq!(desk.user_names().len(), 3);
}

#[test]
fn p5_ctrl_c_while_the_app_is_read_ends_at_once_and_nothing_is_changed() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("GET", "/Users").times(9), Fault::Delay(Duration::from_secs(50)));
    for command in ["sync", "plan"] {
        desk.proxy.forget();
        let first = desk.rosterd.spawn(&[command, "acme"]);
        until("the app is being read", || !desk.proxy.calls().is_empty());
        first.signal("INT");
        let run = first.wait(Duration::from_secs(20));
        assert!(run.expect_code(1).stderr.contains("interrupted"), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
        assert!(desk.proxy.writes().is_empty());
    }
    desk.proxy.heal();
    desk.sync(0);
    assert_eq!(desk.user_names().len(), 3);
}

#[test]
fn p5_ctrl_c_ends_all_tenants_not_only_the_one_under_way() {
    let desk = Desk::new();
    desk.tenant("in_flight = 1\n");
    let acme = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("beta", &acme);
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(2)));
    let all = desk.rosterd.spawn(&["sync", "--all", "--format", "json"]);
    until("a call is under way", || !desk.proxy.writes().is_empty());
    all.signal("TERM");
    let run = all.wait(Duration::from_secs(30));
    let reports = run.expect_code(4).json();
    assert_eq!((&reports[0]["tenant"], &reports[0]["done"]), (&json!("acme"), &json!(1)), "{reports:#}");
    assert_eq!((&reports[1]["tenant"], &reports[1]["error"]), (&json!("beta"), &json!("not started: interrupted")));
    assert_eq!(desk.proxy.writes().len(), 1);
}

#[test]
fn p5_ctrl_c_twice_does_not_wait_and_the_next_run_finds_out_what_became_of_the_calls() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("POST", "/Users").times(9), Fault::Delay(Duration::from_secs(50)));
    let first = desk.rosterd.spawn(&["sync", "acme"]);
    until("calls are under way", || desk.user_names().len() == 3);
    first.signal("INT");
    until("it says what it does", || first.stderr().contains("interrupt again to end at once"));
    first.signal("INT");
    let run = first.wait(Duration::from_secs(20));
    assert!(run.expect_code(1).stderr.contains("ended: the next run"), "{}", run.stderr);
    desk.proxy.heal();
    desk.sync(0);
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"], "found, not made again");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn init_writes_files_that_check_accepts() {
    for source in ["file", "openldap", "389ds", "ad"] {
        for app in ["scim", "heap"] {
            let rosterd = Rosterd::new();
            rosterd.file("people.json", &company().to_string());
            rosterd.run(&["init", "acme", "--source", source, "--app", app]).expect_code(0);
            rosterd.secret("secrets/acme", "token");
            rosterd.secret("secrets/ldap", "password");
            let path = rosterd.path().join("tenants/acme.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            let unfilled = rosterd.run(&["check", "acme"]);
            assert_eq!(unfilled.code, Some(if text.contains("YOUR-") { 78 } else { 0 }), "{}", unfilled.stderr);
            std::fs::write(
                &path,
                text.replace("YOUR-TENANT", "acme").replace("YOUR-GROUP", "Staff").replace("example.", "acme."),
            )
            .unwrap();
            let filled = rosterd.run(&["check", "acme"]);
            assert_eq!(filled.expect_code(0).stderr, "");
            let again = rosterd.run(&["init", "acme", "--source", source, "--app", app]);
            assert!(again.expect_code(78).stderr.contains("exists already"), "{}", again.stderr);
        }
    }
}

#[test]
fn init_names_what_to_edit_and_the_commands_that_follow_with_the_configuration_it_was_given() {
    let rosterd = Rosterd::new();
    let config = rosterd.path().join("rosterd.toml");
    let config = config.to_str().unwrap();
    let made = rosterd.run(&["init", "acme", "--source", "openldap", "--app", "heap"]);
    let said = &made.expect_code(0).stdout;
    let text = std::fs::read_to_string(rosterd.path().join("tenants/acme.toml")).unwrap();
    for sign in ["ldap.example.org", "YOUR-GROUP", "YOUR-TENANT", "../secrets/ldap", "../secrets/acme"] {
        let number = 1 + text.lines().position(|line| line.contains(sign)).unwrap();
        assert!(
            said.lines().any(|line| line.contains(sign) && line.contains(&format!("line {number:>3}:"))),
            "{sign}: {said}"
        );
    }
    for command in ["check", "doctor", "plan", "sync"] {
        assert!(said.contains(&format!("rosterd --config {config} {command} acme")), "{said}");
    }
    assert!(rosterd.path().join("secrets").is_dir() && rosterd.path().join("tenant.schema.json").is_file());
}

#[test]
fn nothing_to_do_is_a_configuration_error_for_who_asked_and_not_for_the_service() {
    let rosterd = Rosterd::new();
    std::fs::create_dir_all(rosterd.path().join("tenants")).unwrap();
    for command in [&["check"][..], &["sync", "--all"], &["check", "--format", "json"]] {
        let run = rosterd.run(command);
        assert!(run.expect_code(78).stderr.contains("has no tenants; nothing was done"), "{command:?}: {}", run.stderr);
    }
    let mut daemon = rosterd.spawn(&["run"]);
    crate::daemon::until("it waits", || daemon.stderr().contains("tenant"));
    assert!(!daemon.has_ended());
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(20)).expect_code(0);
}

#[test]
fn check_shows_the_next_runs_in_the_schedules_zone() {
    let desk = Desk::new();
    desk.head("schedule = \"30 6 * * *\"\ntime_zone = \"Europe/Berlin\"\n");
    let said = desk.rosterd.run(&["check"]).expect_code(0).stdout.clone();
    let line = said.lines().find(|line| line.starts_with("ok acme")).unwrap();
    let times: Vec<&str> = line.split_once("next runs: ").unwrap().1.split(", ").collect();
    let is_half_past_six = |time: &str| time.ends_with(" 05:30 UTC") || time.ends_with(" 04:30 UTC");
    assert!(times.len() == 3 && times.iter().all(|time| is_half_past_six(time)), "{line}");
    let json = desk.rosterd.run(&["check", "--format", "json"]).json();
    assert_eq!(json["tenants"][0]["next_runs"].as_array().unwrap().len(), 3, "{json:#}");
}

#[test]
fn a_plan_tells_scripts_whether_changes_are_pending_or_held() {
    let desk = Desk::new();
    desk.rosterd.run(&["plan", "acme"]).expect_code(0);
    desk.rosterd.run(&["plan", "acme", "--detailed-exitcode"]).expect_code(2);
    desk.sync(0);
    desk.rosterd.run(&["plan", "acme", "--detailed-exitcode"]).expect_code(0);
    desk.directory(&json!({"users": [person("p1", "ann")], "groups": []}));
    desk.rosterd.run(&["plan", "acme"]).expect_code(0);
    desk.rosterd.run(&["plan", "acme", "--detailed-exitcode"]).expect_code(3);
}

#[test]
fn the_demo_holds_all_it_claims() {
    let rosterd = Rosterd::new();
    let run = rosterd.run(&["demo"]);
    assert!(run.expect_code(0).stdout.contains("Every check passed"));
    rosterd.run(&["demo", "--keep", "kept"]).expect_code(0);
    assert!(rosterd.path().join("kept/tenants/acme.toml").exists());
}

#[test]
fn schemas_are_json_and_a_wrong_command_line_is_a_configuration_error() {
    let rosterd = Rosterd::new();
    for kind in ["tenant", "config", "profile"] {
        assert_eq!(rosterd.run(&["schema", kind]).expect_code(0).json()["type"], "object");
    }
    rosterd.run(&["schema", "nonsense"]).expect_code(78);
    rosterd.run(&["frobnicate"]).expect_code(78);
    rosterd.run(&["--version"]).expect_code(0);
    rosterd.run(&["plan", "nobody"]).expect_code(78);
}

/// An app is a folder: nothing else is needed for it.
#[test]
fn an_apps_folder_by_its_path_is_all_that_init_check_doctor_and_the_sandbox_need() {
    let rosterd = Rosterd::new();
    rosterd.file("shop/profile.toml", "name = \"Shop\"\n[attributes.userName]\nmutability = \"immutable\"\n");
    rosterd.file(
        "shop/tenant.toml",
        "base_url = \"https://shop.example.org/scim\"\nusers = \"[users]\\non_deleted = 'delete'\\n\\n[users.attributes]\\n\"\n\
         groups = \"[groups]\\nmanage = false\\n\"\n",
    );
    rosterd.file("shop/habits.toml", "immutable = [\"userName\"]\ndefault_role = \"clerk\"\n");
    let shop = rosterd.path().join("shop");
    let shop = shop.to_str().unwrap();
    rosterd.run(&["init", "acme", "--source", "file", "--app", shop]).expect_code(0);
    let tenant = std::fs::read_to_string(rosterd.path().join("tenants/acme.toml")).unwrap();
    for line in ["https://shop.example.org/scim", "on_deleted = 'delete'", "manage = false", shop] {
        assert!(tenant.contains(line), "{line}: {tenant}");
    }
    rosterd.file("people.json", &company().to_string());
    rosterd.secret("acme", TOKEN);
    let command = ["sandbox", "--profile", shop, "--token", TOKEN, "--format", "json"];
    let app = rosterd.spawn(&command);
    let base_url = loop {
        if let Ok(line) = serde_json::from_str::<Value>(app.stdout().trim()) {
            break line["base_url"].as_str().unwrap().to_owned();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let tenant = tenant
        .replace("https://shop.example.org/scim", &base_url)
        .replace("# allow_http_loopback", "allow_http_loopback")
        .replace("../secrets/acme", "../acme");
    rosterd.tenant("acme", &tenant);
    rosterd.run(&["check"]).expect_code(0);
    assert!(rosterd.run(&["doctor", "acme"]).expect_code(0).stdout.contains("Shop"));
    rosterd.run(&["sync", "acme"]).expect_code(0);
    let wrong = rosterd.run(&["sandbox", "--profile", "shopp"]);
    assert!(wrong.expect_code(78).stderr.contains("the path of a folder of your own"), "{}", wrong.stderr);
}
