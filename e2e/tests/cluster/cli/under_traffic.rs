//! What the command does to a control plane, while everybody calls everybody.

use std::process::Command;

use cluster::{output, until};
use e2e::{
    Apps, CONTROL_PLANE, Install, NAMESPACE,
    steps::{pod, roots},
};

use super::{Dapr, HEEDED, repository::ORIGINAL, secret};
use crate::{
    late::found,
    live_switch::{
        releases::{Releases, originals},
        traffic::during,
    },
    stage::stage,
};

/// The command installs a dashboard of its own unless it finds this role of one.
const DASHBOARD: &str = "dapr-dashboard";

/// Three times another authority by the command, then a release of Helm that has forgotten all
/// about it; meanwhile everybody calls everybody.
#[test]
fn the_command_upgrades_and_renews_under_traffic() {
    stage(|install, apps| {
        let dapr = Dapr::new(install);
        let names = ["front".to_owned(), "back".to_owned()];
        let pods = names.clone().map(|name| pod(apps.kube, &name).unwrap());
        let first = roots(install.kube).unwrap();
        during(apps, &names, || {
            dapr.say(&format!("upgrade -k {}", dapr.values()))
        });
        dapr.healthy("1");
        assert!(dapr.say("mtls -k").contains("enabled"));
        ec_key(&dapr.folder.path().join("root.key"));
        for line in [
            "mtls renew-certificate -k --valid-until 30",
            "mtls renew-certificate -k --private-key root.key --valid-until 60 --restart",
        ] {
            let before = secret(install, "issuer.key");
            during(apps, &names, || {
                dapr.say(line);
                until("another authority signs", HEEDED, || {
                    Ok((secret(install, "issuer.key") != before).then_some(()))
                })
                .unwrap();
                install.ready().unwrap();
            });
        }
        given_files(&dapr, apps, &names);
        during(apps, &names, || by_helm(install));
        let root = first.split_inclusive("-----END CERTIFICATE-----").next();
        let root = root.unwrap().trim();
        assert!(
            roots(install.kube).unwrap().contains(root),
            "a sidecar's root is gone"
        );
        let now = names.clone().map(|name| pod(apps.kube, &name).unwrap());
        assert_eq!(now, pods, "a pod was replaced");
    });
}

/// A release of Helm without the certificates that the command gave to the one before empties the
/// Secret, and sentry fills it again.
fn by_helm(install: &Install<'_>) {
    let kept = secret(install, "issuer.key");
    install.up().unwrap();
    until("the authority is back", HEEDED, || {
        Ok((secret(install, "issuer.key") == kept).then_some(()))
    })
    .unwrap();
}

/// The third form takes files; those that it exported itself will do.
fn given_files(dapr: &Dapr<'_>, apps: &Apps<'_>, names: &[String]) {
    dapr.say("mtls export -o again");
    let line = "mtls renew-certificate -k --ca-root-certificate again/ca.crt \
                --issuer-private-key again/issuer.key --issuer-public-certificate again/issuer.crt";
    during(apps, names, || dapr.say(line));
    let refused = dapr.try_say("mtls renew-certificate -k --ca-root-certificate again/ca.crt");
    assert!(refused.is_err());
}

fn ec_key(file: &std::path::Path) {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
    ]);
    output(openssl.arg(file)).unwrap();
}

