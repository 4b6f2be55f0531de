//! What an operator asks for beside the cycle, with the real binary: pause, undo, retire, why.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};
use crate::support::proxy::{Fault, Rule};

/// Waits until so many writes have come to the app.
fn wait_for_writes(desk: &Desk, n: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().len() < n {
        assert!(Instant::now() < deadline, "{} of {n} writes came", desk.proxy.writes().len());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_pause_is_honoured_before_the_next_call_by_a_run_in_another_process() {
    let desk = Desk::new();
    desk.tenant("in_flight = 1\n");
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(2)));
    let under_way = desk.rosterd.spawn(&["sync", "acme", "--format", "json"]);
    wait_for_writes(&desk, 1);
    desk.rosterd.run_with(&["pause", "acme", "--reason", "the app moves"], &[("USER", "ann")]).expect_code(0);
    let report = under_way.wait(Duration::from_secs(30)).expect_code(4).json();
    assert_eq!(report["done"], 1, "the call under way was finished: {report:#}");
    assert!(report["stopped"].as_str().unwrap().contains("says \"ann\") (the app moves)"), "{report:#}");
    assert_eq!(desk.proxy.writes().len(), 1, "and no other began");

    desk.proxy.forget();
    let refused = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
    assert_eq!(refused.expect_code(3).json()["status"], "held");
    assert!(refused.json()["holds"][0]["detail"].as_str().unwrap().contains("the app moves"));
    let refused = desk.rosterd.run(&["sync", "acme"]);
    assert!(refused.expect_code(3).stderr.contains("rosterd resume acme"), "{}", refused.stderr);
    assert!(desk.proxy.calls().is_empty(), "not a byte");

    let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]);
    assert!(plan.expect_code(0).json()["planned"].as_u64().unwrap() > 0);
    assert!(plan.stderr.contains("paused"), "{}", plan.stderr);
    let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json();
    let paused = &status[0]["paused"];
    assert_eq!((&paused["identity"]["says"], &paused["reason"]), (&json!("ann"), &json!("the app moves")));

    let resumed = desk.rosterd.run(&["resume", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!(resumed[0]["was"]["identity"]["says"], "ann");
    desk.sync(0);
    assert_eq!(desk.user_names().len(), 3, "i3: nobody twice");
}

#[test]
fn a_paused_tenant_keeps_no_other_from_its_turn_and_nobody_pauses_everything_by_a_slip() {
    let desk = Desk::new();
    let file = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    // Tenants of one app never share an account: this one has an app of its own.
    let app = Desk::new();
    desk.rosterd.tenant("other", &file.replace(&desk.proxy.base_url, &app.proxy.base_url));
    desk.rosterd.run(&["pause"]).expect_code(78);
    desk.rosterd.run(&["pause", "nobody"]).expect_code(78);
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    let run = desk.rosterd.run(&["sync", "--all", "--format", "json"]);
    let reports = run.expect_code(3).json();
    let status = |name: &str| -> Value {
        reports.as_array().unwrap().iter().find(|one| one["tenant"] == name).unwrap()["status"].clone()
    };
    assert_eq!((status("acme"), status("other")), (json!("held"), json!("ok")));
    assert_eq!((app.user_names().len(), desk.user_names().len()), (3, 0));
    desk.rosterd.run(&["pause", "--all"]).expect_code(0);
    desk.rosterd.run(&["sync", "other"]).expect_code(3);
    desk.rosterd.run(&["resume", "--all"]).expect_code(0);
    desk.sync(0);
    let again = desk.rosterd.run(&["resume", "acme"]);
    assert!(again.expect_code(0).stdout.contains("was not paused"), "{}", again.stdout);
}

/// Who is in the app's group, and who is active, by user name.
fn roster(desk: &Desk) -> (Vec<String>, Vec<String>) {
    let users = desk.app("/Users");
    let users = users["Resources"].as_array().unwrap();
    let name_of = |id: &Value| {
        let found = users.iter().find(|user| user["id"] == *id).unwrap();
        found["userName"].as_str().unwrap().to_owned()
    };
    let groups = desk.app("/Groups");
    let empty = Vec::new();
    let members = groups["Resources"][0]["members"].as_array().unwrap_or(&empty);
    let mut members: Vec<String> = members.iter().map(|member| name_of(&member["value"])).collect();
    let active = users.iter().filter(|user| user["active"] == true);
    let mut active: Vec<String> = active.map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
    members.sort();
    active.sort();
    (members, active)
}

#[test]
fn i9_undo_brings_a_run_back_in_a_real_app_and_says_what_follows() {
    let desk = Desk::new();
    desk.sync(0);
    let before = roster(&desk);
    let mut document = company();
    document["users"][1]["active"] = json!(false);
    document["users"][2]["displayName"] = json!("Cid the Second");
    document["users"].as_array_mut().unwrap().push(person("p5", "eve"));
    document["groups"][0]["members"] = json!(["p2", "p3", "p5"]);
    document["groups"][0]["name"] = json!("Crew");
    desk.directory(&document);
    let run = desk.sync(0)["run"].as_str().unwrap().to_owned();
    assert_ne!(roster(&desk), before);

    desk.proxy.forget();
    let shown = desk.rosterd.run(&["undo", "acme", "last", "--dry-run", "--format", "json"]).expect_code(0).json();
    assert_eq!(shown["undoes"], run.as_str());
    let refused = desk.rosterd.run(&["undo", "acme", &run]);
    assert!(refused.expect_code(1).stderr.contains("--yes"), "{}", refused.stderr);
    assert!(refused.stdout.contains("rosterd pause acme"), "the next sync would redo it: {}", refused.stdout);
    assert!(desk.proxy.calls().is_empty(), "nothing is sent before it is confirmed");

    let done = desk.rosterd.run(&["undo", "acme", &run, "--yes", "--format", "json"]).expect_code(0).json();
    assert_eq!((&done["plan"], &done["status"]), (&shown["plan"], &json!("ok")), "i10: {done:#}");
    assert_eq!(
        done["summary"],
        json!({"activate_user": 2, "update_user": 1, "rename_group": 1, "add_members": 1, "remove_members": 1, "deactivate_user": 1})
    );
    let (members, active) = roster(&desk);
    assert_eq!((members, active), before, "i9: eve, whom the run made, is switched off and in no group");
    assert_eq!(desk.app("/Groups")["Resources"][0]["displayName"], "Staff");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
    let journal = desk.rosterd.run(&["journal", "show", "acme", "--format", "json"]).stdout;
    assert!(journal.contains("\"trigger\":\"undo\"") && journal.contains(&format!("reverts run {run}")));

    desk.rosterd.run(&["undo", "acme", &run, "--yes"]).expect_code(0);
    let held = desk.sync(3);
    assert_eq!((&held["holds"][0]["reason"], &held["done"]), (&json!("undone"), &json!(0)), "an undo lasts: {held:#}");
    desk.rosterd.run(&["approve", "acme", held["held_plan"].as_str().unwrap()]).expect_code(0);
    let again = desk.sync(0);
    assert!(again["done"].as_u64().unwrap() >= 6, "the directory still says so: {again:#}");
    assert!(roster(&desk).1.contains(&"eve".to_owned()));
    let unknown = desk.rosterd.run(&["undo", "acme", "00000000"]);
    assert!(unknown.expect_code(1).stderr.contains("no run"), "{}", unknown.stderr);
}

#[test]
fn i10_a_held_undo_passes_by_the_command_that_it_shows_and_by_no_other_word() {
    let desk = Desk::new();
    desk.sync(0);
    let before = roster(&desk);
    let mut document = company();
    for n in 10..16 {
        document["users"].as_array_mut().unwrap().push(person(&format!("p{n}"), &format!("new{n}")));
        document["groups"][0]["members"].as_array_mut().unwrap().push(json!(format!("p{n}")));
    }
    desk.directory(&document);
    desk.sync(0);
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    let held = desk.rosterd.run(&["undo", "acme", "last", "--yes"]);
    let text = &held.expect_code(3).stdout;
    assert_eq!(roster(&desk).1.len(), 9, "six of nine at once are held: {text}");
    let command = text.split('`').find(|part| part.starts_with("rosterd undo acme")).expect("the next command");
    let words: Vec<&str> = command.trim_end_matches(" --reason …").split(' ').skip(1).collect();
    assert_eq!((words[3], words.len()), ("--approve", 5), "{command}");

    desk.proxy.forget();
    let wrong = desk.rosterd.run(&["undo", "acme", words[2], "--approve", "00000000", "--yes"]);
    assert!(wrong.expect_code(1).stderr.contains("is not the held plan of this undo"), "{}", wrong.stderr);
    assert!(desk.proxy.writes().is_empty());
    let approved = [&words[..], &["--reason", "agreed with HR", "--yes"]].concat();
    desk.rosterd.run(&approved).expect_code(0);
    assert_eq!(roster(&desk), before, "i9");
    let journal = desk.rosterd.run(&["journal", "show", "acme", "--format", "json"]).expect_code(0).stdout.clone();
    assert!(journal.contains("agreed with HR"), "who let it pass, and why, is on record");
    desk.proxy.forget();
    desk.rosterd.run(&approved).expect_code(0);
    assert!(desk.proxy.calls().is_empty(), "nothing is left to take back");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn undo_says_before_and_after_what_cannot_be_brought_back() {
    let desk = Desk::new();
    desk.tenant("[users]\non_deleted = \"delete\"\n");
    desk.sync(0);
    let mut document = company();
    document["users"].as_array_mut().unwrap().remove(0);
    document["users"][0]["active"] = json!(false);
    document["groups"][0]["members"] = json!(["p2", "p3"]);
    desk.directory(&document);
    desk.sync(0);
    let shown = desk.rosterd.run(&["undo", "acme", "last", "--dry-run"]);
    let done = desk.rosterd.run(&["undo", "acme", "last", "--yes"]);
    for output in [&shown.expect_code(0).stdout, &done.expect_code(4).stdout] {
        assert!(output.contains("can't be undone") && output.contains("user ann"), "{output}");
    }
    assert_eq!(roster(&desk).1, ["bob", "cid"], "bob is active again");
}

#[test]
fn j17_retire_leaves_the_app_as_it_is_and_nothing_is_sent_any_more() {
    let desk = Desk::new();
    desk.sync(0);
    let before = roster(&desk);
    desk.proxy.forget();
    let refused = desk.rosterd.run(&["retire", "acme"]);
    assert!(refused.expect_code(1).stderr.contains("--yes-i-mean acme"), "{}", refused.stderr);
    desk.rosterd.run(&["retire", "acme", "--yes-i-mean", "other"]).expect_code(78);
    desk.sync(0);
    let retired = desk.rosterd.run_with(&["retire", "acme", "--yes-i-mean", "acme"], &[("USER", "ann")]);
    assert!(retired.expect_code(0).stdout.contains("retired"), "{}", retired.stdout);
    let mut document = company();
    document["users"][1]["active"] = json!(false);
    desk.directory(&document);
    for command in [&["sync", "acme"][..], &["undo", "acme", "last", "--yes"]] {
        let refused = desk.rosterd.run(command);
        assert!(refused.expect_code(1).stderr.contains("is retired") && refused.stderr.contains("says \"ann\""));
    }
    desk.rosterd.run(&["sync", "--all"]).expect_code(0);
    desk.rosterd.run(&["plan", "acme"]).expect_code(0);
    assert!(desk.proxy.writes().is_empty());
    assert_eq!(roster(&desk), before, "j17: the app is left as it is");
    assert!(desk.rosterd.path().join("tenants/acme.toml").exists());
    let status = desk.rosterd.run(&["status", "--format", "json"]).expect_code(0).json();
    assert_eq!(status[0]["retired"]["identity"]["says"], "ann");
    let journal = desk.rosterd.run(&["journal", "show", "acme"]).stdout;
    assert!(journal.contains("says \"ann\"): the app is left as it is"), "{journal}");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn j17_retire_can_switch_everybody_off_and_goes_on_where_it_was_kept_from_it() {
    let desk = Desk::new();
    desk.tenant("\n[scope]\nprotect = [\"zoe@acme.test\"]\n");
    desk.sync(0);
    desk.proxy.inject(Rule::on("PATCH", "/Users").times(1), Fault::status(403));
    let first = desk.rosterd.run(&["retire", "acme", "--deactivate", "--yes-i-mean", "acme", "--format", "json"]);
    assert_eq!(first.expect_code(4).json()["report"]["done"], 2, "{}", first.stdout);
    assert_eq!(roster(&desk).1.len(), 1);
    desk.rosterd.run(&["sync", "acme"]).expect_code(1);
    desk.rosterd.run(&["retire", "acme", "--deactivate", "--yes-i-mean", "acme"]).expect_code(0);
    assert_eq!(roster(&desk).1, [""; 0]);
    assert_eq!(roster(&desk).0, ["ann", "bob", "cid"], "nobody is deleted, no group changed");
}

fn why(desk: &Desk, who: &str) -> Value {
    desk.rosterd.run(&["why", "acme", who, "--format", "json"]).expect_code(0).json()
}

/// What `rosterd why` shows to a person.
fn told(desk: &Desk, who: &str) -> String {
    desk.rosterd.run(&["why", "acme", who]).expect_code(0).stdout.clone()
}

#[test]
fn why_tells_the_chain_from_the_record_to_what_would_change() {
    let desk = Desk::new();
    desk.sync(0);
    let account =
        desk.app("/Users?filter=userName%20eq%20%22ann%22")["Resources"][0]["id"].as_str().unwrap().to_owned();
    let story = why(&desk, "p1");
    assert_eq!(story["directory"]["standing"], "active");
    assert_eq!(story["directory"]["because"], "member of Staff");
    assert_eq!(story["directory"]["groups"][0]["counts"], true);
    assert_eq!(story["directory"]["mapped"]["userName"], "ann");
    assert_eq!((&story["link"]["app_id"], &story["link"]["provenance"]), (&json!(account), &json!("created")));
    assert!(story["link"]["since"].is_string());
    assert_eq!(story["link"]["groups"], json!(["Staff"]));
    assert_eq!((&story["app"]["active"], &story["app"]["differs"]), (&json!(true), &json!([])));
    let history: Vec<&str> =
        story["history"].as_array().unwrap().iter().map(|deed| deed["what"].as_str().unwrap()).collect();
    assert_eq!(history, ["create_user", "add_members"]);
    assert!(
        story["history"].as_array().unwrap().iter().all(|deed| deed["result"] == "done" && deed["run"].is_string())
    );
    assert_eq!(story["verdict"], "nothing would change: member of Staff");
    for name in ["ANN", "Ann@Acme.test", &account] {
        assert_eq!(why(&desk, name)["id"], "p1", "{name}");
    }
    let text = told(&desk, "ann");
    let chapters = ["directory", "groups", "belongs", "mapping", "link", "app", "history", "now"];
    let places: Vec<usize> = chapters.iter().map(|chapter| text.find(&format!("  {chapter}")).unwrap()).collect();
    assert!(places.is_sorted(), "a story in order:\n{text}");
}

#[test]
fn why_explains_those_who_are_not_in_the_app() {
    let desk = Desk::new();
    let mut document = company();
    let users = document["users"].as_array_mut().unwrap();
    users.push(json!({"id": "p6", "userName": "fay", "active": false}));
    users.push(json!({"id": "p7", "givenName": "Nameless"}));
    users.push(person("p8", "gus"));
    users.push(person("p9", "ida"));
    document["groups"] = json!([
        {"id": "g1", "name": "Staff", "members": ["p1", "p2", "p3", "p6", "p7", "p8"]},
        {"id": "g3", "name": "Elsewhere", "members": ["p4"]},
        {"id": "g4", "name": "Inner", "members": ["p9"]},
        {"id": "g5", "name": "Staff outside", "members": ["g4"]},
    ]);
    desk.directory(&document);
    desk.tenant("\n[scope]\ngroups = [{ name = \"Staff*\" }]\nusers = 'userName != \"gus\"'\n");
    desk.rosterd.run(&["sync", "acme"]).expect_code(4);
    desk.proxy.forget();
    let verdict = |who: &str| why(&desk, who)["verdict"].as_str().unwrap().to_owned();
    assert_eq!(verdict("dee"), "rosterd gives them no account: none of their groups is in scope");
    assert!(why(&desk, "dee")["directory"]["groups"][0]["why"].as_str().unwrap().contains("scope.groups"));
    assert_eq!(verdict("fay"), "rosterd gives them no account: suspended in the directory");
    assert_eq!(verdict("gus"), "rosterd gives them no account: scope.users does not accept this user");
    let nested = why(&desk, "ida");
    assert!(nested["directory"]["groups"][1]["why"].as_str().unwrap().contains("scope.nested is off"), "{nested:#}");
    let problem = why(&desk, "p7");
    assert!(problem["directory"]["problem"].as_str().unwrap().contains("userName"), "{problem:#}");
    assert_eq!(problem["next"][0]["result"], "failed");
    assert!(problem["set_aside"]["reason"].is_string(), "and when it is tried again");
    assert!(told(&desk, "p7").contains("failed"));
    assert!(desk.proxy.writes().is_empty(), "why only reads");
}

#[test]
fn why_follows_somebody_who_left_and_says_what_the_directory_answered() {
    let desk = Desk::new();
    desk.sync(0);
    let mut document = company();
    document["users"].as_array_mut().unwrap().remove(0);
    document["groups"][0]["members"] = json!(["p2", "p3"]);
    desk.directory(&document);
    let leaving = why(&desk, "ann");
    assert_eq!((&leaving["directory"]["listed"], &leaving["directory"]["answer"]), (&json!(false), &json!("gone")));
    assert!(leaving["verdict"].as_str().unwrap().starts_with("the next sync would: "), "{leaving:#}");
    let next: Vec<&str> = leaving["next"].as_array().unwrap().iter().map(|step| step["op"].as_str().unwrap()).collect();
    assert!(next.contains(&"deactivate_user"), "{leaving:#}");
    desk.sync(0);
    let left = why(&desk, "ann@acme.test");
    assert_eq!(left["verdict"], "deactivated, and nothing would change: the directory says they are gone");
    // The account first, then the membership.
    let history = left["history"].as_array().unwrap();
    let last: Vec<_> = history.iter().rev().take(2).map(|step| (&step["what"], &step["reason"])).collect();
    assert_eq!(
        last,
        [
            (&json!("remove_members"), &json!("removed in the directory")),
            (&json!("deactivate_user"), &json!("the directory says that this user no longer exists"))
        ]
    );

    let offline = desk.rosterd.run(&["why", "acme", "p1", "--offline", "--format", "json"]).expect_code(0).json();
    assert_eq!((&offline["directory"], &offline["app"]), (&Value::Null, &Value::Null));
    assert_eq!(offline["verdict"], "linked, and inactive when last seen");
    std::fs::write(desk.rosterd.path().join("people.json"), "{").unwrap();
    let unread = why(&desk, "p1");
    assert!(unread["verdict"].as_str().unwrap().starts_with("what would change is not known"), "{unread:#}");
    assert!(!unread["history"].as_array().unwrap().is_empty(), "what is known is told all the same");
}

#[test]
fn why_names_candidates_strangers_and_nobody() {
    let desk = Desk::new();
    let mut document = company();
    document["users"].as_array_mut().unwrap().push(json!({"id": "p9", "userName": "other", "email": "ANN@acme.test"}));
    desk.directory(&document);
    desk.sync(0);
    let run = desk.rosterd.run(&["why", "acme", "ann@acme.test"]);
    assert!(run.expect_code(1).stderr.contains("p1") && run.stderr.contains("p9"), "{}", run.stderr);
    let json = desk.rosterd.run(&["why", "acme", "ann@acme.test", "--format", "json"]).expect_code(1).json();
    assert_eq!(json["candidates"].as_array().unwrap().len(), 2);
    let run = desk.rosterd.run(&["why", "acme", "b"]);
    assert!(!run.expect_code(1).stderr.contains("bob"), "half a name is no name: {}", run.stderr);
    document["users"][3] = json!({"id": "p4", "userName": "dee.long@acme.test"});
    desk.directory(&document);
    let run = desk.rosterd.run(&["why", "acme", "Dee.Long"]);
    assert!(run.expect_code(1).stderr.contains("dee.long@acme.test"), "{}", run.stderr);
    let run = desk.rosterd.run(&["why", "acme", "zoe"]);
    assert!(run.expect_code(1).stderr.contains("no user matches \"zoe\" in"), "{}", run.stderr);
}

#[test]
fn why_has_the_guards_word_and_writes_nothing() {
    let desk = Desk::new();
    let ids: Vec<String> = (0..20).map(|at| format!("c{at}")).collect();
    let document = |active: bool| {
        let users: Vec<Value> = (0..20)
            .map(|at| {
                let mut one = person(&format!("c{at}"), &format!("crowd{at}"));
                one["active"] = json!(active);
                one
            })
            .collect();
        json!({"users": users, "groups": [{"id": "g1", "name": "Staff", "members": ids}]})
    };
    desk.directory(&document(true));
    desk.sync(0);
    desk.directory(&document(false));
    let state = |desk: &Desk| {
        let folder = desk.rosterd.path().join("state/acme");
        let mut files: Vec<_> = std::fs::read_dir(folder.join("journal"))
            .unwrap()
            .chain(std::fs::read_dir(&folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let (before, calls) = (state(&desk), desk.proxy.writes().len());
    let story = why(&desk, "crowd7");
    assert_eq!(story["next"][0]["result"], "held");
    assert_eq!(story["holds"][0]["reason"], "removals_per_day");
    assert!(story["verdict"].as_str().unwrap().contains("deactivate the account (held)"), "{story:#}");
    assert_eq!((state(&desk), desk.proxy.writes().len()), (before, calls), "not a byte is written");

    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    assert!(why(&desk, "crowd7")["verdict"].as_str().unwrap().ends_with("but the tenant is paused"));
    desk.rosterd.run(&["retire", "acme", "--yes-i-mean", "acme"]).expect_code(0);
    assert!(why(&desk, "crowd7")["verdict"].as_str().unwrap().ends_with("but the tenant is retired"));
}
