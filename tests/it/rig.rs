//! The rig itself: every server starts, answers, is read, and is gone when its test is over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::directory::{self, DUMMY_MEMBER, Directory, Group, Kind, Member};
use crate::support::http;
use crate::support::process;
use crate::support::proxy::{Fault, Proxy, Rule};
use crate::support::rig;
use crate::support::rosterd::Rosterd;
use crate::support::servers::{self, ScimServer};
use crate::support::slapd::{self, LIMITED_DN, Options, READER_DN, READER_PASSWORD, SIZE_LIMIT, Slapd, Tls};
use crate::support::testers::{self, Outcome};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

#[test]
fn scim2_server_serves_until_it_is_stopped_and_then_forgets() {
    let Some(rig) = rig::require("scim2-server") else { return };
    let mut server = rig.scim2_server();
    holds_people_and_a_group(&server);
    stops(&mut server);
    server.start_again();
    assert!(server.read().users.is_empty(), "its memory outlived it");
}

#[test]
fn django_scim2_serves_until_it_is_stopped_and_keeps_its_data() {
    let Some(rig) = rig::require("django-scim2") else { return };
    let mut server = rig.django_scim2();
    holds_people_and_a_group(&server);
    keeps_its_data(&mut server);
}

#[test]
fn better_auth_serves_until_it_is_stopped_and_keeps_its_data() {
    let Some(rig) = rig::require("better-auth") else { return };
    let mut server = rig.better_auth();
    holds_people_and_a_group(&server);
    keeps_its_data(&mut server);
}

#[test]
fn scimmy_serves_until_it_is_stopped_and_then_forgets() {
    let Some(rig) = rig::require("scimmy") else { return };
    let mut server = rig.scimmy();
    holds_people_and_a_group(&server);
    stops(&mut server);
    server.start_again();
    assert!(server.read().users.is_empty(), "its memory outlived it");
}

#[test]
fn scimmy_refuses_a_second_name_in_whatever_case() {
    let Some(rig) = rig::require("scimmy") else { return };
    let server = rig.scimmy();
    let ada = create_user(&server, "ada@example.org");
    let grace = create_user(&server, "grace@example.org");
    let refused = server.send("POST", "/Users", Some(&user("ADA@example.org")));
    assert_eq!((refused.status, refused.json()["scimType"].as_str()), (409, Some("uniqueness")));
    assert_eq!(server.send("PUT", &format!("/Users/{grace}"), Some(&user("ada@example.org"))).status, 409);
    assert_eq!(server.send("PUT", &format!("/Users/{ada}"), Some(&user("Ada@example.org"))).status, 200);
    let group = |name: &str| json!({"schemas": [GROUP], "displayName": name});
    assert_eq!(server.send("POST", "/Groups", Some(&group("Staff"))).status, 201);
    assert_eq!(server.send("POST", "/Groups", Some(&group("staff"))).status, 409);
    // A name is free again when its owner has another, or is gone.
    assert_eq!(server.send("DELETE", &format!("/Users/{ada}"), None).status, 204);
    create_user(&server, "ada@example.org");
    assert_eq!(server.send("GET", &format!("/Users/{ada}"), None).status, 404);
}

#[test]
fn canaille_serves_until_it_is_stopped_and_keeps_its_data() {
    let Some(rig) = rig::require("canaille") else { return };
    let mut server = rig.canaille();
    holds_people_and_a_group(&server);
    keeps_its_data(&mut server);
}

#[test]
fn the_reader_follows_pages_and_names_dangling_members() {
    let Some(rig) = rig::require_all(&["scim2-server", "scimmy"]) else { return };
    let paged = rig.scimmy();
    for number in 0..45 {
        create_user(&paged, &format!("{}@example.org", directory::uid(number)));
    }
    assert_eq!(paged.send("GET", "/Users", None).json()["Resources"].as_array().unwrap().len(), 20, "pages of 20");
    assert_eq!(paged.read().users.len(), 45);

    let server = rig.scim2_server();
    let id = create_user(&server, "ada@example.org");
    create_group(&server, "Staff", &id);
    assert_eq!(server.send("DELETE", &format!("/Users/{id}"), None).status, 204);
    let state = server.read();
    assert_eq!(state.groups["Staff"], BTreeSet::new());
    assert_eq!(state.group_resources["Staff"].dangling, [id]);
}

