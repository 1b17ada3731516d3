//! The page: its files, its headers, and that it needs no other host.

use crate::client::Client;
use crate::running::Running;

const FILES: [&str; 11] = [
    "/",
    "/page/style.css",
    "/page/icon.svg",
    "/page/main.js",
    "/page/state.js",
    "/page/api.js",
    "/page/dom.js",
    "/page/reading.js",
    "/page/faces.js",
    "/page/compare.js",
    "/page/walk.js",
];

#[test]
fn every_file_of_the_page_is_there_and_none_needs_another_host() {
    let running = Running::start();
    let mut client = Client::new(running.address);
    for path in FILES {
        let answer = client.get(path);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert!(answer.status == 200 && !text.is_empty(), "{path}");
        let kind = answer.header("content-type");
        let wanted = if path.ends_with(".js") { "text/javascript; charset=utf-8" } else { kind };
        assert_eq!(kind, wanted, "{path}");
        let hosts = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!hosts.contains("://") && !hosts.contains("url("), "{path} names another host");
        for name in text.split('"').filter(|name| name.starts_with("/page/") || name.starts_with("./")) {
            let name = name.replace("./", "/page/");
            assert!(FILES.contains(&name.as_str()), "{path} needs {name}");
        }
        client.request(&format!("GET {path}"), &format!("If-None-Match: {}\r\n", answer.header("etag")), b"");
        assert_eq!(client.answer().unwrap().status, 304, "{path}");
    }
}

#[test]
fn nothing_inline_runs_and_every_answer_says_so() {
    let running = Running::start();
    let mut client = Client::new(running.address);
    for path in ["/", "/api/v1/model", "/nothing"] {
        let answer = client.get(path);
        let policy = answer.header("content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    }
    let html = String::from_utf8(client.get("/").body).unwrap();
    for inline in ["style=", "onclick", "<style", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    assert!(html.split("<script").skip(1).all(|rest| rest.contains("src=\"/page/main.js\"></script>")));
}
