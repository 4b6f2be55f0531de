//! What is told of mistakes.

use super::*;

#[test]
fn a_person_with_several_bad_rules_hears_of_all_of_them() {
    let mapping = mapping(&[("userName", "uid"), ("displayName", "a ~ b"), ("title", "t | int"), ("locale", "l")]);
    let errors = mapping.apply(&record(json!({"a": "x", "t": "seven", "l": ["de"]}))).unwrap_err();
    let text: String = errors.iter().map(|error| format!("{error} {:?}\n", error.missing)).collect();
    insta::assert_snapshot!(text, @r##"
    displayName: the user has no attribute `b` (rule: a ~ b) Some("b")
    title: in `int`: invalid float literal (rule: t | int) None
    userName: the user has no user name, and SCIM requires one (rule: uid) Some("uid")
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
    active: `active` is not mapped: it follows the user's lifecycle status in the directory; `[users]` says what happens to suspended and departed users Key None
    active: the directory has no attribute `enabled` (for a fixed text write '"enabled"') Value Some(0..7)
    displayName: the directory has no attribute `givenname` (did you mean `givenName`?) Value Some(0..9)
    displayName: the directory has no attribute `surname` Value Some(18..25)
    enterprise.department: `extension-attr` is a difference here, not a name (in an expression, write record["extension-attr"]) Value Some(0..14)
    locale: the expression is empty (to clear it, write `none`) Value None
    nickName: unexpected end of input, expected identifier Value Some(5..6)
    title: the directory has no attribute `departmnt` (did you mean `department`?) Value Some(0..9)
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
        "x ~ not (y)",
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
      title: tried on a sample user: it can't be calculated Value Some(0..5)
    leave ~ 'x'
      title: tried on a sample user: a list, an object or `leave` was joined to a text; take one value with `| one`, or join a list with `| join(", ")` Value None
    [leave]
      title: tried on a sample user: `leave` stands inside a list: it can only be the whole result Value None
    '%100000000d' | format(1)
      title: there is no filter `format` (there are all, alnum, ascii, bool, capitalize, casefold, count, d, default, first, int, join, last, length, lines, lower, map, max, min, one, prefix, reject, rejectattr, replace, reverse, select, selectattr, sort, split, string, title, trim, unique, upper) Value Some(16..22)
    namespace()
      title: `namespace(…)` is a call, and mappings have filters instead Value Some(0..9)
    x ~ not (y)
      title: `not` stands where a value belongs Value None
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
    active: `active` is not mapped: it follows the user's lifecycle status in the directory; `[users]` says what happens to suspended and departed users Key None
    Password: `password` is not mapped: it is never sent: users sign in through the directory Key None
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
        let found = Mapping::compile(&rules(&[("userName", "u"), (key, "a"), (other, "b")]), &anything(), &Map::new());
        assert!(found.is_err(), "{key} {other}");
    }
    let whole_and_part = rules(&[("userName", "u"), ("emails", "m | all"), ("emails.home", "h")]);
    let found = Mapping::compile(&whole_and_part, &anything(), &Map::new()).unwrap_err();
    insta::assert_snapshot!(shown(&found), @r##"emails.home: `emails.home` and `emails` are a whole and a part of it: one attribute, two rules (keep one of them) Key None"##);
}

#[test]
fn a_sample_person_shows_wrong_types_but_not_what_only_they_lack() {
    let sample = record(json!({"email": "a@x", "flag": true, "cn": ["a", "b"]}));
    let compile =
        |from: &str| Mapping::compile(&rules(&[("userName", "email"), ("title", from)]), &anything(), &sample);
    assert!(compile("gone ~ 'x'").is_ok());
    assert!(compile("gone | lower").is_ok());
    for from in ["flag", "cn", "cn ~ 'x'", "email - 1", "email | int"] {
        assert_eq!(compile(from).unwrap_err().len(), 1, "{from}");
    }
    assert!(Mapping::compile(&rules(&[("userName", "uid")]), &anything(), &sample).is_ok(), "one person without uid");
}

#[test]
fn an_open_directory_warns_where_a_closed_one_refuses() {
    let list = rules(&[("userName", "email"), ("title", "titel")]);
    let open = Mapping::compile(&list, &KnownAttributes::open(["email", "title"]), &Map::new()).unwrap();
    insta::assert_snapshot!(shown(open.warnings()), @r##"title: no record seen so far has an attribute `titel` (did you mean `title`?) Value Some(0..5)"##);
    assert!(Mapping::compile(&list, &KnownAttributes::closed(["email", "title"]), &Map::new()).is_err());
    assert!(mapping(&[("userName", "email"), ("title", "titel")]).warnings().is_empty(), "nothing to compare with");
}
