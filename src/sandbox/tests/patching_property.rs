use proptest::prelude::*;

use super::*;
use crate::sandbox::admit;
use crate::sandbox::members::MemberEdit;

/// Ids of the world below: two users and one group, known because ids are the same in every run.
fn world() -> (SandboxApp, Vec<String>, String) {
    let app = app();
    let users: Vec<String> = ["ann", "bob"]
        .iter()
        .map(|name| {
            let emails =
                json!([{ "value": format!("{name}@x.test"), "type": "work", "primary": true }, { "value": name }]);
            made(&app, ResourceType::User, &user(name, json!({ "emails": emails, "name": { "givenName": name } })))
        })
        .collect();
    let team = made(&app, ResourceType::Group, &group("team", &[&users[0]]));
    (app, users, team)
}

fn path() -> impl Strategy<Value = Value> {
    let names = [
        "userName",
        "title",
        "active",
        "displayName",
        "name",
        "name.givenName",
        "name.formatted",
        "emails",
        "emails.value",
        "emails.primary",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[value pr].primary",
        "emails[not (type pr)].type",
        "emails[primary eq true]",
        "roles",
        "roles.value",
        "members",
        "members[value pr]",
        "members[type eq \"User\"]",
        "members.value",
        "id",
        "meta",
        "groups",
        "schemas",
        "externalId",
        "nosuch",
        "",
        "[",
        "name[",
        ENTERPRISE,
        USER,
    ];
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let departments =
        [format!("{ENTERPRISE}:department"), format!("{ENTERPRISE}:manager"), format!("{ENTERPRISE}:manager.value")];
    let (_, users, team) = world();
    let members = users.iter().chain([&team]).map(|id| format!("members[value eq \"{id}\"]"));
    let known: Vec<String> = names.into_iter().chain(departments).chain(members).collect();
    prop_oneof![
        8 => prop::sample::select(known).prop_map(Value::from),
        1 => "[a-z.\\[\\]\" ]{0,12}".prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(json!(7)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let (_, users, team) = world();
    let ids: Vec<String> = users.into_iter().chain([team, "ghost".to_owned()]).collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(json!(5)),
        prop::sample::select(vec!["", "x", "bob", "work", "team"]).prop_map(Value::from),
        prop::sample::select(ids).prop_map(Value::from),
    ];
    let keys = [
        "value",
        "type",
        "primary",
        "display",
        "givenName",
        "title",
        "emails",
        "members",
        "department",
        "nosuch",
        "$ref",
        ENTERPRISE,
    ];
    let key = prop::sample::select(keys.map(str::to_owned).to_vec());
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "Add", "nosuch"]);
    (op, prop::option::weighted(0.85, path()), prop::option::weighted(0.8, value())).prop_map(|(op, path, value)| {
        let mut operation = json!({ "op": op });
        let map = operation.as_object_mut().unwrap();
        // a remove with a value is refused outright, which would hide what removes do
        map.extend(value.filter(|_| op != "remove").map(|value| ("value".to_owned(), value)));
        map.extend(path.map(|path| ("path".to_owned(), path)));
        operation
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_patch_never_panics_and_is_whole_or_nothing(
        on_group in any::<bool>(),
        operations in prop::collection::vec(operation(), 1..4),
    ) {
        let (app, users, team) = world();
        let (kind, id) = if on_group { (ResourceType::Group, &team) } else { (ResourceType::User, &users[0]) };
        let before = get(&app, kind, id);
        let result = app.patch(kind, id, &query(""), &ops(Value::Array(operations)));
        let after = get(&app, kind, id);
        app.read().assert_consistent();
        match result {
            Err(_) => prop_assert_eq!(after, before),
            Ok(_) => {
                // what came out keeps the schema: the front door takes it, and it means the same
                let state = app.read();
                let again = admit::resource(kind, &state, &after).unwrap();
                let kept = state.named(kind, id).unwrap();
                prop_assert_eq!(&again.attrs, &kept.attrs);
                prop_assert_eq!(&again.members, &MemberEdit::exactly(state.members_of(kept.id).clone()));
                prop_assert!(admit::whole(kind, &state, None, &again).is_ok());
            }
        }
    }
}
