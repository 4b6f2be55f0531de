use serde_json::json;

use super::*;
use crate::source::web::HttpDirectory as _;

fn layout(more: &str) -> OneLogin {
    let text = format!("subdomain = 'acme'\nclient_id = 'x'\nclient_secret = {{ env = 'X' }}\n{more}");
    OneLogin::new(&toml::from_str(&text).unwrap(), &["app_parameters.heap_role".to_owned()])
}

fn shown(definition: Value) -> Option<Map<String, Value>> {
    let Value::Object(shown) = json!({ "heap_role": definition }) else { panic!("an object") };
    Some(shown)
}

/// The value for a user with a role, and for one without.
fn values(definition: Value, more: &str) -> (Option<Value>, Option<Value>) {
    let rule = rule("heap_role", shown(definition).as_ref(), &Ok(Vec::new()), &layout(more));
    let user = |role: Value| {
        let user = json!({ "email": "ann@x.test", "title": role, "custom_attributes": { "heap_role": role } });
        rule.value(user.as_object().unwrap())
    };
    (user(json!("Admin")), user(Value::Null))
}

fn unread_why(rule: &Rule) -> Option<&str> {
    match rule {
        Rule::Unread(why) => Some(why),
        _ => None,
    }
}

fn is_unread(value: Option<&Value>) -> bool {
    value.is_some_and(|value| unread::why(value).is_some())
}

#[test]
fn o6_a_parameter_takes_its_value_from_what_it_is_mapped_to() {
    let admin = Some(json!("Admin"));
    for (definition, with, without) in [
        (json!({ "user_attribute_mappings": "custom_attribute_heap_role" }), &admin, None),
        (json!({ "user_attribute_mappings": "title", "default_values": null, "skip_if_blank": true }), &admin, None),
        (json!({ "user_attribute_mappings": "title", "default_values": "Analyst" }), &admin, Some(json!("Analyst"))),
        (
            json!({ "user_attribute_mappings": null, "values": "Analyst" }),
            &Some(json!("Analyst")),
            Some(json!("Analyst")),
        ),
        (json!({ "user_attribute_mappings": "_macro_", "user_attribute_macros": "{title}" }), &admin, None),
        (
            json!({ "user_attribute_mappings": "_macro_", "user_attribute_macros": "Viewer" }),
            &Some(json!("Viewer")),
            Some(json!("Viewer")),
        ),
    ] {
        assert_eq!(values(definition.clone(), ""), (with.clone(), without), "{definition}");
    }
}

#[test]
fn o6_what_the_api_does_not_show_is_unread_and_never_empty() {
    for definition in [
        json!({}),
        json!({ "user_attribute_mappings": null }),
        json!({ "user_attribute_mappings": 7 }),
        json!({ "user_attribute_mappings": "field_of_tomorrow" }),
        json!({ "user_attribute_mappings": "phone" }),
        json!({ "user_attribute_mappings": "title", "attributes_transformations": "semicolon_delimited_input" }),
        json!({ "user_attribute_mappings": "title", "default_values": ["a", "b"] }),
        json!({ "user_attribute_mappings": "_macro_", "user_attribute_macros": "{strongpwd}" }),
        json!({ "user_attribute_mappings": "_macro_", "user_attribute_macros": null }),
    ] {
        let (with, without) = values(definition.clone(), "");
        assert!(is_unread(with.as_ref()) && is_unread(without.as_ref()), "{definition}");
    }
    let layout = layout("");
    let mapped = shown(json!({ "user_attribute_mappings": "title" }));
    for (name, shown, set) in [
        ("heap_role", None, Ok(Vec::new())),
        ("heap_rloe", mapped.as_ref(), Ok(Vec::new())),
        ("heap_role", mapped.as_ref(), Ok(vec!["heap_role".to_owned()])),
        ("heap_role", mapped.as_ref(), Err("forbidden".to_owned())),
    ] {
        assert!(unread_why(&rule(name, shown, &set, &layout)).is_some(), "{name} {set:?}");
    }
    let told = rule("heap_rloe", mapped.as_ref(), &Ok(Vec::new()), &layout);
    assert!(unread_why(&told).is_some_and(|why| why.contains("it has: heap_role")), "{told:?}");
}

#[test]
fn o6_a_key_says_what_counts_as_off_and_whether_defaults_are_used() {
    let mapped = json!({ "user_attribute_mappings": "title", "provisioned_entitlements": false });
    assert_eq!(values(mapped.clone(), "parameter_off = ['not_provisioned']"), (None, None));
    assert_eq!(values(mapped, "").0, Some(json!("Admin")));
    assert_eq!(values(json!({ "user_attribute_mappings": null }), "parameter_off = ['unmapped']"), (None, None));
    let missing = rule("other", shown(json!({})).as_ref(), &Ok(Vec::new()), &layout("parameter_off = ['missing']"));
    assert!(matches!(missing, Rule::Off(_)), "{missing:?}");
    let unshown = values(json!({ "user_attribute_mappings": "title" }), "parameter_off = ['not_provisioned']");
    assert!(is_unread(unshown.0.as_ref()));
    let default = json!({ "user_attribute_mappings": "title", "default_values": "Analyst" });
    assert!(is_unread(values(default, "parameter_defaults = false").0.as_ref()));
}

#[test]
fn o6_a_parameter_is_found_by_its_short_name_or_its_label() {
    let Value::Object(shown) = json!({
        "role": { "label": "Heap Role" }, "a": { "label": "Team" }, "b": { "label": "team" }, "email": { "label": "Role" },
    }) else {
        panic!("an object")
    };
    let found = |name: &str| find(name, &shown).map(|found| found.map(|(key, _)| key));
    assert_eq!(found("role"), Ok(Some("role")), "the short name first");
    assert_eq!(found("heap_role"), Ok(Some("role")));
    assert_eq!(found("nothing"), Ok(None));
    assert!(found("team").is_err(), "two labels");
}
