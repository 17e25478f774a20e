//! A name server whose answers are changed while it runs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// What the server says about a name.
#[derive(Clone, Debug)]
pub enum Says {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// There is no such name.
    NoSuchName,
    /// It fails.
    Failure,
    /// Nothing.
    Nothing,
}

/// A name server on loopback.
pub struct NameServer {
    pub address: SocketAddr,
    zone: Arc<Mutex<HashMap<String, Says>>>,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone: Arc<Mutex<HashMap<String, Says>>> = Arc::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (names, count) = (Arc::clone(&zone), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                count.fetch_add(1, Relaxed);
                let reply = answer(&query[..length], &names.lock().unwrap());
                if let Some(reply) = reply {
                    let _ = socket.send_to(&reply, from).await;
                }
            }
        });
        Self { address, zone, asked, task }
    }

    /// From now on it says this about `name` (lower case, without a dot at its end).
    pub fn say(&self, name: &str, says: Says) {
        self.zone.lock().unwrap().insert(name.to_owned(), says);
    }

    /// Questions heard so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const A: u16 = 1;
const AAAA: u16 = 28;

/// RFC 1035, section 4.1: the question is copied, answers point back at its name.
fn answer(query: &[u8], zone: &HashMap<String, Says>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *query.get(at)? != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let end = at + 5;
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let says = zone.get(&labels.join(".")).cloned().unwrap_or(Says::NoSuchName);
    let (code, records, ttl) = match says {
        Says::Addresses(addresses, ttl) => {
            let fits = |address: &IpAddr| if address.is_ipv4() { kind == A } else { kind == AAAA };
            (0, addresses.into_iter().filter(fits).collect(), ttl)
        }
        Says::NoSuchName => (3, Vec::new(), 0),
        Says::Failure => (2, Vec::new(), 0),
        Says::Nothing => return None,
    };
    let count = u16::try_from(records.len()).ok()?.to_be_bytes();
    let mut reply = vec![query[0], query[1], 0x85, 0x80 | code, 0, 1, count[0], count[1], 0, 0, 0, 0];
    reply.extend_from_slice(query.get(12..end)?);
    for address in records {
        let data = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        reply.extend_from_slice(&[0xc0, 12]);
        reply.extend_from_slice(&kind.to_be_bytes());
        reply.extend_from_slice(&1_u16.to_be_bytes());
        reply.extend_from_slice(&ttl.to_be_bytes());
        reply.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        reply.extend_from_slice(&data);
    }
    Some(reply)
}
