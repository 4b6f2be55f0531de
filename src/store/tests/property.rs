//! Any history, folded as it happens, in pieces, or from the journal at the end, gives one and the same state.

use proptest::prelude::*;

use super::*;
use crate::model::{AppId, Attributes, ObjectRef, Path as Attribute, Provenance, SourceId};

fn user() -> impl Strategy<Value = SourceId> {
    (0..6u8).prop_map(|n| id(&format!("u{n}")))
}

fn group() -> impl Strategy<Value = SourceId> {
    (0..3u8).prop_map(|n| id(&format!("g{n}")))
}

fn object() -> impl Strategy<Value = ObjectRef> {
    prop_oneof![user().prop_map(ObjectRef::User), group().prop_map(ObjectRef::Group)]
}

fn values() -> impl Strategy<Value = Attributes> {
    proptest::collection::vec((0..3usize, "[a-c]{0,3}"), 0..3).prop_map(|pairs| {
        let path = |at: usize| Attribute::parse(["title", "nickName", "locale"][at]).unwrap();
        pairs.into_iter().map(|(at, value)| (path(at), serde_json::Value::from(value))).collect()
    })
}

fn paths() -> impl Strategy<Value = Vec<Attribute>> {
    values().prop_map(|values| values.into_iter().map(|(path, _)| path).collect())
}

fn effect() -> impl Strategy<Value = Effect> {
    let app_id = || (0..8u8).prop_map(|n| AppId::new(format!("app{n}")));
    let provenance = || any::<bool>().prop_map(|made| if made { Provenance::Created } else { Provenance::Adopted });
    let people = || proptest::collection::vec(user(), 0..6);
    prop_oneof![
        3 => (user(), app_id(), provenance()).prop_map(|(id, app_id, provenance)| Effect::UserLinked { id, app_id, provenance }),
        3 => (user(), values(), paths(), any::<Option<bool>>(), values())
            .prop_map(|(id, set, clear, active, echo)| Effect::UserSent { id, set, clear, active, echo }),
        1 => (user(), values(), paths()).prop_map(|(id, seen, gone)| Effect::UserSource { id, seen, gone }),
        1 => user().prop_map(|id| Effect::UserUnlinked { id }),
        2 => (group(), app_id(), provenance(), "[a-z]{1,3}")
            .prop_map(|(id, app_id, provenance, name)| Effect::GroupLinked { id, app_id, provenance, name }),
        1 => (group(), "[a-z]{1,3}").prop_map(|(id, name)| Effect::GroupRenamed { id, name }),
        1 => (group(), "[a-z]{1,3}").prop_map(|(id, shown)| Effect::GroupNameShown { id, shown }),
        1 => group().prop_map(|id| Effect::GroupUnlinked { id }),
        1 => (group(), app_id(), "[a-z]{1,3}").prop_map(|(id, app_id, name)| Effect::GroupLetGo { id, app_id, name }),
        1 => group().prop_map(|id| Effect::GroupCompared { id }),
        1 => prop::collection::vec(group(), 0..3).prop_map(|groups| Effect::GroupsUnwatched { groups }),
        1 => any::<bool>().prop_map(|on| Effect::GroupsManaged { on }),
        3 => (group(), people()).prop_map(|(group, users)| Effect::MembersAdded { group, users }),
        2 => (group(), people()).prop_map(|(group, users)| Effect::MembersRemoved { group, users }),
        1 => (object(), 0..5u32).prop_map(|(object, attempts)| Effect::Failed {
            object,
            note: FailureNote { reason: "no".into(), attempts, next_try: at(9), found: None, name: None },
        }),
        1 => object().prop_map(|object| Effect::Settled { object }),
        1 => (object(), any::<bool>()).prop_map(|(object, gone)| Effect::Missed { object, since: gone.then(|| at(5)) }),
        1 => (user(), 0..1_000_000i64).prop_map(|(user, second)| Effect::AccessLost { user, at: at(second) }),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Effects(Vec<Effect>),
    RunEnded(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(effect(), 0..5).prop_map(Step::Effects),
        1 => (0..2_000_000i64).prop_map(Step::RunEnded),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rebuilt_state_is_the_state_that_was_lived(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let memory = MemoryStore::new(&tenant(), Arc::new(Still)).unwrap();
            let mut store = home.open_small(4000);
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Effects(effects) => {
                        memory.noted(&run(), "step".into(), effects.clone()).await.unwrap();
                        store.noted(&run(), "step".into(), effects).await.unwrap();
                    }
                    Step::RunEnded(ended) => {
                        let summary = summary(&format!("run-{n:03}"), ended);
                        memory.run_ended(summary.clone()).await.unwrap();
                        store.run_ended(summary).await.unwrap();
                    }
                    Step::Reopen => {
                        drop(store);
                        store = home.open_small(4000);
                    }
                }
            }
            let lived = everything(&store);
            assert_eq!(lived, everything(&memory), "on disk as in memory");
            assert_eq!(lived, everything(&home.read()), "as a reader folds it");
            store.rebuild().unwrap();
            assert_eq!(lived, everything(&store), "as it is rebuilt");
            drop(store);
            assert!(home.state().verify().unwrap().broken.is_none());
        });
    }
}
