//! The admin socket: requests and answers over real sockets, by real users, in good and in bad faith.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenure::admin::client::segment;
use tenure::admin::{Client, Limits, Method};

use world::{World, get, long_call, raw, read_all, refused, say, wait_for};

mod abuse;
mod child;
mod people;
pub use people::can_be_others;
mod sockets;
mod world;

/// Waits are short here: what is tested is that there is an end to them.
fn brief() -> Limits {
    Limits {
        head_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        unread_time: Duration::from_millis(500),
        grace: Duration::from_secs(2),
        ..Limits::default()
    }
}

#[test]
fn a_call_arrives_as_it_was_sent() {
    let world = World::start(Limits::default());
    let client = world.client();
    let uid = rustix::process::getuid().as_raw();
    for id in [
        "42",
        "a/b",
        "#1?x=y",
        "two words",
        "é 日本",
        "..",
        ".",
        "%2F",
        "'; --",
        "a\nb",
        "{id}",
        "+",
    ] {
        let echoed = get(&client, &format!("/v1/customers/{}?all=%20&x", segment(id)));
        assert_eq!(echoed["path"], json!([["id", id]]), "{id:?}");
        assert_eq!(echoed["query"], "all=%20&x");
        assert_eq!(echoed["route"], 0);
        assert_eq!(echoed["body"], "");
        assert_eq!(echoed["accept"], Value::Null);
        assert_eq!(echoed["respond_async"], false);
        assert_eq!(echoed["peer"]["uid"], uid);
    }
    let body = json!({"reason": "moved \"away\"\n日本"});
    let path = format!("/v1/pair/{}/{}", segment("x/y"), segment(" "));
    let accept = Some("text/plain");
    let reply = client.send(Method::POST, &path, Some(&body), accept, true);
    let reply = reply.unwrap();
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.headers["x-echo"], "yes");
    let echoed: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(echoed["path"], json!([["first", "x/y"], ["second", " "]]));
    assert_eq!(echoed["body"], body.to_string());
    assert_eq!(echoed["accept"], "text/plain");
    assert_eq!(echoed["respond_async"], true);
    assert!(refused(&client).is_empty());
}

#[test]
fn preferences_are_read_as_rfc_7240_has_them() {
    let world = World::start(Limits::default());
    for (header, expected) in [
        ("prefer: respond-async", true),
        ("Prefer: wait=10, Respond-Async; x=1", true),
        ("prefer: return=minimal\r\nprefer: respond-async", true),
        ("prefer: not-respond-async, respond-asynchronously", false),
    ] {
        let request =
            format!("GET /v1/customers/1 HTTP/1.1\r\n{header}\r\nconnection: close\r\n\r\n");
        let answer = say(world.path(), request.as_bytes());
        assert!(
            answer.contains(&format!("\"respond_async\":{expected}")),
            "{header}: {answer}"
        );
    }
}

