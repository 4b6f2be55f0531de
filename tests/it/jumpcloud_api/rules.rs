//! The rules of JumpCloud's own guide (J1 to J17), as far as the directory has a part in them.

use serde_json::json;

use super::scene::{BASE, DANGLING, Scene, Wording, company, operations, ops, people};
use crate::support::directory::{Person, uid};
use crate::support::jumpcloud::person_id;
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::require_all;
use crate::support::servers::Kind;

/// Two who lose their accounts and a group that loses its four: in a company of 65 more than one day usually brings.
const GUARD: &str = "\n[guard]\nremovals_per_day = \"12%\"\n";

fn differences(kind: Kind) -> &'static str {
    if kind == Kind::Scim2Server { DANGLING } else { "" }
}

fn scene(kind: Kind, bound: &[&str], tables: &str) -> Option<Scene> {
    let rig = require_all(&[kind.name()])?;
    let scene = Scene::new(&rig, kind, &company(), bound);
    scene.configure(Wording { tables: &format!("{}{tables}", differences(kind)), ..Wording::default() });
    Some(scene)
}

fn everybody_goes_in_step(kind: Kind) {
    let Some(scene) = scene(kind, &["base", "sales", "eng"], "") else { return };
    let all = || people(0..BASE + 5);
    let (base, sales, eng) = (|| people(0..BASE), || people([60, 61, 62, 0]), || people([62, 63, 64, 1]));

    let (plan, calls) = scene.run(&["plan", "acme"], 0);
    assert!(calls.keys().all(|call| call.starts_with("GET")), "a preview only reads: {calls:?}");
    let (report, _) = scene.sync();
    assert_eq!((&report["status"], &report["plan"]), (&json!("ok"), &plan["plan"]));
    scene.app_shows(all(), &[], &[("base", base()), ("sales", sales()), ("eng", eng())]);
    scene.is_quiet();

    // A new name, a suspension, somebody new, somebody gone: each is one call of its own.
    let hired = scene.cloud.change(|org| {
        org.set(1, "lastname", "Newname");
        org.suspend(2);
        org.delete_person(&person_id(3));
        let hired = org.hire(&Person::generate(90));
        org.add_member("sales", &hired);
        hired
    });
    let (report, calls) = scene.sync();
    let (one, two, three, new) = (uid(1), uid(2), uid(3), uid(90));
    let mut expected = vec![
        ("update_user", one.as_str()),
        ("deactivate_user", &two),
        ("delete_user", &three),
        ("create_user", &new),
        ("add_members", "sales"),
    ];
    if kind == Kind::Scim2Server {
        // This app keeps the memberships of a deleted account: they go first, and the account last.
        expected.extend([("remove_members", "base"), ("deactivate_user", three.as_str())]);
    }
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    assert_eq!(report["operations"][0]["name"], two, "leavers first: {report:#}");
    assert_eq!((calls["POST /Users"], calls["DELETE /Users/{id}"]), (1, 1));
    let all: std::collections::BTreeSet<_> = people((0..BASE + 5).chain([90]).filter(|number| *number != 3));
    let base = || people((0..BASE).filter(|number| *number != 3));
    let sales_now = || people([60, 61, 62, 0, 90]);
    scene.app_shows(all.clone(), &[2], &[("base", base()), ("sales", sales_now()), ("eng", eng())]);
    assert_eq!(scene.server.read().users[&uid(1)].family_name.as_deref(), Some("Newname"));
    scene.is_quiet();

    // Back at work, and out of the one group that held them.
    scene.cloud.change(|org| {
        org.set(2, "suspended", false);
        org.set(2, "state", "ACTIVATED");
        org.remove_member("sales", &hired);
    });
    let (report, _) = scene.sync();
    let expected = [("activate_user", two.as_str()), ("deactivate_user", &new), ("remove_members", "sales")];
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    scene.app_shows(all, &[90], &[("base", base()), ("sales", sales()), ("eng", eng())]);
    scene.is_quiet();
}

#[test]
fn j01_people_and_groups_follow_jumpcloud_in_scim2_server() {
    everybody_goes_in_step(Kind::Scim2Server);
}

