use super::*;
use crate::sandbox::app::SHOWN_UNASKED;

/// Ann, with two addresses, a name and a department.
fn ann() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "ann",
        "title": "Boss",
        "name": { "givenName": "Ann", "familyName": "A" },
        "emails": [
            { "value": "ann@work.test", "type": "work", "primary": true },
            { "value": "ann@home.test", "type": "home" },
        ],
        ENTERPRISE: { "department": "R&D" },
    })
}

/// Applies operations to Ann; answers one attribute of the result.
fn after(operations: &Value, attribute: &str) -> Value {
    let app = app();
    let id = made(&app, ResourceType::User, &ann());
    let user = patch(&app, ResourceType::User, &id, operations.clone())
        .unwrap_or_else(|fault| panic!("{operations}: {fault:?}"));
    user.get(attribute).cloned().unwrap_or(Value::Null)
}

#[test]
fn operations_do_what_the_rfc_says() {
    let work = json!({ "value": "ann@work.test", "type": "work", "primary": true });
    let home = json!({ "value": "ann@home.test", "type": "home" });
    let other = json!({ "value": "ann@x.test", "type": "other" });
    let was_work = json!({ "value": "ann@work.test", "type": "work", "primary": false });
    let department = format!("{ENTERPRISE}:department");
    let division = format!("{ENTERPRISE}:division");
    let table = [
        // single-valued
        (json!([{ "op": "add", "path": "title", "value": "Chief" }]), "title", json!("Chief")),
        (json!([{ "op": "Replace", "path": "TITLE", "value": "Chief" }]), "title", json!("Chief")),
        (json!([{ "op": "replace", "path": "nickName", "value": "A" }]), "nickName", json!("A")),
        (json!([{ "op": "remove", "path": "title" }]), "title", Value::Null),
        (json!([{ "op": "remove", "path": "nickName" }]), "nickName", Value::Null),
        (json!([{ "op": "replace", "path": "title", "value": null }]), "title", Value::Null),
        (json!([{ "op": "replace", "path": format!("{USER}:title"), "value": "Chief" }]), "title", json!("Chief")),
        // complex
        (
            json!([{ "op": "replace", "path": "name.givenName", "value": "Anna" }]),
            "name",
            json!({ "givenName": "Anna", "familyName": "A" }),
        ),
        (
            json!([{ "op": "add", "path": "name", "value": { "givenName": "Anna" } }]),
            "name",
            json!({ "givenName": "Anna", "familyName": "A" }),
        ),
        (
            json!([{ "op": "replace", "path": "name", "value": { "givenName": null } }]),
            "name",
            json!({ "familyName": "A" }),
        ),
        (json!([{ "op": "remove", "path": "name.givenName" }]), "name", json!({ "familyName": "A" })),
        (
            json!([{ "op": "remove", "path": "name.givenName" }, { "op": "remove", "path": "name.familyName" }]),
            "name",
            Value::Null,
        ),
        (json!([{ "op": "remove", "path": "name" }]), "name", Value::Null),
        // multi-valued as a whole
        (json!([{ "op": "add", "path": "emails", "value": [other] }]), "emails", json!([work, home, other])),
        (json!([{ "op": "add", "path": "emails", "value": other }]), "emails", json!([work, home, other])),
        (json!([{ "op": "add", "path": "emails", "value": [home] }]), "emails", json!([work, home])),
        (json!([{ "op": "replace", "path": "emails", "value": [other] }]), "emails", json!([other])),
        (json!([{ "op": "replace", "path": "emails", "value": [] }]), "emails", Value::Null),
        (json!([{ "op": "remove", "path": "emails" }]), "emails", Value::Null),
        // some of its values
        (
            json!([{ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "a@b.test" }]),
            "emails",
            json!([work, { "value": "a@b.test", "type": "home" }]),
        ),
        (json!([{ "op": "remove", "path": "emails[type eq \"home\"]" }]), "emails", json!([work])),
        (json!([{ "op": "remove", "path": "emails[type eq \"fax\"]" }]), "emails", json!([work, home])),
        (
            json!([{ "op": "remove", "path": "emails[type eq \"home\"].type" }]),
            "emails",
            json!([work, { "value": "ann@home.test" }]),
        ),
        (json!([{ "op": "remove", "path": "emails[value pr]" }]), "emails", Value::Null),
        (
            json!([{ "op": "replace", "path": "emails[type eq \"home\"]", "value": other }]),
            "emails",
            json!([work, other]),
        ),
        (
            json!([{ "op": "add", "path": "emails[type eq \"home\"]", "value": { "display": "Home" } }]),
            "emails",
            json!([work, { "value": "ann@home.test", "type": "home", "display": "Home" }]),
        ),
        (json!([{ "op": "replace", "path": "roles.value", "value": "admin" }]), "roles", json!([{ "value": "admin" }])),
        // primary is handed on
        (
            json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }]),
            "emails",
            json!([was_work, { "value": "ann@home.test", "type": "home", "primary": true }]),
        ),
        (
            json!([{ "op": "add", "path": "emails", "value": [{ "value": "p@x.test", "primary": true }] }]),
            "emails",
            json!([was_work, home, { "value": "p@x.test", "primary": true }]),
        ),
        // extension
        (json!([{ "op": "replace", "path": department, "value": "Ops" }]), ENTERPRISE, json!({ "department": "Ops" })),
        (
            json!([{ "op": "add", "path": division, "value": "North" }]),
            ENTERPRISE,
            json!({ "department": "R&D", "division": "North" }),
        ),
        (json!([{ "op": "remove", "path": department }]), ENTERPRISE, Value::Null),
        (json!([{ "op": "remove", "path": department }]), "schemas", json!([USER])),
        (json!([{ "op": "remove", "path": ENTERPRISE }]), ENTERPRISE, Value::Null),
        (
            json!([{ "op": "add", "path": ENTERPRISE, "value": { "division": "North" } }]),
            ENTERPRISE,
            json!({ "department": "R&D", "division": "North" }),
        ),
        // without a path
        (json!([{ "op": "replace", "value": { "title": "Chief", "nickName": "A" } }]), "nickName", json!("A")),
        (json!([{ "op": "add", "value": { "emails": [other] } }]), "emails", json!([work, home, other])),
        (
            json!([{ "op": "add", "value": { ENTERPRISE: { "division": "North" } } }]),
            ENTERPRISE,
            json!({ "department": "R&D", "division": "North" }),
        ),
        // in order
        (
            json!([{ "op": "remove", "path": "title" }, { "op": "add", "path": "title", "value": "Chief" }]),
            "title",
            json!("Chief"),
        ),
    ];
    for (operations, attribute, expected) in table {
        assert_eq!(after(&operations, attribute), expected, "{operations}");
    }
}

