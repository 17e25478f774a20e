//! Threads that get stuck, die or panic: said on `/readyz` and in the metrics, and no concern of the others.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Resource;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{self, Protocol, full};
use crate::support::freeze::freeze;
use crate::support::process::Process;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// Longer than a thread may be silent, and its beat.
const NOTICED: Duration = Duration::from_secs(20);

async fn gateway(site: &Site, env: &[(&str, &str)]) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let gateway = Gateway::start_in(site, &site.config(PROBE, &[&backend]), env).await;
    (gateway, backend)
}

/// After so long a thread is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// Waits until `/readyz` says this, with 503; gives all it says.
async fn unready(gateway: &Gateway, what: &str) -> String {
    let start = Instant::now();
    loop {
        let reply = client::get(gateway.admin(), "/readyz").await.unwrap();
        let text = reply.text();
        if reply.status == 503 && text.contains(what) {
            return text;
        }
        assert!(start.elapsed() < NOTICED, "/readyz does not say {what:?}: {} {text}", reply.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the log says this so many times.
async fn logged(gateway: &Gateway, what: &str, times: usize) {
    wait_until(what, async || gateway.process.stderr().matches(what).count() >= times).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_worker_is_told_of_and_new_clients_go_to_the_others() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _one) = gateway(&site, &[]).await;
    let frozen = freeze(gateway.process.pid(), "botgate-w0");
    let said = unready(&gateway, "worker 0 has been stuck").await;
    assert!(said.contains("urn:botgate:unwell") && !said.contains("worker 1"), "{said}");
    assert_eq!(gateway.metric("botgate_thread_well", &["thread=\"w0\""]).await, 0.0);
    assert_eq!(gateway.metric("botgate_thread_well", &["thread=\"w1\""]).await, 1.0);
    // Who waited for it until then is reset; who comes later does not meet it.
    logged(&gateway, "a thread is stuck", 1).await;
    assert_eq!(
        client::get(gateway.admin(), "/healthz").await?.status,
        200,
        "a restart would cut those that are served"
    );
    // The kernel spreads connections over the sockets of the workers: about half would go to the one that is stuck.
    let serve_all = async {
        for _ in 0..32 {
            assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await.unwrap().status, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(15), serve_all).await.expect("new clients wait for the stuck worker");
    drop(frozen);
    gateway.ready().await;
    assert_eq!(gateway.metric("botgate_thread_well", &[]).await, 3.0);
    logged(&gateway, "takes connections again", 1).await;
    // It is back among those that take connections: with the other one stuck, all are its own.
    let _frozen = freeze(gateway.process.pid(), "botgate-w1");
    unready(&gateway, "worker 1 has been stuck").await;
    logged(&gateway, "a thread is stuck", 2).await;
    let serve_all = async {
        for _ in 0..16 {
            assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await.unwrap().status, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(15), serve_all).await.expect("the worker that was stuck takes none");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_as_a_whole_goes_on_without_a_false_alarm() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _one) = gateway(&site, &[]).await;
    gateway.ready().await;
    for _ in 0..2 {
        gateway.process.sigstop();
        tokio::time::sleep(STUCK_AFTER + Duration::from_secs(1)).await;
        // Whoever runs first when it goes on finds that nobody has come round for long.
        let asks = ["/readyz", "/healthz", "/readyz"].map(|path| {
            let admin = gateway.admin();
            tokio::spawn(async move { client::get(admin, path).await.map(|reply| (reply.status, reply.text())) })
        });
        gateway.process.sigcont();
        for ask in asks {
            let (status, said) = ask.await??;
            assert_eq!(status, 200, "{said}");
        }
    }
    assert_eq!(gateway.metric("botgate_thread_well", &[]).await, 3.0);
    assert!(!gateway.process.stderr().contains("stuck"), "{}", gateway.process.stderr());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_that_serves_the_process_wants_a_restart() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _one) = gateway(&site, &[]).await;
    let _frozen = (freeze(gateway.process.pid(), "botgate-w0"), freeze(gateway.process.pid(), "botgate-w1"));
    unready(&gateway, "worker 1 has been stuck").await;
    wait_until("/healthz fails", async || client::get(gateway.admin(), "/healthz").await.unwrap().status == 503).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_control_is_stuck_traffic_goes_on_and_sigterm_still_drains() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut gateway, one) = gateway(&site, &[]).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let frozen = freeze(gateway.process.pid(), "botgate-control");
    unready(&gateway, "control has been stuck").await;
    assert_eq!(gateway.metric("botgate_thread_well", &["thread=\"control\""]).await, 0.0);
    assert_eq!(client.get("/").await?.status, 200);
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200);
    // A request under way is answered although control cannot hear of the end.
    one.once(Answer::with(200, "late").delay(Duration::from_millis(700)).into());
    let slow = tokio::spawn(async move { client.get("/slow").await.map(|reply| reply.status) });
    wait_until("the request is at the backend", async || one.log().count() == 3).await;
    gateway.process.sigterm();
    assert_eq!(slow.await??, 200);
    // A thread that is traced is not gone before its tracer has seen it go.
    logged(&gateway, "stopped: all requests under way were answered", 1).await;
    drop(frozen);
    let status = gateway.process.exit(Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(0), "{}", gateway.process.stderr());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_that_comes_round_again_is_well_again() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _one) = gateway(&site, &[]).await;
    let frozen = freeze(gateway.process.pid(), "botgate-control");
    unready(&gateway, "control has been stuck").await;
    logged(&gateway, "a thread is stuck", 1).await;
    drop(frozen);
    gateway.ready().await;
    logged(&gateway, "a thread that was stuck goes on", 1).await;
    Ok(())
}

