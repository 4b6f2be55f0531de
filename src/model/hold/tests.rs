use super::*;

fn shrink() -> HoldReason {
    let limit = "20%".to_owned();
    HoldReason::SourceShrink { what: SourcePart::People, is: 3, was: 10, limit, unbound: None }
}

#[test]
fn w1_a_hold_is_its_code_and_its_numbers_and_the_sentence_is_only_shown() {
    let json = serde_json::to_value(shrink()).unwrap();
    assert_eq!((&json["reason"], &json["was"], &json["what"]), (&"source_shrink".into(), &10.into(), &"people".into()));
    assert!(json["detail"].as_str().unwrap().contains("3 users, 10 in the last accepted reading"), "{json}");
    assert_eq!(serde_json::from_value::<HoldReason>(json.clone()).unwrap(), shrink());
    let mut listed = Vec::new();
    HoldReason::serialize_listed(&[shrink()], &mut serde_json::Serializer::new(&mut listed)).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<HoldReason>>(&listed).unwrap(), [shrink()]);
    let mut reworded = json;
    reworded["detail"] = "other words".into();
    assert_eq!(serde_json::from_value::<HoldReason>(reworded).unwrap().canonical(), shrink().canonical());
    assert_eq!(shrink().canonical(), "hold 1 source_shrink\nis=3\nlimit=\"20%\"\nwas=10\nwhat=\"people\"\n");
}

#[test]
fn j15_accounts_that_may_be_doubled_are_data_and_the_texts_of_earlier_versions_are_kept_as_a_sentence() {
    let one = crate::model::Duplicate {
        user: crate::model::SourceId::new("u1"),
        name: "ann".to_owned(),
        account: crate::model::AppId::new("7"),
        user_name: "ann.lee".to_owned(),
        active: true,
        shared: None,
    };
    let hold = HoldReason::DuplicateAccounts { count: 1, who: Duplicates::of(&[&one]) };
    let json = serde_json::to_value(&hold).unwrap();
    assert_eq!(json["who"]["first"][0]["account"], Value::from("7"));
    assert_eq!(serde_json::from_value::<HoldReason>(json.clone()).unwrap(), hold);
    let mut earlier = json;
    earlier["who"]["first"] = serde_json::json!(["ann (account 7, userName \"ann.lee\")"]);
    let read = serde_json::from_value::<HoldReason>(earlier).unwrap();
    assert_eq!((read.code(), read.detail()), (HoldCode::DuplicateAccounts, hold.detail()));
}

#[test]
fn j12_an_application_that_is_bound_to_nothing_is_said_with_its_name_and_read_back() {
    let unbound = Some(Unbound { application: Some("\"Heap\" (5f2b)".to_owned()) });
    let HoldReason::SourceShrink { what, is, was, limit, .. } = shrink() else { panic!("a shrink") };
    let hold = HoldReason::SourceShrink { what, is, was, limit, unbound };
    let said = hold.detail();
    assert!(said.contains("the application \"Heap\" (5f2b) is bound to no group and no user"), "{said}");
    let json = serde_json::to_value(&hold).unwrap();
    assert_eq!(json["unbound"]["application"], "\"Heap\" (5f2b)");
    assert_eq!(serde_json::from_value::<HoldReason>(json).unwrap(), hold);
    assert!(serde_json::to_value(shrink()).unwrap().get("unbound").is_none(), "holds of before keep their ids");
}

#[test]
fn w5_what_earlier_versions_wrote_is_read_into_codes() {
    for (old, code) in [
        (r#"["approval", "the tenant file asks for approval before create_user: di"]"#, HoldCode::Approval),
        (r#"{"reason": "rekey", "detail": "many"}"#, HoldCode::Rekey),
        (r#"{"reason": "of_the_future", "detail": "unknown", "n": 1}"#, HoldCode::Other),
    ] {
        let read: HoldReason = serde_json::from_str(old).unwrap();
        assert_eq!(read.code(), code);
        let again: HoldReason = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read, "it stays what it is");
    }
}

#[test]
fn w1_a_cause_is_its_code_and_the_sentence_beside_it_is_only_shown() {
    let object = ObjectRef::User(crate::model::SourceId::new("u1"));
    let hold = HoldReason::NeedsDecision { object, name: "ann".to_owned(), cause: Obstacle::ManagerImmutable };
    let json = serde_json::to_value(&hold).unwrap();
    assert_eq!((&json["why_code"], &json["cause"]), (&"manager_immutable".into(), &"manager_immutable".into()));
    assert_eq!(json["why"], "this app can't change a manager");
    assert!(!hold.canonical().contains("this app"), "no sentence is hashed: {}", hold.canonical());
    let mut reworded = json.clone();
    reworded["why"] = "other words".into();
    assert_eq!(serde_json::from_value::<HoldReason>(reworded).unwrap(), hold);
    let mut old = json;
    old.as_object_mut().unwrap().remove("cause");
    assert_eq!(serde_json::from_value::<HoldReason>(old).unwrap(), hold, "as an earlier version wrote it");
}

#[test]
fn w1_names_are_kept_as_they_are_and_marked_where_they_are_shown() {
    let names = NamedUsers::of(["a\u{202e}nn", "bo"]);
    assert_eq!(names.first, ["a\u{202e}nn", "bo"]);
    assert!(!names.to_string().contains('\u{202e}'), "{names}");
    assert!(names.to_string().ends_with(", bo"), "{names}");
}

#[test]
fn w1_a_loosened_guard_is_its_keys_and_values() {
    let changes = vec![
        Loosening::Value { key: "people".to_owned(), was: 2.into(), is: 1.into() },
        Loosening::Entries { key: "protect".to_owned(), gone: BTreeSet::from(["ab".to_owned()]), of: 2 },
    ];
    let hold = HoldReason::GuardChange { changes, holds_all: true };
    assert!(hold.detail().contains("people: 2 → 1, protect: 1 of 2 entries removed"), "{hold}");
    assert_eq!(serde_json::from_value::<HoldReason>(serde_json::to_value(&hold).unwrap()).unwrap(), hold);
    let canonical = hold.canonical();
    assert!(!canonical.contains('→') && canonical.contains(r#""key":"people""#), "{canonical}");
}

#[test]
fn w1_codes_have_names_of_their_own() {
    let names: BTreeSet<&str> = HoldCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), HoldCode::ALL.len());
    for code in HoldCode::ALL {
        assert_eq!(HoldCode::parse(code.name()), code);
    }
}
