//! What a backend remembers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Mutex;

use bytes::Bytes;
use http::HeaderMap;

/// One request, as the backend saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    pub http2: bool,
    pub headers: HeaderMap,
    /// The first 64 KiB of the body.
    pub body: Bytes,
    /// The length of the whole body.
    pub length: usize,
    /// A hash of the whole body: see [`hash`].
    pub hash: u64,
    pub trailers: HeaderMap,
    /// Whether the body came to its end.
    pub complete: bool,
}

/// Every request, in order of their heads.
#[derive(Debug, Default)]
pub struct Log {
    requests: Mutex<Vec<Seen>>,
    by_key: Mutex<HashMap<String, usize>>,
    gone: std::sync::atomic::AtomicUsize,
}

/// A hash to compare bodies with.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

impl Seen {
    /// A header as text; empty when it is missing, joined when it is there several times.
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }
}

impl Log {
    /// Notes a head; the place is where the rest is noted.
    pub fn head(&self, seen: Seen) -> usize {
        let key = seen.header("idempotency-key");
        if !key.is_empty() {
            *self.by_key.lock().unwrap().entry(key).or_default() += 1;
        }
        let mut requests = self.requests.lock().unwrap();
        requests.push(seen);
        requests.len() - 1
    }

    /// Changes what was noted.
    pub fn amend(&self, place: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.requests.lock().unwrap()[place]);
    }

    /// Notes that the peer went away while it was due an answer.
    pub fn note_gone(&self) {
        self.gone.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// How often the peer went away while it was due an answer.
    pub fn gone(&self) -> usize {
        self.gone.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many requests were seen.
    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// All requests.
    pub fn all(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Seen {
        self.requests.lock().unwrap().last().cloned().expect("the backend saw no request")
    }

    /// How often a request with this `Idempotency-Key` was seen.
    pub fn times(&self, key: &str) -> usize {
        self.by_key.lock().unwrap().get(key).copied().unwrap_or(0)
    }

    /// How many different keys were seen, and how many of them more than once.
    pub fn keys(&self) -> (usize, usize) {
        let keys = self.by_key.lock().unwrap();
        (keys.len(), keys.values().filter(|times| **times > 1).count())
    }
}
