//! JSON of any shape.

use proptest::prelude::*;

/// Returns JSON texts whose objects have these names and others, so that the rules for the names
/// are reached: scalars of every kind, malformed escapes, huge numbers, nested a few levels.
pub fn any_json(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("1e999".to_owned()),
        Just("-0.0".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#""\u0000""#.to_owned()),
        Just(r#""""#.to_owned()),
        (-3_i64..3).prop_map(|number| number.to_string()),
        (0.0..1.5_f64).prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| format!("\"{number}\"")),
        "[ -~é]{0,12}".prop_map(|text| serde_json::Value::String(text).to_string()),
        proptest::sample::select(names).prop_map(|name| format!("{name:?}")),
    ];
    scalar.prop_recursive(6, 96, 8, move |inner| {
        let key = prop_oneof![
            9 => proptest::sample::select(names).prop_map(|name| format!("{name:?}")),
            1 => "[a-z]{0,3}".prop_map(|name| format!("{name:?}")),
        ];
        let member = (key, inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
        prop_oneof![
            2 => proptest::collection::vec(member, 0..8)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => proptest::collection::vec(inner, 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}
