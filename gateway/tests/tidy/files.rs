//! Module docs, lengths, names.

use crate::aids::is_aid;
use crate::tree::{Source, assert_none, sources};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Names that attract strays.
const STRAY_NAMES: [&str; 7] = ["utils", "util", "helper", "helpers", "common", "misc", "manager"];

#[test]
fn every_module_opens_with_what_it_is() {
    let undocumented: Vec<String> = sources()
        .iter()
        // Three lines each that call into the fuzz crate, where the targets are described.
        .filter(|source| !source.path.contains("/fuzz_targets/"))
        .filter(|source| {
            let first =
                source.text.lines().find(|line| !line.starts_with("#![") && !line.is_empty());
            !first.is_some_and(|line| line.starts_with("//! "))
        })
        .map(|source| source.path.clone())
        .collect();
    assert_none(&undocumented, "open the file with `//!`: what it owns, in, out, never");
}

#[test]
fn a_file_holds_one_idea() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&long, "split the file");
}

#[test]
fn a_function_fits_one_screen() {
    let mut long = Vec::new();
    for source in sources() {
        for (name, lines) in functions(&source) {
            if lines > FUNCTION_LINES_MAX {
                long.push(format!("{}: {name}: {lines} lines", source.path));
            }
        }
    }
    assert_none(&long, "split the function");
}

#[test]
fn names_say_what_is_inside() {
    let stray: Vec<String> = sources()
        .iter()
        .map(|source| source.path.clone())
        .filter(|path| {
            let parts = path.trim_end_matches(".rs").split('/');
            parts.into_iter().any(|part| STRAY_NAMES.contains(&part))
        })
        .collect();
    assert_none(&stray, "name the module after what it holds");
}

#[test]
fn unsafe_code_lives_in_sys_modules() {
    let strays: Vec<String> = sources()
        .iter()
        .filter(|source| !source.path.split(['/', '.']).any(|part| part == "sys"))
        .flat_map(|source| {
            let has = |line: &str| line.contains("unsafe {") || line.contains("allow(unsafe_code");
            source
                .product_lines()
                .filter(|(_, line)| has(line))
                .map(|(number, _)| format!("{}:{number}", source.path))
                .collect::<Vec<_>>()
        })
        // This file names what it looks for.
        .filter(|place| !place.starts_with("gateway/tests/tidy/"))
        .collect();
    assert_none(&strays, "move unsafe code into the crate's sys module");
}

/// `cargo run` puts what a build script says into the environment of the program, which takes these for settings.
#[test]
fn build_scripts_name_no_setting() {
    let scripts = || sources().into_iter().filter(|source| source.path.ends_with("build.rs"));
    assert!(scripts().count() > 0, "the build script is not where it was");
    let named: Vec<String> = scripts()
        .filter(|script| script.text.contains("OPENIM_"))
        .map(|script| script.path)
        .collect();
    assert_none(&named, "give the variable a name without the prefix of settings");
}

#[test]
fn nothing_prints_by_a_macro_that_panics() {
    const MACROS: [&str; 4] = ["println!(", "eprintln!(", "print!(", "eprint!("];
    let mut found = Vec::new();
    // The benches are for whoever develops this, at a terminal; what a build script prints is for cargo.
    let product = |s: &&Source| {
        let of_developers = s.path.starts_with("bench/") || s.path.ends_with("build.rs");
        !s.is_test() && !of_developers && !is_aid(&s.path)
    };
    for source in sources().iter().filter(product) {
        for (number, line) in source.product_lines() {
            if MACROS.iter().any(|name| line.contains(name)) {
                found.push(format!("{}:{number}", source.path));
            }
        }
    }
    assert_none(&found, "a closed output must not end the program: print through `console`");
}

/// Each function with its length. The end is the first brace at the indent of the beginning, which holds
/// for formatted sources.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = function_name(code) else { continue };
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        // What ends before it begins is a declaration in a trait.
        let ends = |line: &&str| line.trim_end().ends_with(['{', '}', ';']);
        let declared = lines[start..].iter().find(|line| ends(line));
        let length = lines[start..].iter().position(|line| *line == end);
        let is_declaration = declared.is_some_and(|line| line.trim_end().ends_with(';'));
        if let Some(length) = length.filter(|_| !is_declaration) {
            functions.push((name.to_owned(), length + 1));
        }
    }
    functions
}

fn function_name(code: &str) -> Option<&str> {
    let mut words = code.split(' ');
    loop {
        match words.next()? {
            "fn" => return words.next()?.split(['(', '<']).next(),
            word if word.starts_with("pub") => {}
            "async" | "const" | "unsafe" | "extern" => {}
            _ => return None,
        }
    }
}
