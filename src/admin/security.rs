//! How the API's description says who may do what: as the guard does it.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi, SecurityRequirement};

use crate::model::Role;

/// A token that the config names.
const TOKEN: &str = "admin-token";
/// A token of the issuer that the config names.
const OIDC: &str = "oidc";
/// A certificate of the CA that the config names.
const CERTIFICATE: &str = "client-certificate";

/// Adds the ways to prove who asks.
pub(super) fn schemes(components: ComponentsBuilder) -> ComponentsBuilder {
    let described = |text: &str| Some(text.to_owned());
    let token = Http::builder().scheme(HttpAuthScheme::Bearer).description(described("A token of `[admin]`."));
    let oidc = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let oidc =
        oidc.description(described("A token of the issuer in `[admin.oidc]`, whose roles claim has a meaning there."));
    let certificate = described("A certificate of `client_ca` that `clients` knows.");
    components
        .security_scheme(TOKEN, SecurityScheme::Http(token.build()))
        .security_scheme(OIDC, SecurityScheme::Http(oidc.build()))
        .security_scheme(CERTIFICATE, SecurityScheme::MutualTls { description: certificate, extensions: None })
}

/// Says of every operation which role it takes; those that want no proof at all say so themselves.
///
/// A listener on loopback whose config names no way to prove anything takes all of them without one.
pub(super) fn require(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        let looks = [&mut item.get, &mut item.head].into_iter().flatten();
        looks.for_each(|operation| want(operation, Role::Viewer));
        let orders = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten();
        orders.for_each(|operation| want(operation, Role::Operator));
    }
}

fn want(operation: &mut Operation, role: Role) {
    if operation.security.is_none() {
        let way = |scheme: &str| SecurityRequirement::new(scheme, [role.as_str()]);
        // None at all: a listener on loopback.
        operation.security = Some(vec![way(TOKEN), way(OIDC), way(CERTIFICATE), SecurityRequirement::default()]);
    }
}