#[test]
#[should_panic(expected = "the app holds groups twice")]
fn the_reader_does_not_hide_two_groups_of_one_name() {
    let Some(rig) = rig::require("scim2-server") else { panic!("the app holds groups twice: skipped") };
    let server = rig.scim2_server();
    let id = create_user(&server, "ada@example.org");
    create_group(&server, "Staff", &id);
    create_group(&server, "staff", &id);
    server.read();
}

#[test]
fn a_server_dies_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 & echo $! $$ >\"$0\"; wait"]).arg(&pids).env("PATH", "/usr/bin:/bin");
    let mut child = process::leashed(&command).stdin(Stdio::piped()).spawn().unwrap();
    eventually("both processes run", || std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')));
    let pids: Vec<u32> =
        std::fs::read_to_string(&pids).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids[1], child.id(), "the leash becomes the command");
    assert!(pids.iter().all(|pid| is_alive(*pid)));

    drop(child.stdin.take());
    child.wait().unwrap();
    eventually("both processes are gone", || !pids.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn slapd_holds_the_generated_company_and_follows_changes() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut company = Directory::generate(2000, 100, 10_000);
    company.people[7].locked = true;
    let nested = vec![Member::Group("group-0000".to_owned()), Member::Person(directory::uid(1999))];
    company.groups.push(Group { cn: "umbrella".to_owned(), kind: Kind::GroupOfNames, members: nested });
    let posix = vec![Member::Person(directory::uid(3))];
    company.groups.push(Group { cn: "unix".to_owned(), kind: Kind::PosixGroup, members: posix });
    let unique = vec![Member::Person(directory::uid(4))];
    company.groups.push(Group { cn: "unique".to_owned(), kind: Kind::GroupOfUniqueNames, members: unique });
    let slapd = Slapd::start(&rig, &company);

    let uuids = slapd.entry_uuids();
    assert_eq!(uuids.len(), 2000);
    assert_eq!(uuids.values().collect::<BTreeSet<_>>().len(), 2000, "each entryUUID is one person's");
    assert_eq!(slapd.search("(pwdAccountLockedTime=*)", &["uid"])[0].first("uid"), directory::uid(7));
    assert_eq!(slapd.search("(uid=u00009)", &["givenName"])[0].first("givenName"), "Zoë");
    assert_eq!(slapd.search("(objectClass=groupOfNames)", &["cn"]).len(), 101);
    assert_eq!(slapd.search("(cn=unix)", &["memberUid"])[0].attributes["memberUid"], [directory::uid(3)]);
    assert_eq!(slapd.search("(uniqueMember=*)", &["cn"])[0].first("cn"), "unique");
    assert_eq!(company.members_of("umbrella").len(), 101);
    assert_eq!(members(&slapd, "group-0000").len(), 101, "a hundred people and the dummy");

    slapd.rename(&directory::person_dn("u00000"), "uid=renamed");
    slapd.delete(&directory::person_dn("u00001"));
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nreplace: title\ntitle: Director\n",
        directory::person_dn("u00002")
    ));
    let after = members(&slapd, "group-0000");
    assert!(after.contains(&directory::person_dn("renamed")) && !after.contains(&directory::person_dn("u00000")));
    assert!(!after.contains(&directory::person_dn("u00001")));
    assert_eq!(slapd.search("(uid=u00002)", &["title"])[0].first("title"), "Director");
    assert_eq!(slapd.entry_uuids()["renamed"], uuids["u00000"], "a rename keeps the entryUUID");

    slapd.add(&directory::Person::generate(5000).to_ldif());
    assert_eq!(slapd.entry_uuids().len(), 2000);
    assert!(slapd.log().contains("SRCH base="), "operations are logged");
}