#[test]
fn j01_people_and_groups_follow_jumpcloud_in_better_auth() {
    everybody_goes_in_step(Kind::BetterAuth);
}

#[test]
fn j01_who_is_staged_waits_and_who_has_no_password_yet_does_not() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales"], "") else { return };
    scene.cloud.change(|org| {
        org.set(60, "state", "STAGED");
        org.set(61, "activated", false);
        org.set(62, "account_locked", true);
    });
    scene.sync();
    scene.app_shows(people([61, 62, 0]), &[], &[("sales", people([61, 62, 0]))]);
    scene.is_quiet();
    scene.cloud.change(|org| org.set(60, "state", "ACTIVATED"));
    scene.sync();
    scene.app_shows(people([60, 61, 62, 0]), &[], &[("sales", people([60, 61, 62, 0]))]);
}

#[test]
fn j04_an_account_that_can_not_be_taken_is_told_and_everybody_else_goes_on() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales"], "") else { return };
    let taken = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "409", "scimType": "uniqueness",
        "detail": "the address belongs to another organization"});
    scene.proxy.inject(Rule::on("POST", "/Users"), Fault::body(409, &taken.to_string()));
    let (report, _) = scene.run(&["sync", "acme"], 4);
    assert_eq!(report["status"], "partial", "{report:#}");
    let failed: Vec<_> = report["operations"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["op"] == "create_user" && one["detail"].to_string().contains("another organization"))
        .collect();
    assert_eq!(failed.len(), 1, "{report:#}");
    assert_eq!(scene.server.read().users.len(), 3, "the others are there");
}

#[test]
fn j06_a_changed_user_name_or_address_makes_no_second_account() {
    let immutable = "\n[target.override_profile.attributes]\nuserName.mutability = \"immutable\"\nemails.mutability = \"immutable\"\n";
    let Some(scene) = scene(Kind::BetterAuth, &["sales"], immutable) else { return };
    scene.sync();
    scene.cloud.change(|org| {
        org.set(60, "email", "new-address@example.org");
        org.set(61, "username", "new-name");
    });
    let (report, calls) = scene.run(&["sync", "acme"], 3);
    assert_eq!((calls.values().sum::<usize>(), &report["held"]), (0, &json!(2)), "{report:#}");
    assert_eq!(scene.server.read().users.keys().cloned().collect::<Vec<_>>(), [uid(0), uid(60), uid(61), uid(62)]);
}

#[test]
fn j07_and_j14_the_switch_for_groups_leaves_people_managed() {
    let off = "\n[groups]\nmanage = false\n";
    let Some(scene) = scene(Kind::BetterAuth, &["sales"], off) else { return };
    let (_, calls) = scene.sync();
    assert!(calls.keys().all(|call| !call.contains("/Groups")), "{calls:?}");
    scene.app_shows(people([60, 61, 62, 0]), &[], &[]);
    scene.configure(Wording::default());
    scene.sync();
    scene.app_shows(people([60, 61, 62, 0]), &[], &[("sales", people([60, 61, 62, 0]))]);
    // Off again: the group and its members stay as they are, people are still managed.
    scene.configure(Wording { tables: off, ..Wording::default() });
    scene.cloud.change(|org| {
        org.remove_member("sales", &person_id(60));
        org.add_member("sales", &person_id(5));
    });
    let (_, calls) = scene.sync();
    assert!(calls.keys().all(|call| !call.contains("/Groups")), "{calls:?}");
    scene.app_shows(people([60, 61, 62, 0, 5]), &[60], &[("sales", people([60, 61, 62, 0]))]);
}

#[test]
fn j08_an_empty_group_is_not_made_until_somebody_is_in_it() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales"], "") else { return };
    scene.cloud.change(|org| {
        org.add_group("empty", &[]);
        org.bind("Heap", &["empty"]);
    });
    scene.sync();
    let sales = || people([60, 61, 62, 0]);
    scene.app_shows(sales(), &[], &[("sales", sales())]);
    scene.is_quiet();
    scene.cloud.change(|org| org.add_member("empty", &person_id(60)));
    scene.sync();
    scene.app_shows(sales(), &[], &[("sales", sales()), ("empty", people([60]))]);
}

