//! Kubernetes quantities: read any spelling, print the canonical one (`1.5` as `1500m`).

use std::{fmt, str::FromStr};

/// One unit in the smallest step that a quantity can hold.
const NANO: i128 = 1_000_000_000;
/// Binary quantities end at the largest 64-bit number of whole units.
const LARGEST_BINARY: i128 = i64::MAX as i128 * NANO;

/// An amount of a resource with the family of suffixes it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    family: Family,
}

/// A text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a quantity such as 500m, 1.5 or 128Mi")]
pub struct QuantityError(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

/// Suffixes of thousands, from 10⁻⁹ on.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// Suffixes of 1024, from 1024⁰ on.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

// === impl Quantity ===

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| QuantityError(text.into()))
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (family, scale) = scale(suffix)?;
    let largest = if family == Family::Binary {
        LARGEST_BINARY
    } else {
        i128::MAX
    };
    let nanos = nanos(whole, fraction, scale).min(largest);
    Some(Quantity {
        nanos: if text.starts_with('-') { -nanos } else { nanos },
        family,
    })
}

/// What one unit of `suffix` is worth, as powers of ten and of 1024.
fn scale(suffix: &str) -> Option<(Family, (i32, u32))> {
    let place = |list: &[&str]| list.iter().position(|known| *known == suffix);
    if let Some(place) = place(&DECIMAL) {
        return Some((Family::Decimal, (3 * i32::try_from(place).ok()? - 9, 0)));
    }
    if let Some(place) = place(&BINARY) {
        return Some((Family::Binary, (0, u32::try_from(place).ok()?)));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Family::Exponent, (exponent.parse().ok()?, 0)))
}

/// `whole.fraction` in the given scale; rounded up to a whole nano, capped at what fits.
fn nanos(whole: &str, fraction: &str, (tens, kibis): (i32, u32)) -> i128 {
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let tens = tens.saturating_add(9).saturating_sub(places);
    let binary = 1024_i128.pow(kibis);
    let Some(value) = digits
        .parse::<i128>()
        .ok()
        .and_then(|value| value.checked_mul(binary))
    else {
        return if long_fraction(digits.len(), tens) {
            1
        } else {
            i128::MAX
        };
    };
    shifted(value, tens)
}

/// Whether more digits than a number can hold still amount to less than one nano.
fn long_fraction(digits: usize, tens: i32) -> bool {
    i64::try_from(digits).unwrap_or(i64::MAX) + i64::from(tens) <= 0
}

/// `value` times a power of ten; away from zero where digits are lost.
fn shifted(value: i128, tens: i32) -> i128 {
    let power = 10_i128.checked_pow(tens.unsigned_abs());
    match power {
        Some(power) if tens >= 0 => value.saturating_mul(power),
        Some(power) => value / power + i128::from(value % power != 0),
        None if tens >= 0 => i128::MAX,
        None => 1,
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanos < 0 { "-" } else { "" };
        let nanos = self.nanos.abs();
        match self.family {
            // Below 1024, and with a fraction, decimal suffixes lose nothing.
            Family::Binary if nanos >= 1024 * NANO && nanos % NANO == 0 => {
                let (number, place) = reduced(nanos / NANO, 1024, BINARY.len() - 1);
                write!(f, "{sign}{number}{}", BINARY[place])
            }
            Family::Exponent => {
                let (number, place) = reduced(nanos, 1000, usize::MAX);
                match 3 * i64::try_from(place).unwrap_or(0) - 9 {
                    0 => write!(f, "{sign}{number}"),
                    exponent if number != 0 => write!(f, "{sign}{number}e{exponent}"),
                    _ => f.write_str("0"),
                }
            }
            Family::Decimal | Family::Binary => match reduced(nanos, 1000, DECIMAL.len() - 1) {
                (0, _) => f.write_str("0"),
                (number, place) => write!(f, "{sign}{number}{}", DECIMAL[place]),
            },
        }
    }
}

/// Divides by `base` as long as nothing is left over; how often, at most `most`.
fn reduced(mut number: i128, base: i128, most: usize) -> (i128, usize) {
    let mut place = 0;
    while number != 0 && place < most && number % base == 0 {
        (number, place) = (number / base, place + 1);
    }
    (number, place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.5", "1500m")]
    #[case("0.5Gi", "512Mi")]
    #[case("1000m", "1")]
    #[case("1024Mi", "1Gi")]
    #[case("1.5Ki", "1536")]
    #[case("0.1Gi", "107374182400m")]
    #[case("0.5Ki", "512")]
    #[case("100m", "100m")]
    #[case("2", "2")]
    #[case("0", "0")]
    #[case("0Mi", "0")]
    #[case("+1", "1")]
    #[case("-1500m", "-1500m")]
    #[case("1e3", "1e3")]
    #[case("12E2", "1200")]
    #[case("1E", "1E")]
    #[case("100000", "100k")]
    #[case("1.", "1")]
    #[case(".5", "500m")]
    #[case("0.0000000001", "1n")]
    #[case("999999999999999999999", "999999999999999999999")]
    #[case("1Ei", "1Ei")]
    #[case("100Ei", "9223372036854775807")]
    fn prints_canonically(#[case] text: &str, #[case] canonical: &str) {
        assert_eq!(text.parse::<Quantity>().unwrap().to_string(), canonical);
    }

    #[rstest]
    #[case("")]
    #[case(".")]
    #[case("abc")]
    #[case("1 Gi")]
    #[case("1GB")]
    #[case("1.2.3")]
    #[case("1e")]
    #[case("1ki")]
    #[case("--1")]
    fn refuses(#[case] text: &str) {
        assert!(text.parse::<Quantity>().is_err());
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_stable(number in "[0-9]{1,12}(\\.[0-9]{0,12})?", suffix in "(n|u|m|k|M|G|Ki|Mi|Gi|e3|)") {
            let once = format!("{number}{suffix}").parse::<Quantity>().unwrap().to_string();
            prop_assert_eq!(once.parse::<Quantity>().unwrap().to_string(), once);
        }

        #[test]
        fn never_panics(text in ".{0,40}", exponent in any::<i32>()) {
            let _ = text.parse::<Quantity>().map(|quantity| quantity.to_string());
            let _ = format!("1e{exponent}").parse::<Quantity>().map(|quantity| quantity.to_string());
        }
    }
}
