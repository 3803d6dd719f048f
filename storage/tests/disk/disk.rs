//! A data directory on a disk that does what it is told, and what a power cut leaves of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use openim_storage::conformance;

use super::Dice;
use super::child::{Acks, Books};

const SECTOR: usize = 512;
/// Calls that fail of a disk that is away for a while.
const AWAY_FOR: usize = 4;

/// What happens, at which call of which kind on which files; see `disk.c`.
pub(crate) struct Fault<'a> {
    pub(crate) what: &'a str,
    pub(crate) at: usize,
    pub(crate) calls: &'a str,
    pub(crate) part: &'a str,
}

impl Fault<'_> {
    pub(crate) const fn none() -> Self {
        Self { what: "count", at: 0, calls: "wsm", part: "" }
    }
}

/// See the module.
pub(crate) struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let disk = Self { dir: fast_directory() };
        fs::create_dir(disk.data()).expect("made");
        disk
    }

    /// One with this data.
    pub(crate) fn of(data: tempfile::TempDir) -> Self {
        let disk = Self::new();
        conformance::copy(data.path(), &disk.data());
        disk
    }

    pub(crate) fn copied(&self) -> Self {
        let disk = Self::new();
        conformance::copy(&self.data(), &disk.data());
        disk
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn notes(&self) -> PathBuf {
        self.dir.path().join("shadow")
    }

    /// From now on what is durable is noted: all that is there, to begin with.
    pub(crate) fn shadow(&self) {
        fs::create_dir(self.notes()).expect("made");
        self.note(&self.data());
    }

    fn note(&self, dir: &Path) {
        let mut names = String::new();
        for entry in fs::read_dir(dir).expect("listed") {
            let path = entry.expect("listed").path();
            let found = fs::metadata(&path).expect("read");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            names.push_str(&format!("{} {} {name}\n", found.ino(), u8::from(found.is_dir())));
            if found.is_dir() {
                self.note(&path);
            } else {
                fs::copy(&path, self.notes().join(format!("f.{}", found.ino()))).expect("copied");
                let kept = self.notes().join(format!("l.{}", found.ino()));
                fs::hard_link(&path, kept).expect("linked");
            }
        }
        let inode = fs::metadata(dir).expect("read").ino();
        fs::write(self.notes().join(format!("d.{inode}")), names).expect("written");
    }

    /// Runs the process on it.
    pub(crate) fn run(&self, fault: &Fault<'_>, books: &Books) -> Acks {
        let acks = self.dir.path().join("acks");
        fs::write(&acks, "").expect("written");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "child", "--test-threads=1"])
            .env("LD_PRELOAD", library())
            .env("DISK_CHILD", self.data())
            .env("DISK_FROM", books.next().to_string())
            .env("DISK_ACKS", &acks)
            .env("DISK_DIR", self.data())
            .env("DISK_PART", fault.part)
            .env("DISK_CALLS", fault.calls)
            .env("DISK_AT", fault.at.to_string())
            .env("DISK_WHAT", fault.what)
            .env("DISK_FOR", AWAY_FOR.to_string())
            .env("DISK_COUNT", self.dir.path().join("count"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.notes().exists() {
            command.env("DISK_SHADOW", self.notes());
        }
        let done = command.output().expect("it is started");
        let code = done.status.code();
        let said = || String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(matches!(code, Some(0 | 137)), "{}: {code:?}: {}", fault.what, said());
        Acks::read(&acks)
    }

    /// How many calls a run makes where nothing happens.
    pub(crate) fn count(&self, calls: &str, part: &str, books: &Books) -> usize {
        let acks = self.run(&Fault { what: "count", at: 0, calls, part }, books);
        assert!(acks.ended, "{acks:?}");
        let count = fs::read_to_string(self.dir.path().join("count")).expect("counted");
        count.parse().expect("a number")
    }

    /// The data as a power cut leaves it: what was flushed, and where `torn` some of the sectors and names that were not.
    pub(crate) fn after_the_cut(&self, torn: bool, dice: &mut Dice) -> tempfile::TempDir {
        let left = fast_directory();
        let mut paths = BTreeMap::new();
        find(&self.data(), &mut paths);
        let inode = fs::metadata(self.data()).expect("read").ino();
        self.lay_out(inode, left.path(), &paths, &mut torn.then_some(dice));
        left
    }

    fn lay_out(
        &self,
        inode: u64,
        to: &Path,
        paths: &BTreeMap<u64, PathBuf>,
        torn: &mut Option<&mut Dice>,
    ) {
        fs::create_dir_all(to).expect("made");
        let noted = fs::read_to_string(self.notes().join(format!("d.{inode}")));
        let mut names = noted.unwrap_or_default();
        let newer = torn.as_mut().is_some_and(|dice| dice.roll(2) == 0);
        if let Some(path) = paths.get(&inode).filter(|_| newer) {
            names.clear();
            for entry in fs::read_dir(path).expect("listed") {
                let entry = entry.expect("listed");
                let found = entry.metadata().expect("read");
                let name = entry.file_name().into_string().expect("a name");
                names.push_str(&format!("{} {} {name}\n", found.ino(), u8::from(found.is_dir())));
            }
        }
        for line in names.lines() {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().expect("three words");
            let (inode, is_dir, name) = (word(), word(), word());
            let inode = inode.parse().expect("a number");
            match is_dir {
                "1" => self.lay_out(inode, &to.join(name), paths, torn),
                _ => self.lay_out_file(inode, &to.join(name), torn),
            }
        }
    }

    fn lay_out_file(&self, inode: u64, to: &Path, torn: &mut Option<&mut Dice>) {
        let read = |kind: char| fs::read(self.notes().join(format!("{kind}.{inode}")));
        let durable = read('f').unwrap_or_default();
        let mut bytes = durable.clone();
        if let (Some(dice), Ok(newest)) = (torn, read('l')) {
            if dice.roll(2) == 0 {
                bytes.resize(newest.len(), 0);
            }
            for (at, sector) in bytes.chunks_mut(SECTOR).enumerate() {
                let from = at * SECTOR;
                let newer = newest.get(from..(from + sector.len()).min(newest.len()));
                if let Some(newer) = newer.filter(|newer| **newer != *sector)
                    && dice.roll(2) == 0
                {
                    sector[..newer.len()].copy_from_slice(newer);
                }
            }
        }
        let file = fs::File::create(to).expect("made");
        file.set_len(bytes.len() as u64).expect("as long");
        // Space that was only reserved stays a hole.
        for (at, piece) in bytes.chunks(1 << 16).enumerate() {
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, (at << 16) as u64).expect("written");
            }
        }
    }
}

/// One in memory, where there is any: what is durable here is what is noted.
fn fast_directory() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::var("DISK_TMP").unwrap_or("/dev/shm".into()))
        .or_else(|_| tempfile::tempdir())
        .expect("a directory")
}

fn find(path: &Path, into: &mut BTreeMap<u64, PathBuf>) {
    into.insert(fs::metadata(path).expect("read").ino(), path.to_owned());
    for entry in fs::read_dir(path).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            find(&path, into);
        }
    }
}

/// The library that is preloaded, built once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let name = format!("disk-{}.so", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/disk.c");
        let mut built = Command::new("cc");
        built.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&path).arg(source);
        let built = built.status().expect("a C compiler");
        assert!(built.success(), "{source} is not built: {built}");
        path
    })
}
