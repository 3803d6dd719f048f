//! A pull of 100 messages: their entries with their records, the reply.

mod settings;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use openim_bench::{RECEIVER, record};
use openim_protocol::errcode::ErrCode;
use openim_protocol::pull::PullWriter;
use openim_protocol::request;
use openim_protocol::shown::Shown;
use openim_record::{InboxRun, Message, PartitionId, Position, Seq, StoreBatch, UserId};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::{Entry, History, wait};

const PARTITIONS: u16 = 256;
const MESSAGES: u64 = 100;
const STORED: u64 = 10_000;

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let folder = settings::folder();
    let options = Options { partitions: PARTITIONS, ..Options::default() };
    let mut engine = open(folder.path(), &options).expect("an empty folder opens");
    fill(&mut engine);
    let history = &*engine.history;
    let mut group = criterion.benchmark_group("pull");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("100_messages", |bencher| {
        let (mut from, mut out) = (1, Vec::new());
        bencher.iter(|| {
            // Anywhere in the inbox, never twice in a row.
            from = (from + 3_701) % (STORED - MESSAGES) + 1;
            out.clear();
            pull(history, from, &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

fn fill(engine: &mut Embedded) {
    let mut positions: Vec<Position> = Vec::new();
    for first in (0..STORED).step_by(1000) {
        let records: Vec<_> = (first..first + 1000).map(|number| record(number, 450)).collect();
        settings::land(&mut engine.log, &settings::handed(&records), 0, &mut positions);
    }
    let head = engine.log.head();
    let batch = StoreBatch {
        runs: vec![InboxRun::new(UserId::new(RECEIVER), Seq(1), positions)],
        applied: (0..PARTITIONS).map(|number| (PartitionId(number), head)).collect(),
        ..StoreBatch::default()
    };
    wait(engine.history.store(&batch)).expect("stored");
}

fn pull(history: &impl History, from: u64, out: &mut Vec<u8>) {
    let user = UserId::new(RECEIVER);
    let range = wait(history.range(&user, Seq(from), Seq(from + MESSAGES - 1), usize::MAX));
    let entries = range.expect("the range is stored").entries;
    assert_eq!(entries.len() as u64, MESSAGES);
    let mut writer = PullWriter::begin(out);
    for Entry { seq, record, .. } in entries {
        let record = record.expect("no record is damaged");
        let message = Message::decode(&record).expect("a message was appended");
        let server_msg_id = message.key.server_id(message.send_id);
        let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
        let send_time = message.send_time_ns / 1_000_000_000;
        let shown = Shown { message, server_msg_id: &server_msg_id, seq, send_time };
        writer.message(out, message.send_id, &shown);
    }
    writer.end(out, request::PULL.into(), Some(7), ErrCode::Ok, "");
}
