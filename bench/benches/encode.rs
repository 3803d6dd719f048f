//! Stages 8 and 12: the frames that go out for a message, its receipt and its push.

mod settings;

use std::hint::black_box;

use criterion::Criterion;
use openim_bench::message;
use openim_protocol::push::{PushTemplate, push};
use openim_protocol::reply::{TimeUnit, receipt};
use openim_protocol::shown::Shown;
use openim_protocol::{frame, request};
use openim_record::Message;

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let message = message(1);
    let server_msg_id = message.key.server_id(message.send_id);
    let send_time = TimeUnit::Seconds.from_nanos(message.send_time_ns);
    let pushed = Shown { message, server_msg_id: &server_msg_id, seq: 123_456, send_time };
    let to_group = Message { recv_id: "0123456789abcdef0123456789abcdef", ..message };
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("encode");
    group.bench_function("receipt", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mark = frame::begin_text(&mut out);
            let (id, server_id) = (black_box(message.client_msg_id), black_box(&server_msg_id));
            receipt(&mut out, request::SEND.into(), Some(7), id, server_id, send_time);
            frame::finish(&mut out, mark);
            black_box(out.len())
        });
    });
    group.bench_function("push", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mark = frame::begin_text(&mut out);
            push(&mut out, black_box(&pushed), false);
            frame::finish(&mut out, mark);
            black_box(out.len())
        });
    });
    // Of a message to a group this is what each member costs; the template is made once.
    let template = PushTemplate::new(&Shown { message: to_group, ..pushed });
    group.bench_function("push_to_member", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mark = frame::begin_text(&mut out);
            template.stamp(&mut out, black_box(message.recv_id), black_box(123_456), false);
            frame::finish(&mut out, mark);
            black_box(out.len())
        });
    });
    group.finish();
}