#[test]
fn j09_a_group_of_the_same_name_is_taken_over() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales"], "") else { return };
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Sales"});
    let made = scene.server.send("POST", "/Groups", Some(&group)).json();
    let (report, _) = scene.sync();
    assert!(operations(&report).contains(&("adopt_group".to_owned(), "sales".to_owned())), "{report:#}");
    let app = scene.server.read();
    let ids: Vec<&str> = app.group_resources.values().map(|group| group.id.as_str()).collect();
    assert_eq!(ids, [made["id"].as_str().unwrap()]);
    assert_eq!(app.groups.values().next().unwrap(), &people([60, 61, 62, 0]));
}

#[test]
fn j10_what_is_bound_to_the_application_belongs_and_nothing_else() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales", "eng"], "") else { return };
    scene.cloud.change(|org| org.bind_person("Heap", 10));
    scene.sync();
    let all = || people([60, 61, 62, 0, 63, 64, 1, 10]);
    scene.app_shows(all(), &[], &[("sales", people([60, 61, 62, 0])), ("eng", people([62, 63, 64, 1]))]);
    let members: Vec<String> = scene
        .cloud
        .calls()
        .iter()
        .filter(|call| call.path.ends_with("/members"))
        .map(|call| call.path.clone())
        .collect();
    assert!(members.is_empty() || members.len() == 2, "only bound groups are opened: {members:?}");
    scene.is_quiet();

    // One more group, one more person, and a membership: all of it belongs from then on.
    scene.cloud.change(|org| {
        org.bind("Heap", &["other"]);
        org.add_member("eng", &person_id(11));
        org.app("Heap").users.clear();
    });
    scene.sync();
    let now = people([60, 61, 62, 0, 63, 64, 1, 10, 65, 66, 11]);
    let groups =
        [("sales", people([60, 61, 62, 0])), ("eng", people([62, 63, 64, 1, 11])), ("other", people([65, 66]))];
    scene.app_shows(now, &[10], &groups);
    scene.is_quiet();
}

#[test]
fn j10_a_scope_narrows_what_is_bound() {
    let scope = "\n[scope]\ngroups = [{ name = \"s*\" }, { name = \"other\" }]\n";
    let Some(scene) = scene(Kind::Scim2Server, &["sales", "eng"], scope) else { return };
    scene.sync();
    scene.app_shows(people([60, 61, 62, 0]), &[], &[("sales", people([60, 61, 62, 0]))]);
}

