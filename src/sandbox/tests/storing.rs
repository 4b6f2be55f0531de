use super::*;
use crate::sandbox::id::Id;

#[test]
fn an_id_survives_the_way_out_and_in_and_nothing_else_is_one() {
    let app = app();
    let first = made(&app, ResourceType::User, &user("a", json!({})));
    let second = made(&app, ResourceType::User, &user("b", json!({})));
    assert_ne!(first, second);
    for id in [&first, &second] {
        assert_eq!(Id::parse(id).unwrap().to_string(), *id);
    }
    for other in ["", "1", "+000000000000001", "é23456789abcdef", &first.to_uppercase(), &format!("{first}0")] {
        assert!(Id::parse(other).is_none_or(|id| id.to_string() == other), "{other}");
        assert_eq!(refusal(app.get(ResourceType::User, other, &query(""))), "404", "{other}");
    }
}

#[test]
fn two_apps_give_the_same_ids_in_the_same_order() {
    let ids = || {
        let app = app();
        ["a", "b", "c"].map(|name| made(&app, ResourceType::User, &user(name, json!({}))))
    };
    assert_eq!(ids(), ids());
}

#[test]
fn a_user_name_is_unique_whatever_its_case() {
    let app = app();
    let ann = made(&app, ResourceType::User, &user("Ann@Acme.test", json!({})));
    let bob = made(&app, ResourceType::User, &user("bob@acme.test", json!({})));
    assert_eq!(refusal(create(&app, ResourceType::User, &user("ANN@acme.TEST", json!({})))), "uniqueness");
    assert_eq!(
        refusal(create(&app, ResourceType::User, &user("ann@ACME.test", json!({ "active": false })))),
        "uniqueness"
    );
    let rename = json!([{ "op": "replace", "path": "userName", "value": "aNN@acme.test" }]);
    assert_eq!(refusal(patch(&app, ResourceType::User, &bob, rename.clone())), "uniqueness");
    assert_eq!(
        refusal(app.replace(ResourceType::User, &bob, &query(""), &user("ann@acme.test", json!({})))),
        "uniqueness"
    );
    // its own name in another case is a change like any other
    assert_eq!(patch(&app, ResourceType::User, &ann, rename).unwrap()["userName"], "aNN@acme.test");
    // and a deleted user's name is free again
    app.delete(ResourceType::User, &ann).unwrap();
    made(&app, ResourceType::User, &user("ann@acme.test", json!({})));
    app.read().assert_consistent();
}

