//! Test aids are no part of the product: what cargo builds for operators lacks the feature `testing`.

use std::process::Command;

use crate::tree::{assert_none, root, sources};

/// What the variables that steer test aids begin with.
const VARIABLES: &str = "OPENIM_TEST_";
/// Where one may be read, and how that module is declared.
const AIDS: (&str, &str) = ("gateway/src/testing/", "#[cfg(feature = \"testing\")]\nmod testing;");
/// Lets all of them through, so that no server takes one for a slip.
const LETS_THROUGH: &str = "config/src/environment.rs";

#[test]
fn the_product_is_built_without_test_aids() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "openim-gateway"])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p} [{f}]"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let shown = String::from_utf8(tree.stdout).expect("text");
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(shown.contains("openim-storage"), "cargo shows no tree: {errors}");
    let aided: Vec<String> = shown
        .lines()
        .filter(|line| line.starts_with("openim-") && line.contains("testing"))
        .map(str::to_owned)
        .collect();
    assert_none(&aided, "only [dev-dependencies] may switch the feature `testing` on");
}

#[test]
fn variables_of_tests_are_read_by_test_aids_only() {
    let library = std::fs::read_to_string(root().join("gateway/src/lib.rs")).expect("the library");
    let strays: Vec<String> = sources()
        .iter()
        .filter(|source| !source.is_test())
        .filter(|source| source.product_lines().any(|(_, line)| line.contains(VARIABLES)))
        .map(|source| source.path.clone())
        .filter(|path| !path.starts_with(AIDS.0) && path != LETS_THROUGH)
        .collect();
    assert!(library.contains(AIDS.1), "{} must not be built into the product", AIDS.0);
    assert_none(&strays, "put the test aid behind the feature `testing`");
}
