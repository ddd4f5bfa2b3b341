//! Servers of the Model Context Protocol.

use serde_json::Value;

use super::{Problems, is_http_url};

pub(super) fn check(spec: &Value, found: &mut Problems) {
    let tolerated = spec["ignoreErrors"].as_bool().unwrap_or(false);
    let mut report = |field: String, text: String| {
        if tolerated {
            found.partial(field, text);
        } else {
            found.fatal(field, text);
        }
    };
    let endpoint = &spec["endpoint"];
    if endpoint["stdio"].is_object() {
        let text = "sidecars start no commands in Kubernetes; use streamableHTTP or sse";
        report("spec.endpoint.stdio".to_owned(), text.to_owned());
    }
    for transport in ["streamableHTTP", "sse"] {
        let url = endpoint[transport]["url"].as_str();
        if let Some(url) = url.filter(|url| !is_http_url(url)) {
            let text = format!("{url:?} is no URL with http or https, and a host");
            report(format!("spec.endpoint.{transport}.url"), text);
        }
    }
    for transport in ["streamableHTTP", "sse"] {
        let field = format!("spec.endpoint.{transport}.timeout");
        found.duration(field, &endpoint[transport]["timeout"], "so it is not used");
    }
}
