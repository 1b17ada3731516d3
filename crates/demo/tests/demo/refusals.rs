//! Requests that are refused: the status, the parameter, and what the message says.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::running::Running;

/// Checks the form of problem details.
#[track_caller]
fn check(answer: &Answer, status: u16, parameter: Option<&str>, needles: &[&str]) {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!(answer.status, status, "{problem}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["parameter"].as_str(), parameter, "{problem}");
    assert!(!problem["hint"].as_str().unwrap().is_empty());
    for needle in needles {
        assert!(problem["detail"].as_str().unwrap().contains(needle), "{needle}: {problem}");
    }
}

#[test]
fn values_that_are_not_accepted_are_named() {
    let running = Running::start();
    let mut client = Client::new(running.address);
    let long = json!({"captions": ["é".repeat(501)], "seeds": [0]}).to_string();
    let many = json!({"captions": ["a"], "seeds": vec![0; 17]}).to_string();
    let cases: [(&str, Option<&str>, &[&str]); 22] = [
        ("", None, &["not JSON"]),
        ("{", None, &["not JSON", "line 1"]),
        (" []", None, &["a list, expected an object"]),
        (r#"{"captions": ["a"], "seeds": [0]} x"#, None, &["not JSON", "trailing"]),
        (r#"{"captions": ["a"], "seeds": [NaN]}"#, None, &["not JSON"]),
        (r#"{"captions": ["a"], "seeds": [0], "truncation": 1e999}"#, None, &["not JSON", "out of range"]),
        (r#"{"captions": ["a"]}"#, None, &["missing field `seeds`"]),
        (r#"{"captions": "a", "seeds": [0]}"#, Some("captions"), &["expected a sequence"]),
        (r#"{"captions": [7], "seeds": [0]}"#, Some("captions[0]"), &["expected a string"]),
        (r#"{"captions": [], "seeds": [0]}"#, Some("captions"), &["0 values", "1 to 2"]),
        (r#"{"captions": ["a", "b", "c"], "seeds": [0]}"#, Some("captions"), &["3 values", "1 to 2"]),
        (&long, Some("captions[0]"), &["501 characters", "at most 500"]),
        (r#"{"captions": ["a", "a\u0000b"], "seeds": [0]}"#, Some("captions[1]"), &["U+0000", "one line"]),
        (r#"{"captions": ["a\nb"], "seeds": [0]}"#, Some("captions[0]"), &["U+000A"]),
        (r#"{"captions": ["a"], "seeds": [-1]}"#, Some("seeds[0]"), &["-1"]),
        (r#"{"captions": ["a"], "seeds": [1.5]}"#, Some("seeds[0]"), &["1.5"]),
        (
            r#"{"captions": ["a"], "seeds": [0, 9007199254740992]}"#,
            Some("seeds[1]"),
            &["0 to 9007199254740991"],
        ),
        (&many, Some("seeds"), &["17 values", "1 to 16"]),
        (r#"{"captions": ["a"], "seeds": [0], "truncation": 1.1}"#, Some("truncation"), &["1.1", "0 to 1"]),
        (r#"{"captions": ["a"], "seeds": [0], "guidance": -0.5}"#, Some("guidance"), &["-0.5", "0 to 20"]),
        (r#"{"captions": ["a"], "seeds": [0], "guidance": "1"}"#, Some("guidance"), &["expected f64"]),
        (r#"{"captions": ["a"], "seeds": [0], "colour": 1}"#, Some("colour"), &["unknown field `colour`"]),
    ];
    for (body, parameter, needles) in cases {
        let answer = client.post("/api/v1/faces", body);
        check(&answer, 400, parameter, needles);
    }
    let walk = r#"{"from": "a", "to": "b", "seed": 0, "frames": 49}"#;
    check(&client.post("/api/v1/walk", walk), 400, Some("frames"), &["49", "a whole number from 2 to 48"]);
    for (query, parameter, needle) in [
        ("", None, "missing field `caption`"),
        ("?caption=a", None, "missing field `seed`"),
        ("?caption=a&seed=x", Some("seed"), "invalid float"),
        ("?caption=a&seed=-1", Some("seed"), "-1, expected a whole number"),
        ("?caption=a&seed=99999999999999999999", Some("seed"), "0 to 9007199254740991"),
        ("?caption=a&seed=0&truncation=NaN", Some("truncation"), "NaN, expected 0 to 1"),
        ("?caption=a&seed=0&guidance=inf", Some("guidance"), "inf, expected 0 to 20"),
        ("?caption=a%0Ab&seed=0", Some("caption"), "U+000A"),
        ("?caption=a&seed=0&colour=1", Some("colour"), "unknown field"),
    ] {
        check(&client.get(&format!("/api/v1/face.png{query}")), 400, parameter, &[needle]);
    }
    assert_eq!(client.get("/api/v1/status").json()["images"], 0, "nothing was generated");
}

#[test]
fn bodies_of_another_type_or_size_are_refused() {
    let running = Running::start();
    let post = |headers: &str, body: &[u8]| {
        let mut client = Client::new(running.address);
        client.request("POST /api/v1/faces", headers, body);
        client.answer().unwrap()
    };
    check(&post("", b"{}"), 415, None, &["application/json"]);
    check(&post("Content-Type: text/plain\r\n", b"{}"), 415, None, &["text/plain"]);
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    check(&post(json, &[b' '; 16 << 10]), 400, None, &["not JSON"]);
    check(&post(json, &[b' '; (16 << 10) + 1]), 413, None, &["16384 bytes"]);
    check(&post(json, b"{\"captions\": [\"\xff\"]}"), 400, None, &["not JSON"]);
}

#[test]
fn other_addresses_and_methods_are_refused() {
    let running = Running::start();
    let mut client = Client::new(running.address);
    check(&client.get("/api/v1/nothing"), 404, None, &["nothing at this address"]);
    check(&client.get("/page/../../Cargo.toml"), 404, None, &[]);
    let get = client.get("/api/v1/faces");
    check(&get, 405, None, &["method"]);
    assert_eq!(get.header("allow"), "POST");
    client.request("DELETE /api/v1/model", "", b"");
    let delete = client.answer().unwrap();
    check(&delete, 405, None, &[]);
    assert!(delete.header("allow").contains("GET"), "{}", delete.header("allow"));
}

#[test]
fn requests_of_other_sites_are_refused() {
    let running = Running::start();
    let port = running.address.port();
    let answer = |text: String| {
        let mut client = Client::new(running.address);
        client.send(text.as_bytes());
        client.answer().unwrap()
    };
    let with = |headers: &str| answer(format!("GET /api/v1/model HTTP/1.1\r\n{headers}\r\n"));
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        assert_eq!(with(&format!("Host: {host}:{port}\r\n")).status, 200, "{host}");
    }
    for host in
        ["evil.example".into(), format!("evil.example:{port}"), "localhost".into(), "localhost:1".into()]
    {
        check(&with(&format!("Host: {host}\r\n")), 421, None, &["`Host`", "localhost:"]);
    }
    check(&with(""), 421, None, &["`Host`"]);
    check(&with(&format!("Host: localhost:{port}\r\nHost: evil.example\r\n")), 421, None, &["`Host`"]);
    let absolute = format!("GET http://evil.example/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    check(&answer(absolute), 421, None, &["`Host`"]);
    let own = format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n");
    let found = with(&own);
    assert_eq!(found.status, 200);
    assert_eq!(found.header("access-control-allow-origin"), "");
    for origin in ["null".into(), "https://evil.example".into(), format!("http://evil.example:{port}")] {
        check(&with(&format!("Host: localhost:{port}\r\nOrigin: {origin}\r\n")), 403, None, &["`Origin`"]);
    }
}
