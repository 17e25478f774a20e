//! Backends in the test process whose behaviour is switched while they run, and that remember what they saw.

mod h1;
mod h2;
mod io;
mod script;
mod seen;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use script::{Answer, Behaviour, Cut, Health};
pub use seen::{Log, Seen};

use super::site::Site;

/// How a backend listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Over TLS, with a certificate of the site's CA for `localhost` and 127.0.0.1.
    pub tls: bool,
    /// HTTP/2 by ALPN (and nothing else).
    pub http2: bool,
    /// Asks for a client certificate.
    pub mutual: bool,
}

/// One backend.
pub struct Backend {
    name: String,
    manner: Manner,
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Mutex<Door>,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

enum Door {
    Open(JoinHandle<()>),
    /// Bound, not listening: dials are refused, and nobody else takes the port.
    Shut(Option<TcpSocket>),
}

/// What its connections share.
struct Shared {
    name: String,
    always: Mutex<Behaviour>,
    once: Mutex<VecDeque<Behaviour>>,
    health: Mutex<Health>,
    log: Log,
    reading: watch::Sender<bool>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    probes: AtomicUsize,
    body_bytes: AtomicUsize,
    cut_off: Mutex<CancellationToken>,
}

impl Backend {
    /// A plain HTTP/1.1 backend that echoes.
    pub async fn start(name: &str) -> Self {
        Self::start_as(name, Manner::default(), None).await
    }

    /// An HTTP/1.1 backend over TLS that echoes.
    pub async fn start_tls(name: &str, site: &Site) -> Self {
        Self::start_as(name, Manner { tls: true, ..Manner::default() }, Some(site)).await
    }

    /// An HTTP/2 backend over TLS that echoes.
    pub async fn start_h2(name: &str, site: &Site) -> Self {
        Self::start_as(name, Manner { tls: true, http2: true, ..Manner::default() }, Some(site)).await
    }

    /// Any manner; TLS takes its certificate from the site.
    pub async fn start_as(name: &str, manner: Manner, site: Option<&Site>) -> Self {
        let tls = manner.tls.then(|| {
            let alpn: &[&[u8]] = if manner.http2 { &[b"h2"] } else { &[b"http/1.1"] };
            let site = site.expect("TLS takes its certificate from a site");
            site.authority.server(&["localhost", "127.0.0.1"], alpn, manner.mutual).into()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            always: Mutex::new(Behaviour::Echo),
            once: Mutex::default(),
            health: Mutex::new(Health::Good),
            log: Log::default(),
            reading: watch::Sender::new(true),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            body_bytes: AtomicUsize::new(0),
            cut_off: Mutex::default(),
        });
        let door = Door::Open(tokio::spawn(accept(listener, Arc::clone(&shared), tls.clone())));
        Self { name: name.to_owned(), manner, address, shared, door: Mutex::new(door), tls }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn http2(&self) -> bool {
        self.manner.http2
    }

    /// Its URL, by address.
    pub fn url(&self) -> String {
        let scheme = if self.manner.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// From now on it behaves so.
    pub fn always(&self, behaviour: Behaviour) {
        *self.shared.always.lock().unwrap() = behaviour;
    }

    /// The next request that is not a probe is met so; may be called several times for several requests.
    pub fn once(&self, behaviour: Behaviour) {
        self.shared.once.lock().unwrap().push_back(behaviour);
    }

    /// How it answers probes (`/healthz`).
    pub fn health(&self, health: Health) {
        *self.shared.health.lock().unwrap() = health;
    }

    /// What it saw, probes aside.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Probes seen.
    pub fn probes(&self) -> usize {
        self.shared.probes.load(Relaxed)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Relaxed)
    }

    /// Bytes of request bodies read so far.
    pub fn body_bytes(&self) -> usize {
        self.shared.body_bytes.load(Relaxed)
    }

    /// Stops or starts reading request bodies (HTTP/1.1).
    pub fn read_bodies(&self, reading: bool) {
        self.shared.reading.send_replace(reading);
    }

    /// Dials are refused and open connections reset, until [`Backend::listen_again`]. The port stays its own.
    pub async fn refuse(&self) {
        self.shut();
        let socket = self.bound().await;
        *self.door.lock().unwrap() = Door::Shut(Some(socket));
    }

    /// Dials are refused, and open connections go on, until [`Backend::listen_again`].
    pub async fn shut_door(&self) {
        self.lock_door();
        let socket = self.bound().await;
        *self.door.lock().unwrap() = Door::Shut(Some(socket));
    }

    fn lock_door(&self) {
        let mut door = self.door.lock().unwrap();
        if let Door::Open(task) = &*door {
            task.abort();
            *door = Door::Shut(None);
        }
    }

    fn shut(&self) {
        self.lock_door();
        self.cut_connections();
    }

    /// Resets every open connection, and goes on listening.
    pub fn cut_connections(&self) {
        let cut = std::mem::take(&mut *self.shared.cut_off.lock().unwrap());
        cut.cancel();
    }

    /// Listens again on its port.
    pub async fn listen_again(&self) {
        self.listen_with(self.tls.clone()).await;
    }

    /// Listens again on its port, with a certificate for another name.
    pub async fn listen_as(&self, name: &str, site: &Site) {
        let alpn: &[&[u8]] = if self.manner.http2 { &[b"h2"] } else { &[b"http/1.1"] };
        self.listen_with(Some(site.authority.server(&[name], alpn, self.manner.mutual).into())).await;
    }

    async fn listen_with(&self, tls: Option<tokio_rustls::TlsAcceptor>) {
        let door = std::mem::replace(&mut *self.door.lock().unwrap(), Door::Shut(None));
        let socket = match door {
            Door::Open(task) => {
                *self.door.lock().unwrap() = Door::Open(task);
                return;
            }
            Door::Shut(Some(socket)) => socket,
            Door::Shut(None) => self.bound().await,
        };
        let listener = socket.listen(1024).unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&self.shared), tls));
        *self.door.lock().unwrap() = Door::Open(task);
    }

    async fn bound(&self) -> TcpSocket {
        // The old listener is closed when its aborted task is dropped, which the runtime does in its own time.
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            if socket.bind(self.address).is_ok() {
                return socket;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Shared {
    /// How the next request is met.
    fn next(&self) -> Behaviour {
        let once = self.once.lock().unwrap().pop_front();
        once.unwrap_or_else(|| self.always.lock().unwrap().clone())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<tokio_rustls::TlsAcceptor>) {
    while let Ok((tcp, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Relaxed);
        let _ = tcp.set_nodelay(true);
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            shared.open.fetch_add(1, Relaxed);
            let cut = shared.cut_off.lock().unwrap().clone();
            serve(tcp, &shared, tls, cut).await;
            shared.open.fetch_sub(1, Relaxed);
        });
    }
}

async fn serve(tcp: TcpStream, shared: &Arc<Shared>, tls: Option<tokio_rustls::TlsAcceptor>, cut: CancellationToken) {
    let Some(tls) = tls else {
        return h1::serve(io::Socket::new(tcp), shared, &cut).await;
    };
    let accepted = tokio::select! {
        accepted = tls.accept(tcp) => accepted,
        () = cut.cancelled() => return,
    };
    let Ok(stream) = accepted else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice()) {
        h2::serve(stream, shared, &cut).await;
    } else {
        h1::serve(io::Socket::new(stream), shared, &cut).await;
    }
}
