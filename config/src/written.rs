//! How values of settings are written: as a variable would give them, so that what is shown can be put in again.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::setting::Held;
use crate::{Endpoint, HttpUrl, Network, Secret, ServerIp, WebsocketUrl};

/// Types that are written as they are displayed.
macro_rules! displayed {
    ($($held:ty),*) => {
        $(
            impl Held for $held {
                fn written(&self) -> String {
                    self.to_string()
                }
            }
        )*
    };
}

displayed!(bool, u16, u32, u64, usize, i64, String, SocketAddr, Endpoint, HttpUrl, Network);

impl Held for PathBuf {
    fn written(&self) -> String {
        self.display().to_string()
    }
}

impl Held for ServerIp {
    fn written(&self) -> String {
        self.0.to_string()
    }
}

impl Held for WebsocketUrl {
    fn written(&self) -> String {
        self.0.clone()
    }
}

impl Held for Secret {
    const IS_SECRET: bool = true;

    fn written(&self) -> String {
        self.expose().to_owned()
    }
}
