use scim_v2::models::user::User;
use scim_v2::{CreateRequest, Strict};

use super::*;
use crate::config::attributes::AttributeSettings;
use crate::model::ENTERPRISE;
use crate::schema::Returned;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn attributes(pairs: &[(&str, Value)]) -> Attributes {
    pairs.iter().map(|(name, value)| (path(name), value.clone())).collect()
}

fn wire(profile: &Profile) -> Wire {
    Wire::new(profile).unwrap()
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

fn ann() -> Attributes {
    attributes(&[
        ("userName", json!("ann@example.com")),
        ("name.givenName", json!("Ann")),
        ("name.familyName", json!("Lee")),
        ("displayName", json!("Ann Lee")),
        ("emails.work", json!("ann@example.com")),
        ("emails.home", json!("ann@home.example")),
        ("phoneNumbers.mobile", json!("+1 555")),
        ("addresses.work.locality", json!("Paris")),
        ("addresses.work.country", json!("FR")),
        ("enterprise.department", json!("R&D")),
        ("enterprise.manager", json!("m-1")),
        ("urn:example:2.0:Thing:shoe.size", json!(39)),
        ("role", json!("Analyst")),
    ])
}

#[test]
fn j15_a_new_user_is_nested_as_the_rfc_says_and_lists_exactly_the_schemas_used() {
    let body = wire(&Profile::default()).new_user(&ann(), Some("src-1"));
    let expected = json!({
        "schemas": [USER, "urn:example:2.0:Thing", ENTERPRISE],
        "externalId": "src-1",
        "active": true,
        "userName": "ann@example.com",
        "name": { "givenName": "Ann", "familyName": "Lee" },
        "displayName": "Ann Lee",
        "emails": [
            { "type": "home", "value": "ann@home.example" },
            { "type": "work", "value": "ann@example.com", "primary": true },
        ],
        "phoneNumbers": [{ "type": "mobile", "value": "+1 555" }],
        "addresses": [{ "type": "work", "locality": "Paris", "country": "FR" }],
        "roles": [{ "value": "Analyst" }],
        (ENTERPRISE): { "department": "R&D", "manager": { "value": "m-1" } },
        "urn:example:2.0:Thing": { "shoe": { "size": 39 } },
    });
    assert_eq!(Value::Object(body), expected);
}

#[test]
fn a_new_user_satisfies_a_strict_server() {
    let body = Value::Object(wire(&Profile::default()).new_user(&ann(), Some("src-1"))).to_string();
    let read = serde_json::from_str::<Strict<User<String>, CreateRequest>>(&body);
    assert!(read.is_ok(), "{:?}", read.err().map(|why| why.to_string()));
}

#[test]
fn what_is_the_apps_own_is_never_sent() {
    let mapped = attributes(&[
        ("userName", json!("ann")),
        ("id", json!("7")),
        ("password", json!("x")),
        ("meta.location", json!("x")),
        ("active", json!(false)),
        ("groups", json!([{ "value": "g" }])),
    ]);
    let body = wire(&Profile::default()).new_user(&mapped, None);
    assert_eq!(Value::Object(body), json!({ "schemas": [USER], "active": true, "userName": "ann" }));
}

#[test]
fn attributes_that_the_app_does_not_know_are_left_out() {
    let mut profile = Profile::default();
    profile.attributes.set(&["emails", "enterprise.department", "name"], |one| one.supported = Some(false));
    let wire = wire(&profile);
    let body = wire.new_user(&ann(), None);
    assert!(!body.contains_key("emails") && !body.contains_key("name"));
    assert_eq!(body[ENTERPRISE], json!({ "manager": { "value": "m-1" } }));
    assert_eq!(wire.read(&body, &path("emails.work")), None);
}

#[test]
fn o6_the_role_goes_where_the_profile_says_and_comes_back_from_there() {
    let cases = [
        ("roles", ValueShape::List, "", json!({ "roles": [{ "value": "Analyst" }] })),
        ("roles", ValueShape::TypedList, "base", json!({ "roles": [{ "type": "base", "value": "Analyst" }] })),
        ("sentryOrgRole", ValueShape::Scalar, "", json!({ "sentryOrgRole": "Analyst" })),
        ("urn:example:2.0:Heap:role", ValueShape::Scalar, "", json!({ "urn:example:2.0:Heap": { "role": "Analyst" } })),
    ];
    for (role_path, role_shape, role_type, expected) in cases {
        let mut profile = Profile::default();
        profile.attributes.set(&["role"], |role| {
            (role.path, role.shape, role.r#type) = (Some(role_path.into()), Some(role_shape), Some(role_type.into()));
        });
        let wire = wire(&profile);
        let mut body = wire.new_user(&attributes(&[("role", json!("Analyst"))]), None);
        assert_eq!(wire.read(&body, &path("role")), Some(json!("Analyst")), "{role_path}");
        body.remove("schemas");
        body.remove("active");
        assert_eq!(Value::Object(body), expected);
    }
}

#[test]
fn exactly_one_email_is_primary() {
    for (emails, primaries) in [
        (json!([{ "value": "a" }, { "value": "b", "type": "work" }]), [false, true]),
        (json!([{ "value": "a", "primary": true }, { "value": "b", "primary": "true" }]), [true, false]),
        (json!([{ "value": "a", "primary": false, "type": "home" }, { "value": "b", "type": "other" }]), [true, false]),
    ] {
        let body = wire(&Profile::default()).new_user(&attributes(&[("emails", emails)]), None);
        let found: Vec<bool> =
            body["emails"].as_array().unwrap().iter().map(|email| email.get("primary") == Some(&json!(true))).collect();
        assert_eq!(found, primaries, "{body:?}");
    }
    let plain = wire(&Profile::default()).new_user(&attributes(&[("emails", json!("a@example.com"))]), None);
    assert_eq!(plain["emails"], json!([{ "value": "a@example.com", "type": "work", "primary": true }]));
}

#[test]
fn what_was_written_is_read_back() {
    let wire = wire(&Profile::default());
    let body = wire.new_user(&ann(), None);
    let all = ann();
    assert_eq!(wire.read_all(&body, all.iter().map(|(path, _)| path)), all);
}

#[test]
fn resources_are_read_as_apps_really_write_them() {
    let wire = wire(&Profile::default());
    let odd = object(json!({
        "USERNAME": "ann",
        "name.familyName": "Lee",
        "Emails": { "Value": "ann@example.com", "Type": "Work" },
        "phoneNumbers": [{ "value": "1" }, { "value": "2", "primary": "True" }],
        "urn:ietf:params:scim:schemas:extension:Enterprise:2.0:user": { "Department": "R&D", "manager": "m-1" },
        "urn:example:2.0:Thing:flat": "yes",
        "nickName": null,
        "photos": [],
    }));
    for (name, value) in [
        ("userName", Some(json!("ann"))),
        ("name.familyName", Some(json!("Lee"))),
        ("emails.work", Some(json!("ann@example.com"))),
        ("emails.home", None),
        ("phoneNumbers.work", Some(json!("2"))),
        ("enterprise.department", Some(json!("R&D"))),
        ("enterprise.manager", Some(json!("m-1"))),
        ("urn:example:2.0:Thing:flat", Some(json!("yes"))),
        ("nickName", None),
        ("photos", None),
        ("title", None),
    ] {
        assert_eq!(wire.read(&odd, &path(name)), value, "{name}");
    }
}

#[test]
fn lossy_attributes_are_not_believed() {
    let mut profile = Profile::default();
    profile.attributes.set(&["name"], |one| one.returned = Some(Returned::Never));
    let wire = wire(&profile);
    let body = object(json!({ "userName": "ann", "name": { "givenName": "N/A" } }));
    let read = wire.read_all(&body, &[path("userName"), path("name.givenName")]);
    assert_eq!(read, attributes(&[("userName", json!("ann"))]));
}

#[test]
fn a_put_keeps_what_is_not_ours() {
    let mut body = object(json!({
        "schemas": [USER],
        "UserName": "ann",
        "nickName": "Annie",
        "emails": [{ "type": "WORK", "value": "old", "primary": true, "display": "d" }, { "type": "home", "value": "h" }],
        "name": { "givenName": "Ann", "middleName": "M" },
        (ENTERPRISE): { "costCenter": "1", "manager": { "value": "m", "displayName": "Boss" } },
    }));
    set(&mut body, &path("userName"), json!("anna"));
    set(&mut body, &path("emails.work"), json!("new"));
    set(&mut body, &path("name.familyName"), json!("Lee"));
    set(&mut body, &path("enterprise.department"), json!("R&D"));
    clear(&mut body, &path("emails.home"));
    clear(&mut body, &path("name.givenName"));
    clear(&mut body, &path("enterprise.manager"));
    clear(&mut body, &path("title"));
    clear(&mut body, &path("urn:example:2.0:Thing:x"));
    let expected = json!({
        "schemas": [USER, ENTERPRISE],
        "UserName": "anna",
        "nickName": "Annie",
        "emails": [{ "type": "WORK", "value": "new", "primary": true, "display": "d" }],
        "name": { "middleName": "M", "familyName": "Lee" },
        (ENTERPRISE): { "costCenter": "1", "department": "R&D", "manager": { "displayName": "Boss" } },
    });
    assert_eq!(Value::Object(body), expected);
}

#[test]
fn a_value_that_was_the_only_one_takes_its_attribute_along() {
    let mut body = object(json!({ "emails": [{ "type": "work", "value": "a" }], "name": { "givenName": "A" } }));
    clear(&mut body, &path("emails.work"));
    clear(&mut body, &path("name.givenName"));
    assert!(body.is_empty(), "{body:?}");
}

#[test]
fn a_setting_means_an_attribute_with_all_its_parts() {
    let mut attributes = AttributeSettings::default();
    attributes.fix(&["emails", "enterprise.department", "userName"]);
    for (name, is_meant) in [
        ("emails.work", true),
        ("emails", true),
        ("enterprise.department", true),
        ("enterprise.manager", false),
        ("userName", true),
        ("name.givenName", false),
        ("urn:example:2.0:Thing:emails", false),
    ] {
        assert_eq!(attributes.is_immutable(&path(name)), is_meant, "{name}");
    }
}
