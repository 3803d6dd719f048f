//! The ports on MySQL against the suites that every engine runs.

mod support;

#[test]
fn the_server_is_there() {
    let Some(url) = support::component("OPENIM_TEST_MYSQL") else { return };
    assert!(url.starts_with("mysql://"), "{url}");
}
