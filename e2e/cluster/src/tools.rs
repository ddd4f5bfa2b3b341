use crate::command::output;
use crate::debian;
use crate::paths::{self, Paths};
use crate::progress::Progress;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tools that are needed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The API server and its controllers, kubelet, kube-proxy, etcd, `CoreDNS`, kubectl, helm.
    Kubernetes,
    /// Helm alone.
    Helm,
    /// The unmodified sidecar.
    Daprd,
    /// Dapr's own control plane, to measure against; the files are `original/NAME`.
    Originals,
    /// Dapr's integration suite as one test binary, `dapr-integration`, and the sidecar with every
    /// component, `original/daprd`.
    Suite,
    /// The `dapr` command.
    Cli,
}

/// A program to build from a module below `e2e/tools`.
struct Tool {
    /// File name below the cache's `bin`.
    name: &'static str,
    module: &'static str,
    package: &'static str,
    flags: &'static [&'static str],
}

/// Without a version the API server reports none, and kubectl refuses to parse that.
const KUBERNETES: [&str; 1] =
    ["-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3"];
const PLAIN: [&str; 1] = ["-ldflags=-s -w"];
/// The released binaries carry their version; sidecars report it.
const DAPR: [&str; 1] = ["-ldflags=-s -w \
    -X github.com/dapr/dapr/pkg/buildinfo.version=1.18.2 \
    -X github.com/dapr/kit/logger.DaprVersion=1.18.2"];
const DAPRD: [&str; 2] = ["-tags=stablecomponents", DAPR[0]];
/// As released: cases of the suite load components that no application here needs.
const DAPRD_RELEASED: [&str; 2] = ["-tags=allcomponents", DAPR[0]];
const SUITE: [&str; 2] = ["-c", "-tags=integration"];
const CLI: [&str; 1] = ["-ldflags=-s -w -X main.version=1.16.5"];

impl Group {
    fn tools(self) -> Vec<Tool> {
        match self {
            Self::Kubernetes => kubernetes(),
            Self::Helm => vec![helm()],
            Self::Daprd => {
                vec![Tool {
                    flags: &DAPRD,
                    ..dapr("daprd", "github.com/dapr/dapr/cmd/daprd")
                }]
            }
            Self::Originals => vec![
                dapr("original/operator", "github.com/dapr/dapr/cmd/operator"),
                dapr("original/sentry", "github.com/dapr/dapr/cmd/sentry"),
                dapr("original/placement", "github.com/dapr/dapr/cmd/placement"),
                dapr("original/injector", "github.com/dapr/dapr/cmd/injector"),
                dapr("original/scheduler", "github.com/dapr/dapr/cmd/scheduler"),
            ],
            Self::Suite => {
                let suite = dapr("dapr-integration", "github.com/dapr/dapr/tests/integration");
                let daprd = dapr("original/daprd", "github.com/dapr/dapr/cmd/daprd");
                vec![
                    Tool {
                        flags: &SUITE,
                        ..suite
                    },
                    Tool {
                        flags: &DAPRD_RELEASED,
                        ..daprd
                    },
                ]
            }
            Self::Cli => vec![Tool {
                name: "dapr",
                module: "cli",
                package: "github.com/dapr/cli",
                flags: &CLI,
            }],
        }
    }
}

fn part(name: &'static str, package: &'static str, flags: &'static [&'static str]) -> Tool {
    Tool {
        name,
        module: "kubernetes",
        package,
        flags,
    }
}

fn helm() -> Tool {
    part("helm", "helm.sh/helm/v4/cmd/helm", &PLAIN)
}

