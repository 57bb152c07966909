//! URLs and keyword/value strings as named parameters, in libpq's two spellings.
//!
//! A malformed text can contain a part of the password anywhere. So no message quotes it: a message
//! names the wrong parameter, or its position.

use std::collections::BTreeMap;

/// A known parameter, and the variable with its default.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
}

const fn key(name: &'static str, variable: &'static str) -> Key {
    Key { name, variable: Some(variable) }
}

const fn without_variable(name: &'static str) -> Key {
    Key { name, variable: None }
}

/// Every parameter that is understood.
pub(super) const KEYS: [Key; 28] = [
    key("host", "PGHOST"),
    key("hostaddr", "PGHOSTADDR"),
    key("port", "PGPORT"),
    key("dbname", "PGDATABASE"),
    key("user", "PGUSER"),
    key("password", "PGPASSWORD"),
    key("passfile", "PGPASSFILE"),
    key("sslmode", "PGSSLMODE"),
    key("sslnegotiation", "PGSSLNEGOTIATION"),
    key("sslrootcert", "PGSSLROOTCERT"),
    key("sslcert", "PGSSLCERT"),
    key("sslkey", "PGSSLKEY"),
    key("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    key("channel_binding", "PGCHANNELBINDING"),
    key("connect_timeout", "PGCONNECT_TIMEOUT"),
    key("application_name", "PGAPPNAME"),
    without_variable("fallback_application_name"),
    key("options", "PGOPTIONS"),
    key("target_session_attrs", "PGTARGETSESSIONATTRS"),
    key("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    without_variable("keepalives"),
    without_variable("keepalives_idle"),
    without_variable("keepalives_interval"),
    without_variable("keepalives_count"),
    without_variable("tcp_user_timeout"),
    without_variable("client_encoding"),
    without_variable("gssencmode"),
    // This program's own.
    without_variable("prepared_statements"),
];

/// libpq's parameters that change nothing here.
const WITHOUT_EFFECT: [&str; 5] =
    ["gssdelegation", "gsslib", "krbsrvname", "sslcompression", "sslsni"];

/// libpq's parameters that would be missed if they were passed over.
const REFUSED: [&str; 13] = [
    "max_protocol_version",
    "min_protocol_version",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslpassword",
];

/// Parameters by name, as they were written.
pub(super) type Parameters = BTreeMap<&'static str, String>;

/// Parses a URL or a key=value string. The error is a part of a sentence, and holds no part of
/// the text.
pub(super) fn parse(text: &str) -> Result<Parameters, String> {
    let text = text.trim();
    let url = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match url {
        Some(rest) => parse_url(rest),
        // A value of a keyword/value string can contain "://" too, after its "=".
        None if text.split('=').next().is_some_and(|word| !word.contains("://"))
            && text.contains('=') =>
        {
            parse_pairs(text)
        }
        None => Err("it must begin with postgresql:// or postgres:// (and nothing like \
                     postgresql+driver://), or be pairs such as host=localhost dbname=name"
            .to_owned()),
    }
}

/// Takes a parameter, also by the names in JDBC (`ssl`) and Prisma (`pgbouncer`); `place` is its
/// position, so that a message need not quote it.
fn set(parameters: &mut Parameters, name: &str, value: String, place: &str) -> Result<(), String> {
    if value.contains('\0') {
        return Err(format!("{place} holds a zero byte"));
    }
    let (name, value) = match (name, value.as_str()) {
        ("ssl", "true") => ("sslmode", "require".to_owned()),
        ("pgbouncer", "true") => ("prepared_statements", "unnamed".to_owned()),
        ("pgbouncer", "false") => return Ok(()),
        _ => (name, value),
    };
    if let Some(known) = KEYS.iter().find(|key| key.name == name) {
        if !value.is_empty() {
            parameters.insert(known.name, value);
        }
        Ok(())
    } else if let Some(known) = REFUSED.iter().find(|known| **known == name) {
        Err(format!("the parameter {known} is not supported; leave it out"))
    } else if WITHOUT_EFFECT.contains(&name) {
        Ok(())
    } else {
        let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        Err(format!("{place} is not one that is known; known are {}", known.join(", ")))
    }
}

fn parse_url(rest: &str) -> Result<Parameters, String> {
    let mut parameters = Parameters::new();
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // The last @ ends the password, so that one with an @ in it is not taken for a host.
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    set(&mut parameters, "user", decoded(user)?, "the user")?;
    set(&mut parameters, "password", decoded(password)?, "the password")?;
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = split_port(host)?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a port is not a number; in a user or password write / as %2F, : as %3A, \
                        ? as %3F and @ as %40"
                .to_owned());
        }
        names.push(decoded(name)?);
        ports.push(port);
    }
    if names.iter().any(|name| !name.is_empty()) {
        set(&mut parameters, "host", names.join(","), "the host")?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        set(&mut parameters, "port", ports.join(","), "the port")?;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let name = path.strip_prefix('/').unwrap_or(path);
    if name.contains('@') {
        return Err("there is an @ after the first /; in a user or password write / as %2F, in \
                    the name of a database @ as %40"
            .to_owned());
    }
    set(&mut parameters, "dbname", decoded(name)?, "the name of the database")?;
    for (index, word) in query.split('&').enumerate().filter(|(_, word)| !word.is_empty()) {
        let place = format!("parameter {} after the ?", index + 1);
        let (name, value) =
            word.split_once('=').ok_or_else(|| format!("{place} is not name=value"))?;
        set(&mut parameters, &decoded(name)?, decoded(value)?, &place)?;
    }
    Ok(parameters)
}

