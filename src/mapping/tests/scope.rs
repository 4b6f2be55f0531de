//! Who is in scope, and what a group is called.

use super::*;

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
        ("(n | int) == 0", false, None),
        ("groups | length == 2", true, None),
        ("n | default(9) < 5", true, Some(false)),
    ] {
        let filter = Filter::compile(text, &anything(), &Map::new()).unwrap();
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
        let rule = GroupName::compile(from, &anything()).unwrap();
        assert_eq!(rule.apply("g1", "Eng", &group).ok().as_deref(), want, "{from}");
    }
    assert!(GroupName::compile("nmae", &KnownAttributes::closed(["cn"])).is_err());
    assert!(GroupName::compile("leave", &anything()).is_err());
    assert!(GroupName::compile("name | uper", &anything()).is_err());
}
