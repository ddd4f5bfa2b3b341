//! `docs/values.md` is written from the chart's `values.yaml`.

use std::fs;

use crate::workspace;

const HEAD: &str = "# Values of the chart\n\n\
Written from [values.yaml](../charts/dapr/values.yaml) by a test; [the chart's README](../charts/dapr/README.md) says what differs from \
Dapr's chart. A remark holds for the values below it, too.\n";

/// `UPDATE_GENERATED=1` writes it anew.
#[test]
fn the_list_of_values_is_what_the_chart_has() {
    let values = fs::read_to_string(workspace().join("charts/dapr/values.yaml")).unwrap();
    let (file, wanted) = (workspace().join("docs/values.md"), list(&values));
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    assert!(fs::read_to_string(file).unwrap() == wanted, "it is stale");
}

/// A table for each part of the file: path, default, and the remark above it.
fn list(values: &str) -> String {
    let (mut text, mut path, mut remark) = (HEAD.to_owned(), Vec::new(), Vec::new());
    let mut lines = values.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if let Some(said) = trimmed.strip_prefix("# ") {
            remark.push(said.to_owned());
            continue;
        }
        let Some((name, mut default)) = pair(trimmed) else {
            remark.clear();
            continue;
        };
        path.truncate((line.len() - trimmed.len()) / 2);
        path.push(name.to_owned());
        if default == ">-" {
            default = lines.next().unwrap_or_default().trim();
        }
        let said = remark.join(" ");
        remark.clear();
        if path.len() == 1 {
            text.extend(["\n## ", name, "\n\n", &intro(&said)]);
            text.push_str("| Value | Default | |\n|---|---|---|\n");
        } else if !default.is_empty() || !said.is_empty() {
            text += &row(&path.join("."), default, &said);
        }
    }
    text
}

fn intro(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!("{said}\n\n")
    }
}

fn row(path: &str, default: &str, said: &str) -> String {
    let default = match default {
        "" => String::new(),
        some => format!("`{}`", some.replace('|', "\\|")),
    };
    format!("| `{path}` | {default} | {} |\n", said.replace('|', "\\|"))
}

/// A name and what stands behind it.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && !name.contains([' ', '"', '{']);
    is_name.then(|| (name, value.trim()))
}
