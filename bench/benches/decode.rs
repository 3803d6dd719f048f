//! Stages 1 and 2: the bytes of a frame to a request with its body.

mod settings;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use openim_bench::{CLIENT_MSG_ID, RECEIVER, SENDER, send_payload};
use openim_protocol::frame::{Event, Reader, Side, Step, write_message_masked};
use openim_protocol::request::{decode, decode_send};

/// As long as an issued one.
const TOKEN_BYTES: usize = 190;

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let payload = send_payload(&"t".repeat(TOKEN_BYTES), SENDER, RECEIVER, CLIENT_MSG_ID);
    let mut frame = Vec::new();
    write_message_masked(&mut frame, true, &payload, [0x37, 0xfa, 0x21, 0x3d]);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    // Reading unmasks in place, so each round needs the bytes as they came.
    group.bench_function("frame", |bencher| {
        bencher.iter_batched_ref(
            || (frame.clone(), Reader::new(Side::Server, 64 * 1024)),
            |(bytes, reader)| black_box(text_of(reader, bytes).len()),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("envelope_and_body", |bencher| {
        bencher.iter(|| body_bytes(black_box(&payload)));
    });
    group.bench_function("whole", |bencher| {
        bencher.iter_batched_ref(
            || (frame.clone(), Reader::new(Side::Server, 64 * 1024)),
            |(bytes, reader)| body_bytes(text_of(reader, bytes)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn text_of<'a>(reader: &'a mut Reader, bytes: &'a mut [u8]) -> &'a [u8] {
    match reader.next(bytes) {
        Ok(Step::Event { event: Event::Message { payload, .. }, .. }) => payload,
        other => panic!("a whole message was written: {other:?}"),
    }
}

fn body_bytes(payload: &[u8]) -> usize {
    let mut envelope = decode(payload).expect("the sample is sound");
    let body = decode_send(envelope.data.take()).expect("the sample is a send");
    black_box(&envelope);
    black_box(&body).content.len()
}
