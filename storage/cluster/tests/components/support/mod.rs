//! Where the real components are that these tests are run against.

pub(crate) mod elsewhere;
pub(crate) mod mysql;

/// The address in an `OPENIM_TEST_` variable. `None`, after saying what is left out, where there is none.
///
/// # Panics
/// In CI, where nothing is left out.
pub(crate) fn component(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok().filter(|address| !address.is_empty());
    if address.is_none() {
        let missing =
            format!("{variable} is not set: `scripts/components up` starts what it names");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        println!("!!! LEFT OUT: {test}: {missing}");
    }
    address
}
