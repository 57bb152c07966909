//! Requests that web pages can make: the hosts and origins that are accepted by a service without
//! tokens.
//!
//! A service that requires no token trusts every client that reaches it, and a browser on the same
//! machine reaches it on behalf of every page it shows. So such a service compares what browsers add to
//! each request and pages cannot change: the name by which it was addressed (a page whose own name was
//! made to resolve to this machine is recognised by it), and the origin of the page. Programs other
//! than browsers send no origin and are not affected. If a token is required, no page can know it, and
//! none of this is checked.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};

use super::answer::Failure;
use super::settings::ServiceSettings;
use crate::wire::ProblemCode;

/// The paths of probes, which only show whether the service works: a load balancer or an orchestrator
/// uses any host name for them.
const PROBES: [&str; 2] = ["/health/live", "/health/ready"];

/// How many characters of a client's value are repeated in an error.
const SHOWN_CHARACTERS: usize = 100;

/// The hosts and origins that a service without tokens accepts.
#[derive(Clone, Debug)]
pub(super) struct OriginPolicy {
    /// Names and addresses of `allow_hosts`, in lower case.
    hosts: Vec<String>,
    any_host: bool,
    /// Whether every IP address is accepted as the host, as on a service that other machines reach: no
    /// page can make an address resolve to another.
    any_address: bool,
    addresses: Vec<IpAddr>,
    origins: Vec<String>,
    any_origin: bool,
}

impl OriginPolicy {
    pub(super) fn new(settings: &ServiceSettings) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        OriginPolicy {
            hosts: settings.allow_hosts.iter().filter_map(|name| allowed_host(name)).collect(),
            any_host: settings.allow_hosts.iter().any(|name| name == "*"),
            any_address: !settings.on_loopback(),
            addresses: settings.listen.iter().map(|address| address.ip()).collect(),
            origins: lower(&settings.allow_origins),
            any_origin: settings.allow_origins.iter().any(|origin| origin == "*"),
        }
    }

    /// Checks a request before anything else is done with it.
    ///
    /// # Errors
    /// If its host is not one of this service, or if it comes from a page of an origin that is not
    /// allowed.
    pub(super) fn check(&self, request: &Request) -> Result<(), Failure> {
        if PROBES.contains(&request.uri().path()) {
            return Ok(());
        }
        let host = self.check_host(request)?;
        self.check_origin(request.method(), request.headers(), &host)
    }

    /// Returns the host and port of the request, if it is one of the service's own.
    fn check_host(&self, request: &Request) -> Result<Authority, Failure> {
        // HTTP/2 carries it in the target, HTTP/1.1 in a header, and a request to a proxy in both.
        let mut named = None;
        if let Some(authority) = request.uri().authority() {
            if !self.is_own_host(authority) {
                return Err(host_not_allowed(authority.as_str()));
            }
            named = Some(authority.clone());
        }
        for value in request.headers().get_all(header::HOST) {
            match Authority::try_from(value.as_bytes()) {
                Ok(authority) if self.is_own_host(&authority) => {
                    named.get_or_insert(authority);
                }
                _ => return Err(host_not_allowed(&String::from_utf8_lossy(value.as_bytes()))),
            }
        }
        named.ok_or_else(|| host_not_allowed(""))
    }

    fn is_own_host(&self, authority: &Authority) -> bool {
        // A client never sends a value that is not a host and port.
        let port_length = authority.port().map_or(0, |port| port.as_str().len() + 1);
        if authority.as_str().len() != authority.host().len() + port_length {
            return false;
        }
        if self.any_host {
            return true;
        }
        let Some(host) = allowed_host(authority.host()) else { return false };
        if self.hosts.contains(&host) || host == "localhost" || host.ends_with(".localhost") {
            return true;
        }
        let Ok(address) = host.parse::<IpAddr>() else { return false };
        let address = address.to_canonical();
        self.any_address || address.is_loopback() || self.addresses.contains(&address)
    }

    fn check_origin(
        &self,
        method: &Method,
        headers: &HeaderMap,
        host: &Authority,
    ) -> Result<(), Failure> {
        if self.any_origin {
            return Ok(());
        }
        let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
        if origins.peek().is_some() {
            for value in origins {
                let origin = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
                if !self.origins.contains(&origin) && !is_same_origin(&origin, host) {
                    return Err(origin_not_allowed(&origin));
                }
            }
            return Ok(());
        }
        // Browsers omit the origin of read requests, and send the site instead.
        let sent = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let from_another = matches!(sent("sec-fetch-site"), b"cross-site" | b"same-site");
        let opens_a_page = matches!(*method, Method::GET | Method::HEAD)
            && sent("sec-fetch-mode") == b"navigate"
            && sent("sec-fetch-dest") == b"document";
        if from_another && !opens_a_page {
            return Err(origin_not_allowed(""));
        }
        Ok(())
    }
}