#[test]
fn slapd_can_keep_stale_members() {
    let Some(rig) = rig::require("slapd") else { return };
    let options = Options { keep_stale_members: true, ..Options::default() };
    let slapd = Slapd::start_with(&rig, &Directory::generate(3, 1, 3), options);
    slapd.delete(&directory::person_dn("u00000"));
    assert!(members(&slapd, "group-0000").contains(&directory::person_dn("u00000")));
}

#[test]
fn slapd_cuts_off_the_limited_account_with_result_4() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(SIZE_LIMIT + 50, 1, 1));
    let search = |dn: &str| {
        let arguments =
            ["-x", "-LLL", "-D", dn, "-w", READER_PASSWORD, "-b", directory::SUFFIX, "-E", "pr=40/noprompt"];
        let mut command = Command::new("ldapsearch");
        command.args(arguments).args(["-H", &slapd.url(), "(objectClass=inetOrgPerson)", "uid"]);
        let output = command.output().unwrap();
        let entries =
            String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.starts_with("uid: ")).count();
        (output.status.code(), entries)
    };
    assert_eq!(search(READER_DN), (Some(0), SIZE_LIMIT + 50));
    assert_eq!(search(LIMITED_DN), (Some(4), SIZE_LIMIT));
}

#[test]
fn slapd_serves_ldaps_and_starttls_with_a_certificate_that_can_be_checked() {
    let Some(rig) = rig::require("slapd") else { return };
    let company = Directory::generate(1, 1, 1);
    let good = Slapd::start_with(&rig, &company, Options { tls: Tls::Good, ..Options::default() });
    let wrong = Slapd::start_with(&rig, &company, Options { tls: Tls::WrongHost, ..Options::default() });
    let plain = Slapd::start(&rig, &company);
    let connects = |url: &str, ca: &Path, starttls: bool| {
        let mut command = Command::new("ldapwhoami");
        command.args(["-x", "-H", url]).args(starttls.then_some("-ZZ"));
        command.env("LDAPTLS_CACERT", ca).env("LDAPTLS_REQCERT", "demand").output().unwrap().status.success()
    };
    assert!(connects(&good.tls_url(), &good.ca_file(), false), "ldaps");
    assert!(connects(&good.url(), &good.ca_file(), true), "StartTLS");
    assert!(!connects(&good.tls_url(), &wrong.ca_file(), false), "another authority");
    assert!(!connects(&wrong.tls_url(), &wrong.ca_file(), false), "another host's certificate");
    assert!(!connects(&plain.url(), &good.ca_file(), true), "StartTLS where there is none");
}

#[test]
fn slapd_stops() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut slapd = Slapd::start(&rig, &Directory::generate(1, 1, 1));
    let address = slapd.url().replace("ldap://", "");
    assert!(TcpStream::connect(&address).is_ok());
    slapd.stop();
    assert!(TcpStream::connect(&address).is_err(), "still listening");
}

#[test]
fn the_proxy_counts_and_keeps_what_passes() {
    let Some(rig) = rig::require("scim2-server") else { return };
    let server = rig.scim2_server();
    let proxy = Proxy::before(&server.base_url);
    let send = |method: &str, path: &str, body: Option<&Value>| {
        http::send(method, &format!("{}{path}", proxy.base_url), &server.token, body)
    };
    let created = send("POST", "/Users", Some(&user("ada@example.org")));
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(send("GET", "/Users?startIndex=1", None).json()["totalResults"], 1);
    assert_eq!(send("DELETE", &format!("/Users/{id}"), None).status, 204);

    let shapes = ["POST /Users", "GET /Users", "DELETE /Users/{id}"];
    assert_eq!(proxy.counts(), BTreeMap::from(shapes.map(|shape| (shape.to_owned(), 1))));
    let calls = proxy.calls();
    assert_eq!(calls[0].json()["userName"], "ada@example.org");
    assert_eq!(calls[0].authorization, Some(format!("Bearer {}", server.token)));
    assert_eq!(calls[1].query, "startIndex=1");
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [Some(201), Some(200), Some(204)]);
    assert_eq!(proxy.writes().len(), 2);
    assert_eq!(proxy.in_flight_peak(), 1);
    proxy.forget();
    assert!(proxy.calls().is_empty());
}

