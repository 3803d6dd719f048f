//! Test aids are no part of the product: what cargo builds for operators lacks the feature `testing`.

use std::process::Command;

use crate::tree::{assert_none, root, sources};

/// What the variables that steer test aids begin with.
const VARIABLES: &str = "OPENIM_TEST_";
/// Where they may be read: how these paths begin, and the library that declares the module, and how.
const AIDS: [(&str, &str, &str); 2] = [
    ("gateway/src/testing/", "gateway/src/lib.rs", "#[cfg(feature = \"testing\")]\nmod testing;"),
    (
        "storage/cluster/src/testing",
        "storage/cluster/src/lib.rs",
        "#[cfg(feature = \"testing\")]\npub mod testing;",
    ),
];
/// Lets all of them through, so that no server takes one for a slip.
const LETS_THROUGH: &str = "config/src/environment.rs";

/// Whether a file is of these.
pub(crate) fn is_aid(path: &str) -> bool {
    AIDS.iter().any(|(aid, ..)| path.starts_with(aid))
}

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
    let strays: Vec<String> = sources()
        .iter()
        .filter(|source| !source.is_test())
        .filter(|source| source.product_lines().any(|(_, line)| line.contains(VARIABLES)))
        .map(|source| source.path.clone())
        .filter(|path| !is_aid(path) && path != LETS_THROUGH)
        .collect();
    for (aid, library, declared) in AIDS {
        let library = std::fs::read_to_string(root().join(library)).expect("the library");
        assert!(library.contains(declared), "{aid} must not be built into the product");
    }
    assert_none(&strays, "put the test aid behind the feature `testing`");
}
