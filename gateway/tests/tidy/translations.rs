//! The Chinese documents go along with the English ones: the same headings, the same code, and in the READMEs the same
//! measured numbers.
//!
//! Prose is not compared: who changes only that is trusted to look whether the other one still says the same.

use std::fs;

use crate::tree::{assert_none, root};

/// English, Chinese.
const PAIRS: [(&str, &str); 6] = [
    ("README.md", "README.zh-CN.md"),
    ("docs/operating.md", "docs/zh/operating.md"),
    ("docs/protocol.md", "docs/zh/protocol.md"),
    ("docs/clients.md", "docs/zh/clients.md"),
    ("docs/upgrade.md", "docs/zh/upgrade.md"),
    ("deploy/README.md", "docs/zh/deploy.md"),
];

/// What a document consists of, as far as both languages share it.
#[derive(Debug, PartialEq)]
enum Part {
    Heading { level: usize },
    Code { lines: Vec<String> },
}

#[test]
fn chinese_documents_go_along_with_the_english_ones() {
    let mut apart = Vec::new();
    for (english, chinese) in PAIRS {
        let read = |path: &str| {
            fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        if let Some(difference) = first_difference(&parts(&read(english)), &parts(&read(chinese))) {
            apart.push(format!("{english}:{} and {chinese}:{}", difference.0, difference.1));
        }
    }
    assert_none(
        &apart,
        "from these lines on headings or code blocks differ: translate what has changed",
    );
}

#[test]
fn chinese_readers_read_the_same_figures() {
    let figures = |path: &str| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let rows = text.split("<!-- FIGURES").nth(1).and_then(|rest| rest.split("<!-- /").next());
        let rows = rows.unwrap_or_else(|| panic!("{path} has lost its figures"));
        rows.lines().filter(|line| line.starts_with('|')).skip(1).map(numbers).collect::<Vec<_>>()
    };
    let (english, chinese) = (figures("README.md"), figures("README.zh-CN.md"));
    let differ = |(at, (one, other)): (usize, (&Vec<String>, &Vec<String>))| {
        (one != other).then(|| format!("row {at}: {one:?}, {other:?}"))
    };
    let mut apart: Vec<_> = english.iter().zip(&chinese).enumerate().filter_map(differ).collect();
    if english.len() != chinese.len() {
        apart.push(format!("{} and {} rows", english.len(), chinese.len()));
    }
    assert_none(&apart, "the figures of README.zh-CN.md are not those of README.md");
}

/// The numbers of a row behind its first cell, in order of size: languages put them in orders of their own.
fn numbers(row: &str) -> Vec<String> {
    let values = row.splitn(3, '|').last().unwrap_or_default();
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    let words = values.split(|c| !is_part(c)).map(|word| word.trim_matches(['.', ',']));
    let mut found: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    found.sort_unstable();
    found
}

/// The lines at which the documents part, or nothing.
fn first_difference(one: &[(usize, Part)], other: &[(usize, Part)]) -> Option<(usize, usize)> {
    let line = |parts: &[(usize, Part)], at: usize| {
        parts.get(at).or(parts.last()).map_or(0, |(line, _)| *line)
    };
    let same = one.iter().zip(other).take_while(|(a, b)| a.1 == b.1).count();
    (same < one.len().max(other.len())).then(|| (line(one, same), line(other, same)))
}

/// Headings and code blocks, each with the number of its line.
fn parts(text: &str) -> Vec<(usize, Part)> {
    let mut parts = Vec::new();
    let mut block: Option<(usize, Vec<String>)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.starts_with("```") {
            match block.take() {
                Some((began, lines)) => parts.push((began, Part::Code { lines })),
                None => block = Some((number, vec![line.to_owned()])),
            }
        } else if let Some((_, lines)) = &mut block {
            lines.push(without_comment(line).to_owned());
        } else if line.starts_with('#') {
            parts.push((
                number,
                Part::Heading { level: line.bytes().take_while(|b| *b == b'#').count() },
            ));
        }
    }
    parts
}

/// A line of code without its comment, which is in the language of the document.
fn without_comment(line: &str) -> &str {
    let comment = if line.starts_with("# ") { Some(0) } else { line.find(" # ") };
    line[..comment.unwrap_or(line.len())].trim_end()
}

#[test]
fn what_is_compared_is_headings_and_code() {
    let english = "# A\ntext\n```\nrun  # it\n# so\n```\n## B\n";
    let chinese = "# 甲\n\n文字\n```\nrun  # 运行\n# 这样\n```\n## 乙\n";
    assert_eq!(first_difference(&parts(english), &parts(chinese)), None);
    for (changed, lines) in [
        ("# A\n```\nrun it\n```\n## B\n", (2, 4)),
        ("# A\n```\nrun\n\n```\n### B\n", (6, 8)),
        ("# A\n```\nrun\n\n```\n## B\n## C\n", (7, 8)),
        ("# A\n```\nrun\n\n```\n", (2, 8)),
    ] {
        assert_eq!(first_difference(&parts(changed), &parts(chinese)), Some(lines), "{changed}");
    }
}