#[test]
fn operations_the_rfc_does_not_allow_are_refused_and_change_nothing() {
    let first = json!({ "op": "replace", "path": "title", "value": "changed" });
    let table = [
        (json!({ "op": "remove" }), "noTarget"),
        (json!({ "op": "move", "path": "title", "value": "x" }), "invalidSyntax"),
        (json!({ "path": "title", "value": "x" }), "invalidSyntax"),
        (json!("add"), "invalidSyntax"),
        (json!({ "op": "add", "path": "title" }), "invalidValue"),
        (json!({ "op": "add", "path": "title", "value": null }), "invalidValue"),
        (json!({ "op": "add", "path": "title", "value": 5 }), "invalidValue"),
        (json!({ "op": "add", "path": 5, "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "nosuch", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "title.part", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "name.nosuch", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "emails[", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "emails[type eq \"work\"].nosuch", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "urn:x:User:title", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": USER, "value": {} }), "invalidPath"),
        (json!({ "op": "add", "value": { "nosuch": "x" } }), "invalidPath"),
        (json!({ "op": "add", "value": "x" }), "invalidValue"),
        (json!({ "op": "replace", "path": "emails[type eq \"fax\"].value", "value": "x" }), "noTarget"),
        (json!({ "op": "add", "path": "emails[nosuch eq \"work\"]", "value": {} }), "invalidFilter"),
        (json!({ "op": "add", "path": "name[givenName eq \"Ann\"]", "value": {} }), "invalidFilter"),
        (json!({ "op": "replace", "path": "emails.primary", "value": true }), "invalidValue"),
        (
            json!({ "op": "replace", "path": "emails", "value": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] }),
            "invalidValue",
        ),
        (json!({ "op": "replace", "path": "id", "value": "x" }), "mutability"),
        (json!({ "op": "replace", "path": "meta.created", "value": "x" }), "mutability"),
        (json!({ "op": "add", "path": "groups", "value": [{ "value": "x" }] }), "mutability"),
        (json!({ "op": "replace", "path": "schemas", "value": [USER] }), "mutability"),
        (json!({ "op": "add", "path": format!("{ENTERPRISE}:manager.displayName"), "value": "x" }), "mutability"),
        (json!({ "op": "remove", "path": "userName" }), "mutability"),
        (json!({ "op": "replace", "path": "userName", "value": "" }), "invalidValue"),
        (json!({ "op": "replace", "path": "userName", "value": null }), "invalidValue"),
        (json!({ "op": "remove", "path": "emails", "value": [{ "value": "x" }] }), "invalidValue"),
    ];
    for (operation, expected) in table {
        let app = app();
        let id = made(&app, ResourceType::User, &ann());
        let before = get(&app, ResourceType::User, &id);
        assert_eq!(refusal(patch(&app, ResourceType::User, &id, json!([first, operation]))), expected, "{operation}");
        assert_eq!(get(&app, ResourceType::User, &id), before, "{operation} is atomic");
    }
}

#[test]
fn a_body_that_is_no_patch_is_refused() {
    let app = app();
    let id = made(&app, ResourceType::User, &ann());
    let operation = json!([{ "op": "add", "path": "title", "value": "x" }]);
    for body in [
        json!(null),
        operation.clone(),
        json!({ "Operations": operation }),
        json!({ "schemas": [USER], "Operations": operation }),
        ops(json!([])),
        ops(json!({})),
        json!({ "schemas": [PATCH] }),
    ] {
        assert_eq!(refusal(app.patch(ResourceType::User, &id, &query(""), &body)), "invalidSyntax", "{body}");
    }
    assert_eq!(refusal(app.patch(ResourceType::User, "nobody", &query(""), &ops(operation))), "404");
}

#[test]
fn members_are_added_and_removed_by_id() {
    let app = app();
    let ids = ["a", "b", "c"].map(|name| made(&app, ResourceType::User, &user(name, json!({}))));
    let [a, b, c] = ids.each_ref().map(String::as_str);
    let team = made(&app, ResourceType::Group, &group("team", &[a]));
    let members = |operations: Value| -> Result<Vec<String>, ScimFault> {
        let team = patch(&app, ResourceType::Group, &team, operations)?;
        app.read().assert_consistent();
        let members = team["members"].as_array().cloned().unwrap_or_default();
        Ok(members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect())
    };
    let value = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({ "value": id })).collect() };
    let one = |id: &str| format!("members[value eq \"{id}\"]");
    assert_eq!(members(json!([{ "op": "add", "path": "members", "value": value(&[b, a]) }])).unwrap(), [a, b]);
    assert_eq!(members(json!([{ "op": "add", "path": "members", "value": { "value": c } }])).unwrap(), [a, b, c]);
    assert_eq!(members(json!([{ "op": "remove", "path": one(b) }])).unwrap(), [a, c]);
    assert_eq!(members(json!([{ "op": "remove", "path": one(b) }])).unwrap(), [a, c], "gone already: no error");
    assert_eq!(members(json!([{ "op": "remove", "path": one("no id") }])).unwrap(), [a, c]);
    assert_eq!(
        members(json!([{ "op": "remove", "path": format!("members[value eq \"{a}\" and type eq \"Group\"]") }]))
            .unwrap(),
        [a, c]
    );
    assert_eq!(members(json!([{ "op": "replace", "path": "members", "value": value(&[b]) }])).unwrap(), [b]);
    assert_eq!(members(json!([{ "op": "add", "value": { "members": value(&[a, c]) } }])).unwrap(), [a, b, c]);
    assert_eq!(
        members(json!([{ "op": "remove", "path": format!("members[value eq \"{a}\" or value eq \"{c}\"]") }])).unwrap(),
        [b]
    );
    // in order, also within one request
    let (add_b, remove_b) =
        (json!({ "op": "add", "path": "members", "value": value(&[b]) }), json!({ "op": "remove", "path": one(b) }));
    assert_eq!(members(json!([remove_b, add_b])).unwrap(), [b]);
    assert_eq!(members(json!([{ "op": "remove", "path": "members" }, add_b])).unwrap(), [b]);
    assert_eq!(
        members(json!([add_b, remove_b, { "op": "add", "path": "members", "value": value(&[a]) }])).unwrap(),
        [a]
    );
    assert_eq!(
        members(
            json!([{ "op": "replace", "path": "members", "value": value(&[a, b]) }, { "op": "remove", "path": one(a) }])
        )
        .unwrap(),
        [b]
    );

    let ghost = "0123456789abcdef";
    let table = [
        (json!({ "op": "add", "path": "members", "value": value(&[a, ghost]) }), "invalidValue"),
        (json!({ "op": "remove", "path": "members", "value": value(&[b]) }), "invalidValue"),
        (json!({ "op": "replace", "path": one(b), "value": { "value": c } }), "mutability"),
        (json!({ "op": "replace", "path": format!("{}.value", one(b)), "value": c }), "mutability"),
        (json!({ "op": "remove", "path": "members.value" }), "mutability"),
        (json!({ "op": "remove", "path": "displayName" }), "mutability"),
    ];
    for (operation, expected) in table {
        let add = json!({ "op": "add", "path": "members", "value": value(&[a, c]) });
        assert_eq!(refusal(members(json!([add, operation]))), expected, "{operation}");
        let unchanged = json!([{ "op": "remove", "path": one("nobody") }]);
        assert_eq!(members(unchanged).unwrap(), [b], "{operation} is atomic");
    }
    assert_eq!(members(json!([{ "op": "remove", "path": "members" }])).unwrap(), [] as [&str; 0]);
}

#[test]
fn a_large_group_is_shown_after_a_patch_only_when_asked_for() {
    let app = app();
    let ids: Vec<String> =
        (0..=SHOWN_UNASKED).map(|n| made(&app, ResourceType::User, &user(&format!("u{n}"), json!({})))).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let team = made(&app, ResourceType::Group, &group("team", &ids));
    let rename = ops(json!([{ "op": "replace", "path": "displayName", "value": "crew" }]));
    assert_eq!(app.patch(ResourceType::Group, &team, &query(""), &rename).unwrap(), None);
    let shown = app.patch(ResourceType::Group, &team, &query("attributes=displayName"), &rename).unwrap().unwrap();
    assert_eq!((&shown["displayName"], shown.get("members")), (&json!("crew"), None));
    let shrink = ops(json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", ids[0]) }]));
    let shown = app.patch(ResourceType::Group, &team, &query(""), &shrink).unwrap().unwrap();
    assert_eq!(shown["members"].as_array().unwrap().len(), SHOWN_UNASKED);
}
