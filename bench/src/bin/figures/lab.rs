//! What every measurement needs: the two programs, a disk, and the name of what is measured.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use openim_bench::{Server, Setup, release_binary, release_binary_with};
use serde_json::Value;
use tempfile::TempDir;

use crate::catalog::Figure;
use crate::components::Components;
use crate::machine;
use crate::options::{Options, beside_this_program, root};

/// What the load tool is pointed at.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) rest: String,
    pub(crate) ws: String,
    /// More words: how the tool may register users, and whose CPU time it is to tell.
    pub(crate) more: Vec<String>,
}

impl From<&Server> for Target {
    /// A server that is one process.
    fn from(server: &Server) -> Self {
        let pid = server.pid().to_string();
        let more = ["--data-dir", "data", "--pid", &pid].map(str::to_owned).to_vec();
        Self { rest: server.rest().to_owned(), ws: server.ws().to_owned(), more }
    }
}

/// The place where figures are measured.
pub(crate) struct Lab {
    server: PathBuf,
    /// What clusters are measured with, where one is.
    cluster: Option<(PathBuf, Components)>,
    tool: PathBuf,
    yardstick: PathBuf,
    work: PathBuf,
    pub(crate) revision: String,
    /// Whether sources differ from the revision.
    pub(crate) altered: bool,
    /// `yyyy-mm-dd`.
    pub(crate) date: String,
    pub(crate) machine: Value,
    /// Paths of this machine that must not be recorded.
    private: [PathBuf; 2],
}

impl Lab {
    /// Builds what is needed and looks around.
    pub(crate) fn open(options: &Options) -> anyhow::Result<Self> {
        let work = beside_this_program()?;
        let root = root().canonicalize().context("the repository")?;
        let git = |args: &[&str]| said(Command::new("git").args(args).current_dir(&root));
        let sources = [":(exclude)*.md", ":(exclude)bench/results"];
        let status = ["status", "--porcelain", "--", "."];
        std::fs::create_dir_all(&options.out).context("the folder for results")?;
        let cluster = match options.figures().any(Figure::is_of_a_cluster) {
            true => {
                let program = release_binary_with("openim-gateway", "openim", "cluster")?;
                Some((program, Components::up()?))
            }
            false => None,
        };
        // Not before: both builds leave their program under the same name.
        let server = match options.figures().all(Figure::is_of_a_cluster) {
            true => PathBuf::new(),
            false => release_binary("openim-gateway", "openim")?,
        };
        Ok(Self {
            server,
            cluster,
            tool: release_binary("openim-loadtest", "openim-loadtest")?,
            yardstick: release_binary("openim-bench", "yardstick")?,
            revision: git(&["rev-parse", "HEAD"])?,
            altered: !git(&[&status[..], &sources].concat())?.is_empty(),
            date: said(Command::new("date").args(["-u", "+%F"]))?,
            machine: machine::describe(&work)?,
            private: [work.clone(), root],
            work,
        })
    }

    /// An empty folder on the disk of the target folder, removed when dropped.
    pub(crate) fn folder(&self) -> anyhow::Result<TempDir> {
        tempfile::Builder::new().prefix("figures-").tempdir_in(&self.work).context("a work folder")
    }

    /// How a server is started in `folder`.
    pub(crate) fn setup(&self, folder: &TempDir) -> Setup {
        Setup::new(&self.server, folder.path())
    }

    /// The same without the bound on frames, which would be what is measured.
    pub(crate) fn unlimited(&self, folder: &TempDir) -> Setup {
        self.setup(folder).env("OPENIM_LIMITS_FRAMESPERSECOND", "0")
    }

    /// The program that knows the cluster engine, and the components.
    pub(crate) fn cluster(&self) -> anyhow::Result<(&Path, &Components)> {
        let (program, components) = self.cluster.as_ref().context("no cluster was asked for")?;
        Ok((program, components))
    }

    /// The program itself.
    pub(crate) fn server(&self) -> &Path {
        &self.server
    }

    /// The bare loop to compare with.
    pub(crate) fn yardstick(&self) -> &Path {
        &self.yardstick
    }

    /// Runs the load tool against the server whose folder is `folder`, and gives its result.
    pub(crate) fn load(
        &self,
        folder: &TempDir,
        target: impl Into<Target>,
        words: &str,
    ) -> anyhow::Result<Value> {
        let result = folder.path().join("result.json");
        let status = self
            .tool(folder.path(), &target.into(), words)
            .args(["--json", "result.json"])
            .status()
            .context("cannot run the load tool")?;
        let text = std::fs::read_to_string(&result)
            .with_context(|| format!("the load tool left no result ({status})"))?;
        let value: Value = serde_json::from_str(&text).context("the load tool's result")?;
        if !status.success() {
            bail!("the load tool found the server wanting: {}", value["problems"]);
        }
        Ok(value)
    }

    /// Starts the load tool and leaves it running.
    pub(crate) fn load_on(
        &self,
        folder: &TempDir,
        server: &Server,
        words: &str,
    ) -> anyhow::Result<Child> {
        let mut tool = self.tool(folder.path(), &server.into(), words);
        tool.stdout(Stdio::null()).stderr(Stdio::null());
        tool.spawn().context("cannot run the load tool")
    }

    fn tool(&self, folder: &Path, target: &Target, words: &str) -> Command {
        let mut tool = Command::new(&self.tool);
        tool.args(words.split_whitespace())
            .args(["--rest", &target.rest, "--ws", &target.ws, "--revision", &self.revision])
            .args(&target.more)
            .current_dir(folder);
        tool
    }

    /// `text` without the paths of this machine.
    pub(crate) fn publishable(&self, text: &str) -> String {
        self.private
            .iter()
            .fold(text.to_owned(), |text, path| text.replace(&*path.to_string_lossy(), "…"))
    }
}

/// What a command prints.
pub(crate) fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
