//! A proxy between a client and an HTTP server, which does to requests what networks and servers do.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with 503.
    Busy,
    /// It is answered with 403, as to somebody who lacks the right.
    Deny,
    /// The connection is cut in the middle of the request.
    CutRequest,
    /// The request is carried out, and the connection is cut before the answer.
    LoseAnswer,
    /// The connection is cut in the middle of the answer.
    CutAnswer,
    /// The connection is closed at once.
    Refuse,
    /// It is never answered.
    Silent,
}

/// A request, as far as the choice of its fault goes.
pub struct Seen {
    /// Which it is, counted from 1.
    pub number: u64,
    /// Such as `PUT`.
    pub method: String,
    /// With the query.
    pub path: String,
}

type Choose = dyn Fn(&Seen) -> Option<Fault> + Send + Sync;

struct Shared {
    server: SocketAddr,
    choose: Mutex<Arc<Choose>>,
    count: AtomicU64,
    faults: AtomicU64,
    /// Bytes a second in each direction; 0: as fast as it goes.
    rate: AtomicU64,
    strip: AtomicBool,
    over: AtomicBool,
}

/// See the module's text. Connections that are open when it is dropped end by themselves.
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// One that passes everything on.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            choose: Mutex::new(Arc::new(|_: &Seen| None)),
            count: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            strip: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.over.load(Ordering::SeqCst) {
                    return;
                }
                let own = Arc::clone(&own);
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(own.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// From now on this decides what is done to each request, counted anew.
    pub fn choose(&self, choose: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) {
        *self.shared.choose.lock().unwrap() = Arc::new(choose);
        self.shared.count.store(0, Ordering::SeqCst);
        self.shared.faults.store(0, Ordering::SeqCst);
    }

    /// From now on all goes well.
    pub fn pass(&self) {
        self.choose(|_| None);
    }

    /// From now on at most so many bytes go each way in a second; 0: as fast as it goes.
    pub fn slow(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::SeqCst);
    }

    /// From now on `If-None-Match` does not reach the server: it replaces what it should refuse to.
    pub fn strip_conditions(&self) {
        self.shared.strip.store(true, Ordering::SeqCst);
    }

    /// How many requests have come since the choice was made.
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// How many faults were done since then.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// One request, over a connection of its own to the server.
    fn serve(&self, mut client: TcpStream) -> Result<()> {
        let Some(head) = read_head(&mut client)? else {
            return Ok(());
        };
        let (first, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
        let mut words = first.split(' ');
        let seen = Seen {
            number: self.count.fetch_add(1, Ordering::SeqCst) + 1,
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
        };
        let choose = Arc::clone(&self.choose.lock().unwrap());
        let fault = choose(&seen);
        if fault.is_some() {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        let length = header(headers, "content-length").unwrap_or(0);
        match fault {
            Some(Fault::Refuse) => return Ok(()),
            Some(Fault::CutRequest) => {
                self.body(&mut client, length / 2)?;
                return Ok(());
            }
            _ => {}
        }
        let body = self.body(&mut client, length)?;
        match fault {
            Some(fault @ (Fault::Busy | Fault::Deny)) => {
                let (status, code) = match fault {
                    Fault::Busy => ("503 Slow Down", "SlowDown"),
                    _ => ("403 Forbidden", "AccessDenied"),
                };
                let text = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                );
                return client.write_all(answer.as_bytes());
            }
            Some(Fault::Silent) => {
                while !self.over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(100));
                }
                return Ok(());
            }
            _ => {}
        }
        let answer = self.ask(first, headers, &body)?;
        match fault {
            Some(Fault::LoseAnswer) => Ok(()),
            Some(Fault::CutAnswer) => client.write_all(&answer[..answer.len() / 2]),
            _ => self.slowly(&answer, |part| client.write_all(part)),
        }
    }

    fn body(&self, client: &mut TcpStream, length: usize) -> Result<Vec<u8>> {
        let mut body = vec![0; length];
        let part = self.part();
        for part in body.chunks_mut(part) {
            client.read_exact(part)?;
            self.pause(part.len());
        }
        Ok(body)
    }

    /// The server's answer to the same request, as it stands on the line.
    fn ask(&self, first: &str, headers: &str, body: &[u8]) -> Result<Vec<u8>> {
        let strip = self.strip.load(Ordering::SeqCst);
        let mut head = format!("{first}\r\n");
        for line in headers.lines() {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            if name != "connection" && name != "expect" && !(strip && name == "if-none-match") {
                head += &format!("{line}\r\n");
            }
        }
        head += "connection: close\r\n\r\n";
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(head.as_bytes())?;
        server.write_all(body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }

    fn part(&self) -> usize {
        match self.rate.load(Ordering::SeqCst) {
            0 => 1 << 20,
            rate => (rate as usize / 20).max(1),
        }
    }

    fn pause(&self, bytes: usize) {
        let rate = self.rate.load(Ordering::SeqCst);
        if rate > 0 {
            std::thread::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64));
        }
    }

    fn slowly(&self, bytes: &[u8], mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for part in bytes.chunks(self.part()) {
            write(part)?;
            self.pause(part.len());
        }
        Ok(())
    }
}

/// A request's head without the empty line; none when the client has no more.
fn read_head(client: &mut TcpStream) -> Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(head.len() - 4);
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

fn header(headers: &str, name: &str) -> Option<usize> {
    let line = headers
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with(name))?;
    line.split_once(':')?.1.trim().parse().ok()
}
