//! The figures there are: name, what is measured, what is to be reached, and who measures it.

use crate::lab::Lab;
use crate::options::Options;
use crate::runs::{
    Measured, chat, cluster, follow, group, links, recover, rest, stages, start, tls, yardstick,
};

/// One figure, or several that one run yields.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether `all` means it too.
    pub(crate) in_all: bool,
    /// Whether one run is enough: it is long, or repeats by itself.
    pub(crate) once: bool,
    pub(crate) values: &'static [Wanted],
    pub(crate) run: fn(&Lab, &Options) -> anyhow::Result<Measured>,
}

impl Figure {
    /// Whether it is one of the cluster engine, which needs a program of its own and the components.
    pub(crate) fn is_of_a_cluster(&self) -> bool {
        self.name.starts_with("cluster_")
    }
}

/// One number of a figure.
pub(crate) struct Wanted {
    /// Its key in the data.
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Told, not judged.
    None,
}

impl Target {
    /// Whether `value` reaches it; `None` where there is nothing to reach.
    pub(crate) fn is_met(self, value: f64) -> Option<bool> {
        match self {
            AtMost(bound) => Some(value <= bound),
            AtLeast(bound) => Some(value >= bound),
            Target::None => None,
        }
    }
}

const fn wanted(
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    target: Target,
) -> Wanted {
    Wanted { key, what, unit, target }
}

use Target::{AtLeast, AtMost};

const AFTER_REGISTERING: &str = "the same, growth of the process that has registered the users";
const GROWTH: &str = "soak: memory in the last quarter over the third";
const GROWTH_WHILE_FILLING: &str = "the same, of a soak too short to fill the caches";

const GROUP_PUSH: &str = "large group: CPU per push, single chats included";
const GROUP_ENTRY: &str = "large group: CPU per inbox entry, single chats included";
const SINGLE_ACK_BEFORE: &str = "single chat reply p99 at 200 msg/s, nothing beside it";
const SINGLE_ACK_DURING: &str = "the same beside the large group";
const SINGLE_ACK_SATURATED: &str = "the same beside the saturated group";
const SINGLE_PUSH_BEFORE: &str = "single chat push p99 at 200 msg/s, nothing beside it";
const SINGLE_PUSH_DURING: &str = "the same push beside the large group";
const SINGLE_PUSH_SATURATED: &str = "the same push beside the saturated group";

const CLUSTER_ACK_BEFORE: &str = "cluster: single chat reply p99 at 200 msg/s, no group beside it";
const CLUSTER_ACK_DURING: &str = "cluster: the same reply beside the large group";
const CLUSTER_TIMES: &str = "cluster: how many times as long";
const CLUSTER_PUSH_BEFORE: &str = "cluster: single chat push p99 at 200 msg/s, no group beside it";
const CLUSTER_PUSH_DURING: &str = "cluster: the same push beside the large group";
const CLUSTER_PUSH_TIMES: &str = "cluster: how many times as long for the push";

/// The server beside the yardstick; who talks goes into each name.
macro_rules! beside {
    ($who:literal) => {
        &[
            wanted("ratio_flushing", concat!("CPU over the flushing yardstick, ", $who), "x", NONE),
            wanted("ratio_bare", concat!("CPU over the bare yardstick, ", $who), "x", NONE),
            wanted("cpu_us_per_message", concat!("CPU of the server then, ", $who), "us", NONE),
            wanted("flushing_cpu_us", concat!("CPU of the flushing one, ", $who), "us", NONE),
            wanted("bare_cpu_us", concat!("CPU of the bare one, ", $who), "us", NONE),
            wanted("acked_per_s", concat!("the server answers, ", $who), "msg/s", NONE),
            wanted("flushing_acked_per_s", concat!("the flushing one, ", $who), "msg/s", NONE),
        ]
    };
}

const NONE: Target = Target::None;

