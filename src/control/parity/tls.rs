//! TLS to those whom parity checks ask.

use super::ParityState;
use crate::config::PoolConfig;
use crate::upstream::TlsClient;

/// TLS by check and question; none for plain HTTP.
pub(in crate::control) type ParityTls = Vec<Vec<Option<TlsClient>>>;

/// Sets up TLS to the companions of a pool, without changing anything. A backend that is asked itself is asked as its
/// requests are: `backends` is TLS to each. What did not change since `old` is shared, but for what names a file, which may
/// have changed behind its name.
///
/// # Errors
/// One line for each companion that cannot be set up.
pub(in crate::control) fn plan_tls(
    pool: &PoolConfig,
    backends: &[Option<TlsClient>],
    old: Option<&ParityState>,
) -> Result<ParityTls, Vec<String>> {
    let mut errors = Vec::new();
    let mut plan = ParityTls::new();
    for check in &pool.parity {
        let mut clients = Vec::new();
        for request in &check.requests {
            let index = pool.backends.iter().position(|backend| backend.name == request.backend);
            if !request.companion {
                clients.push(index.and_then(|index| backends.get(index)?.clone()));
                continue;
            }
            match old.and_then(|old| old.tls_of(&check.name, &request.service)) {
                Some(client) => clients.push(client),
                None => match TlsClient::new(&request.service) {
                    Ok(client) => clients.push(client),
                    Err(error) => {
                        let (name, backend) = (&pool.name, &request.backend);
                        errors.push(format!("pool {name}, parity {:?}, backend {backend}: {error}", check.name));
                    }
                },
            }
        }
        plan.push(clients);
    }
    if errors.is_empty() { Ok(plan) } else { Err(errors) }
}
