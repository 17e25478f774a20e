//! The real world: files, name servers, backends.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::outside::{Addresses, Loaded, Outside, ParityTarget, ProbeTarget, Unloadable};
use super::parity;
use super::probe::probe;
use crate::config::DnsConfig;
use crate::steering::Sample;
use crate::upstream::Resolver;

/// Reads the config again: only the maker of a [`Network`] knows where the config came from.
type Loader = Box<dyn Fn() -> Result<Loaded, Unloadable> + Send + Sync>;

/// The world as it is.
pub struct Network {
    loader: Loader,
    resolver: Arc<Resolver>,
}

impl Network {
    /// A world that reads its config by `load` and resolves names as `dns` says.
    ///
    /// # Errors
    /// Why names cannot be resolved.
    pub fn new(
        dns: &DnsConfig,
        load: impl Fn() -> Result<Loaded, Unloadable> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let resolver = Resolver::new(dns).map_err(|error| error.to_string())?;
        Ok(Self { loader: Box::new(load), resolver: Arc::new(resolver) })
    }
}

impl Outside for Network {
    fn load(&self) -> Result<Loaded, Unloadable> {
        (self.loader)()
    }

    fn probe(&self, target: ProbeTarget) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(probe(target))
    }

    fn parity(&self, target: ParityTarget) -> BoxFuture<'static, Result<Sample, String>> {
        Box::pin(parity::fetch(target))
    }

    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Addresses, String>> {
        let resolver = self.resolver.clone();
        Box::pin(async move {
            let answer = resolver.lookup(&host).await.map_err(|error| error.to_string())?;
            Ok(Addresses { addresses: answer.addresses, ttl: answer.ttl })
        })
    }
}
