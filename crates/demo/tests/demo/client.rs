//! A small HTTP client that can also break the rules.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A connection to a demo.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    /// Connects.
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream: BufReader::new(stream), host: address.to_string() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends a request with lines of headers besides `Host`, and with a body.
    pub fn request(&mut self, first: &str, headers: &str, body: &[u8]) {
        let host = &self.host;
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{first} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n");
        self.send(&[head.as_bytes(), body].concat());
    }

    /// The answer to a GET request.
    pub fn get(&mut self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), "", b"");
        self.answer().unwrap()
    }

    /// Sends a POST request with a JSON body.
    pub fn send_json(&mut self, path: &str, body: &str) {
        self.request(&format!("POST {path}"), "Content-Type: application/json\r\n", body.as_bytes());
    }

    /// The answer to a POST request with a JSON body.
    pub fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send_json(path, body);
        self.answer().unwrap()
    }

    /// The next answer; none if the connection is closed before it.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if let Ok(length) = answer.header("content-length").parse() {
            answer.body = vec![0; length];
            self.stream.read_exact(&mut answer.body).ok()?;
        }
        Some(answer)
    }

    /// Waits until the connection is closed.
    pub fn wait_for_end(mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
    }
}
