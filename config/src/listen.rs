//! Listen addresses as flags give them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The text of a listen-address flag is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a listen address: expected an IP address, localhost, or nothing for all")]
pub struct ListenAddressError(String);

/// The socket addresses to try, in order, for a listen-address flag and a port.
///
/// No text means every address of both families, with IPv4 alone where a kernel has no IPv6.
/// An IPv6 address may stand in brackets.
///
/// # Errors
/// If the text is neither empty, `localhost`, nor an IP address.
pub fn addresses(address: &str, port: u16) -> Result<Vec<SocketAddr>, ListenAddressError> {
    let hosts: Vec<IpAddr> = match address {
        "" => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        "localhost" => vec![Ipv4Addr::LOCALHOST.into()],
        _ => vec![parse(address)?],
    };
    Ok(hosts
        .into_iter()
        .map(|host| SocketAddr::new(host, port))
        .collect())
}

fn parse(address: &str) -> Result<IpAddr, ListenAddressError> {
    let bare = address
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(address)
        .parse()
        .map_err(|_| ListenAddressError(address.into()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all("", &["[::]:80", "0.0.0.0:80"])]
    #[case::v4("127.0.0.1", &["127.0.0.1:80"])]
    #[case::v6("::1", &["[::1]:80"])]
    #[case::brackets("[::1]", &["[::1]:80"])]
    #[case::name("localhost", &["127.0.0.1:80"])]
    fn reads(#[case] address: &str, #[case] expected: &[&str]) {
        let found = addresses(address, 80).unwrap();
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn refuses_other_text() {
        assert!(addresses("nowhere.example", 80).is_err());
    }
}