#[test]
fn what_is_no_call_is_refused_and_told() {
    let world = World::start(brief());
    let hide = "/v1/customers/{id}/hide";
    let post = "POST /v1/customers/7/hide HTTP/1.1\r\n";
    let json = "content-type: application/json\r\n";
    let large = "x".repeat(70_000);
    let chunk = format!("{:x}\r\n{large}\r\n", large.len());
    for (request, status, told) in [
        (
            "GET /v1/customer/7 HTTP/1.1\r\n\r\n".to_owned(),
            404,
            json!(["GET", "", 404]),
        ),
        (
            "GET /v1/customers// HTTP/1.1\r\n\r\n".to_owned(),
            404,
            json!(["GET", "", 404]),
        ),
        (
            "GET /v1/customers/7/hide HTTP/1.1\r\n\r\n".to_owned(),
            405,
            json!(["GET", hide, 405]),
        ),
        (
            "HEAD /v1/customers/7/hide HTTP/1.1\r\n\r\n".to_owned(),
            405,
            json!(["HEAD", hide, 405]),
        ),
        (
            "HEAD /v1/large HTTP/1.1\r\n\r\n".to_owned(),
            405,
            json!(["HEAD", "/v1/large", 405]),
        ),
        (
            "OPTIONS /v1/large HTTP/1.1\r\n\r\n".to_owned(),
            405,
            json!(["OPTIONS", "/v1/large", 405]),
        ),
        (
            "EVE /v1/large HTTP/1.1\r\n\r\n".to_owned(),
            405,
            json!(["other", "/v1/large", 405]),
        ),
        (
            format!("{post}content-length: 2\r\n\r\n{{}}"),
            415,
            json!(["POST", hide, 415]),
        ),
        (
            format!("{post}content-type: text/json\r\ncontent-length: 2\r\n\r\n{{}}"),
            415,
            json!(["POST", hide, 415]),
        ),
        (
            format!("{post}{json}content-length: 70000\r\n\r\n{large}"),
            413,
            json!(["POST", hide, 413]),
        ),
        (
            format!("{post}{json}content-length: 99999999999\r\n\r\n{large}"),
            413,
            json!(["POST", hide, 413]),
        ),
        (
            format!("{post}{json}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"),
            413,
            json!(["POST", hide, 413]),
        ),
        (
            format!("{post}{json}transfer-encoding: chunked\r\n\r\nzz\r\n\r\n"),
            400,
            json!(["POST", hide, 400]),
        ),
        (
            format!("{post}{json}content-length: 9\r\n\r\n{{}}"),
            408,
            json!(["POST", hide, 408]),
        ),
        (
            "GET /v1/customers/%zz HTTP/1.1\r\n\r\n".to_owned(),
            400,
            json!(["GET", "/v1/customers/{id}", 400]),
        ),
        (
            "GET /v1/customers/%2 HTTP/1.1\r\n\r\n".to_owned(),
            400,
            json!(["GET", "/v1/customers/{id}", 400]),
        ),
        (
            "GET /v1/customers/%ff%fe HTTP/1.1\r\n\r\n".to_owned(),
            400,
            json!(["GET", "/v1/customers/{id}", 400]),
        ),
    ] {
        let shown: String = request.chars().take(90).collect();
        let before = refused(&world.client()).len();
        let answer = say(world.path(), request.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown}: {answer}"
        );
        assert!(
            answer.contains("content-type: application/json\r\n"),
            "{shown}: {answer}"
        );
        assert!(
            answer.contains("connection: close\r\n"),
            "{shown}: {answer}"
        );
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        if !request.starts_with("HEAD") {
            let body: Value = serde_json::from_str(body).unwrap();
            assert!(
                body["error"].is_string() && body["hint"].is_string(),
                "{shown}: {body}"
            );
            assert_eq!(body["causes"], json!([]));
        }
        assert_eq!(refused(&world.client())[before..], [told], "{shown}");
    }
    let answer = say(world.path(), b"DELETE /v1/long HTTP/1.1\r\n\r\n");
    assert!(answer.contains("allow: POST, GET\r\n"), "{answer}");
}

#[test]
fn what_is_no_request_is_told_once_a_second() {
    let world = World::start(brief());
    let head = format!(
        "GET /v1/large HTTP/1.1\r\nx: {}\r\n\r\n",
        "y".repeat(20 << 10)
    );
    for (bytes, status) in [
        (head.as_bytes(), Some(431)),
        (b"\x16\x03\x01\x02\x00 noise\r\n\r\n".as_slice(), Some(400)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"GET /v1/la", None),
    ] {
        for _ in 0..3 {
            let answer = say(world.path(), bytes);
            match status {
                Some(status) => assert!(
                    answer.starts_with(&format!("HTTP/1.1 {status} ")),
                    "{answer}"
                ),
                None => assert_eq!(answer, "", "closed without a word"),
            }
        }
    }
    // One who says nothing, and one who is content, are not told of.
    assert_eq!(say(world.path(), b""), "");
    let quiet = say(world.path(), b"GET /v1/long HTTP/1.1\r\n\r\n");
    assert!(quiet.ends_with("[0,0]"), "{quiet}");
    let mut told = refused(&world.client());
    // Connections are told of as they end, which may be in another order.
    told.sort_by_key(ToString::to_string);
    told.dedup();
    let noise = |status: u16| json!(["-", "", status]);
    assert_eq!(told, [noise(400), noise(408), noise(431)]);
    // Three half heads took longer than a second together, perhaps; six requests did not.
    assert!(refused(&world.client()).len() <= 5);
}