#[test]
fn j10_groups_are_chosen_by_name_where_no_application_is_named() {
    let Some(rig) = require_all(&[Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &[]);
    let source = "api_key = { file = \"../jumpcloud.secret\" }";
    let tables = format!("{DANGLING}\n[scope]\ngroups = [{{ name = \"other\" }}]\n");
    scene.configure(Wording { source: Some(source), tables: &tables, ..Wording::default() });
    scene.sync();
    scene.app_shows(people([65, 66]), &[], &[("other", people([65, 66]))]);
    let calls = scene.cloud.counts();
    assert!(calls.keys().all(|call| !call.contains("applications")), "{calls:?}");
    assert_eq!(calls["GET /api/v2/usergroups/{id}/members"], 1);
}

#[test]
fn j10_people_are_chosen_by_a_filter_where_no_application_is_named() {
    let Some(rig) = require_all(&[Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &["sales"]);
    scene.cloud.change(|org| [3, 61].map(|number| org.set(number, "department", "R&D")));
    let source = "api_key = { file = \"../jumpcloud.secret\" }";
    let tables = format!("{DANGLING}\n[scope]\nusers = 'department == \"R&D\"'\nall_users = true\n");
    scene.configure(Wording { source: Some(source), tables: &tables, ..Wording::default() });
    scene.sync();
    // Nobody said that any group belongs.
    scene.app_shows(people([3, 61]), &[], &[]);
    assert!(!scene.cloud.counts().contains_key("GET /api/v2/usergroups/{id}/members"));
}

#[test]
fn j11_a_renamed_group_is_renamed() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales"], "") else { return };
    scene.sync();
    scene.cloud.change(|org| org.rename_group("sales", "Sales and Service"));
    let (report, calls) = scene.sync();
    assert_eq!(operations(&report), ops(&[("rename_group", "Sales and Service")]), "{report:#}");
    assert_eq!(writes(&calls), 1, "{calls:?}");
    scene.app_shows(people([60, 61, 62, 0]), &[], &[("Sales and Service", people([60, 61, 62, 0]))]);
}

fn disassociated_and_deleted(kind: Kind) {
    let Some(scene) = scene(kind, &["base", "sales", "eng"], GUARD) else { return };
    let all = || people(0..BASE + 5);
    let (base, sales, eng) = (|| people(0..BASE), || people([60, 61, 62, 0]), || people([62, 63, 64, 1]));
    scene.sync();

    // J12: it stays as it is; 60 and 61 were held by nothing else, 62 is in eng and 0 in base.
    scene.cloud.change(|org| org.unbind("Heap", "sales"));
    let (report, calls) = scene.sync();
    let (sixty, sixty_one) = (uid(60), uid(61));
    let expected = [("release_group", "sales"), ("deactivate_user", &sixty), ("deactivate_user", &sixty_one)];
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    assert_eq!(writes(&calls), 2, "{calls:?}");
    scene.app_shows(all(), &[60, 61], &[("base", base()), ("sales", sales()), ("eng", eng())]);
    scene.is_quiet();
    scene.cloud.change(|org| org.add_member("sales", &person_id(5)));
    scene.is_quiet();

    // J13: deleted; 64 moved to base before, 62 has lost the last group that held them.
    scene.cloud.change(|org| {
        org.add_member("base", &person_id(64));
        org.delete_group("eng");
    });
    let (report, calls) = scene.sync();
    let (sixty_two, sixty_three) = (uid(62), uid(63));
    let expected = [
        ("add_members", "base"),
        ("delete_group", "eng"),
        ("deactivate_user", &sixty_two),
        ("deactivate_user", &sixty_three),
    ];
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    assert_eq!(calls["DELETE /Groups/{id}"], 1, "{calls:?}");
    let with_64 = || people((0..BASE).chain([64]));
    scene.app_shows(all(), &[60, 61, 62, 63], &[("base", with_64()), ("sales", sales())]);
    scene.is_quiet();

    // Bound again: the same accounts come back.
    scene.cloud.change(|org| org.bind("Heap", &["sales"]));
    scene.sync();
    scene.app_shows(all(), &[63], &[("base", with_64()), ("sales", people([60, 61, 62, 0, 5]))]);
    scene.is_quiet();
}

#[test]
fn j12_and_j13_a_group_disassociated_and_a_group_deleted_in_scim2_server() {
    disassociated_and_deleted(Kind::Scim2Server);
}

#[test]
fn j12_and_j13_a_group_disassociated_and_a_group_deleted_in_better_auth() {
    disassociated_and_deleted(Kind::BetterAuth);
}

#[test]
fn j15_names_roles_managers_and_custom_attributes_are_mapped() {
    let Some(rig) = require_all(&[Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &["sales"]);
    let attributes = "userType = \"attributes.heapRole\"\ntitle = \"jobTitle\"\n\
        \"phoneNumbers.work\" = '(phoneNumbers | selectattr(\"type\", \"equalto\", \"work\") | first).number'\n\
        \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber\" = \"employeeIdentifier\"\n";
    let tables = format!("{DANGLING}\n[groups]\ndisplayName = 'name ~ \" (\" ~ type ~ \")\"'\n");
    scene.configure(Wording { attributes, tables: &tables, ..Wording::default() });
    scene.cloud.change(|org| org.set_custom(60, "heapRole", "admin"));
    scene.sync();
    let app = scene.server.read();
    let sixty = &app.users[&uid(60)];
    let person = Person::generate(60);
    assert_eq!(sixty.user_name, uid(60));
    assert_eq!(sixty.given_name.as_deref(), Some(person.given_name.as_str()));
    assert_eq!(sixty.family_name.as_deref(), Some(person.family_name.as_str()));
    assert_eq!(sixty.emails, std::slice::from_ref(&person.mail));
    assert_eq!(
        (&sixty.raw["userType"], &sixty.raw["title"]),
        (&json!("admin"), &json!(person.title)),
        "{:#}",
        sixty.raw
    );
    assert_eq!(sixty.raw["phoneNumbers"][0]["value"], "+1 555 0100", "{:#}", sixty.raw);
    assert_eq!(app.users[&uid(61)].raw.get("userType"), None, "no role: nothing is sent");
    assert_eq!(app.groups.keys().collect::<Vec<_>>(), ["sales (user_group)"]);
    // The role of one person changes, by hand in JumpCloud.
    scene.cloud.change(|org| org.set_custom(60, "heapRole", "viewer"));
    let (_, calls) = scene.sync();
    assert_eq!(calls.values().sum::<usize>(), 1, "{calls:?}");
    assert_eq!(scene.server.read().users[&uid(60)].raw["userType"], "viewer");
    scene.is_quiet();
}

#[test]
fn j15_the_default_mapping_is_that_of_the_guide() {
    let Some(rig) = require_all(&[Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &["sales"]);
    scene.configure(Wording::default());
    let file = scene.rosterd.path().join("tenants/acme.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let start = text.find("[users.attributes]").unwrap();
    std::fs::write(&file, &text[..start]).unwrap();
    scene.sync();
    let app = scene.server.read();
    let (sixty, person) = (&app.users[&uid(60)], Person::generate(60));
    assert_eq!(
        (sixty.given_name.as_deref(), sixty.family_name.as_deref()),
        (Some(&*person.given_name), Some(&*person.family_name))
    );
    assert_eq!(sixty.display_name.as_deref(), Some(person.display_name().as_str()));
    assert_eq!(app.groups["sales"], people([60, 61, 62, 0]));
}

#[test]
fn j17_a_retired_connection_leaves_the_app_as_it_is_and_asks_jumpcloud_nothing() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales"], "") else { return };
    scene.sync();
    scene.rosterd.run(&["retire", "acme", "--yes-i-mean", "acme"]).expect_code(0);
    scene.cloud.change(|org| org.suspend(60));
    let run = scene.command(&["sync", "acme"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(scene.cloud.calls().is_empty() && scene.proxy.calls().is_empty());
    scene.app_shows(people([60, 61, 62, 0]), &[], &[("sales", people([60, 61, 62, 0]))]);
}

#[test]
fn i2_a_dynamic_group_whose_rule_is_in_error_loses_nobody() {
    let Some(scene) = scene(Kind::Scim2Server, &["sales", "eng"], "") else { return };
    scene.sync();
    scene.cloud.change(|org| {
        let record = &mut org.group("sales").record;
        record.insert("membershipMethod".to_owned(), json!("DYNAMIC_AUTOMATED"));
        record.insert("memberQueryErrorFlags".to_owned(), json!(["INVALID_GROUP_REFERENCE"]));
        org.remove_member("sales", &person_id(60));
        org.add_member("sales", &person_id(5));
    });
    let run = scene.command(&["sync", "acme"]);
    assert!(run.stdout.contains("INVALID_GROUP_REFERENCE"), "{}\n{}", run.stdout, run.stderr);
    let app = scene.server.read();
    assert!(app.groups["sales"].contains(&uid(60)), "nobody leaves a group that can't be read");
    assert!(app.users[&uid(60)].active.unwrap_or(true));
    // Mended: what it says counts again.
    scene.cloud.change(|org| org.group("sales").record.insert("memberQueryErrorFlags".to_owned(), json!([])));
    scene.sync();
    scene.app_shows(
        people([60, 61, 62, 0, 63, 64, 1, 5]),
        &[60],
        &[("sales", people([61, 62, 0, 5])), ("eng", people([62, 63, 64, 1]))],
    );
}

/// Calls that change something: where an answer shows nothing, one look follows the first removal.
fn writes(calls: &std::collections::BTreeMap<String, usize>) -> usize {
    calls.iter().filter(|(call, _)| !call.starts_with("GET")).map(|(_, number)| number).sum()
}