fn kubernetes() -> Vec<Tool> {
    vec![
        part(
            "kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            &KUBERNETES,
        ),
        part(
            "kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            &KUBERNETES,
        ),
        part(
            "kube-scheduler",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            &KUBERNETES,
        ),
        part("kubelet", "k8s.io/kubernetes/cmd/kubelet", &KUBERNETES),
        part(
            "kube-proxy",
            "k8s.io/kubernetes/cmd/kube-proxy",
            &KUBERNETES,
        ),
        part("kubectl", "k8s.io/kubernetes/cmd/kubectl", &KUBERNETES),
        part("etcd", "go.etcd.io/etcd/server/v3", &PLAIN),
        part("coredns", "github.com/coredns/coredns", &PLAIN),
        helm(),
    ]
}

fn dapr(name: &'static str, package: &'static str) -> Tool {
    Tool {
        name,
        module: "dapr",
        package,
        flags: &DAPR,
    }
}

/// The built programs.
#[derive(Clone, Debug)]
pub struct Tools {
    paths: Paths,
}

impl Tools {
    /// Builds what is missing or was built from other sums or flags, one after the other: each
    /// build takes every core by itself.
    ///
    /// # Errors
    /// When a Debian package, Go or a module can't be had.
    pub fn ensure(workspace: &Path, groups: &[Group], progress: Progress) -> Result<Self> {
        let paths = Paths::new(workspace)?;
        if groups.contains(&Group::Kubernetes) {
            debian::ensure(progress)?;
        }
        for tool in groups.iter().flat_map(|group| group.tools()) {
            tool.ensure(&paths, progress)?;
        }
        Ok(Self { paths })
    }

    /// The path of a program, such as `kubectl` or `original/operator`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.paths.bin().join(name)
    }

    /// What a group's programs are built from, as one word.
    pub(crate) fn stamp(&self, group: Group) -> Result<String> {
        let stamps: Result<Vec<String>> = group
            .tools()
            .iter()
            .map(|tool| tool.stamp(&self.paths))
            .collect();
        Ok(format!("{:x}", Sha256::digest(stamps?.concat())))
    }
}

impl Tool {
    fn ensure(&self, paths: &Paths, progress: Progress) -> Result<()> {
        let (file, stamp) = (paths.bin().join(self.name), self.stamp_file(paths));
        let wanted = self.stamp(paths)?;
        if file.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        progress.step(&format!("build {}", self.name), || self.build(paths, &file))?;
        paths::write(&stamp, wanted)
    }

    fn build(&self, paths: &Paths, file: &Path) -> Result<()> {
        let mut go = Command::new(go()?);
        go.current_dir(self.folder(paths))
            .env("CGO_ENABLED", "0")
            .env_remove("GOFLAGS");
        go.arg(if self.flags.contains(&"-c") {
            "test"
        } else {
            "build"
        });
        go.args(self.flags)
            .args(["-trimpath", "-buildvcs=false", "-o"]);
        output(go.arg(file).arg(self.package)).with_context(|| format!("build {}", self.name))?;
        Ok(())
    }

    fn folder(&self, paths: &Paths) -> PathBuf {
        paths.source("e2e/tools").join(self.module)
    }

    fn stamp_file(&self, paths: &Paths) -> PathBuf {
        paths.bin().join(".stamps").join(self.name)
    }

    /// Whatever decides what is built: the sums of the whole graph, the package and the flags.
    fn stamp(&self, paths: &Paths) -> Result<String> {
        let mut hash = Sha256::new();
        for name in ["go.mod", "go.sum"] {
            let file = self.folder(paths).join(name);
            hash.update(fs::read(&file).with_context(|| format!("read {}", file.display()))?);
        }
        hash.update(self.package);
        hash.update(self.flags.join(" "));
        Ok(format!("{:x}", hash.finalize()))
    }
}

/// Where Go is: on the path, or where its own installer puts it.
fn go() -> Result<&'static str> {
    ["go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go"]
        .into_iter()
        .find(|go| output(Command::new(go).arg("version")).is_ok())
        .context(
            "Go is needed to build the cluster's parts and was not found: \
             install Go 1.26 or newer and put it on the PATH",
        )
}
