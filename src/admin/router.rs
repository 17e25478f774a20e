//! The routes with their description, and the layers around them.

use std::any::Any;
use std::time::Duration;

use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use axum::{Json, Router, middleware};
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, X_CONTENT_TYPE_OPTIONS};
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
use utoipa::openapi::{ComponentsBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{Path, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::{PathItemExt, paste, routes};

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
    let inner = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.guard.clone(), guard::guard))
        .layer(RequestBodyLimitLayer::new(MAX_BODY));
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
    served().fallback(unknown_path).layer(inner).layer(outer).with_state(state)
}

/// Every endpoint by its handler, whose description holds its path and method: a route gets in here only together with it.
/// First those that are bounded in time, then those that go on until the client leaves.
macro_rules! endpoints {
    ($each:ident) => {
        $each!(
            self::index, self::openapi_json,
            health::healthz, health::readyz, health::metrics,
            pools::pools, pools::pool, pools::explain,
            journal::journal,
            orders::failover, orders::failback, orders::pin, orders::unpin, orders::drain, orders::resume,
            drills::list, drills::start, drills::report, drills::stop,
            reload::reload;
            events::events, activities::activities
        )
    };
}

/// Serves endpoints. Of their descriptions it asks path and method alone: all of them are half a megabyte.
macro_rules! serve {
    ($($bounded:ident :: $one:ident),+; $($endless:ident :: $other:ident),+) => {
        paste! {
            Router::new()
                $(.route(&$bounded::[<__path_ $one>]::path(), by::<$bounded::[<__path_ $one>], _, _>($bounded::$one)))+
                .route_layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
                $(.route(&$endless::[<__path_ $other>]::path(), by::<$endless::[<__path_ $other>], _, _>($endless::$other)))+
        }
    };
}

/// Describes the endpoints.
macro_rules! describe {
    ($($bounded:ident :: $one:ident),+; $($endless:ident :: $other:ident),+) => {
        OpenApiRouter::<AdminState>::with_openapi(about())
            $(.routes(routes!($bounded::$one)))+
            $(.routes(routes!($endless::$other)))+
    };
}

fn served() -> Router<AdminState> {
    endpoints!(serve)
}

/// A handler, for the methods that its description names.
fn by<D: Path, H: Handler<T, AdminState>, T: 'static>(handler: H) -> MethodRouter<AdminState> {
    let serve =
        |router: MethodRouter<AdminState>, method: HttpMethod| router.on(method.to_method_filter(), handler.clone());
    D::methods().into_iter().fold(MethodRouter::new(), serve)
}

/// The OpenAPI document of the admin API, made from the list of what is served. Made anew for each who asks: few do, and
/// it takes a megabyte while it is made.
pub fn openapi() -> OpenApi {
    let mut all = endpoints!(describe).into_openapi();
    security::require(&mut all);
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

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json")))]
async fn openapi_json() -> impl IntoResponse {
    Json(openapi())
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
async fn index() -> Json<Index> {
    Json(Index::of(&openapi()))
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
