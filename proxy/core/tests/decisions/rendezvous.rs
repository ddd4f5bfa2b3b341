use std::collections::BTreeMap;

use proptest::prelude::*;
use proxy_core::rendezvous::{hash, weight};

fn owner<'n>(key: &str, names: &'n [String]) -> &'n str {
    let key = hash(&["Counter", key]);
    let owner = names
        .iter()
        .max_by_key(|name| weight(key, hash(&[name.as_str()])));
    owner.unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|index| format!("app-6d4f7c9b8-{index:05x}"))
        .collect()
}

#[test]
fn the_answer_is_the_same_in_every_release() {
    assert_eq!(hash(&["Counter", "1"]), 0xe97f_7a43_1391_cfc0);
    assert_eq!(weight(1, 2), 0xc72c_0d73_624b_3f8e);
    assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
}

#[test]
fn keys_spread_evenly() {
    let names = names(10);
    let mut counts = BTreeMap::<&str, u32>::new();
    for key in 0..10_000 {
        *counts.entry(owner(&key.to_string(), &names)).or_default() += 1;
    }
    assert_eq!(counts.len(), 10);
    for (name, count) in counts {
        assert!(
            (900..=1_100).contains(&count),
            "{name} has {count} of 10000"
        );
    }
}

proptest! {
    /// Only the keys of what is lost move, and only to what is gained.
    #[test]
    fn little_moves(count in 2usize..20, lost in any::<prop::sample::Index>(), keys in prop::collection::vec("[a-z0-9-]{1,20}", 1..100)) {
        let before = names(count);
        let mut after = before.clone();
        let lost = after.swap_remove(lost.index(count));
        for key in &keys {
            let (was, is) = (owner(key, &before), owner(key, &after));
            prop_assert!(was == is || was == lost);
        }
    }
}
