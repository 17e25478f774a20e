//! The real world: files, name servers, backends.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::outside::{Addresses, Loaded, Outside, ProbeTarget};
use super::probe::probe;
use crate::upstream::Resolver;

/// Reads the config again: a [`Network`] is given one, since only its maker knows where the config came from.
pub type Loader = Box<dyn Fn() -> Result<Loaded, Vec<String>> + Send + Sync>;

/// The world as it is.
pub struct Network {
    loader: Loader,
    resolver: Arc<Resolver>,
}

impl Network {
    /// A world that reads its config by `loader` and resolves names by `resolver`.
    pub fn new(loader: Loader, resolver: Resolver) -> Self {
        Self { loader, resolver: Arc::new(resolver) }
    }
}

impl Outside for Network {
    fn load(&self) -> Result<Loaded, Vec<String>> {
        (self.loader)()
    }

    fn probe(&self, target: ProbeTarget) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(probe(target))
    }

    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Addresses, String>> {
        let resolver = self.resolver.clone();
        Box::pin(async move {
            let answer = resolver.lookup(&host).await.map_err(|error| error.to_string())?;
            Ok(Addresses { addresses: answer.addresses, ttl: answer.ttl })
        })
    }
}
