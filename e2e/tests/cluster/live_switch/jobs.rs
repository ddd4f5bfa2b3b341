//! Jobs and reminders go on, with the scheduler of Dapr in either release.

use cluster::until;
use e2e::{Apps, steps::pod};

use super::{
    disks::Disks,
    releases::{Maker, Releases},
};
use crate::{
    scheduler::{SOON, post},
    stage::stage,
};

const JOB: &str = "/v1.0-alpha1/jobs/steady";
const REMINDER: &str = "/v1.0/actors/counter/reminded/reminders/steady";
/// How each of them is told, and to which application.
const TOLD: [(&str, &str); 2] = [
    ("front", r#""job":"steady""#),
    ("back", r#""reminder":"steady""#),
];
/// More than can have been under way before.
const SEVERAL: usize = 5;

#[test]
fn jobs_and_reminders_go_on_to_ours_and_back() {
    stage(|install, apps| {
        let releases = Releases::prepare(install, false).with_scheduler();
        let disks = Disks::make(install);
        releases.begin_with_the_original(apps);
        let job = r#"{"schedule": "@every 1s", "data": {"a": "b"}}"#;
        post(apps, "front", JOB, job);
        post(
            apps,
            "back",
            REMINDER,
            r#"{"dueTime": "1s", "period": "1s"}"#,
        );
        go_on(apps);
        for maker in [Maker::Ours, Maker::Original, Maker::Ours] {
            releases.switch(maker);
            go_on(apps);
        }
        apps.down().unwrap();
        install.down().unwrap();
        disks.remove();
    });
}

fn go_on(apps: &Apps<'_>) {
    for (app, what) in TOLD {
        let before = times(apps, app, what);
        until(&format!("{app} is told {what} again"), SOON, || {
            Ok((times(apps, app, what) >= before + SEVERAL).then_some(()))
        })
        .unwrap();
    }
}

fn times(apps: &Apps<'_>, app: &str, what: &str) -> usize {
    let pod = pod(apps.kube, app).unwrap();
    let received = apps.kube.call(&pod, "received", None).unwrap();
    received.matches(what).count()
}
