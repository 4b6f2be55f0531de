//! What neither a record nor a text can do.

use proptest::prelude::*;

use super::*;

#[test]
fn i7_an_expression_can_neither_run_nor_grow_without_bound() {
    let many: Vec<u32> = (0..20_000).collect();
    let person = json!({"many": many, "text": "x".repeat(70_000)});
    assert!(outcome("many | map('string') | all", &person).is_err());
    assert!(outcome("text ~ ''", &person).is_err());
    assert!(Program::compile(&format!("{}1{}", "(".repeat(2000), ")".repeat(2000)), &STRICT, &anything()).is_err());
    for deep in ["-", "not ", "a ~ ", "a or ", "[", "a[", "a | one | ", "a if a else "] {
        let text = format!("{}a", deep.repeat(4000 / deep.len()));
        let _ = Program::compile_jinja(&text, &STRICT, &anything());
    }
    let chained = compiled_jinja(&format!("a{}", " | one".repeat(600)));
    let layout = expression::layout([&chained]);
    assert_eq!(
        chained.run(&mut Bound::new(&layout, &record(json!({"a": "x"})), &[])),
        Ok(MappedValue::Set(json!("x")))
    );
    assert!(Program::compile(&format!("a{}", " ~ a".repeat(2000)), &STRICT, &anything()).is_err());
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
        if let Ok(mapping) = Mapping::compile(&rules(&all), &anything(), &person) {
            let first = mapping.apply(&person);
            prop_assert_eq!(&first, &mapping.apply(&person), "the same record gives the same result");
            if let Ok(mapped) = first {
                prop_assert!(mapped.values.iter().all(|(_, value)| !super::super::values::is_empty(value)));
                prop_assert!(mapped.values.text(&Path::user_name()).is_some());
            }
        }
        if let Ok(filter) = Filter::compile(&from, &anything(), &Map::new()) {
            let _ = filter.accepts(&person);
        }
    }

    #[test]
    fn the_words_and_the_engine_agree_on_what_is_read(from in any_expression()) {
        if let Ok(expression) = STRICT.compile_expression(&from) {
            let mut engine: Vec<String> = expression.undeclared_variables(true).into_iter().collect();
            engine.retain(|name| !super::super::words::RESERVED.contains(&name.as_str()));
            engine.sort();
            prop_assert_eq!(super::super::lint::variables(&from), engine);
        }
    }

    #[test]
    fn no_text_makes_compiling_panic(from in ".{0,40}", key in ".{0,20}") {
        let _ = Mapping::compile(&rules(&[("userName", &from), (&key, "x")]), &anything(), &Map::new());
        let _ = Filter::compile(&from, &anything(), &Map::new());
    }
}
