//! A server with a service that echoes, in this process or in one of its own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tenure::admin::{Call, Client, Event, Limits, Listener, Method, Peer, Reply, Service, serve};
use tenure::error::Outcome;
use tokio::sync::{mpsc, watch};

/// Answers with what it was asked. What was refused is to be read at `/v1/refused`.
#[derive(Default)]
pub struct Echo {
    refused: Mutex<Vec<Value>>,
    /// How many calls of `/v1/long` have begun and ended.
    long: Mutex<(u32, u32)>,
    /// How many streams of events have ended before their time.
    given_up: Arc<AtomicU32>,
}

const ROUTES: [(&str, &str); 10] = [
    ("GET", "/v1/customers/{id}"),
    ("POST", "/v1/customers/{id}/hide"),
    ("POST", "/v1/pair/{first}/{second}"),
    ("GET", "/v1/refused"),
    ("POST", "/v1/long"),
    ("GET", "/v1/long"),
    ("GET", "/v1/events"),
    ("GET", "/v1/given-up"),
    ("GET", "/v1/large"),
    ("GET", "/v1/panic"),
];

impl Service for Echo {
    fn routes(&self) -> Vec<(Method, String)> {
        let route = |(method, path): &(&str, &str)| (method.parse().unwrap(), (*path).to_owned());
        ROUTES.iter().map(route).collect()
    }

    fn call(&self, call: Call) -> Reply {
        let number = |otherwise| {
            let query = call.query.as_deref();
            query.map_or(otherwise, |text| text.parse().unwrap())
        };
        match ROUTES[call.route] {
            (_, "/v1/refused") => answer(&json!(*self.refused.lock().unwrap())),
            ("POST", "/v1/long") => {
                self.long.lock().unwrap().0 += 1;
                thread::sleep(Duration::from_millis(number(0)));
                self.long.lock().unwrap().1 += 1;
                answer(&json!("done"))
            }
            ("GET", "/v1/long") => answer(&json!(*self.long.lock().unwrap())),
            (_, "/v1/events") => {
                Reply::Events(events(number(u64::MAX), Arc::clone(&self.given_up)))
            }
            (_, "/v1/given-up") => answer(&json!(self.given_up.load(Ordering::SeqCst))),
            (_, "/v1/large") => Reply::Whole {
                status: 200,
                content_type: "application/octet-stream",
                headers: vec![],
                body: (0..number(8 << 20)).map(|at| at as u8).collect(),
            },
            (_, "/v1/panic") => panic!("as the test asks for"),
            _ => answer(&json!({
                "route": call.route,
                "peer": peer(&call.peer),
                "path": call.path,
                "query": call.query,
                "body": String::from_utf8_lossy(&call.body),
                "accept": call.accept,
                "respond_async": call.respond_async,
            })),
        }
    }

    fn refused(&self, by: &Peer, method: &str, path: &str, status: u16) {
        let told = json!({"peer": peer(by), "what": [method, path, status]});
        self.refused.lock().unwrap().push(told);
    }
}

fn peer(peer: &Peer) -> Value {
    json!({"uid": peer.uid, "gid": peer.gid, "user": peer.user, "groups": peer.groups})
}

fn answer(value: &Value) -> Reply {
    Reply::Whole {
        status: 200,
        content_type: "application/json",
        headers: vec![("x-echo", "yes".to_owned())],
        body: value.to_string().into_bytes(),
    }
}

/// So many events. Where they cannot all be sent, one more stream is `given_up`.
fn events(count: u64, given_up: Arc<AtomicU32>) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(4);
    thread::spawn(move || {
        for number in 0..count {
            let data = json!({"number": number, "rest": "x".repeat(1000)}).to_string();
            let name = "progress".to_owned();
            if sender.blocking_send(Event { name, data }).is_err() {
                given_up.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    });
    receiver
}

/// A server in this process.
pub struct World {
    path: PathBuf,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<Outcome<()>>>,
    _dir: TempDir,
}

impl World {
    pub fn start(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let listener = Listener::open(&path).unwrap();
        let (stop, stopped) = watch::channel(false);
        let echo = Arc::new(Echo::default());
        let serving = thread::spawn(move || run(listener, echo, limits, stopped));
        Self {
            path,
            stop,
            serving: Some(serving),
            _dir: dir,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.path).unwrap().unwrap()
    }

    /// Asks the server to stop, and does not wait.
    pub fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops the server; how long that took.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.ask_to_stop();
        self.serving.take().unwrap().join().unwrap().unwrap();
        begun.elapsed()
    }
}

/// Serves until it is stopped. Calls that still run then are left alone.
pub fn run(
    listener: Listener,
    service: Arc<dyn Service>,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let served = runtime.block_on(serve(listener, service, limits, stop));
    runtime.shutdown_background();
    served
}

/// The answer to a GET, as JSON.
pub fn get(client: &Client, path: &str) -> Value {
    let reply = client.send(Method::GET, path, None, None, false).unwrap();
    assert_eq!(reply.status, 200, "{path}");
    serde_json::from_slice(&reply.body).unwrap()
}

/// What has been refused so far, each as `[method, path, status]`.
pub fn refused(client: &Client) -> Vec<Value> {
    let Value::Array(told) = get(client, "/v1/refused") else {
        panic!("not a list");
    };
    told.into_iter().map(|told| told["what"].clone()).collect()
}

/// Waits for something, for 5 s at most.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < end, "never came: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Connects without a client.
pub fn raw(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    stream
}

/// Everything that the server says to some bytes before it closes, or resets, the connection.
pub fn say(path: &Path, bytes: &[u8]) -> String {
    let mut stream = raw(path);
    // It may have heard enough before the end.
    let _ = stream.write_all(bytes);
    read_all(stream)
}

pub fn read_all(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A call of `/v1/long` in a thread of its own, which gives what came of it.
pub fn long_call(path: &Path, milliseconds: u64) -> JoinHandle<Outcome<u16>> {
    let path = path.to_owned();
    thread::spawn(move || {
        let client = Client::connect(&path)?.unwrap();
        let path = format!("/v1/long?{milliseconds}");
        Ok(client.send(Method::POST, &path, None, None, false)?.status)
    })
}
