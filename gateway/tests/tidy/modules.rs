//! Which module of the server may use which: a request goes down, `ingress`, `ops`, `driver`, `bus`, and nothing
//! points back up.
//!
//! What a lower module needs of a higher one is handed in by `boot`.

use std::collections::BTreeSet;

use crate::tree::{Source, assert_none, files};

/// Each module from low to high, and those of ours that it may use. A module stands below all that use it, so
/// there is no circle.
const MODULES: [(&str, &[&str]); 61] = [
    ("configured", &[]),
    ("line", &[]),
    ("newest", &[]),
    ("page", &[]),
    ("phase", &[]),
    ("query", &[]),
    ("rate", &[]),
    ("role", &[]),
    ("routes", &[]),
    ("socket", &["newest"]),
    ("sys", &[]),
    ("testing", &[]),
    ("tls", &[]),
    ("watched", &[]),
    ("web", &[]),
    ("certificate", &["newest", "socket", "watched"]),
    ("visit", &["certificate", "tls"]),
    ("moment", &[]),
    ("disk", &[]),
    ("advice", &[]),
    ("audit", &["line"]),
    ("console", &["line"]),
    ("signals", &["sys"]),
    ("secrets", &["advice"]),
    ("clock", &["console", "testing"]),
    ("archive", &["console", "moment"]),
    ("promote", &["console", "signals"]),
    ("rebuild", &["console", "watched"]),
    ("fault", &["console", "line", "sys"]),
    ("logging", &["audit", "fault", "line"]),
    ("banner", &["console", "line", "logging"]),
    ("doors", &[]),
    ("settings", &["doors", "page", "rate"]),
    ("metrics", &["audit", "disk", "doors", "logging", "phase", "routes", "settings", "watched"]),
    ("health", &["metrics", "phase"]),
    ("third", &["metrics", "tls"]),
    ("events", &["third", "watched"]),
    ("reload", &["advice", "audit", "certificate", "logging", "newest", "settings"]),
    ("recovery", &["settings"]),
    ("egress", &["doors", "socket"]),
    ("bus", &["doors", "socket"]),
    (
        "copying",
        &[
            "bus", "clock", "console", "line", "moment", "query", "secrets", "tls", "visit",
            "watched",
        ],
    ),
    ("why", &["console", "copying", "query"]),
    (
        "driver",
        &[
            "audit", "bus", "doors", "egress", "metrics", "phase", "rate", "reload", "settings",
            "socket", "sys", "testing", "third",
        ],
    ),
    ("cluster", &["driver", "watched"]),
    ("push", &["driver", "testing", "watched"]),
    ("ops", &["audit", "bus", "driver", "metrics", "phase", "third"]),
    (
        "ingress",
        &[
            "advice", "audit", "bus", "doors", "driver", "metrics", "ops", "page", "phase",
            "routes", "socket", "third", "web",
        ],
    ),
    ("acme", &["advice", "certificate", "ingress", "secrets", "visit", "watched"]),
    (
        "operators",
        &[
            "audit",
            "bus",
            "configured",
            "copying",
            "doors",
            "driver",
            "logging",
            "metrics",
            "ops",
            "query",
            "watched",
            "web",
        ],
    ),
    ("admin", &["advice", "copying", "health", "ingress", "metrics", "operators", "socket", "tls"]),
    ("descriptors", &["admin", "doors"]),
    (
        "doctor",
        &["advice", "certificate", "clock", "console", "descriptors", "phase", "sys", "visit"],
    ),
    (
        "boot",
        &[
            "acme",
            "admin",
            "advice",
            "audit",
            "banner",
            "bus",
            "certificate",
            "clock",
            "cluster",
            "console",
            "copying",
            "descriptors",
            "disk",
            "doors",
            "driver",
            "events",
            "fault",
            "health",
            "ingress",
            "line",
            "logging",
            "metrics",
            "newest",
            "operators",
            "ops",
            "page",
            "phase",
            "promote",
            "push",
            "rebuild",
            "recovery",
            "reload",
            "role",
            "secrets",
            "settings",
            "signals",
            "socket",
            "testing",
            "tls",
            "visit",
            "watched",
        ],
    ),
    ("support", &["configured", "console", "doctor", "line", "secrets", "visit"]),
    ("token", &["console", "secrets", "visit"]),
    ("ask", &["console", "moment", "query", "secrets", "visit"]),
    ("bench", &["secrets"]),
    ("cli", &["archive", "ask", "bench", "copying", "visit", "why"]),
    ("lib", &[]),
    ("main", &[]),
];

#[test]
fn modules_use_lower_ones_only() {
    let mut strays = Vec::new();
    for source in files("gateway/src", ".rs").iter().filter(|source| !source.is_test()) {
        let module = module(source);
        let allowed = MODULES.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = allowed else {
            strays.push(format!("{}: {module} has no place in the table", source.path));
            continue;
        };
        for (number, used) in uses(source) {
            if used != module && !allowed.contains(&used.as_str()) {
                strays.push(format!("{}:{number}: {module} uses {used}", source.path));
            }
        }
    }
    assert_none(
        &strays,
        "hand it in from above, move it down, or change the table with its reason",
    );
}

#[test]
fn the_table_of_modules_has_no_circle_and_nothing_that_is_not_used() {
    let mut below = BTreeSet::new();
    for (module, allowed) in MODULES {
        for used in allowed {
            assert!(below.contains(used), "{module} may use {used}, which is not below it");
        }
        below.insert(module);
    }
    let sources = files("gateway/src", ".rs");
    let mut unused = Vec::new();
    for (module, allowed) in MODULES {
        let own = sources.iter().filter(|source| self::module(source) == module);
        let used: BTreeSet<String> = own.flat_map(uses).map(|(_, used)| used).collect();
        let idle = allowed.iter().filter(|name| !used.contains(**name));
        unused.extend(idle.map(|name| format!("{module} does not use {name}")));
    }
    assert_none(&unused, "take it out of the table");
}

/// The module at the root of the crate that a file belongs to.
fn module(source: &Source) -> &str {
    let path = source.path.trim_start_matches("gateway/src/");
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The modules that a file names, with the lines: `crate::x`, `crate::{x, y}`, and in a root module `super::x`.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let path = source.path.trim_start_matches("gateway/src/");
    let is_root =
        !path.contains('/') || path.ends_with("/mod.rs") && path.matches('/').count() == 1;
    let mut found = Vec::new();
    for (number, line) in source.product_lines() {
        let roots: &[&str] = if is_root { &["crate::", "super::"] } else { &["crate::"] };
        for part in roots.iter().flat_map(|root| line.split(root).skip(1)) {
            let listed = part.strip_prefix('{').map(|list| list.split_once('}'));
            let names: Vec<&str> = match listed {
                None => vec![part],
                Some(Some((list, _))) => list.split(',').collect(),
                Some(None) => panic!("{}:{number}: import module by module", source.path),
            };
            for name in names {
                let name = name.trim();
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &name[..end.unwrap_or(name.len())];
                if !name.is_empty() && name != "REVISION" {
                    found.push((number, name.to_owned()));
                }
            }
        }
    }
    found
}
