//! `t2f demo` as a process: its address, a taken port, and a stop by a signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::program::{command, run};

/// Starts the demo of the shipped model and returns its address, `127.0.0.1:PORT`.
fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = command(Path::new("."), &[&["demo", "--device", "cpu"], arguments].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    (child, address)
}

/// Stops the demo with a signal and returns its exit code and what it printed to standard error.
fn stop(mut child: Child, signal: &str) -> (Option<i32>, String) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    (child.wait().unwrap().code(), printed)
}

#[test]
fn the_demo_prints_its_address_answers_and_stops_by_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let (child, address) = start(&["--port", "0"]);
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /api/v1/model HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"shipped model\""), "{answer}");
        let (code, printed) = stop(child, signal);
        assert_eq!(code, Some(0), "{printed}");
        assert_eq!(printed, "press Ctrl-C to stop\n");
    }
}

#[test]
fn a_taken_port_is_named_with_a_free_one() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = run(Path::new("."), &["demo", "--port", &port]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    for needle in [&format!("port {port} is taken"), "\nhint: give a free port, such as `--port "] {
        assert!(ran.err.contains(needle), "{needle}: {}", ran.err);
    }
    // The default port, whether this test takes it or another program has.
    let _default = TcpListener::bind("127.0.0.1:7860");
    let (child, address) = start(&[]);
    assert!(!address.ends_with(":7860"), "{address}");
    let (code, printed) = stop(child, "-INT");
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.starts_with("note: port 7860 is taken by another program; this is port "), "{printed}");
}
