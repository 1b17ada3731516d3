//! Limits of time, of connections and of the queue.

use std::time::{Duration, Instant};

use t2f_demo::Limits;

use crate::client::Client;
use crate::running::Running;

const FACE: &str = r#"{"captions": ["a man"], "seeds": [0]}"#;
const SHORT: Duration = Duration::from_millis(300);

/// Waits until the status has a number of requests for the model.
fn wait_for_requests(running: &Running, wanted: u64) {
    let begin = Instant::now();
    let mut client = Client::new(running.address);
    loop {
        let found = client.get("/api/v1/status").json()["requests"].as_u64().unwrap();
        if found == wanted {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{found} requests, expected {wanted}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn slow_headers_idle_connections_and_slow_bodies_end() {
    let limits = Limits { header_time: SHORT, body_time: SHORT, ..Limits::default() };
    let running = Running::with(limits);
    let begin = Instant::now();
    let mut slow = Client::new(running.address);
    slow.send(b"GET / HTTP/1.1\r\nHost: ");
    slow.wait_for_end();
    let silent = Client::new(running.address);
    silent.wait_for_end();
    let mut idle = Client::new(running.address);
    assert_eq!(idle.get("/api/v1/status").status, 200);
    idle.wait_for_end();
    let mut body = Client::new(running.address);
    body.send(b"POST /api/v1/faces HTTP/1.1\r\n");
    body.send(format!("Host: {}\r\nContent-Type: application/json\r\n", running.address).as_bytes());
    body.send(b"Content-Length: 40\r\n\r\n{");
    let answer = body.answer().unwrap();
    assert_eq!(
        (answer.status, answer.json()["detail"].as_str()),
        (408, Some("the body did not arrive within 300ms"))
    );
    let took = begin.elapsed();
    assert!(took >= 4 * SHORT && took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_connection_beyond_the_maximum_is_told_so() {
    let running = Running::with(Limits { connections: 3, ..Limits::default() });
    let mut held: Vec<Client> = (0..3).map(|_| Client::new(running.address)).collect();
    for client in &mut held {
        assert_eq!(client.get("/api/v1/status").status, 200);
    }
    let mut beyond = Client::new(running.address);
    let answer = beyond.get("/api/v1/status");
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.header("connection")),
        (503, "1", "close")
    );
    assert_eq!(answer.json()["detail"], "there are too many connections");
    beyond.wait_for_end();
    drop(held.pop());
    let begin = Instant::now();
    while Client::new(running.address).get("/api/v1/status").status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(30), "a place becomes free");
    }
}

#[test]
fn a_full_queue_refuses_a_request_and_answers_those_in_it() {
    let running = Running::with(Limits { requests: 2, ..Limits::default() });
    running.pause();
    let mut waiting: Vec<Client> = Vec::new();
    for count in 1..=2 {
        let mut client = Client::new(running.address);
        client.send_json("/api/v1/faces", FACE);
        waiting.push(client);
        wait_for_requests(&running, count);
    }
    let answer = Client::new(running.address).post("/api/v1/faces", FACE);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.json()["detail"], "2 requests wait for the model already");
    running.resume();
    for client in &mut waiting {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(Client::new(running.address).post("/api/v1/faces", FACE).status, 200);
}

#[test]
fn a_request_whose_connection_closes_is_not_generated() {
    let running = Running::start();
    running.pause();
    let mut clients: Vec<Client> = Vec::new();
    for count in 1..=4 {
        let mut client = Client::new(running.address);
        client.send_json("/api/v1/faces", FACE);
        clients.push(client);
        wait_for_requests(&running, count);
    }
    // The first, which the worker would take next, and one that waits behind it.
    drop(clients.remove(2));
    drop(clients.remove(0));
    wait_for_requests(&running, 2);
    running.resume();
    for client in &mut clients {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(Client::new(running.address).get("/api/v1/status").json()["images"], 2);
}

#[test]
fn a_stop_answers_the_request_in_work_and_ends_idle_connections() {
    let running = Running::start();
    let mut idle = Client::new(running.address);
    assert_eq!(idle.get("/api/v1/status").status, 200);
    running.pause();
    let mut working = Client::new(running.address);
    working.send_json("/api/v1/faces", FACE);
    wait_for_requests(&running, 1);
    running.ask_to_stop();
    assert_eq!(working.answer().unwrap().status, 200);
    idle.wait_for_end();
    let (address, begin) = (running.address, Instant::now());
    running.stop().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(std::net::TcpStream::connect(address).is_err(), "the port is free again");
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let running = Running::start();
    let error = t2f_demo::Demo::bind(running.address.port(), Limits::default()).unwrap_err().to_string();
    assert!(error.contains(&running.address.to_string()), "{error}");
}
