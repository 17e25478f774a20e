//! What SECURITY.md promises is held by tests: each one that it names is there.

use std::path::Path;

use crate::source::{read, root};

/// Every `file.rs::name` in the page.
fn named(page: &str) -> Vec<(&str, &str)> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).filter(|(file, _)| file.ends_with(".rs")).collect()
}

/// Whether a file defines a test of this name, by itself or by a macro that makes tests (`proptest!`).
fn tests(file: &str, name: &str) -> bool {
    let text = read(Path::new(file));
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    // Its attribute stands in one of the lines right above.
    let mut above = text[..at].lines().rev().take(6);
    above.any(|line| line.contains("test]") || line.contains("::test(") || line.contains("proptest!"))
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let all = named(&page);
    assert!(all.len() > 40, "only {} tests are named: is the page still written as this test reads it?", all.len());
    let missing: Vec<_> = all.iter().filter(|(file, _)| !root().join(file).is_file()).collect();
    assert!(missing.is_empty(), "no such files: {missing:?}");
    let missing: Vec<_> = all.iter().filter(|(file, name)| !tests(file, name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    let own = "tests/it/promises.rs";
    assert!(tests(own, "a_name_that_is_no_test_is_noticed"));
    assert!(!tests(own, "named") && !tests(own, "no_such_name"));
    assert_eq!(named("see `tests/it/a.rs::b`, `c::d` and `e`"), [("tests/it/a.rs", "b")]);
}
