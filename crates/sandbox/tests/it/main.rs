//! The sandbox from outside: real sockets, a raw HTTP client, the control surface and the Graph side together.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod admission;
mod faults;
mod lists;
mod page;
mod people;
mod receiver;
mod surface;
mod webhooks;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use laneway_sandbox::{NumberInfo, Options, Sandbox};
use serde_json::Value;
use tokio::net::TcpStream;

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One call on a connection of its own.
async fn call(address: SocketAddr, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let (method, path) = request.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", address.to_string());
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    drop(sender);
    driver.await.unwrap().unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn control(sandbox: &Sandbox, request: &str, body: &str) -> Answer {
    call(sandbox.address(), request, &[], body).await
}

/// A Graph call with the number's token and a JSON body.
async fn graph(sandbox: &Sandbox, business: &NumberInfo, request: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", business.access_token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    call(sandbox.address(), request, &headers, &body.to_string()).await
}

fn options() -> Options {
    Options { listen: "127.0.0.1:0".parse().unwrap(), seed: Some(1), ..Options::default() }
}

async fn start() -> Sandbox {
    Sandbox::start(options()).await.unwrap()
}