/// Returns a host's name or address in the form for comparison: lower case, without the brackets of an
/// IPv6 address and without the dot of the root. `None` if it is neither.
pub(super) fn allowed_host(text: &str) -> Option<String> {
    let inner = match text.strip_prefix('[') {
        Some(rest) => {
            return rest.strip_suffix(']')?.parse::<IpAddr>().ok().map(|one| one.to_string());
        }
        None => text.strip_suffix('.').unwrap_or(text),
    };
    if let Ok(address) = inner.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let is_name = !inner.is_empty()
        && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name.then(|| inner.to_ascii_lowercase())
}

/// Returns whether an origin, in lower case, is the service itself under this host. The scheme is not
/// compared: a proxy can add TLS.
fn is_same_origin(origin: &str, host: &Authority) -> bool {
    let (rest, default_port) = match origin.split_once("://") {
        Some(("http", rest)) => (rest, 80),
        Some(("https", rest)) => (rest, 443),
        _ => return false,
    };
    let Ok(authority) = Authority::try_from(rest) else { return false };
    authority.host().eq_ignore_ascii_case(host.host())
        && authority.port_u16().unwrap_or(default_port) == host.port_u16().unwrap_or(default_port)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}

fn host_not_allowed(host: &str) -> Failure {
    let host = shown(host);
    Failure::new(
        ProblemCode::HostNotAllowed,
        format!(
            "invalid host: {host:?} is not a name of this service, which asks for no token and so \
             answers only under the names that it knows (expected localhost, an address on which it \
             listens, or a name of `arc-host serve --allow-host NAME`)"
        ),
    )
}

