//! One region's backend: fast, so that what is measured is the proxy, and with faults on command.
//!
//! | request | answer |
//! |---|---|
//! | `GET /down` | 1 MiB |
//! | an upgrade to `websocket` | every message back |
//! | `POST /fault/ok`, `503`, `reset`, `slow` | what happens to all later requests: nothing, the status, a reset in place of an answer, an answer after 2 s |
//! | any other | a few bytes of JSON, once the whole body was read |

mod faults;
mod reader;
mod websocket;

use std::net::Ipv4Addr;
use std::rc::Rc;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::Outcome;
use crate::arguments::Arguments;
use faults::{Fault, Faults};
use reader::{Head, Reader};

const SMALL: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}";
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const MIB: usize = 1 << 20;

/// Serves on `--port` of 127.0.0.1 until the process is ended.
pub(crate) async fn serve(arguments: &Arguments) -> Outcome<Value> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.need("port")?)).await?;
    let mut large =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {MIB}\r\n\r\n")
            .into_bytes();
    large.resize(large.len() + MIB, b'x');
    let (large, faults) = (Rc::<[u8]>::from(large), Rc::new(Faults::default()));
    loop {
        // Out of file descriptors, say: what is open goes on.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (large, faults) = (large.clone(), faults.clone());
        spawn_local(async move {
            let _ = stream.set_nodelay(true);
            let _ = connection(stream, &large, &faults).await;
        });
    }
}

async fn connection(mut stream: TcpStream, large: &[u8], faults: &Faults) -> std::io::Result<()> {
    let mut reader = Reader::default();
    while let Some(head) = reader.head(&mut stream).await? {
        reader.body(&mut stream, head.body).await?;
        if let Some(fault) = head.path.strip_prefix("/fault/") {
            faults.set(fault);
            stream.write_all(SMALL).await?;
            continue;
        }
        match faults.get() {
            Fault::None => {}
            Fault::Status => {
                stream.write_all(UNAVAILABLE).await?;
                continue;
            }
            Fault::Reset => return faults::reset(stream),
            Fault::Slow => tokio::time::sleep(faults::SLOW).await,
        }
        match head {
            Head { websocket: Some(key), .. } => return websocket::echo(stream, &key, reader.pending()).await,
            Head { path, .. } if path == "/down" => stream.write_all(large).await?,
            _ => stream.write_all(SMALL).await?,
        }
    }
    Ok(())
}
