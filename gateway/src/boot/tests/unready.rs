//! A shard that is to speak TLS and has no terms for it: who comes is let go, and counted.

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::metrics::TlsFailed;

#[test]
fn who_comes_is_let_go_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::default();
    let storage = embedded::open(folder.path(), &options(&config)).expect("an engine");
    let (bells, outlet) = bells(1).expect("bells");
    let (workers, answering) = answering(&storage, &outlet);
    let mut blueprint = blueprint(&config, storage.placement, 1, (bells, outlet), workers);
    blueprint.permits = Permits::new(8, 8);
    blueprint.above = above();
    blueprint.offers = Newest::to(1).ends();
    let common = Common::new(&config.limits, Signer::new(b"secret", 1)).expect("chance");
    let mut newer = Newest::to(1).ends();
    let given = blueprint.given(&config, 0, newer.remove(0), &common, 1);
    let (core, _log) = core(&config, &blueprint, given());
    drop(blueprint);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let mut counted = 0;
        for accept in [core.above.accept_websockets, core.above.accept_rest] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let at = listener.local_addr().expect("it listens");
            let accepting = tokio::task::spawn_local(accept(Rc::clone(&core), listener));
            let mut stream = TcpStream::connect(at).await.expect("it listens");
            assert_eq!(stream.read(&mut [0; 16]).await.expect("an end"), 0);
            counted += 1;
            assert_eq!(core.metrics.tls_failed.of(TlsFailed::Unready).get(), counted);
            accepting.abort();
            drop(accepting.await);
        }
    });
    drop(core);
    answering.ends();
}