#[test]
fn group_names_are_unique_only_where_the_app_is_like_that() {
    let strict = app();
    made(&strict, ResourceType::Group, &group("Admins", &[]));
    assert_eq!(refusal(create(&strict, ResourceType::Group, &group("ADMINS", &[]))), "uniqueness");
    let mut loose = app();
    loose.state = RwLock::new(SandboxState::new(true, false));
    made(&loose, ResourceType::Group, &group("Admins", &[]));
    made(&loose, ResourceType::Group, &group("Admins", &[]));
    let both = loose.list(&[ResourceType::Group], &by_filter(r#"displayName eq "admins""#).unwrap()).unwrap();
    assert_eq!(both["totalResults"], 2);
    loose.read().assert_consistent();
}

#[test]
fn pages_come_in_the_order_of_creation_and_never_exceed_what_was_asked() {
    let app = app_with(Vec::new(), |personality| personality.page_size_max = 4);
    for n in 0..10 {
        made(&app, ResourceType::User, &user(&format!("u{n}"), json!({})));
    }
    let names = |text: &str| -> (u64, Vec<String>) {
        let page = app.list(&[ResourceType::User], &query(text)).unwrap();
        let names = page["Resources"].as_array().unwrap();
        assert_eq!(page["totalResults"], 10);
        assert_eq!(page["itemsPerPage"], names.len());
        let names = names.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
        (page["startIndex"].as_u64().unwrap(), names)
    };
    let expect = |start: u64, names: &[&str]| (start, names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(""), expect(1, &["u0", "u1", "u2", "u3"]));
    assert_eq!(names("startIndex=0&count=2"), expect(1, &["u0", "u1"]));
    assert_eq!(names("startIndex=-5&count=2"), expect(1, &["u0", "u1"]));
    assert_eq!(names("startIndex=9&count=4"), expect(9, &["u8", "u9"]));
    assert_eq!(names("startIndex=5&count=100"), expect(5, &["u4", "u5", "u6", "u7"]));
    assert_eq!(names("count=0"), expect(1, &[]));
    assert_eq!(names("count=-1"), expect(1, &[]));
    assert_eq!(names("startIndex=11"), expect(11, &[]));
    assert_eq!(names("startIndex=9223372036854775807"), expect(9_223_372_036_854_775_807, &[]));
    assert_eq!(refusal(Query::parse(Some("count=many"))), "invalidValue");
    assert_eq!(refusal(Query::parse(Some("startIndex=1.5"))), "invalidValue");
}

#[test]
fn a_deleted_user_leaves_every_group_and_a_deleted_group_every_user() {
    let app = app();
    let ann = made(&app, ResourceType::User, &user("ann", json!({})));
    let bob = made(&app, ResourceType::User, &user("bob", json!({})));
    let inner = made(&app, ResourceType::Group, &group("inner", &[&ann, &bob]));
    let outer = made(&app, ResourceType::Group, &group("outer", &[&inner, &ann]));
    let groups_of = |id: &str| -> Vec<String> {
        let user = get(&app, ResourceType::User, id);
        let groups = user["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().map(|group| group["display"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(groups_of(&ann), ["inner", "outer"]);
    let before = get(&app, ResourceType::Group, &outer);
    app.delete(ResourceType::User, &ann).unwrap();
    let after = get(&app, ResourceType::Group, &outer);
    assert_eq!(after["members"].as_array().unwrap().len(), 1);
    assert_ne!(after["meta"]["lastModified"], before["meta"]["lastModified"]);
    assert_ne!(after["meta"]["version"], before["meta"]["version"]);
    app.read().assert_consistent();
    app.delete(ResourceType::Group, &inner).unwrap();
    assert!(groups_of(&bob).is_empty());
    assert_eq!(get(&app, ResourceType::Group, &outer).get("members"), None);
    assert_eq!(refusal(app.delete(ResourceType::Group, &inner)), "404");
    app.read().assert_consistent();
}

#[test]
fn members_must_exist_and_be_what_they_are_said_to_be() {
    let app = app();
    let ann = made(&app, ResourceType::User, &user("ann", json!({})));
    let group = |member: Value| json!({ "schemas": [GROUP], "displayName": "g", "members": [member] });
    for wrong in [
        json!({ "value": "0123456789abcdef" }),
        json!({ "value": "ann" }),
        json!({ "type": "User" }),
        json!({ "value": ann.to_uppercase() }),
        json!({ "value": ann, "type": "Group" }),
        json!({ "value": 5 }),
        json!("ann"),
    ] {
        assert_eq!(refusal(create(&app, ResourceType::Group, &group(wrong.clone()))), "invalidValue", "{wrong}");
    }
    let made = create(&app, ResourceType::Group, &group(json!({ "value": ann, "type": "User" }))).unwrap();
    let location = format!("http://127.0.0.1:1/scim/v2/Users/{ann}");
    assert_eq!(made["members"], json!([{ "value": ann, "type": "User", "$ref": location }]));
    let itself = json!([{ "op": "add", "path": "members", "value": [{ "value": made["id"] }] }]);
    assert_eq!(refusal(patch(&app, ResourceType::Group, &id_of(&made), itself)), "invalidValue");
}

#[test]
fn bodies_that_break_the_schema_are_refused() {
    let app = app();
    let table = [
        (json!([]), "invalidSyntax"),
        (json!({}), "invalidSyntax"),
        (json!({ "userName": "a" }), "invalidSyntax"),
        (json!({ "schemas": [], "userName": "a" }), "invalidSyntax"),
        (json!({ "schemas": USER, "userName": "a" }), "invalidSyntax"),
        (json!({ "schemas": [GROUP], "userName": "a" }), "invalidSyntax"),
        (json!({ "schemas": [USER, "urn:x"], "userName": "a" }), "invalidSyntax"),
        (json!({ "schemas": [USER] }), "invalidValue"),
        (user("", json!({})), "invalidValue"),
        (user(" ", json!({})), "invalidValue"),
        (json!({ "schemas": [USER], "userName": null }), "invalidValue"),
        (json!({ "schemas": [USER], "userName": 5 }), "invalidValue"),
        (user("a", json!({ "USERNAME": "b" })), "invalidSyntax"),
        (user("a", json!({ "nosuch": 1 })), "invalidSyntax"),
        (user("a", json!({ "password": "secret" })), "invalidSyntax"),
        (user("a", json!({ "name": "Ann" })), "invalidValue"),
        (user("a", json!({ "name": { "first": "Ann" } })), "invalidSyntax"),
        (user("a", json!({ "active": "true" })), "invalidValue"),
        (user("a", json!({ "title": ["x"] })), "invalidValue"),
        (user("a", json!({ "emails": { "value": "a@x.test" } })), "invalidValue"),
        (user("a", json!({ "emails": ["a@x.test"] })), "invalidValue"),
        (
            user("a", json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] })),
            "invalidValue",
        ),
        (user("a", json!({ "x509Certificates": [{ "value": "not base64!" }] })), "invalidValue"),
        (user("a", json!({ ENTERPRISE: { "department": "x" } })), "invalidSyntax"),
        (
            json!({ "schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: { "manager": { "value": "ghost" } } }),
            "invalidValue",
        ),
        (json!({ "schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: "x" }), "invalidValue"),
    ];
    for (body, expected) in table {
        assert_eq!(refusal(create(&app, ResourceType::User, &body)), expected, "{body}");
    }
    assert!(app.read().all(ResourceType::User).is_empty());
}

#[test]
fn what_only_the_server_may_say_is_ignored() {
    let app = app();
    let body = user(
        "ann",
        json!({ "id": "mine", "meta": { "created": "x" }, "groups": [{ "value": "x" }], "title": null, "emails": [] }),
    );
    let ann = create(&app, ResourceType::User, &body).unwrap();
    assert_ne!(ann["id"], "mine");
    assert_eq!(ann["meta"]["resourceType"], "User");
    for absent in ["groups", "title", "emails"] {
        assert_eq!(ann.get(absent), None, "{absent}");
    }
    assert_eq!(ann["active"], true, "a new account may be used");
}

#[test]
fn a_replacement_clears_what_it_leaves_out() {
    let app = app();
    let ann = made(&app, ResourceType::User, &user("ann", json!({ "title": "Boss", "externalId": "1" })));
    let replaced = app.replace(ResourceType::User, &ann, &query(""), &user("ann", json!({ "nickName": "A" }))).unwrap();
    assert_eq!(replaced["nickName"], "A");
    assert_eq!((replaced.get("title"), replaced.get("externalId")), (None, None));
    assert_eq!(refusal(app.replace(ResourceType::User, "0123456789abcdef", &query(""), &user("b", json!({})))), "404");
    app.read().assert_consistent();
}

#[test]
fn a_change_that_changes_nothing_leaves_the_dates_alone() {
    let app = app();
    let ann = made(&app, ResourceType::User, &user("ann", json!({ "title": "Boss" })));
    let before = get(&app, ResourceType::User, &ann);
    let same =
        patch(&app, ResourceType::User, &ann, json!([{ "op": "replace", "path": "title", "value": "Boss" }])).unwrap();
    assert_eq!(same, before);
    let other =
        patch(&app, ResourceType::User, &ann, json!([{ "op": "replace", "path": "title", "value": "Chief" }])).unwrap();
    assert_eq!(other["meta"]["created"], before["meta"]["created"]);
    assert_ne!(other["meta"]["lastModified"], before["meta"]["lastModified"]);
    assert_ne!(other["meta"]["version"], before["meta"]["version"]);
}

#[test]
fn an_answer_holds_the_attributes_that_were_asked_for() {
    let app = app();
    let ann = made(
        &app,
        ResourceType::User,
        &json!({
            "schemas": [USER, ENTERPRISE],
            "userName": "ann",
            "name": { "givenName": "Ann", "familyName": "A" },
            "emails": [{ "value": "a@x.test", "type": "work" }],
            ENTERPRISE: { "department": "R&D", "division": "North" },
        }),
    );
    let keys = |text: &str| -> Value {
        let mut user = app.get(ResourceType::User, &ann, &query(text)).unwrap();
        let map = user.as_object_mut().unwrap();
        assert!(map.remove("id").is_some() && map.remove("schemas").is_some(), "always returned");
        map.remove("meta");
        map.remove("active");
        user
    };
    let enterprise = json!({ "department": "R&D", "division": "North" });
    let full = json!({ "userName": "ann", "name": { "givenName": "Ann", "familyName": "A" },
        "emails": [{ "value": "a@x.test", "type": "work" }], ENTERPRISE: enterprise });
    let without = |names: &[&str]| {
        let mut full = full.clone();
        full.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
        full
    };
    assert_eq!(keys(""), full);
    assert_eq!(keys("attributes=username"), json!({ "userName": "ann" }));
    assert_eq!(
        keys("attributes=userName,name.givenName"),
        json!({ "userName": "ann", "name": { "givenName": "Ann" } })
    );
    assert_eq!(keys("attributes=emails.type"), json!({ "emails": [{ "type": "work" }] }));
    assert_eq!(keys(&format!("attributes={ENTERPRISE}:division")), json!({ ENTERPRISE: { "division": "North" } }));
    assert_eq!(keys(&format!("attributes={ENTERPRISE}")), json!({ ENTERPRISE: enterprise }));
    assert_eq!(keys(&format!("attributes={USER}:userName")), json!({ "userName": "ann" }));
    assert_eq!(keys("attributes=nosuch"), json!({}));
    assert_eq!(keys("excludedAttributes=emails,name"), without(&["emails", "name"]));
    assert_eq!(keys("excludedAttributes=id,schemas"), full);
    assert_eq!(keys("excludedAttributes=name.givenName,emails,userName")["name"], json!({ "familyName": "A" }));
    assert_eq!(keys(&format!("excludedAttributes={ENTERPRISE}:division"))[ENTERPRISE], json!({ "department": "R&D" }));
    let both = app.get(ResourceType::User, &ann, &query("attributes=userName&excludedAttributes=emails"));
    assert_eq!(refusal(both), "invalidValue");
    let team = made(&app, ResourceType::Group, &group("team", &[&ann]));
    assert_eq!(app.get(ResourceType::Group, &team, &query("excludedAttributes=members")).unwrap().get("members"), None);
}

#[test]
fn immutable_attributes_keep_their_first_value() {
    let app = app_with(Vec::new(), |personality| personality.immutable = vec!["userName", "title"]);
    let ann = made(&app, ResourceType::User, &user("ann", json!({})));
    let title = |value: &str| json!([{ "op": "replace", "path": "title", "value": value }]);
    patch(&app, ResourceType::User, &ann, title("Boss")).unwrap();
    patch(&app, ResourceType::User, &ann, title("Boss")).unwrap();
    assert_eq!(refusal(patch(&app, ResourceType::User, &ann, title("Chief"))), "mutability");
    assert_eq!(
        refusal(patch(&app, ResourceType::User, &ann, json!([{ "op": "remove", "path": "title" }]))),
        "mutability"
    );
    assert_eq!(refusal(app.replace(ResourceType::User, &ann, &query(""), &user("anna", json!({})))), "mutability");
    let kept = app.replace(ResourceType::User, &ann, &query(""), &user("ann", json!({ "nickName": "A" }))).unwrap();
    assert_eq!((&kept["title"], &kept["nickName"]), (&json!("Boss"), &json!("A")));
}

#[test]
fn an_inactive_user_goes_or_a_deleted_one_stays_where_the_app_is_like_that() {
    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    let going = app_with(Vec::new(), |personality| personality.inactive_deletes = true);
    let ann = made(&going, ResourceType::User, &user("ann", json!({})));
    let last = going.patch(ResourceType::User, &ann, &query(""), &ops(off)).unwrap().unwrap();
    assert_eq!(last["active"], false);
    assert_eq!(refusal(going.get(ResourceType::User, &ann, &query(""))), "404");
    going.read().assert_consistent();

    let staying = app_with(Vec::new(), |personality| personality.delete_deactivates = true);
    let ann = made(&staying, ResourceType::User, &user("ann", json!({})));
    let team = made(&staying, ResourceType::Group, &group("team", &[&ann]));
    staying.delete(ResourceType::User, &ann).unwrap();
    assert_eq!(get(&staying, ResourceType::User, &ann)["active"], false);
    staying.delete(ResourceType::Group, &team).unwrap();
    assert_eq!(refusal(staying.get(ResourceType::Group, &team, &query(""))), "404");
}

#[test]
fn a_manager_who_left_does_not_block_other_changes() {
    let app = app();
    let boss = made(&app, ResourceType::User, &user("boss", json!({})));
    let ann = made(&app, ResourceType::User, &user("ann", json!({})));
    let path = format!("{ENTERPRISE}:manager.value");
    patch(&app, ResourceType::User, &ann, json!([{ "op": "add", "path": path, "value": boss }])).unwrap();
    app.delete(ResourceType::User, &boss).unwrap();
    patch(&app, ResourceType::User, &ann, json!([{ "op": "add", "path": "title", "value": "x" }])).unwrap();
    assert_eq!(
        refusal(patch(&app, ResourceType::User, &ann, json!([{ "op": "add", "path": path, "value": "ghost" }]))),
        "invalidValue"
    );
}
