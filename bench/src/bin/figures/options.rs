//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::catalog::{FIGURES, Figure};

/// What to measure, how long, and where to put it.
#[derive(Debug)]
pub(crate) struct Options {
    names: Vec<String>,
    /// Everything short: to see that it works, not to quote.
    pub(crate) quick: bool,
    /// The long variants.
    pub(crate) full: bool,
    runs: usize,
    links: Option<u64>,
    soak_s: Option<u64>,
    messages: Option<u64>,
    /// Where results go.
    pub(crate) out: PathBuf,
    /// The words as given, without where results go: that says nothing to others.
    pub(crate) words: Vec<String>,
}

/// What the words ask for.
pub(crate) enum Ask {
    Help,
    /// Write the table of a results folder again.
    Table(PathBuf),
    Measure(Options),
}

const ALL: &str = "all";
const CLUSTER: &str = "cluster";

const USAGE: &str = "\
scripts/figures [OPTIONS] all|cluster|table|NAME ...

Measures the server and writes bench/results/<date>-<revision>/<name>.json, the table in
bench/results/README.md and the figures in README.md. `all` is every figure of one machine but `clone`; `cluster`
is those of the cluster engine, on the components that scripts/components has up, or else brings up; `table`
only writes the two again.

  --full            the long variants: soak of 10 minutes, 10 M messages before a kill (a tenth as many users); `clone` in `all`
  --quick           one short run each, written below the target folder: to see that it works
  --runs N          runs of each figure, the median counts (3)
  --links N         idle links (15000)
  --soak-seconds S  length of the soak (60; full: 600)
  --messages N      messages stored before the kill, in millions (1; full: 10)
  --out DIR         where results go (bench/results)

Figures:
";

/// What `--help` prints.
pub(crate) fn help() -> String {
    let mut text = USAGE.to_owned();
    for figure in FIGURES {
        text.push_str(&format!("  {:16} {}\n", figure.name, figure.about));
    }
    text
}

impl Options {
    /// Reads the words.
    pub(crate) fn read(words: &[String]) -> anyhow::Result<Ask> {
        let mut options = Self {
            names: Vec::new(),
            quick: false,
            full: false,
            runs: 3,
            links: None,
            soak_s: None,
            messages: None,
            out: PathBuf::new(),
            words: Vec::new(),
        };
        let mut out = None;
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let (given, left) = (rest.as_slice().first(), rest.len());
            let mut value = || rest.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" | "help" => return Ok(Ask::Help),
                "--quick" => options.quick = true,
                "--full" => options.full = true,
                "--runs" => options.runs = number(word, value()?)?.max(1) as usize,
                "--links" => options.links = Some(number(word, value()?)?.max(1)),
                "--soak-seconds" => options.soak_s = Some(number(word, value()?)?.max(8)),
                "--messages" => options.messages = Some(number(word, value()?)?.max(1) * 1_000_000),
                "--out" => out = Some(PathBuf::from(value()?)),
                flag if flag.starts_with('-') => bail!("unknown option {flag}; see --help"),
                name => options.names.push(name.to_owned()),
            }
            if word != "--out" {
                let value = given.filter(|_| rest.len() < left).cloned();
                options.words.extend([Some(word.clone()), value].into_iter().flatten());
            }
        }
        options.out = match out {
            Some(out) => std::path::absolute(out)?,
            None if options.quick => beside_this_program()?.join("figures-quick"),
            None => root().join("bench/results"),
        };
        if options.names == ["table"] {
            return Ok(Ask::Table(options.out));
        }
        options.check_names()?;
        Ok(Ask::Measure(options))
    }

    fn check_names(&self) -> anyhow::Result<()> {
        if self.names.is_empty() {
            bail!("name the figures, or say `all`; see --help");
        }
        for name in &self.names {
            if name != ALL && name != CLUSTER && !FIGURES.iter().any(|figure| figure.name == name) {
                bail!("there is no figure {name:?}; see --help");
            }
        }
        Ok(())
    }

    /// The figures asked for.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &'static Figure> {
        let asked = |word: &str| self.names.iter().any(|name| name == word);
        let (all, cluster) = (asked(ALL), asked(CLUSTER));
        FIGURES.iter().filter(move |figure| match figure.is_of_a_cluster() {
            true => cluster || asked(figure.name),
            false => asked(figure.name) || (all && (figure.in_all || self.full)),
        })
    }

    /// How often a figure is measured.
    pub(crate) fn runs(&self, figure: &Figure) -> usize {
        if figure.once || self.quick { 1 } else { self.runs }
    }

    /// `normal`, or what `--quick` makes of it.
    pub(crate) fn unless_quick(&self, normal: u64, quick: u64) -> u64 {
        if self.quick { quick } else { normal }
    }

    pub(crate) fn links(&self) -> u64 {
        self.links.unwrap_or(self.unless_quick(15_000, 1000))
    }

    pub(crate) fn soak_s(&self) -> u64 {
        self.soak_s.unwrap_or(self.by_length(60, 600, 8))
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.unwrap_or(self.by_length(1_000_000, 10_000_000, 50_000))
    }

    fn by_length(&self, normal: u64, full: u64, quick: u64) -> u64 {
        match (self.quick, self.full) {
            (true, _) => quick,
            (_, true) => full,
            _ => normal,
        }
    }
}

fn number(flag: &str, value: &str) -> anyhow::Result<u64> {
    value.replace('_', "").parse().with_context(|| format!("{flag}: {value:?} is no number"))
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of the release profile: on the disk that the checkout is on.
pub(crate) fn beside_this_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where this program is")?;
    Ok(own.parent().context("a program is in a folder")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> anyhow::Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match Options::read(&words)? {
            Ask::Measure(options) => Ok(options),
            Ask::Help | Ask::Table(_) => bail!("nothing to measure"),
        }
    }

    #[test]
    fn all_leaves_out_what_takes_minutes_to_compile() {
        let names = |line: &str| -> Vec<&str> {
            read(line).unwrap().figures().map(|figure| figure.name).collect()
        };
        assert!(!names("all").contains(&"clone"));
        assert!(names("--full all").contains(&"clone"));
        assert_eq!(names("clone links"), ["links", "clone"]);
    }

    #[test]
    fn a_cluster_is_measured_when_it_is_asked_for() {
        let names = |line: &str| -> Vec<&str> {
            read(line).unwrap().figures().map(|figure| figure.name).collect()
        };
        assert!(names("--full all").iter().all(|name| !name.starts_with("cluster")));
        assert!(names("cluster").iter().all(|name| name.starts_with("cluster")));
        assert_eq!(names("cluster_200 idle"), ["idle", "cluster_200"]);
    }

    #[test]
    fn lengths_follow_from_the_kind_of_run_unless_given() {
        assert_eq!(read("soak").unwrap().soak_s(), 60);
        assert_eq!(read("--full soak").unwrap().soak_s(), 600);
        assert_eq!(read("--soak-seconds 100 --full soak").unwrap().soak_s(), 100);
        assert_eq!(read("--messages 3 recover").unwrap().messages(), 3_000_000);
    }

    #[test]
    fn the_recorded_words_do_not_tell_where_results_went() {
        let options = read("--runs 1 --out /somewhere links --full").unwrap();
        assert_eq!(options.words, ["--runs", "1", "links", "--full"]);
        assert_eq!(options.out, Path::new("/somewhere"));
    }

    #[test]
    fn slips_are_refused_by_name() {
        for (line, needle) in [("", "all"), ("latncy", "latncy"), ("--rns 3 all", "--rns")] {
            assert!(read(line).unwrap_err().to_string().contains(needle), "{line}");
        }
    }
}
