//! Paths, settings, variables and metrics that documents name exist.

use std::collections::BTreeSet;

use crate::tree::{Source, assert_none, documents, root};

#[test]
fn paths_in_documents_exist() {
    let folders: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name != "target" && name != "data")
        .collect();
    let mut missing = Vec::new();
    for document in documents() {
        let beside = root().join(&document.path).parent().unwrap().to_owned();
        for (number, word) in code_words(&document) {
            let is_path =
                word.split('/').next().is_some_and(|first| folders.iter().any(|f| f == first))
                    && word.contains('/')
                    && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
            if is_path && !root().join(&word).exists() && !beside.join(&word).exists() {
                missing.push(format!("{}:{number}: {word}", document.path));
            }
        }
        for (number, target) in links(&document) {
            if !beside.join(&target).exists() {
                missing.push(format!("{}:{number}: {target}", document.path));
            }
        }
    }
    assert_none(&missing, "the document names what is not there");
}

#[test]
fn settings_in_documents_exist() {
    let known: Vec<(String, String)> = openim_config::variables();
    let sections: BTreeSet<&str> =
        known.iter().filter_map(|(key, _)| Some(key.split_once('.')?.0)).collect();
    let is_key = |word: &str| {
        known.iter().any(|(key, _)| key == word || key.starts_with(&format!("{word}.")))
            || openim_config::is_original(word)
    };
    let mut wrong = Vec::new();
    for document in documents() {
        for (number, word) in code_words(&document) {
            let word = word.split([':', '=']).next().unwrap_or_default();
            let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
            let in_section = word.split_once('.').is_some_and(|(section, key)| {
                sections.contains(section) && !matches!(key, "yaml" | "rs" | "toml" | "md" | "sock")
            });
            if plain && in_section && !is_key(word) {
                wrong.push(format!("{}:{number}: {word}", document.path));
            }
            // Those of the tests are no settings.
            let of_tests = word.starts_with("OPENIM_TEST_") || word.starts_with("OPENIM_CRASH_");
            let ours = word.starts_with("OPENIM_") && !of_tests;
            let complete =
                word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            if ours && complete && !word.ends_with('_') && !known.iter().any(|(_, v)| v == word) {
                wrong.push(format!("{}:{number}: {word}", document.path));
            }
        }
    }
    assert_none(&wrong, "config/config.yaml has no such key");
}

#[test]
fn metrics_in_documents_are_exported() {
    let table = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let exported: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `openim_")?.split('`').next())
        .collect();
    assert!(exported.len() > 30, "docs/metrics.md has lost its table");
    let mut wrong = Vec::new();
    for document in documents() {
        for (number, line) in (1..).zip(document.text.lines()) {
            for part in line.split("openim_").skip(1) {
                let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &part[..end.unwrap_or(part.len())];
                // Crates are named so too; their names go on with `::`.
                let is_path = part[name.len()..].starts_with("::");
                let is_name = name.contains('_') && !name.ends_with('_');
                // A histogram has several series.
                let endings = ["_bucket", "_sum", "_count"].iter();
                let histogram = endings.filter_map(|ending| name.strip_suffix(ending)).next();
                let known = exported.contains(name)
                    || histogram.is_some_and(|name| exported.contains(name));
                if is_name && !is_path && !known {
                    wrong.push(format!("{}:{number}: openim_{name}", document.path));
                }
            }
        }
    }
    assert_none(&wrong, "docs/metrics.md does not list it");
}

/// The words of a document that are set as code, in a line or in a block, with their line numbers.
fn code_words(document: &Source) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(document.text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let code =
                line.split_whitespace().map(|word| word.trim_end_matches([',', ':', ';', ')']));
            words.extend(code.map(|word| (number, word.to_owned())));
        } else {
            let code = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
            words.extend(code.map(|word| (number, word.to_owned())));
        }
    }
    words
}

/// Targets of Markdown links inside the repository, without their anchors.
fn links(document: &Source) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in (1..).zip(document.text.lines()) {
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                targets.push((number, target.to_owned()));
            }
        }
    }
    targets
}
