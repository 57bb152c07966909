//! What settings a text, variables and files make, and that no password gets out.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;

use super::super::settings::{Host, Secret, encoded};
use super::*;

fn settings(text: &str, variables: &[(&str, &str)]) -> Result<ConnectionSettings> {
    settings_at_home(text, variables, None)
}

fn settings_at_home(
    text: &str,
    variables: &[(&str, &str)],
    home: Option<&Path>,
) -> Result<ConnectionSettings> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(OsString::from);
    ConnectionSettings::from_environment(
        text,
        &Environment {
            variable: &variable,
            home: home.map(Path::to_owned),
            user: Some("me".to_owned()),
        },
    )
}

#[track_caller]
fn refused(text: &str, words: &str) {
    let error = settings(text, &[]).unwrap_err().to_string();
    assert!(error.contains(words), "{text}: {error}");
}

#[test]
fn a_url_takes_precedence_over_the_variables() {
    let full = "postgresql://a:b@c:1/d?sslmode=require&channel_binding=require&connect_timeout=3";
    let variables = [
        ("PGHOST", "x,y"),
        ("PGPORT", "7,8"),
        ("PGUSER", "u"),
        ("PGPASSWORD", "p"),
        ("PGDATABASE", "n"),
        ("PGSSLMODE", "verify-full"),
        ("PGCHANNELBINDING", "disable"),
        ("PGCONNECT_TIMEOUT", "9"),
        ("PGAPPNAME", "app"),
        ("PGTARGETSESSIONATTRS", "primary"),
    ];
    let alone = settings(full, &[]).unwrap();
    let both = settings(full, &variables).unwrap();
    assert_eq!(
        (&both.targets, &both.user, &both.database, both.ssl_mode, both.connect_timeout),
        (&alone.targets, &alone.user, &alone.database, alone.ssl_mode, alone.connect_timeout)
    );
    assert_eq!(alone.to_string(), "postgresql://a@c:1/d?sslmode=require");
    assert_eq!(both.application_name, "app");

    let empty = settings("postgresql://", &variables).unwrap();
    assert_eq!(empty.to_string(), "postgresql://u@x:7,y:8/n?sslmode=verify-full");
    assert_eq!(empty.targets[1].password, Some(Secret("p".to_owned())));
    assert_eq!(empty.channel_binding, ChannelBinding::Disable);
    assert_eq!(empty.connect_timeout, Some(Duration::from_secs(9)));
    assert_eq!(empty.session_attributes, SessionAttributes::Primary);
}

#[test]
fn defaults_are_those_of_libpq() {
    let settings = settings("postgresql://", &[]).unwrap();
    assert_eq!((settings.user.as_str(), settings.database.as_str()), ("me", "me"));
    assert!(matches!(settings.targets[0].host, Host::Socket(_)));
    assert_eq!((settings.ssl_mode, settings.targets[0].port), (SslMode::Prefer, 5432));
    assert_eq!(settings.roots, Roots::Absent);
    assert_eq!(settings.connect_timeout, Some(CONNECT_TIMEOUT));
    assert_eq!(settings.statements, Statements::Detect);
}

#[test]
fn lists_pair_hosts_addresses_and_ports() {
    let list = settings("host=a,b hostaddr=127.0.0.1,::1 port=5 user=u dbname=n", &[]).unwrap();
    assert_eq!(list.to_string(), "postgresql://u@a:5,b:5/n?sslmode=prefer");
    assert_eq!(list.targets[1].address, Some("::1".parse().unwrap()));
    refused("host=a,b port=1,2,3", "2 hosts and 3 ports");
    refused("host=a,b hostaddr=::1", "2 hosts and 1 hostaddrs");
    refused("host=a hostaddr=name", "a hostaddr is not an IP address");
    for port in ["99999", "0", "-1", "x"] {
        refused(&format!("host=a port={port}"), "a port is not a number from 1 to 65535");
    }
}

#[test]
fn files_of_the_user_are_defaults() {
    let home = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let url = "postgresql://u@a,b/n";
    let at_home = || settings_at_home(url, &[], Some(home.path())).unwrap();
    assert_eq!((at_home().roots, at_home().certificate), (Roots::Absent, None));
    let roots = write(".postgresql/root.crt", "");
    let certificate = write(".postgresql/postgresql.crt", "");
    let key = home.path().join(".postgresql/postgresql.key");
    let passwords = write(".pgpass", "a:5432:n:u:first\nb:*:*:*:second\n");
    assert_eq!(at_home().roots, Roots::File(roots));
    assert_eq!(at_home().certificate, Some((certificate, key)));
    assert_eq!(at_home().targets[0].password, None, "others can read the file");
    fs::set_permissions(&passwords, Permissions::from_mode(0o600)).unwrap();
    let given: Vec<_> = at_home().targets.into_iter().map(|target| target.password).collect();
    assert_eq!(given, [Some(Secret("first".into())), Some(Secret("second".into()))]);
}

