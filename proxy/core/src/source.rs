//! Which addresses may connect.

use std::{net::IpAddr, str::FromStr};

/// A range of addresses, such as `10.244.0.0/16` or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    prefix: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an IP address or a range of them such as 10.244.0.0/16")]
pub struct InvalidRange(String);

// === impl Range ===

impl Range {
    /// Whether `ip`, as [`canonical`], is in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let differing = match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => (first.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V6(first), IpAddr::V6(ip)) => (first.to_bits() ^ ip.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix)
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let invalid = || InvalidRange(text.into());
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let first: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(longest), str::parse)
            .map_err(|_| invalid())?;
        let range = Self { first, prefix };
        (prefix <= longest).then_some(range).ok_or_else(invalid)
    }
}

/// The address as its own family writes it: a socket for both families shows IPv4 clients as
/// IPv6.
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
