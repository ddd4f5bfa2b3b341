//! What the OIDC server says, and to whom.
//!
//! Only so much of `OpenID` Connect that others can verify JWT SVIDs: discovery and the key set.

use serde::Serialize;

use crate::jwt::Algorithm;

const KEY_SET: &str = "/jwks.json";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Claim `iss` of the tokens; made from the request if none or empty.
    pub issuer: Option<String>,
    /// Where the key set is published, if not here.
    pub key_set_uri: Option<String>,
    /// In front of both paths: empty, or with a slash at its begin and none at its end.
    pub prefix: Prefix,
    /// Hosts that are answered for; all if empty.
    pub allowed_hosts: Vec<String>,
    /// Algorithm of the tokens.
    pub algorithm: Algorithm,
    /// Whether the server speaks TLS.
    pub tls: bool,
}

/// A path in front of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(String);

/// A prefix that no request can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path prefix \"{0}\" must begin with a slash and hold no ? and #")]
pub struct PrefixError(String);

/// What of a request counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Host that was asked, with its port.
    pub host: &'a str,
    /// Header `X-Forwarded-Host`; an empty one is none.
    pub forwarded: Option<&'a str>,
    /// Path that was asked for.
    pub path: &'a str,
    /// Whether the method is GET.
    pub is_get: bool,
}

// === impl Asked ===

impl Asked<'_> {
    fn forwarded(&self) -> Option<&str> {
        self.forwarded.filter(|host| !host.is_empty())
    }
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is nothing.
    NotFound,
    /// Not for this host.
    Forbidden,
    /// Not by this method.
    NotAllowed,
    /// The key set.
    KeySet,
    /// The discovery document, JSON.
    Discovery(String),
}

/// Members as `OpenID` Connect Discovery 1.0 section 3 names them, in Dapr's order.
#[derive(Serialize)]
struct Document<'a> {
    issuer: &'a str,
    jwks_uri: &'a str,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [String; 1],
    scopes_supported: [&'static str; 1],
    claims_supported: [&'static str; 7],
}

// === impl Prefix ===

impl Prefix {
    /// Reads a prefix; a slash at its end, or nothing but one, is left out.
    ///
    /// # Errors
    /// If no path begins with it.
    pub fn new(text: &str) -> Result<Self, PrefixError> {
        let prefix = text.strip_suffix('/').unwrap_or(text);
        let fits = prefix.is_empty() || prefix.starts_with('/');
        if fits && !prefix.contains(['?', '#']) {
            Ok(Self(prefix.to_owned()))
        } else {
            Err(PrefixError(text.to_owned()))
        }
    }
}

// === impl Oidc ===

impl Oidc {
    /// Decides about a request.
    pub fn answer(&self, asked: &Asked<'_>) -> Answer {
        let endpoint = asked.path.strip_prefix(&*self.prefix.0);
        let (Some(KEY_SET | DISCOVERY), allowed) = (endpoint, self.allows(asked)) else {
            return Answer::NotFound;
        };
        match endpoint {
            _ if !allowed => Answer::Forbidden,
            _ if !asked.is_get => Answer::NotAllowed,
            Some(KEY_SET) => Answer::KeySet,
            _ => Answer::Discovery(self.document(asked)),
        }
    }

    /// The header, if there is one, counts instead of the host: a proxy in front sets it.
    fn allows(&self, asked: &Asked<'_>) -> bool {
        let host = asked.forwarded().unwrap_or(asked.host);
        self.allowed_hosts.is_empty()
            || self.allows_all()
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed == host || allowed == without_port(host))
    }

    fn allows_all(&self) -> bool {
        self.allowed_hosts.iter().any(|allowed| allowed == "*")
    }

    fn document(&self, asked: &Asked<'_>) -> String {
        let issuer = self.issuer.clone().filter(|issuer| !issuer.is_empty());
        let issuer = issuer.unwrap_or_else(|| self.origin(asked));
        let here = || format!("{}{}{KEY_SET}", origin_of(&issuer), self.prefix.0);
        let document = Document {
            issuer: &issuer,
            jwks_uri: &self.key_set_uri.clone().unwrap_or_else(here),
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: [self.algorithm.to_string()],
            scopes_supported: ["openid"],
            claims_supported: ["sub", "iss", "aud", "exp", "iat", "nbf", "use"],
        };
        // A struct of texts has no way to fail.
        let json = serde_json::to_string(&document).unwrap_or_default();
        json + "\n"
    }

    /// Where the caller finds this server. A forwarded host is believed only if a list names
    /// the hosts that it may be: otherwise any caller could put its own address into a document
    /// that caches keep for others (CWE-346).
    fn origin(&self, asked: &Asked<'_>) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let listed = !self.allowed_hosts.is_empty() && !self.allows_all();
        let forwarded = asked.forwarded().filter(|_| listed);
        format!("{scheme}://{}", forwarded.unwrap_or(asked.host))
    }
}

/// A URL up to the end of its authority.
fn origin_of(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(begin..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..begin + end).unwrap_or(url)
}

