use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::binding::{Bound, Layout};
use super::engine::STRICT;
use super::expression::{self, Program};
use super::values::Outcome;
use super::*;
use crate::config::tenant::{AttributeRule, Push};

fn record(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

fn rules(list: &[(&str, &str)]) -> BTreeMap<String, AttributeRule> {
    list.iter()
        .map(|(key, from)| ((*key).to_owned(), AttributeRule { from: (*from).to_owned(), push: Push::Always }))
        .collect()
}

fn any() -> KnownAttributes {
    KnownAttributes::open(Vec::<String>::new())
}

fn mapping(list: &[(&str, &str)]) -> Mapping {
    Mapping::compile(&rules(list), &any(), &Map::new()).unwrap()
}

/// The problems of one rule beside a good `userName`.
fn problems(key: &str, from: &str) -> Vec<RuleProblem> {
    let mut all = rules(&[("userName", "email")]);
    all.insert(key.to_owned(), AttributeRule { from: from.to_owned(), push: Push::Always });
    Mapping::compile(&all, &any(), &Map::new()).err().unwrap_or_default()
}

fn shown(problems: &[RuleProblem]) -> String {
    problems.iter().map(|p| format!("{} {:?} {:?}\n", p, p.what, p.offset)).collect()
}

/// One rule's result for one record.
fn outcome(from: &str, person: &Json) -> Result<Outcome, String> {
    let program = Program::compile(from, &STRICT).unwrap();
    let layout = expression::layout([&program]);
    program.run(&mut Bound::new(&layout, &record(person.clone()), &[])).map_err(|failure| failure.message)
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

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
        ("onelogin", json!({"username": null, "firstname": "Ann", "lastname": "Lee", "email": "ann@x.test"})),
    ] {
        let known = KnownAttributes::open(record(person.clone()).keys().cloned());
        let mapping = Mapping::compile(&default_rules(directory, &known), &known, &record(person.clone())).unwrap();
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
    let mapping = Mapping::compile(&default_rules("file", &known), &known, &Map::new()).unwrap();
    let paths: Vec<&str> = mapping.paths().map(Path::as_str).collect();
    assert_eq!(paths, ["emails[type eq \"work\"].value", "name.givenName", "userName"]);
    assert!(defaults("unheard-of").is_empty());
}

#[test]
fn j15_expressions_give_what_they_say() {
    let person = json!({
        "firstname": "Ann", "lastname": "Lee", "email": "Ann.Lee@X.test", "n": 7, "yes": true, "empty": "", "null": null,
        "none_of": [], "mails": ["a@x", "b@x"], "First Name": "Ännchen", "extension-attr": "e", "cn;lang-fr": "f",
        "attributes": {"heapRole": "Admin", "gone": null}, "flat.column": "F",
        "phones": [{"type": "home", "number": "1"}, {"type": "work", "number": "2"}],
    });
    let set = |value: Json| Ok(Outcome::Set(value));
    for (from, want) in [
        ("firstname", set(json!("Ann"))),
        (" firstname ", set(json!("Ann"))),
        ("gone", Ok(Outcome::Unset)),
        ("empty", Ok(Outcome::Unset)),
        ("null", Ok(Outcome::Unset)),
        ("none_of", Ok(Outcome::Unset)),
        ("attributes.heapRole", set(json!("Admin"))),
        ("attributes.gone", Ok(Outcome::Unset)),
        ("attributes.gone | default(leave)", Ok(Outcome::Leave)),
        ("nothing.at.all | default(leave)", Ok(Outcome::Leave)),
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
        ("\"\"", Ok(Outcome::Unset)),
        ("none", Ok(Outcome::Unset)),
        ("leave", Ok(Outcome::Leave)),
        ("title if title else leave", Ok(Outcome::Leave)),
        ("firstname if firstname else leave", set(json!("Ann"))),
        ("'x' if firstname == 'Bob'", Ok(Outcome::Unset)),
        ("title | default(firstname)", set(json!("Ann"))),
        ("empty | default(null) | default(firstname)", set(json!("Ann"))),
        ("mails", set(json!(["a@x", "b@x"]))),
        ("mails | one", set(json!("a@x"))),
        ("firstname | one", set(json!("Ann"))),
        ("firstname | all", set(json!(["Ann"]))),
        ("gone | all", Ok(Outcome::Unset)),
        ("mails | join(', ')", set(json!("a@x, b@x"))),
        ("phones | selectattr('type', 'eq', 'work') | map(attribute='number') | first", set(json!("2"))),
        (
            "[{'value': email, 'type': 'work', 'display': gone | default(none)}]",
            set(json!([{"value": "Ann.Lee@X.test", "type": "work"}])),
        ),
    ] {
        if want.is_err() {
            assert!(Program::compile(from, &STRICT).is_err(), "{from}");
            continue;
        }
        assert_eq!(outcome(from, &person), want, "{from}");
    }
}

#[test]
fn a_missing_attribute_never_becomes_part_of_a_text() {
    for person in [json!({"a": "x"}), json!({"a": "x", "b": null}), json!({"a": "x", "b": ""})] {
        for from in ["a ~ b", "b ~ a", "a ~ ' ' ~ b | lower", "(a if a else '') + b", "'none' ~ b", "[a, a ~ b]"] {
            assert_eq!(outcome(from, &person), Err("the person has no attribute `b`".to_owned()), "{from}");
        }
        assert_eq!(outcome("a ~ (b | default(''))", &person), Ok(Outcome::Set(json!("x"))));
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
    insta::assert_snapshot!(errors[0], @"userName: there are 2 values and the attribute holds one; take the first with `| one`, or join them with `| join(\", \")` (rule: cn)");
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
        let short = Program::compile(from, &STRICT).unwrap();
        let long = Program::compile_jinja(from, &STRICT).unwrap();
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
    let mapping = Mapping::compile(&all, &any(), &Map::new()).unwrap();
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
fn a_person_with_several_bad_rules_hears_of_all_of_them() {
    let mapping = mapping(&[("userName", "uid"), ("displayName", "a ~ b"), ("title", "t | int"), ("locale", "l")]);
    let errors = mapping.apply(&record(json!({"a": "x", "t": "seven", "l": ["de"]}))).unwrap_err();
    let text: String = errors.iter().map(|error| format!("{error} {:?}\n", error.missing)).collect();
    insta::assert_snapshot!(text, @r##"
    displayName: the person has no attribute `b` (rule: a ~ b) Some("b")
    title: in `int`: invalid float literal (rule: t | int) None
    userName: the person has no user name, and SCIM asks for one (rule: uid) Some("uid")
    "##);
}

#[test]
fn every_problem_of_every_rule_is_told_with_its_place() {
    let known = KnownAttributes::closed(["uid", "mail", "givenName", "sn", "department", "extension-attr"]);
    let all = rules(&[
        ("userName", "uuid"),
        ("displayName", "givenname ~ \" \" ~ surname"),
        ("title", "departmnt | loweer"),
        ("nickName", "mail |"),
        ("locale", ""),
        ("active", "enabled"),
        ("emails.work", "mail"),
        ("emails", "mail"),
        ("enterprise.department", "extension-attr | lower"),
        ("userType", "Employee"),
    ]);
    let found = Mapping::compile(&all, &known, &Map::new()).unwrap_err();
    insta::assert_snapshot!(shown(&found), @r##"
    active: `active` is not mapped: it follows the person's standing in the directory; `[users]` says what becomes of suspended and departed people Key None
    active: the directory has no attribute `enabled` (for a fixed text write '"enabled"') Value Some(0..7)
    displayName: the directory has no attribute `givenname` (did you mean `givenName`?) Value Some(0..9)
    displayName: the directory has no attribute `surname` Value Some(18..25)
    enterprise.department: `extension-attr` is a difference here, not a name (in an expression, write record["extension-attr"]) Value Some(0..14)
    locale: the expression is empty (to clear it, write `none`) Value None
    nickName: unexpected end of input, expected identifier Value Some(5..6)
    title: there is no filter `loweer` (did you mean `lower`?) Value Some(12..18)
    userName: the directory has no attribute `uuid` (did you mean `uid`?) Value Some(0..4)
    userType: the directory has no attribute `Employee` (for a fixed text write '"Employee"') Value Some(0..8)
    emails.work: `emails.work` and `emails` are the same attribute (keep one of them) Key None
    "##);
}

#[test]
fn what_mappings_do_not_have_is_refused_when_the_file_is_loaded() {
    let mut text = String::new();
    for from in [
        "{{ firstname }}",
        "firstname lastname",
        "firstname ~",
        "'open",
        "lookup('x')",
        "range(10)",
        "title.upper()",
        "'y' if x else x | frobnicate",
        "x is shiny",
        "'x' * 100000000",
        "n ** 99",
        "x[:3] ~ y",
        "record",
        "record[x]",
        "prénom | lower",
        "1 / 0",
        "leave ~ 'x'",
        "[leave]",
        "'%100000000d' | format(1)",
        "namespace()",
    ] {
        let found = problems("title", from);
        assert!(!found.is_empty(), "{from}");
        text += &format!("{from}\n  {}", shown(&found));
    }
    insta::assert_snapshot!(text, @r##"
    {{ firstname }}
      title: unexpected `}`, expected `:` (an expression stands alone, without {{ }}) Value Some(13..14)
    firstname lastname
      title: unexpected input after expression (texts are joined with `~`) Value Some(10..18)
    firstname ~
      title: unexpected end of input, expected expression Value Some(10..11)
    'open
      title: unexpected end of string Value None
    lookup('x')
      title: `lookup(…)` is a call, and mappings have filters instead Value Some(0..6)
    range(10)
      title: `range(…)` is a call, and mappings have filters instead Value Some(0..5)
    title.upper()
      title: `upper(…)` is a call, and mappings have filters instead (a filter is written `value | upper`) Value Some(6..11)
    'y' if x else x | frobnicate
      title: there is no filter `frobnicate` (there are all, alnum, ascii, bool, capitalize, casefold, count, d, default, first, int, join, last, length, lines, lower, map, max, min, one, prefix, reject, rejectattr, replace, reverse, select, selectattr, sort, split, string, title, trim, unique, upper) Value Some(18..28)
    x is shiny
      title: there is no test `shiny` (there are boolean, defined, endingwith, eq, equalto, in, mapping, ne, none, number, sequence, startingwith, string, undefined) Value Some(5..10)
    'x' * 100000000
      title: there is no multiplication in mappings Value Some(4..5)
    n ** 99
      title: there is no multiplication in mappings Value Some(2..4)
    x[:3] ~ y
      title: there are no slices in mappings (the first letters are `value | prefix(3)`, one element is `value | first`) Value Some(2..3)
    record
      title: `record` is read one attribute at a time (write record["the attribute's name"]) Value Some(0..6)
    record[x]
      title: `record` is read one attribute at a time (write record["the attribute's name"]) Value Some(0..6)
    prénom | lower
      title: unexpected character (a name with other letters than a to z is read as record["…"]) Value None
    1 / 0
      title: tried on a sample person: it can't be calculated Value Some(0..5)
    leave ~ 'x'
      title: tried on a sample person: a list, an object or `leave` was joined to a text; take one value with `| one`, or join a list with `| join(", ")` Value None
    [leave]
      title: tried on a sample person: `leave` stands inside a list: it can only be the whole result Value None
    '%100000000d' | format(1)
      title: there is no filter `format` (there are all, alnum, ascii, bool, capitalize, casefold, count, d, default, first, int, join, last, length, lines, lower, map, max, min, one, prefix, reject, rejectattr, replace, reverse, select, selectattr, sort, split, string, title, trim, unique, upper) Value Some(16..22)
    namespace()
      title: `namespace(…)` is a call, and mappings have filters instead Value Some(0..9)
    "##);
}

#[test]
fn attributes_that_may_not_be_mapped_say_why() {
    let mut text = String::new();
    for key in [
        "active",
        "Password",
        "id",
        "meta.created",
        "groups",
        "schemas",
        "username",
        "name",
        "name.givenname",
        "title.x",
        "emails.value",
        "emails.primary",
        "enterprise.Department",
        "enterprise.manager.displayName",
        "urn:ietf:params:scim:schemas:core:2.0:User:title",
        "1a",
        "externalId",
        "role",
        "roles",
        "addresses.work.locality",
        "urn:example:2.0:Thing:a.b",
    ] {
        let found = problems(key, "x");
        text += &if found.is_empty() { format!("{key}: fine\n") } else { shown(&found) };
    }
    insta::assert_snapshot!(text, @r##"
    active: `active` is not mapped: it follows the person's standing in the directory; `[users]` says what becomes of suspended and departed people Key None
    Password: `password` is not mapped: it is never sent: people sign in through the directory Key None
    id: `id` is not mapped: it is given by the app Key None
    meta.created: `meta` is not mapped: it is kept by the app Key None
    groups: `groups` is not mapped: it can only be read in SCIM; memberships are kept through the groups themselves Key None
    schemas: `schemas` is not mapped: it follows from the attributes that are mapped Key None
    username: `username` is spelt `userName` (write `userName`) Key None
    name: `name` has parts, and each is mapped by itself (write `name.givenName`) Key None
    name.givenname: `givenname` is spelt `givenName` (write `givenName`) Key None
    title.x: `title` has no parts (write `title`) Key None
    emails.value: `emails.value` would be the element of type `value` (name a type: `emails.work`) Key None
    emails.primary: `emails.primary` would be the element of type `primary` (name a type: `emails.work`) Key None
    enterprise.Department: `Department` is spelt `department` (write `department`) Key None
    enterprise.manager.displayName: of the manager only the id is mapped; the app fills in the rest (write `enterprise.manager`) Key None
    urn:ietf:params:scim:schemas:core:2.0:User:title: attributes of the core schema are written without its URN (write `title`) Key None
    1a: "1a" is not a SCIM attribute path: an attribute's name begins with a letter and has only letters, digits, `_` and `-` Key None
    externalId: fine
    role: fine
    roles: fine
    addresses.work.locality: fine
    urn:example:2.0:Thing:a.b: fine
    "##);
}

#[test]
fn two_rules_for_one_attribute_are_a_mistake() {
    for (key, other) in [
        ("emails", "emails.work"),
        ("manager", "enterprise.manager"),
        ("emails[type eq \"work\"].value", "emails.work"),
    ] {
        let found = Mapping::compile(&rules(&[("userName", "u"), (key, "a"), (other, "b")]), &any(), &Map::new());
        assert!(found.is_err(), "{key} {other}");
    }
    let whole_and_part = rules(&[("userName", "u"), ("emails", "m | all"), ("emails.home", "h")]);
    let found = Mapping::compile(&whole_and_part, &any(), &Map::new()).unwrap_err();
    insta::assert_snapshot!(shown(&found), @r##"emails.home: `emails.home` and `emails` are a whole and a part of it: one attribute, two rules (keep one of them) Key None"##);
}

#[test]
fn a_sample_person_shows_wrong_types_but_not_what_only_they_lack() {
    let sample = record(json!({"email": "a@x", "flag": true, "cn": ["a", "b"]}));
    let compile = |from: &str| Mapping::compile(&rules(&[("userName", "email"), ("title", from)]), &any(), &sample);
    assert!(compile("gone ~ 'x'").is_ok());
    assert!(compile("gone | lower").is_ok());
    for from in ["flag", "cn", "cn ~ 'x'", "email - 1", "email | int"] {
        assert_eq!(compile(from).unwrap_err().len(), 1, "{from}");
    }
    assert!(Mapping::compile(&rules(&[("userName", "uid")]), &any(), &sample).is_ok(), "one person without uid");
}

#[test]
fn an_open_directory_warns_where_a_closed_one_refuses() {
    let list = rules(&[("userName", "email"), ("title", "titel")]);
    let open = Mapping::compile(&list, &KnownAttributes::open(["email", "title"]), &Map::new()).unwrap();
    insta::assert_snapshot!(shown(open.warnings()), @r##"title: no record seen so far has an attribute `titel` (did you mean `title`?) Value Some(0..5)"##);
    assert!(Mapping::compile(&list, &KnownAttributes::closed(["email", "title"]), &Map::new()).is_err());
    assert!(mapping(&[("userName", "email"), ("title", "titel")]).warnings().is_empty(), "nothing to compare with");
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
    assert_ne!(base, Mapping::compile(&pushed, &any(), &Map::new()).unwrap().settings_fingerprint());
    assert_eq!(base, 4_803_026_719_037_208_210, "written down, so that another build finds the same number");
}

#[test]
fn a_filter_is_true_or_false_and_a_missing_attribute_equals_nothing() {
    let ann = json!({"department": "R&D", "groups": ["a", "b"], "level": "5", "contractor": false, "n": 3});
    let nobody = json!({});
    for (text, of_ann, of_nobody) in [
        ("department == \"R&D\"", true, Some(false)),
        ("department != \"R&D\"", false, Some(true)),
        ("department in ['R&D', 'IT']", true, Some(false)),
        ("'a' in groups and department is defined", true, Some(false)),
        ("department is startingwith 'R'", true, Some(false)),
        ("(department | lower) == 'r&d'", true, Some(false)),
        ("not contractor", true, Some(true)),
        ("contractor", false, Some(false)),
        ("a.b.c == 'x' or n == 3", true, Some(false)),
        ("(level | int) >= 5", true, None),
        ("n < 5", true, None),
        ("n | default(9) < 5", true, Some(false)),
    ] {
        let filter = Filter::compile(text, &any(), &Map::new()).unwrap();
        assert_eq!(filter.accepts(&record(ann.clone())).unwrap(), of_ann, "{text}");
        assert_eq!(filter.accepts(&record(nobody.clone())).ok(), of_nobody, "{text}");
    }
}

#[test]
fn a_filter_that_can_not_decide_says_so() {
    let mut text = String::new();
    let known = KnownAttributes::closed(["department", "enabled"]);
    let sample = record(json!({"department": "IT", "enabled": "TRUE"}));
    for from in ["departmnt == 'x'", "enabled", "department or enabled", "leave", "department ==", "'a' in 5"] {
        text += &format!("{from}\n  {}", shown(&Filter::compile(from, &known, &sample).unwrap_err()));
    }
    insta::assert_snapshot!(text, @r##"
    departmnt == 'x'
      scope.users: the directory has no attribute `departmnt` (did you mean `department`?) Value Some(0..9)
    enabled
      scope.users: tried on a sample: it gives a value instead of true or false; compare it with `==`, or ask `is defined` Value None
    department or enabled
      scope.users: tried on a sample: it gives a value instead of true or false; compare it with `==`, or ask `is defined` Value None
    leave
      scope.users: tried on a sample: `leave` is for attributes; a filter is true or false Value None
    department ==
      scope.users: unexpected end of input, expected expression Value Some(11..13)
    'a' in 5
      scope.users: tried on a sample: cannot perform a containment check on this value Value None
    "##);
    let filter = Filter::compile("enabled", &known, &Map::new()).unwrap();
    insta::assert_snapshot!(filter.accepts(&sample).unwrap_err(), @r##"scope.users: it gives a value instead of true or false; compare it with `==`, or ask `is defined` (rule: enabled)"##);
}

#[test]
fn j15_a_group_is_called_what_the_rule_says() {
    let group = record(json!({"description": "People", "cn": "ignored", "name": "not this one"}));
    for (from, want) in [
        ("name", Some("Eng")),
        ("id", Some("g1")),
        ("'heap-' ~ name | lower", Some("heap-eng")),
        ("description | default(name)", Some("People")),
        ("gone | default(name)", Some("Eng")),
        ("gone", None),
        ("gone ~ name", None),
    ] {
        let rule = GroupName::compile(from, &any()).unwrap();
        assert_eq!(rule.apply("g1", "Eng", &group).ok().as_deref(), want, "{from}");
    }
    assert!(GroupName::compile("nmae", &KnownAttributes::closed(["cn"])).is_err());
    assert!(GroupName::compile("leave", &any()).is_err());
    assert!(GroupName::compile("name | uper", &any()).is_err());
}

#[test]
fn i7_an_expression_can_neither_run_nor_grow_without_bound() {
    let many: Vec<u32> = (0..20_000).collect();
    let person = json!({"many": many, "text": "x".repeat(70_000)});
    assert!(outcome("many | map('string') | all", &person).is_err());
    assert!(outcome("text ~ ''", &person).is_err());
    assert!(Program::compile(&format!("{}1{}", "(".repeat(2000), ")".repeat(2000)), &STRICT).is_err());
    for deep in ["-", "not ", "a ~ ", "a or ", "[", "a[", "a | one | ", "a if a else "] {
        let text = format!("{}a", deep.repeat(4000 / deep.len()));
        let _ = Program::compile_jinja(&text, &STRICT).map(|program| program.reads().count());
    }
    let chained = Program::compile_jinja(&format!("a{}", " | one".repeat(600)), &STRICT).unwrap();
    let layout = expression::layout([&chained]);
    assert_eq!(chained.run(&mut Bound::new(&layout, &record(json!({"a": "x"})), &[])), Ok(Outcome::Set(json!("x"))));
    assert!(Program::compile(&format!("a{}", " ~ a".repeat(2000)), &STRICT).is_err());
}

#[test]
fn mappings_can_be_shared_between_tasks() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<(Mapping, Filter, GroupName)>();
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any_bool().prop_map(Json::from),
        proptest::num::i64::ANY.prop_map(Json::from),
        proptest::num::u64::ANY.prop_map(Json::from),
        proptest::num::f64::ANY.prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
        Just(json!("")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(|fields| json!(fields)),
        ]
    })
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}

/// An expression over `a` to `d` that may or may not be one.
fn any_expression() -> impl Strategy<Value = String> {
    let filters = super::engine::FILTERS.to_vec();
    let leaf = prop_oneof![
        "[a-d]",
        "[a-d]\\.[a-d]",
        "[0-9]{1,3}",
        "'[a-z]{0,3}'",
        Just("leave".to_owned()),
        Just("none".to_owned())
    ];
    leaf.prop_recursive(4, 16, 3, move |inner| {
        let (x, y) = (inner.clone(), inner.clone());
        prop_oneof![
            (inner.clone(), proptest::sample::select(filters.clone())).prop_map(|(x, f)| format!("({x} | {f})")),
            (inner.clone(), proptest::sample::select(filters.clone()), y.clone())
                .prop_map(|(x, f, y)| format!("({x} | {f}({y}))")),
            (
                x.clone(),
                proptest::sample::select(vec!["~", "+", "-", "/", "//", "%", "==", "<", "and", "or", "in"]),
                y.clone()
            )
                .prop_map(|(x, op, y)| format!("({x} {op} {y})")),
            (x.clone(), y.clone(), inner.clone()).prop_map(|(x, y, z)| format!("({x} if {y} else {z})")),
            (x.clone(), y.clone(), inner.clone()).prop_map(|(x, y, z)| format!("({x}[{y}] or {z})")),
            (x.clone(), y.clone()).prop_map(|(x, y)| format!("{x}[{y}]")),
            (x, y).prop_map(|(x, y)| format!("[{x}, {{'k': {y}}}]")),
            inner.prop_map(|x| format!("not {x}")),
        ]
    })
}

proptest! {
    #[test]
    fn no_record_makes_a_mapping_panic(fields in proptest::collection::btree_map("[a-d]", any_json(), 0..5), from in any_expression()) {
        let person = record(json!(fields));
        let plain = [("userName", "a | default(b)"), ("emails", "c | all"), ("displayName", "a ~ b | lower"), ("roles", "d"), ("manager", "c")];
        let all = plain.into_iter().chain([("title", from.as_str())]).collect::<Vec<_>>();
        if let Ok(mapping) = Mapping::compile(&rules(&all), &any(), &person) {
            let first = mapping.apply(&person);
            prop_assert_eq!(&first, &mapping.apply(&person), "the same record gives the same result");
            if let Ok(mapped) = first {
                prop_assert!(mapped.values.iter().all(|(_, value)| !super::values::is_empty(value)));
                prop_assert!(mapped.values.text(&Path::user_name()).is_some());
            }
        }
        if let Ok(filter) = Filter::compile(&from, &any(), &Map::new()) {
            let _ = filter.accepts(&person);
        }
    }

    #[test]
    fn no_text_makes_compiling_panic(from in ".{0,40}", key in ".{0,20}") {
        let _ = Mapping::compile(&rules(&[("userName", &from), (&key, "x")]), &any(), &Map::new());
        let _ = Filter::compile(&from, &any(), &Map::new());
        let _ = Layout::default();
    }
}
