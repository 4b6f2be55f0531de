//! What rules give.

use super::*;
use crate::source::kind::default_mapping;

#[test]
fn j15_the_defaults_of_every_directory_map_a_person() {
    for (directory, person) in [
        ("file", json!({"email": "ann@x.test", "givenName": "Ann", "familyName": "Lee", "displayName": "Ann Lee"})),
        (
            "openldap",
            json!({"uid": "ann@x.test", "givenName": ["Ann", "Anna"], "sn": "Lee", "cn": ["Ann Lee"], "mail": ["ann@x.test", "b@x.test"]}),
        ),
        (
            "389ds",
            json!({"uid": ["ann@x.test"], "givenName": "Ann", "sn": "Lee", "displayName": "Ann Lee", "cn": "x", "mail": "ann@x.test"}),
        ),
        (
            "ad",
            json!({"userPrincipalName": "ann@x.test", "givenName": "Ann", "sn": "Lee", "displayName": "Ann Lee", "mail": "ann@x.test"}),
        ),
        (
            "jumpcloud",
            json!({"username": "ann@x.test", "firstname": "Ann", "lastname": "Lee", "displayname": "Ann Lee", "email": "ann@x.test"}),
        ),
        (
            "jumpcloud",
            json!({"username": "ann@x.test", "firstname": "Ann", "lastname": "Lee", "displayname": "", "email": "ann@x.test"}),
        ),
        ("onelogin", json!({"username": null, "firstname": "Ann", "lastname": "Lee", "email": "ann@x.test"})),
    ] {
        let known = KnownAttributes::open(record(person.clone()).keys().cloned());
        let mapping =
            Mapping::compile(&default_rules(default_mapping(directory), &known), &known, &record(person.clone()))
                .unwrap();
        let mapped = mapping.apply(&record(person)).unwrap();
        let got: BTreeMap<&str, &Json> = mapped.values.iter().map(|(path, value)| (path.as_str(), value)).collect();
        let want = json!({
            "userName": "ann@x.test", "name.givenName": "Ann", "name.familyName": "Lee", "displayName": "Ann Lee",
            "emails[type eq \"work\"].value": "ann@x.test",
        });
        assert_eq!(json!(got), want, "{directory}");
    }
}

#[test]
fn j15_a_default_that_reads_nothing_the_directory_has_owns_nothing() {
    let known = KnownAttributes::open(["email", "givenName"]);
    let mapping = Mapping::compile(&default_rules(default_mapping("file"), &known), &known, &Map::new()).unwrap();
    let paths: Vec<&str> = mapping.paths().map(Path::as_str).collect();
    assert_eq!(paths, ["emails[type eq \"work\"].value", "name.givenName", "userName"]);
    assert!(default_mapping("unheard-of").is_empty());
}

