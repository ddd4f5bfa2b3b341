//! `operator shared-instance`: the `SharedInstance` for a values file of Dapr Shared's chart.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use operator_core::shared::values::{ValuesError, convert};
use serde_json::Value;

/// Print the `SharedInstance` for a values file of Dapr Shared's chart; what has no place in it is
/// told on standard error
#[derive(clap::Args, Clone, Debug)]
pub struct Convert {
    /// The values file; - for standard input
    #[arg(short = 'f', long)]
    filename: PathBuf,
    /// Namespace of the `SharedInstance`
    #[arg(short, long)]
    namespace: Option<String>,
}

/// Why there is no `SharedInstance`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The values can't be read, or the result not be written.
    #[error("{} could not be read, or the result not be written", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The values are no YAML.
    #[error("the values could not be read")]
    Yaml(#[from] config::yaml::YamlError),
    /// The values make no `SharedInstance`.
    #[error(transparent)]
    Values(#[from] ValuesError),
}

/// Converts, and says how it went.
pub fn run(wanted: &Convert) -> ExitCode {
    let output = |text: &str| io::stdout().write_all(text.as_bytes());
    match written(wanted, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {}", chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn written(
    wanted: &Convert,
    mut output: impl FnMut(&str) -> io::Result<()>,
) -> Result<(), ConvertError> {
    let failed = |error| ConvertError::Io(wanted.filename.clone(), error);
    let values: Value = config::yaml::from_str(&read(&wanted.filename).map_err(failed)?)?;
    let (instance, remarks) = convert(values, wanted.namespace.as_deref())?;
    for remark in remarks {
        complain(&format!("warning: {}: {}", remark.key, remark.text));
    }
    output(&config::yaml::to_string(&instance)?).map_err(failed)
}

fn read(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(path)
}

/// Nobody can be told of an error on standard error.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn chain(error: &ConvertError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert_file(text: &str) -> Result<String, ConvertError> {
        let folder = std::env::temp_dir().join(format!("values-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let filename = folder.join(format!("{}.yaml", text.len()));
        fs::write(&filename, text).unwrap();
        let wanted = Convert {
            filename,
            namespace: Some("bank".to_owned()),
        };
        let mut printed = String::new();
        written(&wanted, |text| {
            printed.push_str(text);
            Ok(())
        })?;
        Ok(printed)
    }

    #[test]
    fn prints_what_can_be_applied() {
        let printed = convert_file("shared:\n  appId: till\n  strategy: deployment\n").unwrap();
        let object: Value = config::yaml::from_str(&printed).unwrap();
        assert_eq!(object["apiVersion"], "trilby.dev/v1alpha1");
        assert_eq!(object["metadata"]["namespace"], "bank");
        assert_eq!(object["spec"]["replicas"], 1);
    }

    #[test]
    fn says_what_is_wrong_once() {
        let error = convert_file("shared:\n  appID: till\n").unwrap_err();
        assert!(
            chain(&error).contains("dapr.io/app-id is missing"),
            "{error}"
        );
        let error = convert_file("a: [\n").unwrap_err();
        assert!(matches!(error, ConvertError::Yaml(_)), "{error}");
    }
}
