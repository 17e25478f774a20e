//! The real world: files, name servers, backends.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::outside::{Addresses, Loaded, Outside, ParityTarget, ProbeError, ProbeTarget, Unloadable};
use super::probe::{Signature, Tokens, probe, signed_by};
use super::{certificates, keys, parity};
use crate::config::{DnsConfig, KeySourceConfig, ResponderConfig};
use crate::steering::Sample;
use crate::upstream::Resolver;

/// Reads the config again: only the maker of a [`Network`] knows where the config came from.
type Loader = Box<dyn Fn() -> Result<Loaded, Unloadable> + Send + Sync>;

/// The world as it is.
pub struct Network {
    loader: Loader,
    /// The resolver, and what it was made by: a reload may ask for another. Only control's thread takes the lock.
    resolver: Mutex<(DnsConfig, Arc<Resolver>)>,
    /// What signs probes.
    tokens: Tokens,
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
        Ok(Self {
            loader: Box::new(load),
            resolver: Mutex::new((dns.clone(), Arc::new(resolver))),
            tokens: Tokens::default(),
        })
    }

    /// The resolver that `dns` asks for: the last one, unless it was made by other rules.
    fn resolver(&self, dns: &DnsConfig) -> Result<Arc<Resolver>, String> {
        let mut made = self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0 != *dns {
            let resolver = Resolver::new(dns).map_err(|error| error.to_string())?;
            *made = (dns.clone(), Arc::new(resolver));
        }
        Ok(made.1.clone())
    }
}

impl Outside for Network {
    fn load(&self) -> Result<Loaded, Unloadable> {
        (self.loader)()
    }

    fn probe(&self, target: ProbeTarget) -> BoxFuture<'static, Result<(), ProbeError>> {
        let resolver = self.resolver.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        let tokens = self.tokens.clone();
        Box::pin(async move {
            let signature = match signed_by(&target) {
                // The rest of its time is the bot's.
                Some(sign) => tokens.get(sign, resolver, target.probe.timeout / 2).await,
                None => Signature::None,
            };
            probe(target, signature).await
        })
    }

    fn parity(&self, target: ParityTarget) -> BoxFuture<'static, Result<Sample, String>> {
        Box::pin(parity::fetch(target))
    }

    fn keys(&self, source: KeySourceConfig, dns: &DnsConfig) -> BoxFuture<'static, Result<String, String>> {
        let resolver = self.resolver(dns);
        Box::pin(async move { keys::fetch(source, &*resolver?).await })
    }

    fn ocsp(
        &self,
        responder: ResponderConfig,
        request: Vec<u8>,
        dns: &DnsConfig,
    ) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        let resolver = self.resolver(dns);
        Box::pin(async move { certificates::fetch(responder, request, &*resolver?).await })
    }

    fn lookup(&self, host: String, dns: &DnsConfig) -> BoxFuture<'static, Result<Addresses, String>> {
        let resolver = self.resolver(dns);
        Box::pin(async move {
            let answer = resolver?.lookup(&host).await.map_err(|error| error.to_string())?;
            Ok(Addresses { addresses: answer.addresses, ttl: answer.ttl })
        })
    }
}