#[test]
fn j15_expressions_give_what_they_say() {
    let person = json!({
        "firstname": "Ann", "lastname": "Lee", "email": "Ann.Lee@X.test", "n": 7, "yes": true, "empty": "", "null": null,
        "none_of": [], "mails": ["a@x", "b@x"], "First Name": "Ännchen", "extension-attr": "e", "cn;lang-fr": "f",
        "attributes": {"heapRole": "Admin", "gone": null}, "flat.column": "F",
        "phones": [{"type": "home", "number": "1"}, {"type": "work", "number": "2"}],
    });
    let set = |value: Json| Ok(MappedValue::Set(value));
    for (from, want) in [
        ("firstname", set(json!("Ann"))),
        (" firstname ", set(json!("Ann"))),
        ("gone", Ok(MappedValue::Unset)),
        ("empty", Ok(MappedValue::Unset)),
        ("null", Ok(MappedValue::Unset)),
        ("none_of", Ok(MappedValue::Unset)),
        ("attributes.heapRole", set(json!("Admin"))),
        ("attributes.gone", Ok(MappedValue::Unset)),
        ("attributes.gone | default(leave)", Ok(MappedValue::Leave)),
        ("nothing.at.all | default(leave)", Ok(MappedValue::Leave)),
        ("(nothing.here | default('x')) ~ ''", set(json!("x"))),
        ("flat.column", set(json!("F"))),
        ("flat.column | lower", set(json!("f"))),
        ("extension-attr", set(json!("e"))),
        ("cn;lang-fr", set(json!("f"))),
        ("record['extension-attr'] ~ record[\"First Name\"]", set(json!("eÄnnchen"))),
        ("n", set(json!(7))),
        ("n + 1", set(json!(8))),
        ("yes", set(json!(true))),
        ("not yes", set(json!(false))),
        ("firstname ~ \" \" ~ lastname", set(json!("Ann Lee"))),
        ("(firstname | prefix(1) ~ lastname) | lower", set(json!("alee"))),
        ("email | lower", set(json!("ann.lee@x.test"))),
        ("email.split('@')", Err("x".to_owned())),
        ("email | split('@') | first", set(json!("Ann.Lee"))),
        ("email | casefold | alnum", set(json!("annleextest"))),
        ("record['First Name'] | ascii", set(json!("Annchen"))),
        ("email | replace('X.test', 'example.org')", set(json!("Ann.Lee@example.org"))),
        ("'Employee'", set(json!("Employee"))),
        ("\"\"", Ok(MappedValue::Unset)),
        ("none", Ok(MappedValue::Unset)),
        ("leave", Ok(MappedValue::Leave)),
        ("title if title else leave", Ok(MappedValue::Leave)),
        ("firstname if firstname else leave", set(json!("Ann"))),
        ("'x' if firstname == 'Bob'", Ok(MappedValue::Unset)),
        ("title | default(firstname)", set(json!("Ann"))),
        ("empty | default(null) | default(firstname)", set(json!("Ann"))),
        ("mails", set(json!(["a@x", "b@x"]))),
        ("mails | one", set(json!("a@x"))),
        ("firstname | one", set(json!("Ann"))),
        ("firstname | all", set(json!(["Ann"]))),
        ("gone | all", Ok(MappedValue::Unset)),
        ("mails | join(', ')", set(json!("a@x, b@x"))),
        ("phones | selectattr('type', 'eq', 'work') | map(attribute='number') | first", set(json!("2"))),
        (
            "[{'value': email, 'type': 'work', 'display': gone | default(none)}]",
            set(json!([{"value": "Ann.Lee@X.test", "type": "work"}])),
        ),
    ] {
        if want.is_err() {
            assert!(Program::compile(from, &STRICT, &anything()).is_err(), "{from}");
            continue;
        }
        assert_eq!(outcome(from, &person), want, "{from}");
    }
}

#[test]
fn a_missing_attribute_never_becomes_part_of_a_text() {
    for person in [json!({"a": "x"}), json!({"a": "x", "b": null}), json!({"a": "x", "b": ""})] {
        for from in ["a ~ b", "b ~ a", "a ~ ' ' ~ b | lower", "(a if a else '') + b", "'none' ~ b", "[a, a ~ b]"] {
            assert_eq!(outcome(from, &person), Err("the user has no attribute `b`".to_owned()), "{from}");
        }
        assert_eq!(outcome("a ~ (b | default(''))", &person), Ok(MappedValue::Set(json!("x"))));
    }
}

#[test]
fn a_second_value_never_becomes_part_of_a_text() {
    let person = json!({"cn": ["Ann Lee", "Lee, Ann"], "o": {"x": 1}});
    for from in ["cn ~ '!'", "cn | lower", "o ~ ''", "leave ~ ''", "cn | string | alnum", "[cn, [leave ~ 'x']]"] {
        assert!(outcome(from, &person).is_err(), "{from}");
    }
    let mapping = mapping(&[("userName", "cn")]);
    let errors = mapping.apply(&record(person)).unwrap_err();
    insta::assert_snapshot!(errors[0], @r##"userName: there are 2 values and the attribute holds one; take the first with `| one` (rule: cn)"##);
}

#[test]
fn the_short_way_and_the_engine_agree() {
    let values = [
        json!(null),
        json!(""),
        json!("t"),
        json!(7),
        json!([]),
        json!(["", "a", "b"]),
        json!([null]),
        json!({"x": "y"}),
    ];
    for from in
        ["a", "a | one", "a | all", "a | default(b)", "a | one | default(leave)", "a.x | default(b) | one", "a.x"]
    {
        let short = compiled(from);
        let long = compiled_jinja(from);
        assert!(short.engine_reads().is_none() && long.engine_reads().is_some());
        let layout = expression::layout([&long]);
        for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
            let person = record(json!({"a": a, "b": b}));
            let run = |program: &Program| program.run(&mut Bound::new(&layout, &person, &[]));
            assert_eq!(run(&short), run(&long), "{from} of {person:?}");
        }
    }
}

