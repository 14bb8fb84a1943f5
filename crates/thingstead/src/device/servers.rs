//! Where bootstrap servers are: a table first, then the domain name.
//!
//! Source: aSSURE 12.2.1; rulings A-ASSURE-59, A-ASSURE-60, A-ASSURE-61.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use assure_proto::BootstrapServerId;

/// The port of the bootstrap API (rulings A-ASSURE-59, A-ASSURE-60).
const BOOTSTRAP_PORT: u16 = 49_684;
/// How long a name is looked for; the agent tries again later by itself.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(20);

/// A server and where it is, as `ID=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownServer {
    server: BootstrapServerId,
    /// A name or address, and a port.
    place: String,
}

impl FromStr for KnownServer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, place) = text.split_once('=').ok_or("write ID=HOST:PORT")?;
        let server = BootstrapServerId(id.parse().map_err(|_| "the id is a number below 4294967296")?);
        let (host, port) = place.rsplit_once(':').ok_or("write ID=HOST:PORT")?;
        let has_port = port.parse::<u16>().is_ok_and(|port| port != 0);
        let has_host = !host.is_empty() && (!host.contains(':') || place.parse::<SocketAddr>().is_ok());
        if has_host && has_port {
            Ok(Self { server, place: place.to_owned() })
        } else {
            Err("write ID=HOST:PORT")
        }
    }
}

/// How bootstrap servers are found.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// Looked at first.
    pub(crate) table: Vec<KnownServer>,
    /// What follows the number in a domain name; begins with a dot.
    pub(crate) suffix: String,
}

impl Servers {
    fn place(&self, server: BootstrapServerId) -> String {
        let known = self.table.iter().find(|known| known.server == server);
        known.map_or_else(
            || format!("{}:{BOOTSTRAP_PORT}", server.domain_name(&self.suffix)),
            |known| known.place.clone(),
        )
    }

    /// The server's address in the family of `local`; `None` when it has none or is not found in time.
    pub(crate) async fn find(self, server: BootstrapServerId, local: SocketAddr) -> Option<SocketAddr> {
        let place = self.place(server);
        let lookup = tokio::net::lookup_host(place);
        let mut found = tokio::time::timeout(LOOKUP_TIME_MAX, lookup).await.ok()?.ok()?;
        found.find(|address| address.is_ipv4() == local.is_ipv4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_comes_before_the_domain_name() {
        let table = vec!["42=127.0.0.1:1".parse().unwrap(), "43=[::1]:2".parse().unwrap()];
        let servers = Servers { table, suffix: ".bootstrap.example".into() };
        assert_eq!(servers.place(BootstrapServerId(42)), "127.0.0.1:1");
        assert_eq!(servers.place(BootstrapServerId(43)), "[::1]:2");
        assert_eq!(servers.place(BootstrapServerId(7)), "7.bootstrap.example:49684");
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        for bad in [
            "",
            "42",
            "42=",
            "42=host",
            "42=host:0",
            "42=host:70000",
            "42=:1",
            "-1=a:1",
            "42=::1:5",
            "4294967296=a:1",
        ] {
            assert!(bad.parse::<KnownServer>().is_err(), "{bad}");
        }
        assert!("4294967295=name.example:1".parse::<KnownServer>().is_ok());
    }
}