#[test]
fn certificates_are_verified_with_the_roots_that_are_named_or_the_systems() {
    let roots = |text| settings(text, &[]).map(|settings| (settings.roots, settings.ssl_mode));
    let file = Roots::File("/ca".into());
    assert_eq!(roots("sslmode=verify-ca user=u").unwrap(), (Roots::System, SslMode::VerifyCa));
    assert_eq!(roots("sslmode=require sslrootcert=/ca").unwrap(), (file, SslMode::Require));
    assert_eq!(roots("sslrootcert=system").unwrap(), (Roots::System, SslMode::VerifyFull));
    refused("sslmode=require sslrootcert=system", "goes with sslmode=verify-full only");
    refused("sslnegotiation=direct", "goes with sslmode=require or stronger");
    refused("sslmode=maybe", "sslmode is not one of disable, allow, prefer, require, verify-ca");
}

#[test]
fn another_program_gets_the_same_settings() {
    let url = "postgresql://u:p@a,b:6/n?sslmode=verify-ca&sslrootcert=/ca&sslcert=/c&sslkey=/k";
    let environment: HashMap<_, _> =
        settings(url, &[]).unwrap().environment().into_iter().collect();
    for (name, value) in [
        ("PGHOST", Some("a,b")),
        ("PGHOSTADDR", None),
        ("PGPORT", Some("5432,6")),
        ("PGUSER", Some("u")),
        ("PGPASSWORD", Some("p")),
        ("PGDATABASE", Some("n")),
        ("PGSSLMODE", Some("verify-ca")),
        ("PGSSLROOTCERT", Some("/ca")),
        ("PGSSLCERT", Some("/c")),
        ("PGSSLKEY", Some("/k")),
        ("PGSERVICE", None),
    ] {
        assert_eq!(environment[name], value.map(OsString::from), "{name}");
    }
}

/// What a person sees of settings, or of the error in their place.
fn shown(made: &Result<ConnectionSettings>) -> String {
    match made {
        Ok(settings) => format!("{settings} {settings:?} {settings:#?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), start in 0..3_usize) {
        let start = ["", "postgresql://", "host=a "][start];
        let _ = settings(&format!("{start}{text}"), &[("PGUSER", "u")]);
    }

    #[test]
    fn a_password_is_taken_whole_and_never_shown(password in "[A-Z0-9]{8,12}[ -~]{0,8}") {
        let percent = encoded(&password);
        let quoted = password.replace('\\', r"\\").replace('\'', r"\'");
        for text in [
            format!("postgresql://u:{percent}@h/n"),
            format!("postgresql://u@h/n?password={percent}"),
            format!("host=h user=u dbname=n password='{quoted}'"),
        ] {
            let made = settings(&text, &[]);
            prop_assert!(!shown(&made).contains(&password), "{}", shown(&made));
            prop_assert_eq!(&made.unwrap().targets[0].password, &Some(Secret(password.clone())));
        }
        let made = settings("postgresql://h", &[("PGPASSWORD", &password)]);
        prop_assert!(!shown(&made).contains(&password));
        prop_assert_eq!(&made.unwrap().targets[0].password, &Some(Secret(password)));
    }

    /// A password with signs that should be encoded; its letters come nowhere else.
    #[test]
    fn a_password_that_is_not_encoded_is_not_shown_either(
        before in "[-._~!$&'()*+,;=:/?#@% a-z0-9]{0,4}",
        after in "[-._~!$&'()*+,;=:/?#@% a-z0-9]{0,4}",
    ) {
        let password = format!("{before}SECRET{after}");
        for text in [
            format!("postgresql://u:{password}@h/n"),
            format!("postgresql://u@h/n?password={password}&sslmode=prefer"),
            format!("host=h user=u password={password} dbname=n"),
        ] {
            let made = settings(&text, &[]);
            // A sign that ends the password makes the rest a parameter of its own.
            let known = ["user=", "dbname=", "host="].iter().any(|word| text.matches(word).count() > 1);
            prop_assert!(known || !shown(&made).contains("SECRET"), "{text}: {}", shown(&made));
        }
    }
}