#[test]
fn the_proxy_spoils_what_it_is_told_to() {
    let Some(rig) = rig::require("scim2-server") else { return };
    let server = rig.scim2_server();
    let proxy = Proxy::before(&server.base_url);
    let url = format!("{}/Users", proxy.base_url);
    let get = || http::call("GET", &url, &server.token, None);
    let post = |name: &str| http::call("POST", &url, &server.token, Some(&user(name)));
    let people = || server.read().users.into_keys().collect::<Vec<_>>();

    proxy.inject(Rule::on("GET", "/Users").skip(1).times(2), Fault::too_many_requests("3"));
    let statuses: Vec<_> = (0..4).map(|_| get().unwrap().status).collect();
    assert_eq!(statuses, [200, 429, 429, 200]);

    proxy.inject(Rule::on("GET", "/"), Fault::html(200));
    assert!(get().unwrap().body.contains("<html>"));
    proxy.inject(Rule::on("*", "/"), Fault::redirect("http://elsewhere.example.org/"));
    assert_eq!(get().unwrap().status, 307);
    proxy.inject(Rule::on("GET", "/"), Fault::Truncate);
    assert!(get().is_err(), "half a body is no answer");
    proxy.inject(Rule::on("GET", "/"), Fault::Delay(Duration::from_millis(200)));
    let before = Instant::now();
    assert_eq!(get().unwrap().status, 200);
    assert!(before.elapsed() >= Duration::from_millis(200));

    proxy.inject(Rule::on("POST", "/Users"), Fault::DropBefore);
    assert!(post("never@example.org").is_err());
    assert!(people().is_empty(), "the app never saw it");
    proxy.inject(Rule::on("POST", "/Users"), Fault::DropAfter);
    assert!(post("ada@example.org").is_err());
    assert_eq!(people(), ["ada@example.org"], "the app did it");
    assert_eq!(proxy.calls().iter().filter(|call| call.status.is_none()).count(), 2);
}

#[test]
fn the_proxy_says_that_the_app_is_down() {
    let proxy = Proxy::before(&servers::nobody());
    assert_eq!(http::send("GET", &format!("{}/Users", proxy.base_url), "token", None).status, 502);
}

#[test]
fn the_testers_tell_a_good_server_from_a_bad_one() {
    let Some(rig) = rig::require_all(&["scim-testers", "scim2-server", "django-scim2"]) else { return };
    let failures = |server: &ScimServer| {
        let checks = testers::conformance(&rig, &server.base_url, &server.token);
        assert!(checks.iter().filter(|check| check.outcome == Outcome::Passed).count() > 20, "{checks:?}");
        let failed = checks.into_iter().filter(|check| check.outcome == Outcome::Failed);
        failed.map(|check| (check.tester, check.reason)).collect::<Vec<_>>()
    };
    // The two testers disagree about 204, which RFC 7644 §3.5.2 allows.
    let good = failures(&rig.scim2_server());
    assert!(good.iter().all(|(tester, reason)| tester == "scim-sanity" && reason.contains("204")), "{good:?}");
    let bad = failures(&rig.django_scim2());
    assert!(bad.iter().any(|(tester, _)| tester == "scim2-tester"), "{bad:?}");
}

