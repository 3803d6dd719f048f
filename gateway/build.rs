//! Tells the program which revision of the source it is built from.
//!
//! `BUILD_REVISION` in the environment wins, for builds from an archive of the source; then git; else it is
//! unknown. Runs again only when the checked-out revision changes.

use std::path::Path;
use std::process::Command;

/// Not under the prefix of settings: `cargo run` hands both what was given and what is said here to the program, which
/// refuses settings that it does not know.
const VARIABLE: &str = "BUILD_REVISION";

fn main() {
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    println!("cargo:rerun-if-changed=build.rs");
    let given = std::env::var(VARIABLE).ok().filter(|given| !given.is_empty());
    let revision = given.or_else(checked_out).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env={VARIABLE}={revision}");
}

fn checked_out() -> Option<String> {
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    // HEAD names a branch, whose file changes with each commit; packed-refs has it after a cleaning.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // A file that is not there would make every build run this again.
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    Some(revision)
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
