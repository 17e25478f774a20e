//! From a backend's 101 to an open tunnel (RFC 9110, section 7.8).

use std::rc::Rc;

use http::{HeaderValue, StatusCode};
use tokio::task::spawn_local;

use super::end::End;
use super::relay::Relay;
use super::tunnel::{Limits, run};
use crate::model::TunnelEnd;
use crate::proxy::exchange::Exchange;
use crate::proxy::flight::Flight;
use crate::proxy::headers::prepare_response;
use crate::proxy::recording::RequestBody;
use crate::proxy::refuse::Refusal;
use crate::proxy::response::ResponseBody;
use crate::proxy::target::Target;
use crate::proxy::worker::Worker;
use crate::upstream;
use crate::wire::{Known, Response, Set};

/// Passes a 101 on to the client, and joins both connections behind it.
pub(in crate::proxy) fn switch(
    worker: &Rc<Worker>,
    exchange: &mut Exchange,
    target: &Target,
    mut response: Response<upstream::Body<RequestBody>>,
    mut flight: Flight,
) -> Response<ResponseBody> {
    let Some((_, client)) = exchange.upgrade.take() else {
        // Nobody asked for it: the bytes that follow could be anything.
        flight.broken();
        return Refusal::Broken.into_response(Some(&exchange.request_id), true);
    };
    if exchange.body.as_ref().is_some_and(|body| !body.has_ended()) {
        // The rest of the body would run on into the tunnel, without what was read of it.
        flight.broken();
        return Refusal::Broken.into_response(Some(&exchange.request_id), true);
    }
    let protocol = response.fields.value(Known::Upgrade);
    response.fields.remove(Set::of(&[Known::Upgrade]));
    let websocket = protocol.as_ref().is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let version = response.version;
    prepare_response(&mut response.fields, version, &exchange.request_id);
    let Response { mut fields, body, .. } = response;
    let (worker, target) = (worker.clone(), target.clone());
    spawn_local(async move {
        // The client's side is ready once its 101 was written. One that left before that: nothing that its backend did.
        let Ok(client) = client.await else { return };
        let Some((backend, ahead)) = body.switch() else { return flight.broken() };
        let backend = End::new(Box::new(backend), ahead);
        Open::begin(worker, target, flight, websocket, client, backend).run().await;
    });
    fields.put(Known::Connection, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        fields.put(Known::Upgrade, protocol);
    }
    Response { status: StatusCode::SWITCHING_PROTOCOLS, fields, ..Response::new(ResponseBody::empty()) }
}

/// An open tunnel: counted from its beginning to its end, also when the worker ends before it does.
struct Open {
    worker: Rc<Worker>,
    target: Target,
    flight: Flight,
    relay: Relay<End>,
}

impl Open {
    fn begin(
        worker: Rc<Worker>,
        target: Target,
        mut flight: Flight,
        websocket: bool,
        client: End,
        backend: End,
    ) -> Self {
        target.backend().stats.cells.of(worker.id).tunnels.increment();
        flight.switched();
        let grace = target.pool().config.tunnel.close_grace;
        let relay = Relay::new(client, backend, websocket, grace);
        Self { worker, target, flight, relay }
    }

    async fn run(mut self) {
        let rules = &self.target.pool().config.tunnel;
        let limits = Limits { idle: rules.idle, total: rules.total };
        let (worker, tunnels) = (&self.worker, &self.worker.tunnels);
        let place = tunnels.enter(self.target.clone(), worker.clock.now(), &worker.view());
        run(&mut self.relay, limits, &place.standing, || worker.clock.now(), &tunnels.buffer).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // One that is dropped while it is open was cut at the end of the grace of a shutdown.
        let end = self.relay.end().unwrap_or(TunnelEnd::Shutdown);
        self.target.backend().stats.cells.of(self.worker.id).tunnels_closed[end as usize].increment();
        self.flight.tunnelled(end, self.relay.bytes());
    }
}