#[test]
fn emails_with_one_value_are_the_work_email_and_with_a_list_the_whole_attribute() {
    let person = record(json!({"email": "a@x", "mail": ["a@x", "b@x"], "phones": [{"value": "1", "type": "home"}]}));
    let value = |key: &str, from: &str| {
        let mapped = mapping(&[("userName", "email"), (key, from)]).apply(&person).unwrap();
        let mut all = mapped.values.into_iter().filter(|(path, _)| path.as_str() != "userName");
        all.next().map(|(path, value)| (path.to_string(), value)).unwrap()
    };
    let work = "emails[type eq \"work\"].value".to_owned();
    assert_eq!(value("emails", "email"), (work.clone(), json!("a@x")));
    assert_eq!(value("emails.work", "email"), (work.clone(), json!("a@x")));
    assert_eq!(value("emails", "mail | one"), (work, json!("a@x")));
    let both = json!([{"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "type": "other"}]);
    assert_eq!(value("emails", "mail | all"), ("emails".to_owned(), both));
    assert_eq!(
        value("phoneNumbers", "phones | all"),
        ("phoneNumbers".to_owned(), json!([{"value": "1", "type": "home"}]))
    );
    assert_eq!(value("entitlements", "mail"), ("entitlements".to_owned(), json!([{"value": "a@x"}, {"value": "b@x"}])));
    assert_eq!(value("roles", "mail"), ("roles".to_owned(), json!(["a@x", "b@x"])));
    assert_eq!(value("roles", "email"), ("roles".to_owned(), json!("a@x")));
}

#[test]
fn texts_of_the_schema_are_sent_as_texts() {
    let mapping = mapping(&[("userName", "id"), ("enterprise.employeeNumber", "nr"), ("urn:x:1.0:T:level", "nr")]);
    let mapped = mapping.apply(&record(json!({"id": 1001, "nr": 7}))).unwrap();
    assert_eq!(mapped.values.text(&Path::user_name()), Some("1001"));
    assert_eq!(mapped.values.text(&path("enterprise.employeeNumber")), Some("7"));
    assert_eq!(mapped.values.get(&path("urn:x:1.0:T:level")), Some(&json!(7)), "an extension's types are its own");
    assert!(mapping.apply(&record(json!({"id": true}))).is_err());
}

#[test]
fn o6_a_role_of_the_directory_is_the_role_and_without_one_there_is_none() {
    let clear = mapping(&[("userName", "id"), ("role", "attributes.heapRole")]);
    let keep = mapping(&[("userName", "id"), ("role", "attributes.heapRole | default(leave)")]);
    let admin = record(json!({"id": "1", "attributes": {"heapRole": "Admin"}}));
    for mapping in [&clear, &keep] {
        assert_eq!(mapping.apply(&admin).unwrap().values.text(&path("role")), Some("Admin"));
    }
    for without in [json!({"id": "1"}), json!({"id": "1", "attributes": {"heapRole": ""}})] {
        let cleared = clear.apply(&record(without.clone())).unwrap();
        assert_eq!((cleared.values.get(&path("role")), cleared.leave), (None, vec![]));
        let left = keep.apply(&record(without)).unwrap();
        assert_eq!((left.values.get(&path("role")), left.leave), (None, vec![path("role")]));
    }
}

#[test]
fn o7_ownership_is_kept_with_the_path() {
    let mut all = rules(&[("userName", "email"), ("title", "title")]);
    all.insert("role".to_owned(), AttributeRule { from: "r".to_owned(), push: Push::OnSourceChange });
    all.insert("nickName".to_owned(), AttributeRule { from: "n".to_owned(), push: Push::OnCreate });
    let mapping = Mapping::compile(&all, &anything(), &Map::new()).unwrap();
    for (text, push) in [
        ("userName", Push::Always),
        ("title", Push::Always),
        ("role", Push::OnSourceChange),
        ("nickName", Push::OnCreate),
        ("locale", Push::OnCreate),
    ] {
        assert_eq!(mapping.push(&path(text)), push, "{text}");
    }
}

#[test]
fn the_manager_is_an_id_apart_from_the_values() {
    for key in
        ["manager", "enterprise.manager", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"]
    {
        let mapping = mapping(&[("userName", "id"), (key, "boss | default(leave)")]);
        assert_eq!(mapping.paths().filter(|path| **path == Path::manager()).count(), 1);
        let mapped = mapping.apply(&record(json!({"id": "1", "boss": "42"}))).unwrap();
        assert_eq!(mapped.manager, Some("42".into()));
        assert_eq!(mapped.values.len(), 1, "only userName");
        let mapped = mapping.apply(&record(json!({"id": "1"}))).unwrap();
        assert_eq!((mapped.manager, mapped.leave), (None, vec![Path::manager()]));
    }
}

#[test]
fn attributes_read_are_all_and_only_those_of_the_rules() {
    let mapping = mapping(&[
        ("userName", "mail | default(uid)"),
        ("displayName", "record['First Name'] ~ sn if attributes.x is defined else leave"),
        ("title", "phones | selectattr('type', 'eq', other) | map(attribute='number') | first"),
    ]);
    let read: Vec<&str> = mapping.attributes_read().iter().map(String::as_str).collect();
    assert_eq!(read, ["First Name", "attributes.x", "mail", "other", "phones", "sn", "uid"]);
}

#[test]
fn the_fingerprint_follows_the_meaning_and_not_the_spelling() {
    let of = |list: &[(&str, &str)]| mapping(list).settings_fingerprint();
    let base = of(&[("userName", "a"), ("emails.work", "b")]);
    assert_eq!(base, of(&[("emails", " b "), ("userName", "a")]));
    assert_ne!(base, of(&[("userName", "a"), ("emails.work", "c")]));
    assert_ne!(base, of(&[("userName", "a")]));
    let mut pushed = rules(&[("userName", "a"), ("emails.work", "b")]);
    pushed.get_mut("emails.work").unwrap().push = Push::OnCreate;
    assert_ne!(base, Mapping::compile(&pushed, &anything(), &Map::new()).unwrap().settings_fingerprint());
    assert_eq!(base, 4_803_026_719_037_208_210, "written down, so that another build finds the same number");
}

#[test]
fn o6_what_could_not_be_read_is_left_as_it_is_and_never_cleared_or_taken_for_another_value() {
    let unread = crate::model::unread::mark("a macro");
    let person = json!({ "email": "ann@x.test", "app_parameters": { "role": unread, "team": "Red" } });
    for from in [
        "app_parameters.role",
        "app_parameters.role | default(email)",
        "email if app_parameters.role == 'Admin' else 'x'",
        "app_parameters.role ~ '!'",
        "record['app_parameters']",
        "'x' if app_parameters else 'y'",
    ] {
        assert_eq!(outcome(from, &person), Ok(MappedValue::Leave), "{from}");
    }
    assert_eq!(outcome("app_parameters.team", &person), Ok(MappedValue::Set(json!("Red"))));
    let mapped = mapping(&[("userName", "email"), ("role", "app_parameters.role")]).apply(&record(person)).unwrap();
    assert_eq!(mapped.leave, [path("role")]);
    assert!(
        mapping(&[("userName", "app_parameters.role")])
            .apply(&record(json!({ "app_parameters": { "role": unread } })))
            .is_err()
    );
}

#[test]
fn o6_a_filter_over_what_could_not_be_read_decides_nothing() {
    let person = |role: Json| record(json!({ "app_parameters": { "role": role } }));
    let filter = Filter::compile("app_parameters.role == 'Admin'", &anything(), &Map::new()).unwrap();
    assert_eq!(filter.accepts(&person(json!("Admin"))), Ok(true));
    assert_eq!(filter.accepts(&person(json!("Viewer"))), Ok(false));
    let error = filter.accepts(&person(crate::model::unread::mark("a macro"))).unwrap_err();
    assert!(error.message.contains("could not be read: a macro"), "{error}");
}
