//! One user in bad faith, while another one is answered: the server stays up, and its memory flat.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use super::child::{PATIENCE, Server, command};
use super::world::{refused, wait_for};
use crate::support::programs::has;

const EVE: u32 = 64_001;
const KIM: u32 = 64_002;
/// What the server may have in memory beyond what it had before, once the noise is over.
const FLAT: u64 = 12 << 10;
/// And at most at any time: four answers of 8 MiB that nobody reads, and what the allocator keeps.
const PEAK: u64 = 96 << 10;

/// Connects, if that can be done without waiting for long.
fn connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    let limit = Some(Duration::from_secs(2));
    stream.set_write_timeout(limit).ok()?;
    stream.set_read_timeout(limit).ok()?;
    Some(stream)
}

fn send(socket: &Path, bytes: &[u8]) -> Option<UnixStream> {
    let mut stream = connect(socket)?;
    let _ = stream.write_all(bytes);
    Some(stream)
}

/// Numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.next() % 600;
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Everything that Eve thinks of, one after the other, and as much of it at once as she can.
pub fn attack(socket: &Path) {
    type Attack = (&'static str, fn(&Path));
    let attacks: [Attack; 9] = [
        ("500 connections", crowd),
        ("half requests", halves),
        ("a byte at a time", slowly),
        ("bodies without end", endless),
        ("pipelined requests", pipelined),
        ("noise", noise),
        ("fuzzed JSON", fuzzed),
        ("callers who leave", leavers),
        ("readers who do not read", unread),
    ];
    for (what, attack) in attacks {
        let begun = Instant::now();
        attack(socket);
        println!("{what}: {:?}", begun.elapsed());
    }
}

fn crowd(socket: &Path) {
    let open: Vec<_> = (0..500).filter_map(|_| connect(socket)).collect();
    assert!(open.len() > 100);
    thread::sleep(Duration::from_millis(400));
}

fn halves(socket: &Path) {
    for half in [
        "",
        "G",
        "GET /v1/long",
        "GET /v1/long HTTP/1.1\r\nx: y",
        "\r\n\r\n",
    ] {
        let open: Vec<_> = (0..32)
            .filter_map(|_| send(socket, half.as_bytes()))
            .collect();
        thread::sleep(Duration::from_millis(50));
        drop(open);
    }
}

fn slowly(socket: &Path) {
    let open = (0..32).filter_map(|_| connect(socket));
    let mut open: Vec<_> = open.collect();
    let begun = Instant::now();
    let head = b"GET /v1/long HTTP/1.1\r\nhost: "
        .iter()
        .chain(std::iter::repeat(&b't'));
    for byte in head.take_while(|_| begun.elapsed() < Duration::from_secs(3)) {
        // Those that were closed fail, which is what they are for.
        open.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        if open.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(80));
    }
    assert!(open.is_empty(), "{} are still open", open.len());
}

fn endless(socket: &Path) {
    let post = "POST /v1/customers/1/hide HTTP/1.1\r\ncontent-type: application/json\r\n";
    let piece = vec![b'x'; 1 << 20];
    thread::scope(|scope| {
        for number in 0..8 {
            let (piece, chunked) = (&piece, number % 2 == 0);
            scope.spawn(move || {
                let length = if chunked {
                    "transfer-encoding: chunked"
                } else {
                    "content-length: 99999999999"
                };
                let Some(mut stream) = send(socket, format!("{post}{length}\r\n\r\n").as_bytes())
                else {
                    return;
                };
                let end = Instant::now() + PATIENCE;
                while Instant::now() < end {
                    let mut put = || {
                        if chunked {
                            write!(stream, "{:x}\r\n", piece.len())?;
                        }
                        stream.write_all(piece)?;
                        stream.write_all(if chunked { b"\r\n" } else { b"" })
                    };
                    if put().is_err() {
                        return;
                    }
                }
                panic!("somebody reads it all");
            });
        }
    });
}

fn pipelined(socket: &Path) {
    let many = "GET /v1/long HTTP/1.1\r\n\r\n".repeat(2000);
    let open: Vec<_> = (0..8)
        .filter_map(|_| send(socket, many.as_bytes()))
        .collect();
    thread::sleep(Duration::from_millis(300));
    drop(open);
}

fn noise(socket: &Path) {
    let mut noise = Noise(0x7465_6e75_7265);
    for number in 0..300 {
        let mut bytes = noise.bytes();
        if number % 2 == 0 {
            bytes.splice(..0, *b"POST /v1/customers/%");
        }
        bytes.extend(b"\r\n\r\n");
        let Some(mut stream) = send(socket, &bytes) else {
            continue;
        };
        // Most of it is answered, the rest cut off in the middle.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
        let _ = stream.read(&mut [0; 1024]);
    }
}

