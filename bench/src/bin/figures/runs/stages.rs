//! The criterion benches, gathered from the files they leave.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{Measured, rounded};
use crate::lab::Lab;
use crate::options::{Options, root};

/// Every bench, its median in nanoseconds.
pub(crate) fn all(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let mut args = vec!["bench", "--locked", "--package", "openim-bench", "--benches"];
    if options.quick {
        args.extend(["--", "--quick"]);
    }
    let status = Command::new("cargo")
        .args(&args)
        .current_dir(root())
        .env("CRITERION_HOME", folder.path())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo bench failed: {status}");
    }
    let mut found = Vec::new();
    walk(folder.path(), &mut found)?;
    let mut benches: Vec<(String, Value)> =
        found.iter().map(|file| read(file)).collect::<anyhow::Result<_>>()?;
    benches.sort_by(|(one, _), (other, _)| one.cmp(other));
    let values = benches
        .iter()
        .map(|(id, estimates)| {
            let median = estimates.pointer("/median/point_estimate").and_then(Value::as_f64);
            Ok((id.clone(), rounded(median.context("criterion's estimates have a median")?)))
        })
        .collect::<anyhow::Result<_>>()?;
    let raw: serde_json::Map<String, Value> = benches.into_iter().collect();
    let command = format!("cargo {}", args.join(" "));
    Ok(Measured { server: String::new(), command, values, raw: json!(raw) })
}

/// The folders named `new` in which criterion has put a result.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.ends_with("new") {
                found.push(path);
            } else {
                walk(&path, found)?;
            }
        }
    }
    Ok(())
}

/// The bench's id and criterion's estimates.
fn read(folder: &Path) -> anyhow::Result<(String, Value)> {
    let json = |name: &str| -> anyhow::Result<Value> {
        let text = std::fs::read_to_string(folder.join(name))
            .with_context(|| format!("{name} of a bench"))?;
        serde_json::from_str(&text).with_context(|| format!("{name} of a bench"))
    };
    let id = json("benchmark.json")?["full_id"].as_str().context("a bench has an id")?.to_owned();
    Ok((id, json("estimates.json")?))
}