/// A cluster under the load of 100 pairs; its processes go into each name.
macro_rules! cluster {
    ($who:literal, $($part:literal: $key:literal),+) => {
        &[
            wanted("cpu_us_per_message", concat!($who, ": CPU of own processes a message"), "us", AtMost(60.0)),
            $(wanted($key, concat!($who, ": CPU of ", $part, " a message"), "us", NONE),)+
            wanted("components_us", concat!($who, ": CPU of the components a message"), "us", NONE),
            wanted("kafka_us", concat!($who, ": Kafka's part of it"), "us", NONE),
            wanted("mongodb_us", concat!($who, ": MongoDB's part of it"), "us", NONE),
            wanted("mysql_us", concat!($who, ": MySQL's part of it"), "us", NONE),
            wanted("redis_us", concat!($who, ": Redis' part of it"), "us", NONE),
            wanted("etcd_us", concat!($who, ": etcd's part of it"), "us", NONE),
            wanted("acked_per_s", concat!($who, ": acknowledged"), "msg/s", AtLeast(3000.0)),
            wanted("delivered_per_s", concat!($who, ": delivered"), "msg/s", AtLeast(3000.0)),
            wanted("ack_p50_ms", concat!($who, ": reply p50, 16 outstanding"), "ms", NONE),
            wanted("push_p50_ms", concat!($who, ": push p50, 16 outstanding"), "ms", NONE),
        ]
    };
}

