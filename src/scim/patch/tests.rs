use scim_v2::Validate;
use scim_v2::models::others::{PatchOp, PatchOperation};

use super::*;
use crate::config::attributes::{PushTime, ValueShape};
use crate::config::profile::Profile;
use crate::model::ENTERPRISE;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn attributes(pairs: &[(&str, Value)]) -> Attributes {
    pairs.iter().map(|(name, value)| (path(name), value.clone())).collect()
}

/// The operations of a change, after a strict parser has accepted the whole message.
fn operations(profile: &Profile, set: &[(&str, Value)], clear: &[&str]) -> Value {
    let wire = Wire::new(profile).unwrap();
    let clear: Vec<Path> = clear.iter().map(|text| path(text)).collect();
    let body = user_body(&profile.users, &edits(&wire, &profile.users, &attributes(set), &clear));
    accepted(&body);
    body["Operations"].clone()
}

fn accepted(body: &Value) -> PatchOp {
    let read: PatchOp = serde_json::from_value(body.clone()).unwrap_or_else(|why| panic!("{body}: {why}"));
    read.validate().unwrap_or_else(|why| panic!("{body}: {why}"));
    read
}

#[test]
fn the_interoperable_form_is_one_lower_case_operation_with_path_per_attribute() {
    let set = [
        ("userName", json!("ann")),
        ("name.familyName", json!("Lee")),
        ("emails.work", json!("a@example.com")),
        ("enterprise.department", json!("R&D")),
        ("enterprise.manager", json!("m-1")),
        ("nickNames", json!(["a", "b"])),
        ("flag", json!(true)),
    ];
    let clear = ["title", "emails.home", "addresses.work.locality", "enterprise.costCenter", "name.givenName"];
    let expected = json!([
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@example.com" },
        { "op": "replace", "path": "flag", "value": true },
        { "op": "replace", "path": "name.familyName", "value": "Lee" },
        { "op": "replace", "path": "nickNames", "value": ["a", "b"] },
        { "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "R&D" },
        { "op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": { "value": "m-1" } },
        { "op": "replace", "path": "userName", "value": "ann" },
        { "op": "remove", "path": "title" },
        { "op": "remove", "path": "emails[type eq \"home\"]" },
        { "op": "remove", "path": "addresses[type eq \"work\"].locality" },
        { "op": "remove", "path": format!("{ENTERPRISE}:costCenter") },
        { "op": "remove", "path": "name.givenName" },
    ]);
    let mut sent = operations(&Profile::default(), &set, &clear);
    let by_path = |a: &Value, b: &Value| {
        (a["op"] != "remove").cmp(&(b["op"] != "remove")).reverse().then_with(|| {
            if a["op"] == "remove" { std::cmp::Ordering::Equal } else { a["path"].as_str().cmp(&b["path"].as_str()) }
        })
    };
    sent.as_array_mut().unwrap().sort_by(by_path);
    let mut expected = expected;
    expected.as_array_mut().unwrap().sort_by(by_path);
    assert_eq!(sent, expected);
    assert_eq!(
        operations(&Profile::default(), &[], &["enterprise.manager"])[0]["path"],
        format!("{ENTERPRISE}:manager")
    );
}

#[test]
fn every_knob_of_style_changes_what_it_names() {
    let mut profile = Profile::default();
    profile.users.op_case = OpCase::Pascal;
    profile.users.bool_style = BoolStyle::TextPascal;
    profile.users.clear = ClearStyle::Null;
    let sent = operations(&profile, &[("flag", json!(false))], &["title"]);
    assert_eq!(
        sent,
        json!([
            { "op": "Replace", "path": "flag", "value": "False" },
            { "op": "Replace", "path": "title", "value": null },
        ])
    );
    profile.users.bool_style = BoolStyle::Text;
    profile.users.clear = ClearStyle::EmptyString;
    let sent = operations(&profile, &[("flag", json!(true))], &["title"]);
    assert_eq!((&sent[0]["value"], &sent[1]["value"]), (&json!("true"), &json!("")));
    profile.users.clear = ClearStyle::Never;
    assert_eq!(operations(&profile, &[("flag", json!(true))], &["title"]).as_array().unwrap().len(), 1);
    profile.attributes.set(&["flag"], |one| one.push = Some(PushTime::OnCreate));
    let wire = Wire::new(&profile).unwrap();
    assert!(edits(&wire, &profile.users, &attributes(&[("flag", json!(true))]), &[path("title")]).is_empty());
}

#[test]
fn without_paths_one_replace_holds_an_object() {
    let set = [("name.familyName", json!("Lee")), ("enterprise.department", json!("R&D")), ("active2", json!(true))];
    let mut profile = Profile::default();
    profile.users.patch_path = PatchPath::Pathless;
    profile.users.clear = ClearStyle::Null;
    let expected = json!([{ "op": "replace", "value": {
        "name": { "familyName": "Lee" }, "active2": true, "title": null, (ENTERPRISE): { "department": "R&D" },
    } }]);
    assert_eq!(operations(&profile, &set, &["title"]), expected);
    profile.users.patch_path = PatchPath::PathlessDotted;
    let expected = json!([{ "op": "replace", "value": {
        "name.familyName": "Lee", "active2": true, "title": null, (format!("{ENTERPRISE}:department")): "R&D",
    } }]);
    assert_eq!(operations(&profile, &set, &["title"]), expected);
}

#[test]
fn o6_a_role_is_changed_in_the_shape_of_the_profile() {
    let mut profile = Profile::default();
    let role = [("role", json!("Admin"))];
    let replaced = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
    assert_eq!(operations(&profile, &role, &[]), replaced("roles", json!([{ "value": "Admin" }])));
    assert_eq!(operations(&profile, &[], &["role"]), json!([{ "op": "remove", "path": "roles" }]));
    profile.attributes.set(&["role"], |role| {
        (role.shape, role.r#type) = (Some(ValueShape::TypedList), Some("base".into()));
    });
    assert_eq!(operations(&profile, &role, &[]), replaced("roles[type eq \"base\"].value", json!("Admin")));
    assert_eq!(operations(&profile, &[], &["role"]), json!([{ "op": "remove", "path": "roles[type eq \"base\"]" }]));
}

#[test]
fn after_a_path_found_nothing_the_edits_are_fitted_to_what_is_there() {
    let resource = json!({ "emails": [{ "type": "home", "value": "h" }], "title": "x" });
    let edits = vec![
        PatchEdit::Set(path("emails.work"), json!("w")),
        PatchEdit::Set(path("emails.home"), json!("h2")),
        PatchEdit::Set(path("displayName"), json!("Ann")),
        PatchEdit::Clear(path("phoneNumbers.work")),
        PatchEdit::Clear(path("title")),
    ];
    let fitted = fitted(edits, resource.as_object().unwrap());
    let body = user_body(&Profile::default().users, &fitted);
    accepted(&body);
    assert_eq!(
        body["Operations"],
        json!([
            { "op": "add", "path": "emails", "value": [{ "type": "work", "value": "w" }] },
            { "op": "replace", "path": "emails[type eq \"home\"].value", "value": "h2" },
            { "op": "replace", "path": "displayName", "value": "Ann" },
            { "op": "remove", "path": "title" },
        ])
    );
}

#[test]
fn i4_a_whole_list_keeps_the_elements_that_are_not_ours() {
    let resource = json!({ "emails": [{ "type": "home", "value": "theirs" }, { "type": "work", "value": "old" }],
        "phoneNumbers": [{ "type": "work", "value": "1" }] });
    let edits = vec![
        PatchEdit::Set(path("emails.work"), json!("new")),
        PatchEdit::Clear(path("phoneNumbers.work")),
        PatchEdit::Set(path("displayName"), json!("Ann")),
    ];
    let lists = as_whole_lists(edits, resource.as_object().unwrap());
    assert_eq!(
        lists,
        [
            PatchEdit::Set(path("displayName"), json!("Ann")),
            PatchEdit::Set(
                path("emails"),
                json!([{ "type": "home", "value": "theirs" }, { "type": "work", "value": "new" }])
            ),
            PatchEdit::Clear(path("phoneNumbers")),
        ]
    );
}

#[test]
fn members_are_added_in_one_operation_and_removed_by_one_each() {
    let added = add_members(OpCase::Lower, &[json!({ "value": "a" }), json!({ "value": "b" })]);
    accepted(&added);
    let expected = json!([{ "op": "add", "path": "members", "value": [{ "value": "a" }, { "value": "b" }] }]);
    assert_eq!(added["Operations"], expected);

    let mut groups = Profile::default().groups;
    let ids = ["a".to_owned(), "b\"] or x".to_owned()];
    let removed = remove_members(OpCase::Lower, &groups, &ids);
    for operation in accepted(&removed).operations {
        assert!(matches!(operation, PatchOperation::Remove { value: None, .. }), "never all members");
    }
    assert_eq!(
        removed["Operations"],
        json!([
            { "op": "remove", "path": "members[value eq \"a\"]" },
            { "op": "remove", "path": "members[value eq \"b\\\"] or x\"]" },
        ])
    );
    groups.member_remove = MemberRemove::ValueList;
    let removed = remove_members(OpCase::Pascal, &groups, &ids[..1]);
    assert_eq!(removed["Operations"], json!([{ "op": "Remove", "path": "members", "value": [{ "value": "a" }] }]));
}

#[test]
fn one_attribute_is_set_in_the_style_of_the_profile() {
    let mut users = Profile::default().users;
    let sent = set_one(&users, "active", &json!(false));
    accepted(&sent);
    assert_eq!(sent["Operations"], json!([{ "op": "replace", "path": "active", "value": false }]));
    users.patch_path = PatchPath::Pathless;
    users.bool_style = BoolStyle::Text;
    let sent = set_one(&users, "active", &json!(false));
    assert_eq!(sent["Operations"], json!([{ "op": "replace", "value": { "active": "false" } }]));
}