/// The name and the port of one host; an IPv6 address is in brackets.
fn split_port(host: &str) -> Result<(&str, &str), String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, port) =
                rest.split_once(']').ok_or("the ] after an IPv6 address is missing")?;
            (name, port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("")),
        },
    };
    let port = port.ok_or("after the ] of an IPv6 address there is something other than :port")?;
    Ok((name, port))
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Result<String, String> {
    const WRONG: &str = "a % is not followed by two hexadecimal digits; write % itself as %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or(WRONG)?, digit().ok_or(WRONG)?);
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).map_err(|_| "what % encodes is not UTF-8 text".to_owned())
}

/// Pairs of the form `name = 'value'`; quotes are needed around spaces, and `\` before `'` or `\`.
fn parse_pairs(text: &str) -> Result<Parameters, String> {
    let mut parameters = Parameters::new();
    let mut characters = text.chars().peekable();
    let mut count = 0;
    loop {
        while characters.next_if(|next| next.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Ok(parameters);
        }
        count += 1;
        let place = format!("pair {count}");
        let mut name = String::new();
        while let Some(next) = characters.next_if(|next| *next != '=' && !next.is_whitespace()) {
            name.push(next);
        }
        while characters.next_if(|next| next.is_whitespace()).is_some() {}
        if characters.next_if_eq(&'=').is_none() {
            return Err(format!(
                "{place} is not name=value; put a value with spaces into single quotes"
            ));
        }
        while characters.next_if(|next| next.is_whitespace()).is_some() {}
        let quoted = characters.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match characters.next() {
                Some('\\') => value.extend(characters.next()),
                Some('\'') if quoted => break,
                Some(next) if next.is_whitespace() && !quoted => break,
                Some(next) => value.push(next),
                None if quoted => return Err(format!("the quote of {place} is not closed")),
                None => break,
            }
        }
        set(&mut parameters, &name, value, &place)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&'static str, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    fn expect(text: &str, expected: &[(&'static str, &str)]) {
        let expected: Vec<(&str, String)> =
            expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(pairs(text), expected, "{text}");
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        expect("postgresql://", &[]);
        expect("postgres://localhost", &[("host", "localhost")]);
        expect(
            "postgresql://me:s%40fe@db.example:5433/name?sslmode=require&connect_timeout=3",
            &[
                ("connect_timeout", "3"),
                ("dbname", "name"),
                ("host", "db.example"),
                ("password", "s@fe"),
                ("port", "5433"),
                ("sslmode", "require"),
                ("user", "me"),
            ],
        );
        expect("postgresql://a,b:6000,[::1]:7/", &[("host", "a,b,::1"), ("port", ",6000,7")]);
        expect("postgresql://:5433/x", &[("dbname", "x"), ("port", "5433")]);
        expect("postgresql://%2Frun%2Fpg/x", &[("dbname", "x"), ("host", "/run/pg")]);
        expect("postgresql:///x?host=/run/pg", &[("dbname", "x"), ("host", "/run/pg")]);
        expect("postgresql://u:p@ss@h", &[("host", "h"), ("password", "p@ss"), ("user", "u")]);
    }

    #[test]
    fn keyword_value_strings_are_parsed_as_in_libpq() {
        expect(
            r"host=localhost  port = 5433 password='it\'s a \\ secret' user=a\ b",
            &[
                ("host", "localhost"),
                ("password", r"it's a \ secret"),
                ("port", "5433"),
                ("user", "a b"),
            ],
        );
        expect("host=''", &[]);
    }

    #[test]
    fn errors_do_not_quote_the_text() {
        for (text, words) in [
            ("hunter2", "must begin with postgresql://"),
            ("mysql://u:hunter2@h/d", "must begin with postgresql://"),
            ("postgresql+asyncpg://u:hunter2@h/d?a=b", "must begin with postgresql://"),
            ("postgresql://u:hunter2/h@h/d", "a port is not a number"),
            ("postgresql://u:1/hunter2@h/d", "an @ after the first /"),
            ("postgresql://u:1?hunter2@h/d", "parameter 1 after the ? is not name=value"),
            ("postgresql://u@h/d?sslmode=disable&hunter2=1", "parameter 2 after the ? is not one"),
            ("postgresql://u:hunter2%@h/d", "write % itself as %25"),
            ("postgresql://u:hunter2%00@h/d", "the password holds a zero byte"),
            ("postgresql://u@h/d?sslpassword=hunter2", "sslpassword is not supported"),
            ("host=h password=my hunter2", "pair 3 is not name=value"),
            ("host=h password='hunter2", "the quote of pair 2 is not closed"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
