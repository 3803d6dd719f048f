//! A server that says of itself what a test wants, for those that nobody has at hand.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawDocumentBuf, rawdoc};
use openim_cluster::Runtime;
use openim_cluster::mongo::{MongoHistory, OpenError, Options, Warning};
use openim_record::Placement;
use openim_storage::port::wait;

/// Answers every question with the same document; gives its URL.
fn server(says: RawDocumentBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let says = says.clone();
            thread::spawn(move || while answer(&client, &says).is_ok() {});
        }
    });
    format!("mongodb://{address}/?directConnection=true")
}

const QUERY: i32 = 2_004;
const REPLY: i32 = 1;
const MESSAGE: i32 = 2_013;

fn answer(mut client: &TcpStream, says: &RawDocumentBuf) -> std::io::Result<()> {
    let mut head = [0; 16];
    client.read_exact(&mut head)?;
    let number =
        |at: usize| i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut rest = vec![0; usize::try_from(number(0)).expect("a length") - head.len()];
    client.read_exact(&mut rest)?;
    let (kind, before) = match number(12) {
        // Flags, cursor, first, how many.
        QUERY => (REPLY, [&8_i32.to_le_bytes()[..], &[0; 12], &1_i32.to_le_bytes()].concat()),
        _ => (MESSAGE, vec![0; 5]),
    };
    // Who asks all the time how it is, is no hurry.
    thread::sleep(Duration::from_millis(5));
    let length = head.len() + before.len() + says.as_bytes().len();
    let length = i32::try_from(length).expect("short");
    let answer = [length, 7, number(4), kind].map(i32::to_le_bytes).concat();
    client.write_all(&[&answer[..], &before, says.as_bytes()].concat())
}

/// One of some version, which belongs to no set, and to this cluster.
fn alone(major: i32, minor: i32) -> String {
    let process = rawdoc! { "processId": ObjectId::new(), "counter": 0_i64 };
    let meta =
        rawdoc! { "_id": "cluster", "cluster": "openim", "partitions": 1, "hash": Placement::HASH };
    let mut first = mongodb::bson::RawArrayBuf::new();
    first.push(meta);
    let mut version = mongodb::bson::RawArrayBuf::new();
    [major, minor, 0, 0].into_iter().for_each(|number| version.push(number));
    server(rawdoc! {
        "isWritablePrimary": true, "ismaster": true, "minWireVersion": 0, "maxWireVersion": 13,
        "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
        "topologyVersion": process, "version": format!("{major}.{minor}.0"), "versionArray": version,
        "n": 1, "nModified": 0, "cursor": { "id": 0_i64, "ns": "openim.meta", "firstBatch": first },
        "ok": 1.0,
    })
}

fn open(url: String) -> Result<Vec<Warning>, OpenError> {
    let runtime = Runtime::start(1).expect("a runtime");
    let options = Options { url, partitions: 1, ..Options::default() };
    wait(MongoHistory::open(&runtime, options)).map(|(_, warnings)| warnings)
}

#[test]
fn a_server_that_is_too_old_is_refused_with_its_version() {
    let url = alone(4, 2);
    let refused = open(url.clone()).expect_err("refused");
    assert!(matches!(refused, OpenError::TooOld { .. }), "{refused}");
    let text = refused.to_string();
    let address = url.trim_start_matches("mongodb://").split('/').next().expect("an address");
    for word in [address, "4.2.0", "4.4 or later"] {
        assert!(text.contains(word) && !text.contains('\n'), "{word} in {text}");
    }
}

#[test]
fn a_server_that_is_no_replica_set_is_taken_and_said() {
    let warnings = open(alone(6, 0)).expect("it opens");
    assert_eq!(warnings, [Warning::Standalone]);
    assert!(warnings[0].to_string().contains("replica set of one"));
}
