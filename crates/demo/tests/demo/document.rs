//! The OpenAPI document: every route, every reference, and the limits.

use serde_json::Value;

use crate::client::Client;
use crate::running::Running;

/// Calls `see` with every object of a JSON value.
fn visit(value: &Value, see: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(object);
            object.values().for_each(|value| visit(value, see));
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, see)),
        _ => {}
    }
}

#[test]
fn the_document_names_every_route() {
    let running = Running::start();
    let mut client = Client::new(running.address);
    let document = client.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"].as_str().unwrap().get(..3), Some("3.1"));
    let paths = document["paths"].as_object().unwrap();
    let named: Vec<&str> = paths.keys().map(String::as_str).collect();
    let routes = [
        "face.png",
        "faces",
        "model",
        "openapi.json",
        "status",
        "understanding",
        "walk",
        "walk.gif",
        "walk.png",
    ];
    assert_eq!(named, routes.map(|name| format!("/api/v1/{name}")));
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let body: &[u8] = if method == "post" { b"{}" } else { b"" };
            client.request(
                &format!("{} {path}", method.to_uppercase()),
                "Content-Type: application/json\r\n",
                body,
            );
            let answer = client.answer().unwrap();
            let documented = &document["paths"][path][method]["responses"][answer.status.to_string()];
            assert!(documented.is_object(), "{method} {path} answers {}", answer.status);
            let kind = answer.header("content-type");
            assert!(documented["content"][kind].is_object(), "{method} {path} answers {kind}");
        }
    }
}

#[test]
fn references_lead_to_schemas_and_limits_are_stated() {
    let running = Running::start();
    let document = Client::new(running.address).get("/api/v1/openapi.json").json();
    let mut references = 0;
    visit(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
            references += 1;
        }
    });
    assert!(references > 20, "{references}");
    let request = &document["components"]["schemas"]["FacesRequest"]["properties"];
    let captions = &request["captions"];
    assert_eq!((captions["minItems"].as_u64(), captions["maxItems"].as_u64()), (Some(1), Some(2)));
    assert_eq!(captions["items"]["maxLength"], 500);
    assert_eq!(request["seeds"]["items"]["maximum"], 9_007_199_254_740_991u64);
    assert_eq!(request["truncation"]["maximum"].as_f64(), Some(1.0));
    assert_eq!(
        document["components"]["schemas"]["FacesRequest"]["required"],
        serde_json::json!(["captions", "seeds"])
    );
}
