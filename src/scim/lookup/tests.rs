use serde_json::json;

use super::*;
use crate::config::profile::Adopt;

fn wanted(keys: &[(&str, &str)]) -> LookupKeys {
    LookupKeys {
        endpoint: Endpoint::Users,
        by: vec![MatchBy::new("externalId").unwrap(), MatchBy::new("userName").unwrap()],
        values: keys.iter().map(|(id, name)| vec![Some((*id).to_owned()), Some((*name).to_owned())]).collect(),
        source_ids: keys.iter().map(|(id, _)| (*id).to_owned()).collect(),
        own_external_ids: true,
        except: Vec::new(),
        released: Vec::new(),
        unique: "userName",
        query: Vec::new(),
        after_create: false,
        alike: None,
    }
}

/// What a listing of these accounts (id, externalId, userName) leads to.
fn answers(keys: &[(&str, &str)], accounts: &[(&str, &str, &str)], adopt: Adopt) -> Vec<String> {
    let wanted = wanted(keys);
    let resources: Vec<JsonObject> = accounts
        .iter()
        .map(|(id, external, name)| json!({ "id": id, "externalId": external, "userName": name }))
        .map(|value| value.as_object().cloned().unwrap())
        .collect();
    let mut found = LookupResult::new(keys.len());
    LookupIndex::new(&wanted).match_all(&wanted, &resources, &mut found);
    judge(&wanted, found, adopt)
        .into_iter()
        .map(|answer| match answer {
            Match::Nobody => "nobody".to_owned(),
            Match::One { found, by } => format!("{} by {by}", json::text(&found, "id").unwrap()),
            Match::Conflict(conflict) => format!("conflict: {conflict}"),
        })
        .collect()
}

fn answer(key: (&str, &str), accounts: &[(&str, &str, &str)]) -> String {
    answers(&[key], accounts, Adopt::IfUnowned).remove(0)
}

#[test]
fn i3_the_attributes_match_in_order_and_names_without_case() {
    assert_eq!(answer(("s1", "Ann"), &[("1", "", "bob"), ("2", "", "ANN")]), "2 by userName");
    assert_eq!(answer(("s1", "ann"), &[("1", "s1", "old-name"), ("2", "", "ann")]), "1 by externalId");
    assert_eq!(answer(("s1", "straße"), &[("1", "", "STRASSE")]), "1 by userName");
    assert_eq!(answer(("s1", "ann"), &[("1", "S1", "zoe")]), "nobody", "ids compare with case");
    assert_eq!(answer(("s1", "ann"), &[]), "nobody");
}

#[test]
fn i4_an_account_of_another_directory_record_is_not_taken() {
    let said = answer(("s1", "ann"), &[("7", "other", "ann")]);
    assert!(
        said.starts_with("conflict: the object 7") && said.contains("\"other\"") && said.contains("read.adopt"),
        "{said}"
    );
    let taken = answers(&[("s1", "ann")], &[("7", "other", "ann")], Adopt::Always);
    assert_eq!(taken, ["7 by userName"]);
}

#[test]
fn i3_what_is_not_certain_is_a_conflict() {
    let said = answer(("s1", "ann"), &[("1", "s1", "x"), ("2", "s1", "y")]);
    assert_eq!(said, "conflict: 2 objects in the app have the same externalId: ids 1, 2");
    let said = answer(("s1", "ann"), &[("1", "", "ann"), ("2", "", "Ann")]);
    assert_eq!(said, "conflict: 2 objects in the app have the same userName: ids 1, 2");
}

#[test]
fn i3_two_people_never_share_an_account() {
    // The same name twice, found or not.
    for accounts in [&[][..], &[("1", "", "ann")][..]] {
        let said = answers(&[("s1", "ann"), ("s2", "ANN"), ("s3", "bob")], accounts, Adopt::IfUnowned);
        assert!(said[0].contains("several directory records claim the userName \"ann\": s1, s2"), "{said:?}");
        assert!(said[1].starts_with("conflict: several directory records"), "{said:?}");
        assert_eq!(said[2], "nobody");
    }
    // One account, found by one person's id and another person's name.
    let said = answers(&[("s1", "ann"), ("s2", "bob")], &[("1", "s1", "bob")], Adopt::Always);
    let shared = "conflict: several directory records match the object 1 in the app: s1, s2";
    assert_eq!(said, [shared, shared]);
}

#[test]
fn s5_an_account_that_is_listed_twice_counts_once() {
    assert_eq!(answer(("s1", "ann"), &[("1", "", "ann"), ("1", "", "ann")]), "1 by userName");
}

#[test]
fn attributes_to_match_by() {
    assert_eq!(MatchBy::new("emails.work").unwrap().in_filter(), "emails.value");
    assert!(MatchBy::new("id").unwrap().exact && MatchBy::new("ExternalId").unwrap().exact);
    assert!(!MatchBy::new("userName").unwrap().exact);
    assert_eq!(MatchBy::new("not a path"), None);
}
