//! The repository's files, and the parts of a source that a rule looks at.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// A file with its path from the root.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    fn read(path: &Path) -> Source {
        let shown = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
        Source { path: shown, text }
    }

    /// Whether the whole file is a test, an example or a bench.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
            || self
                .path
                .split('/')
                .any(|part| matches!(part, "tests" | "benches" | "examples" | "fuzz"))
    }

    /// The lines that are built into the product, counted from 1, without comments: what stands in front
    /// of the tests at the end.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        let code = lines.map(|line| line.find("//").map_or(line, |at| &line[..at]));
        (1..).zip(code)
    }
}

/// Every file below `folder` (or `folder` itself, if it is a file) whose name ends so. What is built,
/// kept or hidden is left out.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort();
    found.iter().map(|path| Source::read(path)).collect()
}

fn walk(path: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path.to_str().is_some_and(|path| path.ends_with(ending)) {
            found.push(path.to_owned());
        }
        return;
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for entry in entries.map(|entry| entry.expect("a readable folder")) {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let skipped =
            name.starts_with('.') || matches!(name, "target" | "data" | "corpus" | "node_modules");
        if !skipped {
            walk(&entry.path(), ending, found);
        }
    }
}

/// Every Rust source of the repository.
pub(crate) fn sources() -> Vec<Source> {
    let sources = files("", ".rs");
    assert!(sources.len() > 100, "the sources are not where they were: {}", sources.len());
    sources
}

/// Every document of the repository.
pub(crate) fn documents() -> Vec<Source> {
    files("", ".md")
}

/// Fails with all findings at once.
#[track_caller]
pub(crate) fn assert_none(findings: &[String], remedy: &str) {
    assert!(findings.is_empty(), "{remedy}:\n  {}", findings.join("\n  "));
}
