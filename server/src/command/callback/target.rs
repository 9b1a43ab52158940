//! Where an outcome is sent: a URL, or a function of this node.

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use http::Uri;

/// Where an outcome is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// A function of this node, as `hotfn:app/name`: no HTTP between.
    Function {
        app: String,
        name: String,
    },
    Url(Url),
}

/// An `http://` or `https://` URL, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query: what is asked for, and signed.
    pub(crate) path: String,
    /// What user-info in the URL becomes.
    pub(crate) authorization: Option<String>,
}

/// How a URL's server is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    Http,
    /// The same over TLS.
    Https,
}

/// The scheme of functions.
const FUNCTION: &str = "hotfn:";

impl Target {
    /// Reads what a caller sent. An error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(FUNCTION) {
            return match name.split_once('/') {
                Some((app, name)) if !app.is_empty() && !name.is_empty() && !name.contains('/') => {
                    Ok(Self::Function { app: app.to_owned(), name: name.to_owned() })
                }
                _ => Err(format!("{text:?} names no function; write it as hotfn:APP/NAME")),
            };
        }
        let uri: Uri = text.parse().map_err(|e| format!("{text:?} is not a URL: {e}"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(format!("{text:?} begins neither with http:// nor with https://")),
        };
        let authority = uri.authority().ok_or_else(|| format!("{text:?} names no host"))?;
        let authorization = authority.as_str().rsplit_once('@').map(|(user, _)| {
            let user = decode(user).unwrap_or_else(|| user.as_bytes().to_vec());
            format!("Basic {}", BASE64.encode(&user))
        });
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(format!("{text:?} names no host"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let port = uri.port_u16().unwrap_or_else(|| scheme.port());
        Ok(Self::Url(Url { scheme, host: host.to_owned(), port, path: path.to_owned(), authorization }))
    }
}

impl Scheme {
    /// As it stands in a URL.
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that nobody has to name.
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Url {
    /// As it stands in `Host`.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Is it one of those that `allowed` names: a host, a host and port, or the beginning of a URL?
    pub(crate) fn is_allowed(&self, allowed: &[String]) -> bool {
        let authority = self.authority();
        let url = format!("{}://{authority}{}", self.scheme.as_str(), self.path);
        allowed.iter().any(|allowed| match allowed.split_once("://") {
            // Up to a slash, so that a host is not the beginning of another.
            Some((_, rest)) if rest.contains('/') => url.starts_with(allowed) && !self.climbs(),
            Some((scheme, rest)) => scheme == self.scheme.as_str() && rest.eq_ignore_ascii_case(&authority),
            None => allowed.eq_ignore_ascii_case(&authority) || allowed.eq_ignore_ascii_case(&self.host),
        })
    }

    /// May its path have a step up, which would lead its server out of where it begins? One that cannot be
    /// decoded may have any.
    fn climbs(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        decode(path).is_none_or(|path| path.split(|byte| [b'/', b'\\'].contains(byte)).any(|step| step == b".."))
    }

    /// Does it lead to this address, as far as its text tells?
    pub(crate) fn is_of(&self, address: IpAddr) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|host| host.to_canonical() == address.to_canonical())
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.extend(super::super::hex::decode(digits)?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        match Target::parse(text).unwrap() {
            Target::Url(url) => url,
            function @ Target::Function { .. } => panic!("{function:?}"),
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let plain = url("http://func.example/api/v1?x=1");
        assert_eq!((plain.host.as_str(), plain.port, plain.path.as_str()), ("func.example", 80, "/api/v1?x=1"));
        assert_eq!((plain.authority().as_str(), plain.authorization), ("func.example", None));
        let secret = url("https://func.example/");
        assert_eq!((secret.scheme, secret.port, secret.authority().as_str()), (Scheme::Https, 443, "func.example"));
        assert_eq!(url("https://func.example:80/").authority(), "func.example:80");
        let full = url("http://us%40er:p%3Aw@[::1]:8088");
        assert_eq!((full.host.as_str(), full.port, full.path.as_str()), ("::1", 8088, "/"));
        assert_eq!(full.authority(), "[::1]:8088");
        assert_eq!(full.authorization.unwrap(), format!("Basic {}", BASE64.encode(b"us@er:p:w")));
        assert_eq!(
            Target::parse("hotfn:shop/hello").unwrap(),
            Target::Function { app: "shop".to_owned(), name: "hello".to_owned() }
        );
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for wrong in
            ["", "x", "/path", "ftp://h/", "https://", "http://", "http:///x", "hotfn:", "hotfn:a", "hotfn:a/b/c"]
        {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn allowed_are_hosts_ports_and_beginnings() {
        let check = |text: &str, allowed: &str, expected: bool| {
            assert_eq!(url(text).is_allowed(&[allowed.to_owned()]), expected, "{text} {allowed}");
        };
        check("http://h/x", "h", true);
        check("http://h:81/x", "h", true);
        check("http://h:81/x", "h:82", false);
        check("http://h:81/x", "h:81", true);
        check("http://h/api/x", "http://h/api/", true);
        check("http://h/other", "http://h/api/", false);
        check("http://h.evil/api/", "http://h/api/", false);
        check("http://h.evil/", "http://h", false);
        check("http://h@evil/", "h", false);
        check("https://h/x", "h", true);
        check("https://h/x", "http://h", false);
        check("https://h/x", "https://h", true);
        check("https://h/api/x", "https://h/api/", true);
        check("http://h/api/x", "https://h/api/", false);
        for climbing in ["..", "%2e%2E", "x/../..", "..%2fother", "..%5cother", "../x%zz", "../x%"] {
            check(&format!("http://h/api/{climbing}/other"), "http://h/api/", false);
        }
        check("http://h/api/..x/y?../..", "http://h/api/", true);
        assert!(url("http://127.0.0.1:9/").is_of("::ffff:127.0.0.1".parse().unwrap()));
    }
}