/// IPv6 addresses have colons too, but within brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    fn oidc() -> Oidc {
        Oidc {
            issuer: None,
            key_set_uri: None,
            prefix: Prefix::default(),
            allowed_hosts: Vec::new(),
            algorithm: Algorithm::Rs256,
            tls: true,
        }
    }

    fn get<'a>(path: &'a str, host: &'a str) -> Asked<'a> {
        Asked {
            host,
            path,
            is_get: true,
            forwarded: None,
        }
    }

    fn found(oidc: &Oidc, asked: &Asked<'_>) -> (String, String) {
        let Answer::Discovery(text) = oidc.answer(asked) else {
            unreachable!("{asked:?}");
        };
        let value: Value = serde_json::from_str(&text).unwrap();
        let member = |name: &str| value[name].as_str().unwrap().to_owned();
        (member("issuer"), member("jwks_uri"))
    }

    #[test]
    fn describes_the_tokens() {
        let answer = oidc().answer(&get(DISCOVERY, "a:1"));
        let expected = concat!(
            r#"{"issuer":"https://a:1","jwks_uri":"https://a:1/jwks.json","#,
            r#""response_types_supported":["id_token"],"subject_types_supported":["public"],"#,
            r#""id_token_signing_alg_values_supported":["RS256"],"scopes_supported":["openid"],"#,
            r#""claims_supported":["sub","iss","aud","exp","iat","nbf","use"]}"#,
            "\n"
        );
        assert_eq!(answer, Answer::Discovery(expected.to_owned()));
    }

    #[rstest]
    #[case::own(None, None, "", "https://a", "https://a/jwks.json")]
    #[case::empty(Some(""), None, "", "https://a", "https://a/jwks.json")]
    #[case::prefix(None, None, "/auth/", "https://a", "https://a/auth/jwks.json")]
    #[case::given(
        Some("https://i:9/auth"),
        None,
        "/auth",
        "https://i:9/auth",
        "https://i:9/auth/jwks.json"
    )]
    #[case::path(
        Some("https://i/x/y"),
        None,
        "",
        "https://i/x/y",
        "https://i/jwks.json"
    )]
    #[case::elsewhere(
        Some("https://i"),
        Some("https://k/keys"),
        "",
        "https://i",
        "https://k/keys"
    )]
    fn says_where_it_is(
        #[case] issuer: Option<&str>,
        #[case] key_set_uri: Option<&str>,
        #[case] prefix: &str,
        #[case] expected_issuer: &str,
        #[case] expected_key_set: &str,
    ) {
        let oidc = Oidc {
            issuer: issuer.map(str::to_owned),
            key_set_uri: key_set_uri.map(str::to_owned),
            prefix: Prefix::new(prefix).unwrap(),
            ..oidc()
        };
        let path = format!("{}{DISCOVERY}", prefix.trim_end_matches('/'));
        let (issuer, key_set) = found(&oidc, &get(&path, "a"));
        assert_eq!((&*issuer, &*key_set), (expected_issuer, expected_key_set));
    }

    #[rstest]
    #[case::nobody_forwards(&[], None, "http://a")]
    #[case::anybody_forwards(&[], Some("evil"), "http://a")]
    #[case::wildcard(&["*"], Some("evil"), "http://a")]
    #[case::wildcard_and_name(&["b", "*"], Some("b"), "http://a")]
    #[case::listed(&["b"], Some("b:8"), "http://b:8")]
    fn believes_only_listed_proxies(
        #[case] allowed: &[&str],
        #[case] forwarded: Option<&str>,
        #[case] expected: &str,
    ) {
        let oidc = Oidc {
            tls: false,
            allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
            ..oidc()
        };
        let mut asked = get(DISCOVERY, "a");
        asked.forwarded = forwarded;
        assert_eq!(found(&oidc, &asked).0, expected);
    }

    #[rstest]
    #[case::exact("a", None, true)]
    #[case::port("a:9080", None, true)]
    #[case::listed_port("b:1", None, true)]
    #[case::other_port("b:2", None, false)]
    #[case::other("c", None, false)]
    #[case::capital("A", None, false)]
    #[case::suffix("x.a", None, false)]
    #[case::six("[::1]:9080", None, true)]
    #[case::good_header("c", Some("a"), true)]
    #[case::bad_header("a", Some("c"), false)]
    #[case::empty_header("a", Some(""), true)]
    fn answers_for_listed_hosts(
        #[case] host: &str,
        #[case] forwarded: Option<&str>,
        #[case] allowed: bool,
    ) {
        let oidc = Oidc {
            allowed_hosts: ["a", "b:1", "::1"].map(str::to_owned).to_vec(),
            ..oidc()
        };
        let mut asked = get(KEY_SET, host);
        asked.forwarded = forwarded;
        let expected = if allowed {
            Answer::KeySet
        } else {
            Answer::Forbidden
        };
        assert_eq!(oidc.answer(&asked), expected);
        asked.is_get = false;
        let expected = if allowed {
            Answer::NotAllowed
        } else {
            Answer::Forbidden
        };
        assert_eq!(oidc.answer(&asked), expected);
    }

    #[rstest]
    #[case("/")]
    #[case("")]
    #[case("/jwks.json")]
    #[case("/auth/jwks.json/")]
    #[case("/auth/.well-known/oauth-authorization-server")]
    #[case("/authjwks.json")]
    fn has_nothing_else(#[case] path: &str) {
        let oidc = Oidc {
            prefix: Prefix::new("/auth").unwrap(),
            ..oidc()
        };
        assert_eq!(oidc.answer(&get(path, "a")), Answer::NotFound);
    }

    #[test]
    fn reads_prefixes() {
        for text in ["", "/"] {
            assert_eq!(Prefix::new(text).unwrap(), Prefix::default());
        }
        for text in ["auth", "/a?b", "/a#b"] {
            assert!(Prefix::new(text).is_err(), "{text}");
        }
    }
}
