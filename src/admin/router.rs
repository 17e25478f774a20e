//! The routes with their description, and the layers around them.

use std::any::Any;
use std::time::Duration;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router, middleware};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::Serialize;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use utoipa::ToSchema;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Problem, normalise};
use super::shared::Refusal;
use super::state::AdminState;
use super::{activities, drills, events, guard, health, journal, orders, pools, reload, security};

/// Most bytes of a request body.
const MAX_BODY: usize = 64 * 1024;

/// Bounds a request from head to answer, event streams aside. Longer than the longest wait for control, so that a
/// control which does not answer is told as such.
const TIMEOUT: Duration = Duration::from_secs(35);

/// The admin API, ready to be served.
pub fn router(state: AdminState) -> Router {
    let (routes, description) = described().split_for_parts();
    let document = Document(serde_json::to_vec(&description).unwrap_or_default().into());
    let inner = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.guard.clone(), guard::guard))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(Extension(document))
        .layer(Extension(Index::of(&description)));
    let outer = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE]))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span::<axum::body::Body>)
                // A 503 of `/readyz` is an answer, not a failure of ours.
                .on_failure(DefaultOnFailure::new().level(tracing::Level::DEBUG)),
        )
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(middleware::map_response(normalise));
    routes.fallback(unknown_path).layer(inner).layer(outer).with_state(state)
}

/// The OpenAPI document of the admin API, made from the routes that serve it.
pub fn openapi() -> OpenApi {
    described().into_openapi()
}

/// A route gets in here only together with its description.
fn described() -> OpenApiRouter<AdminState> {
    let bounded = OpenApiRouter::with_openapi(about())
        .routes(routes!(index))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(pools::pools))
        .routes(routes!(pools::pool))
        .routes(routes!(pools::explain))
        .routes(routes!(journal::journal))
        .routes(routes!(orders::failover))
        .routes(routes!(orders::failback))
        .routes(routes!(orders::pin))
        .routes(routes!(orders::unpin))
        .routes(routes!(orders::drain))
        .routes(routes!(orders::resume))
        .routes(routes!(drills::list, drills::start))
        .routes(routes!(drills::report))
        .routes(routes!(drills::stop))
        .routes(routes!(reload::reload))
        .routes(routes!(openapi_json))
        .route_layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT));
    let endless = OpenApiRouter::default().routes(routes!(events::events)).routes(routes!(activities::activities));
    let mut all = bounded.merge(endless);
    security::require(all.get_openapi_mut());
    all
}

fn about() -> OpenApi {
    let info = InfoBuilder::new().title("botgate admin API").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Pools, their backends, the journal and an operator's orders. Errors are problem documents (RFC 9457).",
    ));
    let components = security::schemes(ComponentsBuilder::new());
    OpenApiBuilder::new()
        .info(info)
        // What shared descriptions of answers refer to is not found by itself.
        .components(Some(components.schema_from::<Problem>().schema_from::<Refusal>().build()))
        .build()
}

#[derive(Clone)]
struct Document(Bytes);

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json")))]
async fn openapi_json(Extension(Document(bytes)): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], bytes)
}

/// What is served here.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Index {
    /// `botgate`.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// Method and path of every endpoint.
    endpoints: Vec<String>,
}

impl Index {
    fn of(description: &OpenApi) -> Self {
        let endpoints = description.paths.paths.iter().map(|(path, item)| {
            let method = if item.post.is_some() { "POST" } else { "GET" };
            format!("{method} {path}")
        });
        Self { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), endpoints: endpoints.collect() }
    }
}

/// What is served here.
#[utoipa::path(get, path = "/", tag = "about", responses((status = 200, description = "The endpoints", body = Index)))]
async fn index(Extension(index): Extension<Index>) -> Json<Index> {
    Json(index)
}

async fn unknown_path(uri: Uri) -> Problem {
    let detail = format!("nothing is served at {:?}; GET / lists what is", uri.path());
    Problem::of_status(StatusCode::NOT_FOUND, detail)
}

fn span<B>(request: &Request<B>) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("");
    tracing::debug_span!("admin", method = %request.method(), path = request.uri().path(), request_id = id)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler of the admin API panicked; only its request is lost");
    let detail = "the admin API met a bug; botgate's log has the place";
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
