//! Why the brokers cannot be asked, in librdkafka's words: a question that fails says only that none can be, and the
//! reason is told to a producer.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use super::{Options, Purpose, quiet};

/// How long is waited before looking whether there is more time.
const PAUSE: Duration = Duration::from_millis(50);

/// The first thing that goes wrong for a new client, within the time of a question. Blocks.
pub(super) fn refusal(options: &Options) -> Option<String> {
    let (told, heard): (_, Receiver<String>) = bounded(1);
    let client = options.producer(Purpose::Sends).create_with_context(Hears(told));
    let client: BaseProducer<Hears> = client.ok()?;
    let until = Instant::now() + options.call_timeout;
    // It asks; what goes wrong then is told when it is polled.
    drop(client.client().fetch_metadata(None, PAUSE));
    loop {
        client.poll(PAUSE);
        if let Ok(why) = heard.try_recv() {
            return Some(why);
        }
        if Instant::now() > until {
            return None;
        }
    }
}

struct Hears(Sender<String>);

impl ClientContext for Hears {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        quiet::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Which only follows from the others.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            // The first one is enough.
            drop(self.0.try_send(reason.to_owned()));
        }
    }
}

impl ProducerContext for Hears {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
