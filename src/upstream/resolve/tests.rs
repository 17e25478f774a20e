//! Against a scripted name server on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use tokio::net::UdpSocket;

use super::*;

/// What the scripted server answers, by the first label of the name and the type asked for.
fn script(name: &str, family: RecordType) -> Option<(ResponseCode, Vec<(u32, RData)>)> {
    let v4 = |last: u8| RData::A(A(Ipv4Addr::new(192, 0, 2, last)));
    let v6 = |last: u16| RData::AAAA(AAAA(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)));
    let ok = ResponseCode::NoError;
    Some(match (name, family) {
        ("both", RecordType::A) => (ok, vec![(60, v4(1)), (60, v4(2)), (60, v4(3))]),
        ("both", RecordType::AAAA) => (ok, vec![(50, v6(1)), (60, v6(2))]),
        ("v4", RecordType::A) => (ok, vec![(1, v4(1))]),
        ("forever", RecordType::A) => (ok, vec![(86_400, v4(1))]),
        ("half-dead", RecordType::A) => (ok, vec![(60, v4(9))]),
        ("half-dead", _) => (ResponseCode::ServFail, vec![]),
        ("half-empty", RecordType::A) => (ResponseCode::ServFail, vec![]),
        ("alias", RecordType::A) => {
            let target = Name::from_ascii("v4.bots.example.").unwrap();
            (ok, vec![(20, RData::CNAME(CNAME(target))), (60, v4(1))])
        }
        ("v4" | "forever" | "alias" | "half-empty" | "empty", _) => (ok, vec![]),
        ("broken", _) => (ResponseCode::ServFail, vec![]),
        ("refused", _) => (ResponseCode::Refused, vec![]),
        ("silent", _) => return None,
        _ => (ResponseCode::NXDomain, vec![]),
    })
}

async fn name_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let question = query.queries[0].clone();
            let owner = question.name().clone();
            let label = owner.to_string().to_lowercase().split('.').next().unwrap().to_owned();
            let Some((code, answers)) = script(&label, question.query_type()) else { continue };
            let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
            reply.metadata.response_code = code;
            reply.metadata.recursion_available = true;
            reply.add_query(question);
            let mut owner = owner;
            for (ttl, data) in answers {
                let next = if let RData::CNAME(target) = &data { Some(target.0.clone()) } else { None };
                reply.add_answer(Record::from_rdata(owner.clone(), ttl, data));
                owner = next.unwrap_or(owner);
            }
            socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
        }
    });
    (address, asked)
}

fn resolver(servers: Vec<SocketAddr>) -> Resolver {
    let (min_ttl, max_ttl) = (Duration::from_secs(5), Duration::from_secs(300));
    Resolver::new(&DnsConfig { servers, min_ttl, max_ttl, timeout: Duration::from_millis(400) }).unwrap()
}

async fn look_up(name: &str) -> Result<Answer, ResolveError> {
    let (server, _) = name_server().await;
    resolver(vec![server]).lookup(name).await
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn both_families_are_mixed_by_turns_and_the_least_ttl_counts() {
    let answer = look_up("both.bots.example").await.unwrap();
    let wanted = ips(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(answer, Answer { addresses: wanted, ttl: Duration::from_secs(50) });
}

#[tokio::test]
async fn the_ttl_of_an_alias_counts_too() {
    let answer = look_up("alias.bots.example").await.unwrap();
    assert_eq!(answer, Answer { addresses: ips(&["192.0.2.1"]), ttl: Duration::from_secs(20) });
}

#[tokio::test]
async fn ttls_are_kept_within_floor_and_ceiling() {
    assert_eq!(look_up("v4.bots.example").await.unwrap().ttl, Duration::from_secs(5));
    assert_eq!(look_up("forever.bots.example").await.unwrap().ttl, Duration::from_secs(300));
}

#[tokio::test]
async fn a_name_that_does_not_exist_and_one_without_records_are_no_such_name() {
    for name in ["gone.bots.example", "empty.bots.example"] {
        assert_eq!(look_up(name).await, Err(ResolveError::NoSuchName(name.to_owned())));
    }
}

#[tokio::test]
async fn servfail_refusal_and_silence_are_failures_not_missing_names() {
    for (name, wanted) in [
        ("broken.bots.example", "Server Failure"),
        ("refused.bots.example", "Query Refused"),
        ("silent.bots.example", "400ms"),
        ("half-empty.bots.example", "Server Failure"),
    ] {
        match look_up(name).await {
            Err(ResolveError::Failed(text)) => {
                assert!(text.contains(wanted) && text.contains(name), "{name}: {text}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_family_that_fails_does_not_hide_the_other() {
    assert_eq!(look_up("half-dead.bots.example").await.unwrap().addresses, ips(&["192.0.2.9"]));
}

#[tokio::test]
async fn every_look_up_asks_anew() {
    let (server, asked) = name_server().await;
    let resolver = resolver(vec![server]);
    resolver.lookup("both.bots.example").await.unwrap();
    let once = asked.load(Ordering::SeqCst);
    resolver.lookup("both.bots.example").await.unwrap();
    assert_eq!((once, asked.load(Ordering::SeqCst)), (2, 4));
}

#[tokio::test]
async fn addresses_and_localhost_are_answered_without_a_query() {
    let (server, asked) = name_server().await;
    let resolver = resolver(vec![server]);
    assert_eq!(resolver.lookup("192.0.2.7").await.unwrap().addresses, ips(&["192.0.2.7"]));
    assert_eq!(resolver.lookup("2001:db8::7").await.unwrap().addresses, ips(&["2001:db8::7"]));
    assert_eq!(resolver.lookup("[2001:db8::7]").await.unwrap().addresses, ips(&["2001:db8::7"]));
    let local = resolver.lookup("localhost").await.unwrap();
    assert!(!local.addresses.is_empty() && local.addresses.iter().all(IpAddr::is_loopback), "{local:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_systems_settings_make_a_resolver_too() {
    assert!(!resolver(vec![]).lookup("localhost").await.unwrap().addresses.is_empty());
}

#[test]
fn the_floor_wins_over_the_ceiling() {
    let seconds = Duration::from_secs;
    assert_eq!(clamp_ttl(0, seconds(5), seconds(9)), seconds(5));
    assert_eq!(clamp_ttl(7, seconds(5), seconds(9)), seconds(7));
    assert_eq!(clamp_ttl(u32::MAX, seconds(5), seconds(9)), seconds(9));
    assert_eq!(clamp_ttl(7, seconds(10), seconds(9)), seconds(10));
}
