//! The listening socket of a service and the connections on it: open, closed, open again on the same port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::handler::handle;
use super::service::{Active, Order, Service};
use super::stream::{Cut, CutStream};
use super::{Fault, FaultKind};

pub(super) const BACKLOG: i32 = 4096;

/// Binds `address`; it refuses connections until it is made to listen.
pub(super) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Makes a bound socket listen. Needs a runtime.
pub(super) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

enum Door {
    Open(TcpListener),
    /// Bound without listening where that worked: dials are refused, and nobody else can take the port.
    Shut(Option<Socket>),
}

impl Door {
    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => listener.accept().await.map(|(stream, _)| stream),
            Self::Shut(_) => std::future::pending().await,
        }
    }

    fn open(&mut self, address: SocketAddr) -> Result<(), String> {
        let Self::Shut(held) = self else { return Ok(()) };
        let bound = held.take().map_or_else(|| bind(address), Ok);
        let listener = bound
            .and_then(listen)
            .map_err(|e| format!("cannot listen on {address} again: {e}; free the port and heal once more"))?;
        *self = Self::Open(listener);
        Ok(())
    }

    fn shut(&mut self, address: SocketAddr) {
        if matches!(self, Self::Open(_)) {
            // The listener must be gone before its address can be bound again.
            *self = Self::Shut(None);
            *self = Self::Shut(bind(address).ok());
        }
    }
}

/// Serves until the service's orders end.
pub(super) async fn serve(service: Arc<Service>, listener: TcpListener, mut orders: mpsc::Receiver<Order>) {
    let mut door = Door::Open(listener);
    loop {
        let until = service.weather.borrow().active.as_ref().and_then(|active| active.until);
        let over = tokio::time::sleep_until(until.unwrap_or_else(Instant::now));
        tokio::select! {
            order = orders.recv() => {
                let Some(Order { fault, done }) = order else { return };
                let _ = done.send(apply(&service, &mut door, fault));
            }
            () = over, if until.is_some() => {
                if let Err(error) = apply(&service, &mut door, None) {
                    tracing::warn!(region = service.region, %error, "a fault is over, but the service cannot come back; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            accepted = door.accept() => match accepted {
                Ok(stream) => {
                    tokio::spawn(connection(service.clone(), stream));
                }
                // Out of file descriptors, mostly: trying again at once would only burn the core.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

fn apply(service: &Service, door: &mut Door, fault: Option<Fault>) -> Result<(), String> {
    let down = matches!(fault, Some(Fault { kind: FaultKind::Down {}, .. }));
    if down {
        door.shut(service.address);
    } else {
        door.open(service.address)?;
    }
    service.weather.send_modify(|weather| {
        weather.active = fault.map(|fault| Arc::new(Active::new(fault)));
        weather.downs += u64::from(down);
    });
    Ok(())
}

async fn connection(service: Arc<Service>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut weather = service.weather.subscribe();
    let downs = weather.borrow().downs;
    let cut = Cut::new();
    let io = TokioIo::new(CutStream::new(stream, cut.clone()));
    let answer = service_fn(|request| handle(service.clone(), cut.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).pipeline_flush(true);
    let served = http.serve_connection(io, answer).with_upgrades();
    // Within its branch: `select!` drops the connection, and with it the stream, before it runs what follows a branch.
    let down = async {
        let _ = weather.wait_for(|weather| weather.downs > downs).await;
        cut.reset_on_drop();
    };
    tokio::select! {
        // What goes wrong on a connection is its client's affair, or the fault's doing.
        _ = served => {}
        () = down => {}
    }
}