fn fuzzed(socket: &Path) {
    let mut noise = Noise(0x6a73_6f6e);
    let nested = "[".repeat(60_000).into_bytes();
    for number in 0..200 {
        let body = if number == 0 {
            nested.clone()
        } else {
            noise.bytes()
        };
        let head = format!(
            "POST /v1/customers/{number}/hide HTTP/1.1\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let Some(mut stream) = send(socket, &[head.as_bytes(), &body].concat()) else {
            continue;
        };
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
}

fn leavers(socket: &Path) {
    for _ in 0..100 {
        let caller = send(socket, b"POST /v1/long?50 HTTP/1.1\r\n\r\n");
        thread::sleep(Duration::from_millis(4));
        drop(caller);
    }
}

fn unread(socket: &Path) {
    let asks = [
        "GET /v1/events HTTP/1.1\r\n\r\n",
        "GET /v1/large HTTP/1.1\r\n\r\n",
    ];
    let open = (0..32).filter_map(|number| send(socket, asks[number % 2].as_bytes()));
    let open: Vec<_> = open.collect();
    thread::sleep(Duration::from_millis(900));
    drop(open);
}

fn as_user(uid: u32) -> [String; 4] {
    let uid = uid.to_string();
    [
        "setpriv".to_owned(),
        format!("--reuid={uid}"),
        format!("--regid={uid}"),
        "--clear-groups".to_owned(),
    ]
}

fn attacker(server: &Server) -> Child {
    let eve = as_user(EVE);
    let before: Vec<_> = eve.iter().map(String::as_str).collect();
    let mut command = command(&before, "attack", &server.path);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// How long an answer took to come to Kim, in seconds.
fn asked_by_kim(server: &Server) -> f64 {
    let kim = as_user(KIM);
    let output = Command::new(&kim[0])
        .args(&kim[1..])
        .args([
            "curl",
            "-sS",
            "--fail",
            "--max-time",
            "10",
            "-o",
            "/dev/null",
        ])
        .args(["-w", "%{time_total}", "--unix-socket"])
        .arg(&server.path)
        .arg("http://tenure/v1/customers/1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

#[test]
fn one_who_abuses_it_does_not_keep_others_from_it() {
    if !has(
        "root, `setpriv`",
        &["setpriv", "--reuid=1", "--clear-groups", "true"],
    ) || !has("`curl`", &["curl", "--version"])
    {
        return;
    }
    let mut server = Server::start(&[], "serve-briefly", tempdir().unwrap());
    server.open_to_all();
    let mut longest = 0_f64;
    let mut settled = Vec::new();
    for _ in 0..2 {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let attack = scope.spawn(|| {
                let output = attacker(&server).wait_with_output().unwrap();
                is_over.store(true, Ordering::SeqCst);
                output
            });
            while !is_over.load(Ordering::SeqCst) {
                longest = longest.max(asked_by_kim(&server));
                thread::sleep(Duration::from_millis(20));
            }
            let output = attack.join().unwrap();
            print!("{}", String::from_utf8_lossy(&output.stdout));
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        });
        // Calls that were left alone end by themselves.
        let client = server.client();
        let mut last = super::world::get(&client, "/v1/long");
        wait_for("the end of all calls", || {
            thread::sleep(Duration::from_millis(300));
            let now = super::world::get(&client, "/v1/long");
            std::mem::replace(&mut last, now.clone()) == now && now[0] == now[1]
        });
        settled.push(server.memory("VmRSS:"));
    }
    assert!(server.is_alive());
    println!(
        "the longest wait: {longest} s; memory {settled:?} kB, at most {} kB",
        server.memory("VmHWM:")
    );
    assert!(longest < 1.0, "Kim has waited for {longest} s");
    // The second round meets an allocator that has seen it all: what grows now would grow for ever.
    assert!(settled[1] < settled[0] + FLAT, "{settled:?}");
    assert!(
        server.memory("VmHWM:") < PEAK,
        "{}",
        server.memory("VmHWM:")
    );

    let called = super::world::get(&server.client(), "/v1/long");
    assert!(
        called[0].as_u64() > Some(20),
        "calls that nobody waited for: {called}"
    );

    let told = refused(&server.client());
    for status in [400, 408, 413, 499, 503] {
        assert!(
            told.iter().any(|told| told[2] == status),
            "{status}: {told:?}"
        );
    }
    let noise = told.iter().filter(|told| told[0] == "-").count();
    assert!(noise < 200, "a flood in the log: {noise}");
}