/// All figures, in the order they are measured and shown.
pub(crate) const FIGURES: &[Figure] = &[
    Figure {
        name: "yardstick_16",
        about: "the server and a bare epoll loop in turns, 100 pairs, 16 outstanding",
        in_all: true,
        once: false,
        values: beside!("16 outstanding"),
        run: yardstick::window_16,
    },
    Figure {
        name: "yardstick_1",
        about: "the server and a bare epoll loop in turns, 100 pairs, 1 outstanding",
        in_all: true,
        once: false,
        values: beside!("1 outstanding"),
        run: yardstick::window_1,
    },
    Figure {
        name: "yardstick_groups",
        about: "the server and a bare epoll loop in turns, 200 groups of 5, 1 outstanding",
        in_all: true,
        once: false,
        values: beside!("groups of 5"),
        run: yardstick::groups,
    },
    Figure {
        name: "links",
        about: "idle authenticated links",
        in_all: true,
        once: false,
        values: &[
            wanted("private_bytes_per_link", "user memory per idle link", "B", AtMost(1500.0)),
            wanted("after_registering_bytes_per_link", AFTER_REGISTERING, "B", Target::None),
            wanted("cpu_us_per_handshake", "handshake with token check, CPU", "us", AtMost(60.0)),
            wanted("links_per_s", "links accepted", "/s", Target::None),
            wanted("idle_core_percent", "all links idle, of a core", "%", Target::None),
        ],
        run: links::idle,
    },
    Figure {
        name: "tls",
        about: "idle authenticated links with TLS, each with a signature of the certificate's key, then by tickets",
        in_all: true,
        once: false,
        values: &[
            wanted(
                "private_bytes_per_link",
                "TLS: user memory per idle link",
                "B",
                AtMost(12_288.0),
            ),
            wanted("idle_core_percent", "TLS: all links idle, of a core", "%", NONE),
            wanted("signed_per_core_s", "TLS: handshakes a core and second, signed", "/s", NONE),
            wanted("resumed_per_core_s", "TLS: the same by tickets", "/s", AtLeast(1500.0)),
            wanted("resumed_percent", "TLS: of these by tickets indeed", "%", NONE),
        ],
        run: tls::links,
    },
    Figure {
        name: "chat_16",
        about: "durable single chat, 100 pairs, 16 outstanding",
        in_all: true,
        once: false,
        values: &[
            wanted("cpu_us_per_message", "CPU per message, 16 outstanding", "us", AtMost(15.0)),
            wanted("acked_per_s", "acknowledged, 16 outstanding", "msg/s", AtLeast(50_000.0)),
            wanted("delivered_per_s", "delivered, 16 outstanding", "msg/s", AtLeast(50_000.0)),
            wanted("ack_p50_ms", "reply p50, 16 outstanding", "ms", Target::None),
        ],
        run: chat::window_16,
    },
    Figure {
        name: "chat_1",
        about: "durable single chat, 100 pairs, 1 outstanding",
        in_all: true,
        once: false,
        values: &[
            wanted("cpu_us_per_message", "CPU per message, 1 outstanding", "us", AtMost(40.0)),
            wanted("acked_per_s", "acknowledged, 1 outstanding", "msg/s", Target::None),
            wanted("ack_p50_ms", "reply p50, 1 outstanding", "ms", Target::None),
        ],
        run: chat::window_1,
    },
    Figure {
        name: "latency",
        about: "durable single chat, 1,000 msg/s sent when due",
        in_all: true,
        once: false,
        values: &[
            wanted("ack_p50_ms", "reply p50 at 1,000 msg/s", "ms", AtMost(1.5)),
            wanted("push_p50_ms", "push p50 at 1,000 msg/s", "ms", AtMost(2.0)),
            wanted("ack_p99_ms", "reply p99 at 1,000 msg/s", "ms", Target::None),
            wanted("push_p99_ms", "push p99 at 1,000 msg/s", "ms", Target::None),
        ],
        run: chat::latency,
    },
    Figure {
        name: "group",
        about: "a group of 10,000 with 2,000 online and 5 msg/s, beside single chats at 200 msg/s",
        in_all: true,
        once: false,
        values: &[
            wanted("pushes_per_s", "large group: deliveries to links", "/s", Target::None),
            wanted("entries_per_s", "large group: deliveries to inboxes", "/s", Target::None),
            wanted("cpu_us_per_push", GROUP_PUSH, "us", Target::None),
            wanted("cpu_us_per_entry", GROUP_ENTRY, "us", Target::None),
            wanted("ack_p50_ms", "large group: reply p50", "ms", Target::None),
            wanted("fanout_p50_ms", "large group: last push p50", "ms", Target::None),
            wanted("fanout_p99_ms", "large group: last push p99", "ms", Target::None),
            wanted("single_ack_p99_before_ms", SINGLE_ACK_BEFORE, "ms", Target::None),
            wanted("single_ack_p99_ms", SINGLE_ACK_DURING, "ms", Target::None),
            wanted("single_push_p99_before_ms", SINGLE_PUSH_BEFORE, "ms", Target::None),
            wanted("single_push_p99_ms", SINGLE_PUSH_DURING, "ms", Target::None),
        ],
        run: group::large,
    },
    Figure {
        name: "group_max",
        about: "the same group as fast as its four senders are answered",
        in_all: true,
        once: false,
        values: &[
            wanted("acked_per_s", "saturated group: acknowledged", "msg/s", Target::None),
            wanted("pushes_per_s", "saturated group: deliveries to links", "/s", Target::None),
            wanted("entries_per_s", "saturated group: deliveries to inboxes", "/s", Target::None),
            wanted("cpu_us_per_push", "saturated group: CPU per push", "us", Target::None),
            wanted("cpu_us_per_entry", "saturated group: CPU per inbox entry", "us", Target::None),
            wanted("fanout_p50_ms", "saturated group: last push p50", "ms", Target::None),
            wanted("single_ack_p99_before_ms", SINGLE_ACK_BEFORE, "ms", Target::None),
            wanted("single_ack_p99_ms", SINGLE_ACK_SATURATED, "ms", Target::None),
            wanted("single_push_p99_before_ms", SINGLE_PUSH_BEFORE, "ms", Target::None),
            wanted("single_push_p99_ms", SINGLE_PUSH_SATURATED, "ms", Target::None),
            wanted("rss_mb", "resident after the saturated group", "MB", Target::None),
        ],
        run: group::saturated,
    },
    Figure {
        name: "group_small",
        about: "200 groups of 5, all online, a sender each, 1 outstanding",
        in_all: true,
        once: false,
        values: &[
            wanted("acked_per_s", "groups of 5: acknowledged", "msg/s", Target::None),
            wanted("pushes_per_s", "groups of 5: deliveries to links", "/s", Target::None),
            wanted("cpu_us_per_message", "groups of 5: CPU per message", "us", Target::None),
            wanted("cpu_us_per_entry", "groups of 5: CPU per inbox entry", "us", Target::None),
            wanted("ack_p50_ms", "groups of 5: reply p50", "ms", Target::None),
        ],
        run: group::small,
    },
    Figure {
        name: "user_token",
        about: "/auth/user_token over 64 keep-alive connections",
        in_all: true,
        once: false,
        values: &[
            wanted("calls_per_s", "user_token calls", "/s", AtLeast(25_000.0)),
            wanted("cpu_us_per_call", "user_token, CPU", "us", AtMost(30.0)),
        ],
        run: rest::user_token,
    },
    Figure {
        name: "user_register",
        about: "/auth/user_register over 64 keep-alive connections",
        in_all: true,
        once: false,
        values: &[
            wanted("calls_per_s", "user_register calls", "/s", AtLeast(10_000.0)),
            wanted("cpu_us_per_call", "user_register, CPU", "us", Target::None),
        ],
        run: rest::user_register,
    },
    Figure {
        name: "start",
        about: "start on an empty data directory, ten times a run",
        in_all: true,
        once: false,
        values: &[wanted("ready_s", "empty start to ready", "s", AtMost(0.3))],
        run: start::empty,
    },
    Figure {
        name: "idle",
        about: "a server that nobody uses, over 20 s",
        in_all: true,
        once: false,
        values: &[
            wanted("rss_mb", "idle server, resident", "MB", AtMost(30.0)),
            wanted("core_percent", "idle server, of a core", "%", AtMost(0.5)),
            wanted("wakeups_per_s", "idle server, wake-ups", "/s", Target::None),
        ],
        run: start::idle,
    },
    Figure {
        name: "soak",
        about: "durable single chat at 5,000 msg/s",
        in_all: true,
        once: true,
        values: &[
            wanted("growth_percent", GROWTH, "%", AtMost(3.0)),
            wanted("filling_percent", GROWTH_WHILE_FILLING, "%", Target::None),
            wanted("rss_mb", "soak: resident at its end", "MB", Target::None),
            wanted("cpu_us_per_message", "soak: CPU per message", "us", Target::None),
        ],
        run: chat::soak,
    },
    Figure {
        name: "recover",
        about: "start after kill -9 under load",
        in_all: true,
        once: true,
        values: &[
            wanted("ready_s", "start after a kill to ready", "s", AtMost(5.0)),
            wanted("messages_million", "messages stored by then", "M", Target::None),
            wanted("rss_mb", "resident after that start", "MB", Target::None),
        ],
        run: recover::after_kill,
    },
    Figure {
        name: "follow",
        about: "single chat at 2,000 msg/s alone and beside a backup that follows, in turns",
        in_all: true,
        once: true,
        values: &[
            wanted("cpu_percent", "a follower, of the server's CPU time", "%", AtMost(3.0)),
            wanted("ack_p99_ms", "reply p99 beside it", "ms", Target::None),
            wanted("alone_ack_p99_ms", "reply p99 without it", "ms", Target::None),
        ],
        run: follow::cost,
    },
    Figure {
        name: "rebuild",
        about: "start after kill -9 without an index: made anew from base and log, then from the log alone",
        in_all: true,
        once: true,
        values: &[
            wanted("ready_s", "index from base and log, to ready", "s", AtMost(60.0)),
            wanted("rss_mb", "resident by then, at most", "MB", Target::None),
            wanted("log_alone_ready_s", "index from the log alone, to ready", "s", Target::None),
            wanted("log_alone_rss_mb", "resident by then, at most", "MB", Target::None),
            wanted("messages_million", "messages in the log", "M", Target::None),
            wanted("users_million", "users registered", "M", Target::None),
        ],
        run: recover::without_index,
    },
    Figure {
        name: "stages",
        about: "the criterion benches, one stage of a message each (median)",
        in_all: true,
        once: true,
        values: &[],
        run: stages::all,
    },
    Figure {
        name: "clone",
        about: "fresh clone to a running server, compile included, empty target folder",
        in_all: false,
        once: true,
        values: &[wanted("ready_s", "fresh clone to ready", "s", AtMost(240.0))],
        run: start::fresh_clone,
    },
    Figure {
        name: "cluster_16",
        about: "cluster of an api, a gateway and a transfer, 100 pairs, 16 outstanding, for a minute",
        in_all: false,
        once: false,
        values: cluster!("cluster", "api": "api_us", "gateway": "gateway_us", "transfer": "transfer_us"),
        run: cluster::roles_16,
    },
    Figure {
        name: "cluster_serve_16",
        about: "cluster engine in one process, 100 pairs, 16 outstanding, for a minute",
        in_all: false,
        once: false,
        values: cluster!("cluster in one process", "serve": "serve_us"),
        run: cluster::serve_16,
    },
    Figure {
        name: "cluster_200",
        about: "cluster of an api, a gateway and a transfer, 100 pairs, 200 msg/s sent when due",
        in_all: false,
        once: false,
        values: &[
            wanted("ack_p50_ms", "cluster: reply p50 at 200 msg/s", "ms", AtMost(8.0)),
            wanted("push_p50_ms", "cluster: push p50 at 200 msg/s", "ms", AtMost(25.0)),
            wanted("ack_p99_ms", "cluster: reply p99 at 200 msg/s", "ms", AtMost(60.0)),
            wanted("push_p99_ms", "cluster: push p99 at 200 msg/s", "ms", AtMost(60.0)),
        ],
        run: cluster::rate_200,
    },
    Figure {
        name: "cluster_group",
        about: "cluster, a group of 10,000 with 200 online and 1 msg/s, beside single chats at 200 msg/s",
        in_all: false,
        once: false,
        values: &[
            wanted("fanout_p50_ms", "cluster: large group, last push p50", "ms", NONE),
            wanted("fanout_p99_ms", "cluster: large group, last push p99", "ms", AtMost(3000.0)),
            wanted("ack_p50_ms", "cluster: large group, reply p50", "ms", NONE),
            wanted("single_ack_p99_before_ms", CLUSTER_ACK_BEFORE, "ms", NONE),
            wanted("single_ack_p99_ms", CLUSTER_ACK_DURING, "ms", NONE),
            wanted("single_ack_p99_ratio", CLUSTER_TIMES, "x", AtMost(3.0)),
            wanted("single_push_p99_before_ms", CLUSTER_PUSH_BEFORE, "ms", NONE),
            wanted("single_push_p99_ms", CLUSTER_PUSH_DURING, "ms", NONE),
            wanted("single_push_p99_ratio", CLUSTER_PUSH_TIMES, "x", AtMost(3.0)),
        ],
        run: cluster::group,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_told_apart() {
        for (at, figure) in FIGURES.iter().enumerate() {
            assert!(FIGURES[..at].iter().all(|other| other.name != figure.name));
            for (at, value) in figure.values.iter().enumerate() {
                assert!(figure.values[..at].iter().all(|other| other.key != value.key));
            }
        }
    }

    #[test]
    fn a_target_is_met_at_its_bound() {
        assert_eq!(AtMost(15.0).is_met(15.0), Some(true));
        assert_eq!(AtMost(15.0).is_met(15.1), Some(false));
        assert_eq!(AtLeast(15.0).is_met(14.9), Some(false));
        assert_eq!(Target::None.is_met(1.0), None);
    }
}
