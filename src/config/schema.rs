//! The JSON Schema of a config file, made of the types it is decoded into.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// That of [`super::raw::RawConfig`], as `botgate schema` prints it.
const SCHEMA: &str = include_str!("../../config/botgate.schema.json");

/// The schema of a type, as a TOML text can fit it.
pub(super) fn of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// The JSON Schema (draft 2020-12) of a config file.
///
/// It is read from a file that the tests hold against the types: to make it anew at each start takes a megabyte of code and
/// memory. It is not kept, for it is asked for only when a config is read.
pub fn json_schema() -> Value {
    // A test reads it, so it can be read.
    serde_json::from_str(SCHEMA).unwrap_or_default()
}

/// TOML has no null: what is optional is left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            object.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawConfig;
    use super::*;

    /// `BOTGATE_RENEW=1 cargo test --lib the_schema_in_the_file` writes it.
    #[test]
    fn the_schema_in_the_file_is_that_of_the_types() {
        let wanted = of::<RawConfig>();
        if std::env::var_os("BOTGATE_RENEW").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/botgate.schema.json");
            std::fs::write(file, format!("{wanted:#}\n")).unwrap();
            return;
        }
        assert!(
            json_schema() == wanted,
            "config/botgate.schema.json is old: BOTGATE_RENEW=1 cargo test --lib the_schema_in_the_file"
        );
    }
}