/// A request that makes the gateway misbehave; debug builds only.
async fn fault(gateway: &Gateway, site: &Site, protocol: Protocol, fault: &str) -> Outcome<client::Reply> {
    let mut client = gateway.client(site, protocol).await;
    let request = client.request("GET", "/").header("botgate-fault", fault).body(full(""))?;
    let reply = client.send(request).await?;
    if fault == "panic" {
        wait_until("the connection is closed", async || client.is_closed()).await;
    }
    Ok(reply)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_its_request_and_its_connection_and_nothing_else() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _one) = gateway(&site, &[("BOTGATE_FAULTS", "1")]).await;
    let mut others = [gateway.client(&site, Protocol::H1).await, gateway.client(&site, Protocol::H2).await];
    for protocol in [Protocol::H1, Protocol::H2] {
        assert_eq!(fault(&gateway, &site, protocol, "panic").await?.status, 500);
    }
    assert_eq!(fault(&gateway, &site, Protocol::H1, "panic-in-task").await?.status, 200);
    let counted = async || gateway.metric("botgate_panics_total", &["thread=\"worker\""]).await == 3.0;
    wait_until("all panics are counted, a task's too", counted).await;
    for other in &mut others {
        assert_eq!(other.get("/").await?.status, 200);
    }
    gateway.ready().await;
    let log = gateway.process.stderr();
    assert_eq!(log.matches("panicked: a request, on purpose").count(), 2, "{log}");
    assert!(log.contains("panicked: a task, on purpose") && log.contains("src/server/fault.rs"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_is_replaced_and_one_that_dies_again_and_again_is_told_of() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut gateway, _one) = gateway(&site, &[("BOTGATE_FAULTS", "1")]).await;
    let mut replaced = 0.0;
    let started = Instant::now();
    // Which of the two is hit, the kernel decides: at the latest the seventh time one dies that has died three times before.
    loop {
        let _ = fault(&gateway, &site, Protocol::H1, "end-worker").await;
        let died = async || {
            let replacements = gateway.metric("botgate_thread_replacements_total", &[]).await;
            replacements > replaced || gateway.metric("botgate_thread_well", &[]).await < 3.0
        };
        wait_until("the worker is dead", died).await;
        if gateway.metric("botgate_thread_well", &[]).await < 3.0 {
            break;
        }
        replaced = gateway.metric("botgate_thread_replacements_total", &[]).await;
        gateway.ready().await;
        let mut client = gateway.client(&site, Protocol::H1).await;
        assert_eq!(client.get("/").await?.status, 200);
        assert!(started.elapsed() < Duration::from_secs(60));
    }
    assert!((3.0..=6.0).contains(&replaced), "{replaced}");
    unready(&gateway, "died again and again").await;
    for _ in 0..16 {
        assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.status, 200);
    }
    assert_eq!(gateway.stop().await.code(), Some(1), "who supervises it should know");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_stops_nothing() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let config = site.write("botgate.toml", &site.config(PROBE, &[&one]));
    let (unread, stderr) = std::io::pipe()?;
    let arguments = ["run", "--config", config.to_str().unwrap(), "--json"];
    let env = [("BOTGATE_LOG", "trace")];
    let process = Process::start_saying("gateway", &arguments, &env, Stdio::from(stderr), site.path("unread"));
    let mut gateway = Gateway::of(process, config).await;
    gateway.ready().await;
    let dropped = async || gateway.metric("botgate_log_dropped_total", &[]).await > 0.0;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let start = Instant::now();
    while !dropped().await {
        assert_eq!(client.get("/").await?.status, 200);
        assert!(start.elapsed() < Duration::from_secs(60), "the log takes all, however little is read");
    }
    one.refuse().await;
    gateway.until_health("bot", "one", "unhealthy").await;
    drop(unread);
    assert_eq!(gateway.stop().await.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_takes_as_many_descriptors_as_it_may_have() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _one) = gateway(&site, &[]).await;
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum.map_or(f64::INFINITY, |limit| limit as f64);
    assert_eq!(gateway.metric("process_max_fds", &[]).await, hard);
    let open = gateway.metric("process_open_fds", &[]).await;
    assert!(open > 10.0 && open <= gateway.process.descriptors() as f64 + 5.0, "{open}");
    assert!(gateway.metric("process_resident_memory_bytes", &[]).await > 1e6);
    Ok(())
}
