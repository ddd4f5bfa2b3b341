//! Whoever is told something finds it in `docs/troubleshooting.md`.

use std::fs;

use crate::{renderings::templates, workspace};

/// Where what keeps a service from its work, or a pod from its sidecar, is put into words.
const TELLERS: [&str; 14] = [
    "identity/src/anchors.rs",
    "identity/src/provider.rs",
    "injector/core/src/app_id.rs",
    "injector/core/src/triage.rs",
    "injector/src/start.rs",
    "operator/src/start.rs",
    "process/src/kubernetes/client.rs",
    "process/src/kubernetes/lease.rs",
    "process/src/log.rs",
    "process/src/root.rs",
    "sentry/src/authority.rs",
    "sentry/src/start.rs",
    "sentry/src/store/mod.rs",
    "injector/core/src/environment.rs",
];

fn text(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap()
}

#[test]
fn every_message_of_a_service_has_an_entry() {
    let doc = text("docs/troubleshooting.md");
    for file in TELLERS {
        let code = text(file);
        let messages = code.split("#[error(").skip(1);
        let messages = messages.filter_map(|rest| literal(rest.trim_start()));
        for message in messages {
            has_entry(&doc, &message, file);
        }
    }
}

#[test]
fn every_refusal_of_the_chart_has_an_entry() {
    let doc = text("docs/troubleshooting.md");
    for file in templates(&workspace().join("charts/dapr")) {
        let code = fs::read_to_string(&file).unwrap();
        for rest in code.split("{{- fail ").skip(1) {
            let message = literal(rest.trim_start_matches("(printf ")).unwrap();
            // What is before the first thing that changes says which value it is about.
            let fixed = message.split('%').next().unwrap_or_default().trim();
            assert!(doc.contains(fixed), "{}: {fixed}", file.display());
        }
    }
}

/// The literal that begins here, its line ends joined.
fn literal(text: &str) -> Option<String> {
    let text = text.strip_prefix('"')?;
    let (mut message, mut characters) = (String::new(), text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some(message),
            '\\' => match characters.next()? {
                '\n' => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                other => message.push(other),
            },
            other => message.push(other),
        }
    }
    None
}

/// Of the parts of it that never change, the document has the first or the longest: by one of
/// them people look for it.
fn has_entry(doc: &str, message: &str, file: &str) {
    let parts: Vec<&str> = message.split(['{', '}']).step_by(2).collect();
    let longest = parts.iter().max_by_key(|part| part.len());
    let first = parts.iter().find(|part| part.len() > 20);
    let mut known = longest.into_iter().chain(first);
    assert!(
        known.any(|part| doc.contains(part.trim())),
        "{file}: {message}"
    );
}
