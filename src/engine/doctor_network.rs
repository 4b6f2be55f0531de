//! What `doctor` says of the way to a side. In: its addresses and its `[network]`. Out: findings. Nothing is sent.

use url::Url;

use crate::config::network::NetworkTable;
use crate::config::secret::Secrets;
use crate::http::network::{Network, ProxyChoice};
use crate::model::Finding;

/// Through which proxy the addresses of a side are reached; and that the environment names one that is not used, since other programs use it.
pub(super) fn proxies(addresses: &[String], table: &NetworkTable) -> Vec<Finding> {
    let Ok(network) = Network::load(
        &NetworkTable { proxy_user: None, proxy_password: None, ..table.clone() },
        &Secrets::of_this_process(),
    ) else {
        return Vec::new();
    };
    let of_address = |address: &String| {
        let url = Url::parse(address).ok()?;
        let host = url.host_str()?.to_owned();
        match (network.proxy.shown_for(&url), ProxyChoice::in_environment(&url)) {
            (Ok(Some(proxy)), _) => Some(Finding::ok("proxy", format!("{host} is reached through {proxy}"))),
            (Ok(None), Some(proxy)) if matches!(network.proxy, ProxyChoice::Direct) && url.scheme() == "https" => {
                Some(Finding::warning(
                    "proxy",
                    format!("{host} is reached directly; the environment names the proxy {proxy}, which is not used"),
                    "to use it, write `proxy = \"environment\"` into `[network]` of rosterd.toml",
                ))
            }
            (Ok(None), _) => None,
            (Err(error), _) => Some(Finding::wrong("proxy", error.to_string(), "correct `proxy` in `[network]`")),
        }
    };
    addresses.iter().filter_map(of_address).collect()
}
