use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn entropy(seed: u8) -> [[u8; ENTROPY]; 2] {
    [[seed; ENTROPY], [seed ^ 0xff; ENTROPY]]
}

fn secret(tokens: &Tokens) -> Secret {
    Secret {
        metadata: ObjectMeta {
            annotations: Some([(TIMES.to_owned(), tokens.times())].into()),
            ..ObjectMeta::default()
        },
        data: Some(tokens.data()),
        ..Secret::default()
    }
}

fn value(secret: &Secret, key: &str) -> String {
    text(secret, key).unwrap_or_default()
}

fn step(tokens: &Tokens, seed: u8, now: i64, oldest_pod: Option<i64>) -> Tokens {
    let circumstances = Circumstances {
        now: at(now),
        rotate_after: DAY,
        oldest_pod: oldest_pod.map(at),
    };
    tokens.clone().step(entropy(seed), circumstances)
}

#[test]
fn a_token_is_accepted_before_it_is_given_and_after_it_was() {
    let first = Tokens::new(entropy(1), at(0));
    let (day, spread) = (DAY.as_secs(), SPREAD.as_secs());
    assert_eq!(step(&first, 2, day - 1, None), first);
    let added = step(&first, 2, day, None);
    assert_eq!(added.given(), first.given());
    assert_eq!(added.tokens.len(), 2);
    assert_eq!(step(&added, 3, day + spread - 1, None), added);
    let given = step(&added, 3, day + spread, Some(0));
    assert_ne!(given.given(), first.given());
    let switched = day + spread;
    let known = switched + 2 * spread;
    assert_eq!(step(&given, 4, known - 1, None), given);
    assert_eq!(step(&given, 4, known, Some(switched + spread - 1)), given);
    let dropped = step(&given, 4, known, Some(switched + spread));
    assert_eq!(dropped.tokens.len(), 1);
    assert_eq!(dropped.given(), given.given());
    assert_eq!(dropped.app, first.app);
}

#[test]
fn steps_come_when_they_are_due() {
    let first = Tokens::new(entropy(1), at(0));
    assert_eq!(first.due(DAY), at(DAY.as_secs()));
    let added = step(&first, 2, DAY.as_secs(), None);
    assert_eq!(added.due(DAY), at(DAY.as_secs() + SPREAD.as_secs()));
}

#[test]
fn an_old_pod_bounds_the_list() {
    let mut tokens = Tokens::new(entropy(0), at(0));
    for step_number in 0..100_u8 {
        let now = i64::from(step_number) * DAY.as_secs();
        tokens = step(&tokens, step_number, now, Some(0));
    }
    assert_eq!(tokens.tokens.len(), MOST);
    assert!(tokens.data()[ACCEPTED].0.len() < 1024);
}

#[rstest]
#[case::no_times("")]
#[case::odd_times("soon,-never")]
#[case::few_times("2026-01-01T00:00:00Z")]
fn what_is_accepted_stays_so_whatever_the_times_say(#[case] times: &str) {
    let mut secret = secret(&Tokens::new(entropy(1), at(0)));
    let data = secret.data.as_mut().unwrap();
    data.insert(ACCEPTED.to_owned(), ByteString(b"one\n\ntwo\n".to_vec()));
    data.insert(TOKEN.to_owned(), ByteString(b"two".to_vec()));
    secret.metadata.annotations = Some([(TIMES.to_owned(), times.to_owned())].into());
    let read = Tokens::read(&secret, at(7)).unwrap();
    assert_eq!(read.given(), "two");
    let accepted = String::from_utf8(read.data()[ACCEPTED].0.clone()).unwrap();
    assert!(
        accepted.contains("one\n") && accepted.contains("two\n"),
        "{accepted}"
    );
}

#[test]
fn a_secret_without_token_is_none() {
    let mut secret = secret(&Tokens::new(entropy(1), at(0)));
    secret.data.as_mut().unwrap().remove(TOKEN);
    assert_eq!(Tokens::read(&secret, at(0)), None);
}

#[test]
fn nothing_of_a_token_is_printed() {
    let tokens = Tokens::new(entropy(1), at(0));
    let printed = format!("{tokens:?}");
    assert!(
        !printed.contains(tokens.given()) && !printed.contains(&tokens.app),
        "{printed}"
    );
}

proptest! {
    #[test]
    fn reads_what_it_wrote(seeds in prop::collection::vec((1..200_i64, any::<bool>()), 0..30)) {
        let (mut now, mut tokens) = (0, Tokens::new(entropy(0), at(0)));
        for (number, (hours, pod)) in seeds.into_iter().enumerate() {
            now += hours * 3600;
            let seed = u8::try_from(number).unwrap();
            tokens = step(&tokens, seed, now, pod.then_some(now - 7200));
            let read = Tokens::read(&secret(&tokens), at(now + 1));
            prop_assert_eq!(read.as_ref(), Some(&tokens));
        }
    }

    /// Pods start with any copy of the Secret that is not older than the spread, containers start
    /// again in them, and proxies know of the Secret as late: every call is let in.
    #[test]
    fn every_pod_is_let_in_at_every_step(
        events in prop::collection::vec((0..3_u8, 1..40_i64, 0..300_i64, 0..20_usize), 1..200)
    ) {
        let mut history = vec![(0_i64, secret(&Tokens::new(entropy(0), at(0))))];
        let mut pods: Vec<(i64, String)> = Vec::new();
        let (mut now, mut seed) = (0_i64, 0_u8);
        for (event, hours, staleness, which) in events {
            let long = event == 0 && which % 2 == 0;
            now += if long { hours * 3600 } else { hours };
            seed = seed.wrapping_add(1);
            let copy = |age: i64| {
                let known = history.iter().rev().find(|(time, _)| *time <= now - age);
                known.unwrap_or(&history[0]).1.clone()
            };
            match event {
                0 => {
                    let known = Tokens::read(&history.last().unwrap().1, at(now)).unwrap();
                    let oldest = pods.iter().map(|(made, _)| *made).min();
                    history.push((now, secret(&step(&known, seed, now, oldest))));
                }
                1 => pods.push((now, value(&copy(staleness), TOKEN))),
                _ if which < pods.len() && staleness % 2 == 0 => drop(pods.remove(which)),
                _ if which < pods.len() => pods[which].1 = value(&copy(staleness), TOKEN),
                _ => {}
            }
            for age in [0, staleness, SPREAD.as_secs() - 1] {
                let known = history.iter().rev().find(|(time, _)| *time <= now - age);
                let accepted = value(&known.unwrap_or(&history[0]).1, ACCEPTED);
                for (made, token) in &pods {
                    let good = accepted.lines().any(|line| line == token);
                    prop_assert!(good, "pod of {made} at {now}, copy {age} s old");
                }
            }
        }
    }
}