#[test]
fn one_who_leaves_is_told_of_unless_the_call_has_begun() {
    let world = World::start(Limits::default());
    let json = "content-type: application/json\r\ncontent-length: 9\r\n\r\n";
    let mut stream = raw(world.path());
    let request = format!("POST /v1/customers/7/hide HTTP/1.1\r\n{json}{{}}");
    stream.write_all(request.as_bytes()).unwrap();
    let client = world.client();
    thread::sleep(Duration::from_millis(50));
    assert!(refused(&client).is_empty());
    drop(stream);
    wait_for("word of the broken body", || refused(&client).len() == 1);
    let what = &refused(&client)[0];
    let hide = "/v1/customers/{id}/hide";
    assert!(
        *what == json!(["POST", hide, 400]) || *what == json!(["POST", hide, 499]),
        "{what}"
    );

    let mut stream = raw(world.path());
    stream
        .write_all(b"POST /v1/long?300 HTTP/1.1\r\n\r\n")
        .unwrap();
    wait_for("the call", || get(&client, "/v1/long") == json!([1, 0]));
    drop(stream);
    wait_for("the call's end", || {
        get(&client, "/v1/long") == json!([1, 1])
    });
    assert_eq!(refused(&client).len(), 1);
}

#[test]
fn a_panic_is_an_answer() {
    let world = World::start(Limits::default());
    let client = world.client();
    let reply = client
        .send(Method::GET, "/v1/panic", None, None, false)
        .unwrap();
    assert_eq!(reply.status, 500);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert!(body["hint"].as_str().unwrap().contains("log"), "{body}");
    assert_eq!(get(&client, "/v1/long"), json!([0, 0]));
}

#[test]
fn events_come_until_they_end_or_nobody_wants_more() {
    let world = World::start(brief());
    let client = world.client();
    let mut numbers = Vec::new();
    let mut each = |event: tenure::admin::Event| {
        assert_eq!(event.name, "progress");
        let data: Value = serde_json::from_str(&event.data).unwrap();
        numbers.push(data["number"].as_u64().unwrap());
        true
    };
    assert!(
        client
            .events("/v1/events?1000", &mut each)
            .unwrap()
            .is_none()
    );
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());

    let mut count = 0;
    let mut three = |_| {
        count += 1;
        count < 3
    };
    assert!(client.events("/v1/events", &mut three).unwrap().is_none());
    assert_eq!(count, 3);

    let mut none = |_| panic!("there are no events");
    let reply = client.events("/v1/nothing", &mut none).unwrap().unwrap();
    assert_eq!(reply.status, 404);
    let reply = client.events("/v1/long", &mut none).unwrap().unwrap();
    assert_eq!(reply.body, "[0,0]");
}

#[test]
fn a_large_answer_is_whole() {
    let world = World::start(Limits::default());
    let client = world.client();
    for size in [0, 1, 65_535, 65_536, 65_537, 10_000_000] {
        let path = format!("/v1/large?{size}");
        let reply = client.send(Method::GET, &path, None, None, false).unwrap();
        assert_eq!(reply.headers["content-length"], size.to_string());
        let expected = (0..size).map(|at: u64| at as u8);
        assert!(reply.body.iter().copied().eq(expected), "{size} bytes");
    }
}

