//! One bit of any file of the data directory is another than was written: the start ends with one line that names what is
//! wrong, or the server runs and every book is exact.
//!
//! A bit in each of some files; `OPENIM_TEST_FLIPS=N` takes N bits in every file, `OPENIM_TEST_SEED` others.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::{Server, Setup};

/// Bytes behind which a file of the log holds nothing yet.
const WRITTEN_MAX: u64 = 32 << 10;

fn small() -> Setup {
    let setup = Setup::new().set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20);
    setup.set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 64 << 10)
}

/// A server with a data directory in which everything has happened, over several lives.
fn written() -> Server {
    let mut server = small().start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let group = server.group_of(&alice, &[("bob", 0)]);
    let carol = server.register("carol", IOS);
    server.done_as(&carol, "/group/join_group", &op(json!({"groupID": group, "message": ""})));
    server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": "carol"})));
    for life in 0..3 {
        let mut link = server.connect(&server.login("alice", IOS));
        for n in 0..10 {
            link.say("bob", &format!("m{life}-{n}"), "hello");
        }
        server.restart();
    }
    server.kill();
    server
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Everything that can be asked for.
fn books(server: &Server) -> BTreeMap<String, Value> {
    let mut books = BTreeMap::new();
    for uid in ["alice", "bob", "carol"] {
        let user = server.login(uid, IOS);
        let inbox = server.connect(&user).inbox();
        books.insert(format!("{uid}: inbox"), Value::Array(inbox));
        for route in [
            "/friend/get_friend_list",
            "/friend/get_blacklist",
            "/friend/get_friend_apply_list",
            "/group/get_joined_group_list",
            "/group/get_group_applicationList",
        ] {
            let answer = server.done_as(&user, route, &op(json!({})));
            books.insert(format!("{uid}: {route}"), answer);
        }
    }
    books
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::remove_dir_all(to).ok();
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).expect("in it"));
        fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        fs::copy(file, copy).expect("copied");
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("our own folder");
}

/// One file of each kind: the folders of tables are alike.
fn one_of_each(files: Vec<PathBuf>, random: &mut Random) -> Vec<PathBuf> {
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let letters = file.to_string_lossy().replace(|letter: char| letter.is_ascii_digit(), "");
        kinds.entry(letters).or_default().push(file);
    }
    let choose = |files: Vec<PathBuf>| files[random.below(files.len() as u64) as usize].clone();
    kinds.into_values().map(choose).collect()
}

#[test]
fn whichever_file_it_is_in() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (flips, seed) = (number("OPENIM_TEST_FLIPS"), number("OPENIM_TEST_SEED").unwrap_or(1));
    let mut random = Random(seed);
    let (server, place) = (written(), Setup::new());
    let (whole, work) = (server.data_dir(), place.path("work"));
    copy(whole, &work);
    let expected = books(&small().data_dir(&work).start());
    // What was being made when it was killed goes at any start.
    let is_made = |file: &PathBuf| file.extension().is_none_or(|end| end != "tmp");
    let all: Vec<_> = files(whole).into_iter().filter(is_made).collect();
    let chosen = if flips.is_some() { all } else { one_of_each(all, &mut random) };
    let mut changed = true;
    for file in chosen.iter().cycle().take(chosen.len() * flips.unwrap_or(3) as usize) {
        let inside = file.strip_prefix(whole).expect("in it");
        let length = fs::metadata(file).expect("there").len().min(WRITTEN_MAX);
        if length == 0 {
            continue;
        }
        if std::mem::take(&mut changed) {
            copy(whole, &work);
        }
        let (at, bit) = (random.below(length) as usize, 1 << random.below(8));
        let flip = || {
            let mut bytes = fs::read(work.join(inside)).expect("readable");
            bytes[at] ^= bit;
            fs::write(work.join(inside), bytes).expect("written");
        };
        flip();
        let what = format!("{} at {at}, bit {bit}, OPENIM_TEST_SEED={seed}", inside.display());
        match small().data_dir(&work).allow("").started_or_refused() {
            Ok(server) => {
                changed = true;
                assert_eq!(books(&server), expected, "{what}");
            }
            Err(refusal) => {
                println!("{what}: {}", refusal.stderr.concat());
                refusal.assert_one_line_with(&[work.to_str().expect("UTF-8")]);
                let said = refusal.stderr.concat();
                assert!(
                    !said.contains("panicked") && !said.contains("BACKTRACE"),
                    "{what}: {said}"
                );
                // Nothing was changed by it, but where it ordered a new index for the next start.
                flip();
                changed = work.join("rebuild").exists();
            }
        }
    }
}