fn origin_not_allowed(origin: &str) -> Failure {
    let page = match origin {
        "" => "another site".to_owned(),
        origin => format!("{:?}", shown(origin)),
    };
    Failure::new(
        ProblemCode::OriginNotAllowed,
        format!(
            "invalid origin: a web page of {page} is not allowed to use this service, which asks for \
             no token (expected no page, a page of the service itself, or an origin of \
             `arc-host serve --allow-origins ORIGIN`)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn policy(settings: ServiceSettings) -> OriginPolicy {
        OriginPolicy::new(&settings)
    }

    fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn refusal(policy: &OriginPolicy, request: &Request) -> Option<ProblemCode> {
        policy.check(request).err().map(|failure| failure.problem.code)
    }

    #[test]
    fn only_the_names_of_this_machine_and_those_that_are_allowed_are_answered() {
        let loopback = policy(ServiceSettings {
            allow_hosts: vec!["Arc.Example".to_owned(), "192.0.2.7".to_owned()],
            ..Default::default()
        });
        for (host, allowed) in [
            ("localhost", true),
            ("LocalHost:9", true),
            ("localhost.:7117", true),
            ("app.localhost:7117", true),
            ("127.0.0.1:7117", true),
            ("127.9.9.9", true),
            ("[::1]:7117", true),
            ("[::ffff:127.0.0.1]:7117", true),
            ("arc.example:80", true),
            ("192.0.2.7:1", true),
            ("", false),
            ("evil.example:7117", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("notlocalhost", false),
            ("localhost@evil.example", false),
            ("evil@localhost", false),
            ("x.arc.example", false),
            ("192.0.2.8", false),
            ("0.0.0.0:7117", false),
            ("[::2]:7117", false),
            ("localhost:x", false),
            ("é", false),
        ] {
            let refused = refusal(&loopback, &request(Method::GET, "/metrics", &[("host", host)]));
            let expected = (!allowed).then_some(ProblemCode::HostNotAllowed);
            assert_eq!(refused, expected, "{host}");
        }
        // The target is checked as well as the header, and a request without a host is refused.
        let target = request(Method::GET, "http://evil.example/metrics", &[("host", "localhost")]);
        assert_eq!(refusal(&loopback, &target), Some(ProblemCode::HostNotAllowed));
        let two = [("host", "localhost"), ("host", "evil.example")];
        let two = request(Method::GET, "/metrics", &two);
        assert_eq!(refusal(&loopback, &two), Some(ProblemCode::HostNotAllowed));
        let none = request(Method::GET, "/metrics", &[]);
        assert_eq!(refusal(&loopback, &none), Some(ProblemCode::HostNotAllowed));
        let target = request(Method::GET, "http://localhost:7117/metrics", &[]);
        assert_eq!(refusal(&loopback, &target), None);
        // A probe under any name only learns whether the service works.
        for path in PROBES {
            assert_eq!(refusal(&loopback, &request(Method::GET, path, &[])), None);
        }
        let any =
            policy(ServiceSettings { allow_hosts: vec!["*".to_owned()], ..Default::default() });
        assert_eq!(refusal(&any, &request(Method::GET, "/", &[("host", "evil.example")])), None);
        // A page cannot claim an address, so on other interfaces every address is accepted.
        let everywhere = policy(ServiceSettings {
            listen: vec!["0.0.0.0:7117".parse().unwrap()],
            ..Default::default()
        });
        for (host, allowed) in [("192.0.2.8:7117", true), ("[2001:db8::1]", true), ("arc", false)] {
            let refused = refusal(&everywhere, &request(Method::GET, "/", &[("host", host)]));
            assert_eq!(refused.is_none(), allowed, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_always_refused() {
        let closed = policy(ServiceSettings::default());
        let open = policy(ServiceSettings {
            allow_origins: vec!["https://app.example".to_owned()],
            ..Default::default()
        });
        let any =
            policy(ServiceSettings { allow_origins: vec!["*".to_owned()], ..Default::default() });
        let site = |site| ("sec-fetch-site", site);
        let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        let framed = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        type Case<'c> = (Method, &'c [(&'c str, &'c str)], bool, bool);
        let cases: &[Case] = &[
            // No browser sends these.
            (Method::POST, &[], true, true),
            (Method::GET, &[], true, true),
            (Method::POST, &[("origin", "http://localhost:7117")], true, true),
            (Method::POST, &[("origin", "https://LOCALHOST:7117")], true, true),
            (Method::POST, &[("origin", "http://localhost:3000")], false, false),
            (Method::POST, &[("origin", "http://localhost")], false, false),
            (Method::POST, &[("origin", "http://127.0.0.1:7117")], false, false),
            (Method::POST, &[("origin", "null")], false, false),
            (Method::POST, &[("origin", "")], false, false),
            (Method::POST, &[("origin", "file://")], false, false),
            (Method::GET, &[("origin", "https://evil.example")], false, false),
            (Method::OPTIONS, &[("origin", "https://evil.example")], false, false),
            (Method::POST, &[("origin", "https://app.example")], false, true),
            (Method::POST, &[("origin", "https://app.example"), site("cross-site")], false, true),
            (
                Method::POST,
                &[("origin", "https://app.example"), ("origin", "https://evil.example")],
                false,
                false,
            ),
            (Method::GET, &[site("cross-site")], false, false),
            (Method::GET, &[site("same-site")], false, false),
            (Method::GET, &[site("same-origin")], true, true),
            (Method::GET, &[site("none")], true, true),
            (Method::POST, &[site("cross-site")], false, false),
            (Method::GET, &[site("cross-site"), navigation[0], navigation[1]], true, true),
            (Method::POST, &[site("cross-site"), navigation[0], navigation[1]], false, false),
            (Method::GET, &[site("cross-site"), framed[0], framed[1]], false, false),
        ];
        for (method, headers, when_closed, when_open) in cases {
            let mut all = vec![("host", "localhost:7117")];
            all.extend(*headers);
            let sent = request(method.clone(), "/v1/simulations", &all);
            for (policy, allowed) in [(&closed, *when_closed), (&open, *when_open), (&any, true)] {
                let expected = (!allowed).then_some(ProblemCode::OriginNotAllowed);
                assert_eq!(refusal(policy, &sent), expected, "{method} {headers:?}");
            }
        }
        // The default port of the scheme can be omitted.
        let host = |text: &str| Authority::try_from(text).unwrap();
        assert!(is_same_origin("https://arc.example", &host("arc.example")));
        assert!(is_same_origin("https://arc.example", &host("arc.example:443")));
        assert!(!is_same_origin("https://arc.example", &host("arc.example:80")));
    }
}