#[test]
fn the_linters_find_what_is_wrong_with_a_request() {
    let Some(rig) = rig::require("scim-testers") else { return };
    let proxy = Proxy::before(&servers::nobody());
    let send = |method: &str, path: &str, body: Value| {
        http::send(method, &format!("{}{path}", proxy.base_url), "token", Some(&body));
        let problems = testers::lint(&rig, &proxy.calls());
        proxy.forget();
        problems
    };
    let patch = |operations: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    assert_eq!(send("POST", "/Users", user("ada@example.org")), [""; 0]);
    assert_eq!(send("PATCH", "/Users/1", patch(json!([{"op": "replace", "path": "active", "value": false}]))), [""; 0]);
    assert!(!send("POST", "/Users", json!({"schemas": [USER], "userName": "a", "active": "perhaps"})).is_empty());
    assert!(!send("PATCH", "/Groups/1", patch(json!([{"op": "remove"}]))).is_empty());
}

#[test]
fn the_runner_gives_exit_code_and_output_and_finds_leaks() {
    let rosterd = Rosterd::new();
    rosterd.run(&["--help"]).expect_code(0);
    let secret = rosterd.secret("secrets/token", "s3cret");
    assert_eq!(rosterd.files_holding("s3cret"), [secret]);
}

/// Two people and a group with one of them, read back by name.
fn holds_people_and_a_group(server: &ScimServer) {
    let ada = create_user(server, "ada@example.org");
    create_user(server, "grace@example.org");
    create_group(server, "Staff", &ada);
    let state = server.read();
    assert_eq!(state.users.keys().collect::<Vec<_>>(), ["ada@example.org", "grace@example.org"]);
    assert_eq!(state.users["ada@example.org"].id, ada);
    assert_eq!(state.users["ada@example.org"].given_name.as_deref(), Some("Ada"));
    assert_eq!(state.users["ada@example.org"].emails, ["ada@example.org"]);
    assert_eq!(state.groups["Staff"], BTreeSet::from(["ada@example.org".to_owned()]));
    let refused = http::send("GET", &format!("{}/Users", server.base_url), "another token", None);
    assert_eq!(refused.status, 401, "{}", refused.body);
}

fn keeps_its_data(server: &mut ScimServer) {
    let before = server.read();
    stops(server);
    server.start_again();
    assert_eq!(server.read(), before);
}

fn stops(server: &mut ScimServer) {
    server.stop();
    let users = format!("{}/Users", server.base_url);
    assert!(http::call("GET", &users, &server.token, None).is_err(), "still answering");
}

fn create_user(server: &ScimServer, user_name: &str) -> String {
    let created = server.send("POST", "/Users", Some(&user(user_name)));
    assert_eq!(created.status, 201, "{}", created.body);
    created.json()["id"].as_str().unwrap().to_owned()
}

/// A group with one member, who is added afterwards: one of these servers drops the members of a POST, another wants
/// some.
fn create_group(server: &ScimServer, name: &str, member: &str) {
    let value = json!([{"value": member, "$ref": format!("{}/Users/{member}", server.base_url)}]);
    let group = json!({"schemas": [GROUP], "displayName": name, "members": value});
    let created = server.send("POST", "/Groups", Some(&group));
    assert_eq!(created.status, 201, "{}", created.body);
    if created.json()["members"].as_array().is_none_or(Vec::is_empty) {
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let add = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": member}]}],
        });
        let added = server.send("PATCH", &format!("/Groups/{id}"), Some(&add));
        assert_eq!(added.status, 200, "{}", added.body);
    }
}

/// A user that every one of these servers accepts.
fn user(user_name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": user_name,
        "active": true,
        "displayName": "Ada Lovelace",
        "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
        "emails": [{"value": user_name}],
    })
}

fn members(slapd: &Slapd, cn: &str) -> Vec<String> {
    let group: slapd::Entry = slapd.search(&format!("(cn={cn})"), &["member"]).remove(0);
    assert!(group.attributes["member"].iter().any(|member| member == DUMMY_MEMBER));
    group.attributes["member"].clone()
}

/// Whether a process exists and is no zombie.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