#[test]
fn a_stop_waits_for_calls_and_for_nothing_else() {
    let mut world = World::start(brief());
    let client = world.client();
    let call = long_call(world.path(), 500);
    wait_for("the call", || get(&client, "/v1/long") == json!([1, 0]));
    let mut half = raw(world.path());
    half.write_all(b"GET /v1/lo").unwrap();
    let mut body = raw(world.path());
    let head =
        b"POST /v1/long HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    body.write_all(head).unwrap();
    let silent = raw(world.path());
    let events = thread::spawn({
        let client = world.client();
        move || client.events("/v1/events", &mut |_| true)
    });
    thread::sleep(Duration::from_millis(50));
    let took = world.stop();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert_eq!(call.join().unwrap().unwrap(), 200);
    assert_eq!(read_all(half), "");
    assert_eq!(read_all(silent), "");
    assert!(read_all(body).starts_with("HTTP/1.1 503 "));
    assert!(
        events.join().unwrap().unwrap().is_none(),
        "a stream ends as if it were done"
    );
    assert!(!world.path().exists());
    assert!(Client::connect(world.path()).unwrap().is_none());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let grace = Duration::from_millis(300);
    let mut world = World::start(Limits { grace, ..brief() });
    let client = world.client();
    let call = long_call(world.path(), 60_000);
    wait_for("the call", || get(&client, "/v1/long") == json!([1, 0]));
    let took = world.stop();
    assert!(
        took >= grace && took < grace + Duration::from_secs(1),
        "{took:?}"
    );
    let failure = call.join().unwrap().unwrap_err();
    assert!(
        failure.next_step().unwrap().contains("tenure status"),
        "{failure:?}"
    );
}

#[test]
fn calls_beyond_the_share_wait_in_turn() {
    let world = World::start(Limits::default());
    let begun = Instant::now();
    let calls: Vec<_> = (0..8).map(|_| long_call(world.path(), 300)).collect();
    for call in calls {
        assert_eq!(call.join().unwrap().unwrap(), 200);
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(600), "four at once: {took:?}");
}

#[test]
fn one_who_leaves_before_the_turn_has_done_nothing() {
    let world = World::start(Limits {
        calls_of_user: 1,
        ..Limits::default()
    });
    let call = long_call(world.path(), 1500);
    thread::sleep(Duration::from_millis(400));
    let mut waiting = raw(world.path());
    waiting
        .write_all(b"POST /v1/long?0 HTTP/1.1\r\n\r\n")
        .unwrap();
    thread::sleep(Duration::from_millis(300));
    drop(waiting);
    assert_eq!(call.join().unwrap().unwrap(), 200);
    let client = world.client();
    assert_eq!(get(&client, "/v1/long"), json!([1, 1]));
    wait_for("word of it", || !refused(&client).is_empty());
    assert_eq!(refused(&client), [json!(["POST", "/v1/long", 499])]);
}

#[test]
fn one_who_does_not_read_is_given_up() {
    let world = World::start(Limits {
        calls_of_user: 1,
        ..brief()
    });
    let mut large = raw(world.path());
    large.write_all(b"GET /v1/large HTTP/1.1\r\n\r\n").unwrap();
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let client = world.client();
    assert_eq!(get(&client, "/v1/given-up"), 0);
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(200),
        "the turn lasts until the answer is read: {took:?}"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");

    let mut events = raw(world.path());
    events
        .write_all(b"GET /v1/events HTTP/1.1\r\n\r\n")
        .unwrap();
    // A stream takes no turn, and its sender does not wait for ever.
    wait_for("the sender's release", || get(&client, "/v1/given-up") == 1);
    assert!(!read_all(large).is_empty() && !read_all(events).is_empty());
}

#[test]
fn one_connection_too_many_is_told_so() {
    let world = World::start(Limits::default());
    let seats: Vec<_> = (0..Limits::default().connections_of_user)
        .map(|_| raw(world.path()))
        .collect();
    let client = world.client();
    let reply = client
        .send(Method::GET, "/v1/long", None, None, false)
        .unwrap();
    assert_eq!(reply.status, 503);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["error"], "too many connections are open");
    let body = json!("x".repeat(60_000));
    let reply = client
        .send(Method::POST, "/v1/long", Some(&body), None, false)
        .unwrap();
    assert_eq!(reply.status, 503, "also to one who has much to say");
    drop(seats);
    wait_for("a seat", || {
        let reply = client.send(Method::GET, "/v1/long", None, None, false);
        reply.unwrap().status == 200
    });
    wait_for("word of it", || {
        refused(&client).contains(&json!(["-", "", 503]))
    });
}
