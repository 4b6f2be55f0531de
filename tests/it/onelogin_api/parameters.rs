//! O6 by the application's own parameter: what OneLogin shows of it decides each user's role, and what it does not show changes nothing.

use serde_json::{Value, json};

use super::{Scene, operations, ops};
use crate::support::directory::uid;
use crate::support::onelogin::{App, Scope};
use crate::support::rig::require;

impl Scene {
    /// The guide's mapping: the role from the parameter of the application.
    fn map_parameter(&self, more: &str) {
        self.configure(&format!("application = \"Heap\"\n{more}"), "");
        let file = self.rosterd.path().join("tenants/acme.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("custom_attributes.heap_role"), "{text}");
        self.rosterd.tenant("acme", &text.replace("custom_attributes.heap_role", "app_parameters.heap_role"));
    }

    /// Changes the application, as an administrator of OneLogin does.
    fn heap(&self, change: impl FnOnce(&mut App)) {
        self.onelogin.change(|account| {
            let heap = account.app("Heap");
            change(account.apps.get_mut(&heap).unwrap());
        });
    }

    fn define(&self, definition: Value) {
        self.heap(|app| app.define("heap_role", "Heap Role", definition));
    }
}

#[test]
fn o6_the_role_is_the_value_of_the_applications_parameter_and_what_can_t_be_read_changes_nothing() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.map_parameter("");
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), Some("Admin")));
    scene.sync();
    assert_eq!((scene.role_of(&uid(1)), scene.role_of(&uid(2))), (vec!["Admin".to_owned()], Vec::new()));
    let asked = scene.onelogin.counts();
    assert_eq!((asked["GET /api/2/apps/{id}"], asked["GET /api/2/apps/{id}/rules"]), (1, 1), "{asked:?}");
    assert_eq!(asked.get("GET /api/2/users/{id}"), None, "no call for a single user: {asked:?}");
    scene.is_quiet();

    // Without Manage All the rules of the application are refused; that is said by `doctor`, and holds nothing up.
    scene.onelogin.behave(|habits| habits.scope = Scope::ManageAll);

    // A value that OneLogin makes up, a transformation, values typed for each user, a rule of the application, no parameters at all, a
    // parameter that is gone: none of these is an empty value.
    let mapped = json!({ "user_attribute_mappings": "custom_attribute_heap_role" });
    for hidden in [
        json!({ "user_attribute_mappings": "_macro_", "user_attribute_macros": "{strongpwd}" }),
        json!({ "user_attribute_mappings": "custom_attribute_heap_role", "attributes_transformations": "semicolon_delimited_input" }),
        json!({ "user_attribute_mappings": null }),
    ] {
        scene.define(hidden);
        scene.is_quiet();
    }
    scene.define(mapped.clone());
    scene.heap(|app| {
        app.rules
            .push(json!({ "id": 1, "enabled": true, "actions": [{ "action": "set_heap_role", "value": ["Owner"] }] }));
    });
    scene.is_quiet();
    scene.onelogin.behave(|habits| habits.scope = Scope::ReadAll);
    scene.map_parameter("parameter_rules = \"required\"");
    scene.heap(|app| app.rules.clear());
    scene.is_quiet();
    scene.map_parameter("");
    let parameters = scene.onelogin.change(|account| account.apps.values_mut().next().unwrap().parameters.take());
    scene.is_quiet();
    scene.heap(|app| app.parameters = Some(serde_json::Map::new()));
    // Somebody new has the default role meanwhile: nothing is sent.
    scene.onelogin.change(|account| account.assign(&uid(50), "heap-base"));
    scene.sync();
    let created = scene.app.writes().into_iter().find(|call| call.path == "/Users").expect("a new account").json();
    assert!(created.get("roles").is_none(), "{created}");
    assert_eq!(scene.role_of(&uid(1)), ["Admin"]);

    // Shown again, the value goes on to follow the directory.
    scene.heap(|app| app.parameters = parameters);
    scene.is_quiet();
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), Some("Analyst")));
    let report = scene.sync();
    assert_eq!(operations(&report), ops(&[("update_user", &uid(1))]), "{report:#}");
    assert_eq!(scene.role_of(&uid(1)), ["Analyst"]);
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), None));
    scene.sync();
    assert_eq!(scene.role_of(&uid(1)), Vec::<String>::new(), "an empty value is one");
    scene.is_quiet();
}

#[test]
fn o6_a_parameter_has_defaults_macros_and_fields_of_the_user() {
    let Some(rig) = require("scim2-server") else { return };
    for (definition, with, without) in [
        (
            json!({ "user_attribute_mappings": "custom_attribute_heap_role", "default_values": "Viewer" }),
            "Admin",
            vec!["Viewer"],
        ),
        (
            json!({ "user_attribute_mappings": "_macro_", "user_attribute_macros": "Consumer" }),
            "Consumer",
            vec!["Consumer"],
        ),
        (json!({ "user_attribute_mappings": "department" }), "Sales", vec![]),
    ] {
        let scene = Scene::new(&rig);
        scene.map_parameter("");
        scene.define(definition.clone());
        scene.onelogin.change(|account| {
            account.set_heap_role(&uid(1), Some("Admin"));
            account.edit(&uid(1), |user| user.department = Some("Sales".to_owned()));
        });
        scene.sync();
        assert_eq!(
            (scene.role_of(&uid(1)), scene.role_of(&uid(2))),
            (vec![with.to_owned()], without.iter().map(|role| (*role).to_owned()).collect()),
            "{definition}"
        );
        scene.is_quiet();
    }
}

#[test]
fn o6_a_parameter_that_is_off_gives_everybody_the_default_role() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.map_parameter("parameter_off = [\"not_provisioned\"]");
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), Some("Admin")));
    scene.sync();
    assert_eq!(scene.role_of(&uid(1)), ["Admin"]);
    scene.define(json!({ "user_attribute_mappings": "custom_attribute_heap_role", "provisioned_entitlements": false }));
    scene.sync();
    assert_eq!(scene.role_of(&uid(1)), Vec::<String>::new());
    scene.is_quiet();
}

#[test]
fn o1_o6_doctor_shows_where_the_role_comes_from_and_whether_onelogin_provisions_too() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.map_parameter("");
    let findings = || {
        let all = scene.run(&["doctor", "acme", "--format", "json"]).expect_code(0).json();
        let found = all[0]["findings"].as_array().unwrap().clone();
        move |check: &str| -> Vec<(String, String)> {
            let of = |one: &Value| {
                (one["verdict"].as_str().unwrap().to_owned(), format!("{} {}", one["detail"], one["remedy"]))
            };
            found.iter().filter(|one| one["check"] == check).map(of).collect()
        }
    };
    let one = |found: Vec<(String, String)>, verdict: &str, part: &str| {
        assert!(found.len() == 1 && found[0].0 == verdict && found[0].1.contains(part), "{verdict} {part}: {found:#?}");
    };
    let found = findings();
    one(found("parameter"), "ok", "app_parameters.heap_role is the custom attribute heap_role; whether a rule");
    one(found("own provisioning"), "ok", "is off");

    scene.heap(|app| {
        app.provisioning = Some(true);
        app.parameters = Some(serde_json::Map::new());
        app.define("team", "Team", json!({}));
    });
    let found = findings();
    one(found("parameter"), "warning", "it has: team (Team)");
    one(found("own provisioning"), "warning", "Enable provisioning");

    // What the API does not show is not guessed.
    scene.heap(|app| app.provisioning = None);
    assert_eq!(findings()("own provisioning"), []);
}