/// From the original to ours and back by the command, which forgets all values; and somebody puts
/// the stock definitions back meanwhile.
#[test]
fn the_command_switches_from_the_original_and_back() {
    stage(|install, apps| {
        let dapr = Dapr::new(install);
        let releases = Releases::prepare(install, false);
        releases.begin_with_the_original(apps);
        let names = ["front".to_owned(), "back".to_owned()];
        for name in &names {
            found(apps, &names, name);
        }
        let (pods, root) = (
            names.clone().map(|name| pod(apps.kube, &name).unwrap()),
            releases.root(),
        );
        during(apps, &names, || {
            dapr.say(&format!("upgrade -k {}", dapr.values()));
            install.ready().unwrap();
            dapr.healthy("1");
            stock_definitions(install, &releases);
        });
        let images: Vec<String> = originals()
            .iter()
            .map(|value| format!("--set {value}"))
            .collect();
        let daprd = &install.images.daprd;
        let back = format!(
            "upgrade -k --runtime-version {ORIGINAL} --set global.scheduler.enabled=false \
             --set dapr_sidecar_injector.image.name={daprd} {}",
            images.join(" ")
        );
        during(apps, &names, || dapr.say(&back));
        assert!(releases.roots().contains(&root), "the root is gone");
        let now = names.clone().map(|name| pod(apps.kube, &name).unwrap());
        assert_eq!(now, pods, "a pod was replaced");
        // The original's sentry would not fill the Secret again, but make another root.
        dapr.say(&format!("upgrade -k {}", dapr.values()));
        by_helm(install);
    });
}

/// They have no CA bundle and name a namespace that there is not; the operator puts both right.
fn stock_definitions(install: &Install<'_>, releases: &Releases<'_>) {
    let sample = install.workspace.join("config/samples/subscription.yaml");
    let sample = ["--filename", sample.to_str().unwrap()];
    let run = |words: &[&str]| install.kube.run(words).unwrap();
    run(&[&["apply", "--namespace", "default"], &sample[..]].concat());
    let folder = releases.original.join("crds").display().to_string();
    run(&[
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename",
        &folder,
    ]);
    until("Subscriptions can be read in both versions", HEEDED, || {
        let read = |version| {
            let kind = format!("subscriptions.{version}.dapr.io");
            install.kube.run(&["get", &kind, "--namespace", "default"])
        };
        Ok((read("v1alpha1").is_ok() && read("v2alpha1").is_ok()).then_some(()))
    })
    .unwrap();
    run(&[&["delete", "--namespace", "default"], &sample[..]].concat());
}

/// The applications run on while their control plane is removed and comes back.
#[test]
fn the_command_uninstalls_and_installs() {
    stage(|install, apps| {
        let dapr = Dapr::new(install);
        let names = ["front".to_owned(), "back".to_owned()];
        let before = roots(install.kube).unwrap();
        assert!(!before.is_empty(), "there is no bundle to keep");
        assert!(dapr.say("uninstall -k").contains("successfully"));
        nothing_is_left_in_the_way(install);
        assert_eq!(roots(install.kube).unwrap(), before, "the bundle stays");
        let role = ["create", "clusterrole", DASHBOARD, "--verb=get"];
        let role = [&role[..], &["--resource=configmaps"]].concat();
        install.kube.run(&role).unwrap();
        dapr.say(&format!("init -k --wait {}", dapr.values()));
        let words = ["delete", "clusterrole", DASHBOARD];
        install.kube.run(&words).unwrap();
        install.ready().unwrap();
        dapr.healthy("1");
        assert!(
            roots(install.kube).unwrap().contains(before.trim()),
            "another root"
        );
        during(apps, &names, || ());
    });
}

/// No webhook that nobody serves, no resource gone, no namespace that hangs.
fn nothing_is_left_in_the_way(install: &Install<'_>) {
    for kind in [
        "mutatingwebhookconfiguration/dapr-sidecar-injector",
        "validatingwebhookconfiguration/dapr-resource-validation",
    ] {
        let words = ["get", kind, "--ignore-not-found"];
        assert_eq!(install.kube.run(&words).unwrap().trim(), "");
    }
    let words = ["get", "components.dapr.io", "--namespace", NAMESPACE];
    assert!(install.kube.run(&words).unwrap().contains("statestore"));
    until("the pods are gone", HEEDED, || {
        let words = ["get", "pods", "--namespace", CONTROL_PLANE];
        Ok(install.kube.run(&words)?.trim().is_empty().then_some(()))
    })
    .unwrap();
}
