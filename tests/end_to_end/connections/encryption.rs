//! The meaning of each `sslmode`, against a server with TLS and one without.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::server::Server;

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_mode_encrypts_and_verifies_as_libpq_does() {
    let server = Server::with_tls().await;
    for (mode, encrypted) in MODES.into_iter().zip([false, false, true, true, true, true]) {
        let parameters = format!("sslmode={mode}&sslrootcert=(FOLDER)/ca.crt");
        let url = server.url("arc", &parameters);
        assert_eq!(server.reach(&url).await, Ok(encrypted), "{mode}");
    }
    assert_eq!(server.reach(&server.url("arc", "sslmode=require")).await, Ok(true));
    let minimum = "sslmode=require&ssl_min_protocol_version=TLSv1.3";
    assert_eq!(server.reach(&server.url("arc", minimum)).await, Ok(true));

    // The second attempt of prefer and allow, if the server's rules require the other one.
    for (user, modes) in [
        ("encrypted", &["allow", "prefer", "require"][..]),
        ("clear", &["disable", "allow", "prefer"]),
    ] {
        for mode in modes {
            let reached = server.reach(&server.url(user, &format!("sslmode={mode}"))).await;
            assert_eq!(reached, Ok(user == "encrypted"), "{user} {mode}");
        }
    }
    server.refuses(&server.url("encrypted", "sslmode=disable"), "no encryption").await;
    server.refuses(&server.url("clear", "sslmode=require"), "SSL encryption").await;

    // A certificate of another authority: no fallback if TLS is required.
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = server.url("arc", &format!("sslmode={mode}&sslrootcert=(FOLDER)/other.crt"));
        server.refuses(&url, "certificate").await;
    }
    let prefer = server.url("arc", "sslmode=prefer&sslrootcert=(FOLDER)/other.crt");
    assert_eq!(server.reach(&prefer).await, Ok(false));
    // None of the system's authorities has signed it either; which ones exist depends on the
    // machine.
    server.refuses(&server.url("arc", "sslrootcert=system"), "certificate").await;

    // A host name that is not the certificate's.
    let named = |mode: &str| {
        let url = server.url("arc", &format!("sslmode={mode}&sslrootcert=(FOLDER)/ca.crt"));
        url.replace("@localhost:", "@elsewhere.example:") + "&hostaddr=127.0.0.1"
    };
    assert_eq!(server.reach(&named("verify-ca")).await, Ok(true));
    server.refuses(&named("verify-full"), "not valid for name").await;

    // The server's own certificate in place of an authority's.
    let own = server.url("arc", "sslmode=verify-full&sslrootcert=(FOLDER)/server.crt");
    assert_eq!(server.reach(&own).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn channels_are_bound_and_clients_show_certificates() {
    let server = Server::with_tls().await;
    for binding in ["disable", "prefer", "require"] {
        let url = server.url("arc", &format!("sslmode=require&channel_binding={binding}"));
        assert_eq!(server.reach(&url).await, Ok(true), "{binding}");
    }
    let clear = server.url("arc", "sslmode=disable&channel_binding=require");
    server.refuses(&clear, "did not use channel binding").await;

    let client = "sslmode=verify-full&sslrootcert=(FOLDER)/ca.crt&sslcert=(FOLDER)/client.crt";
    let url = |key: &str| server.url("by_certificate", &format!("{client}&sslkey=(FOLDER)/{key}"));
    assert_eq!(server.reach(&url("client.key")).await, Ok(true));
    server.refuses(&url("server.crt"), "is readable by others").await;
    server.refuses(&url("none.key"), "none.key").await;
    let bare = server.url("by_certificate", "sslmode=require");
    server.refuses(&bare, "requires a valid client certificate").await;
    let open = server.path("client.key");
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    server.refuses(&url("client.key"), "is readable by others").await;

    // The password is wrong in every mode, and no message shows it.
    for mode in ["disable", "allow", "prefer", "require"] {
        let url = server.url("arc", &format!("sslmode={mode}"));
        let wrong = url.replace("hunter2", "hunter22");
        server.refuses(&wrong, "password authentication failed").await;
        let none = url.replace(&format!(":{}@", super::server::ENCODED), "@");
        server.refuses(&none, "PGPASSWORD").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_tls_on_the_server_only_the_modes_that_need_none_do() {
    let server = Server::without_tls().await;
    for mode in MODES {
        let url = server.url("arc", &format!("sslmode={mode}&sslrootcert=(FOLDER)/ca.crt"));
        if ["disable", "allow", "prefer"].contains(&mode) {
            assert_eq!(server.reach(&url).await, Ok(false), "{mode}");
        } else {
            server.refuses(&url, "does not support TLS").await;
        }
    }
}
