//! The servers of a list, each with its port and its password.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::parse::Parameters;
use super::passfile;
use super::settings::{Host, Secret, Target};

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// The folders of servers' sockets: Debian's, and PostgreSQL's own.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The servers in the order of the list.
pub(super) fn targets(
    parameters: &Parameters,
    user: &str,
    database: &str,
    default_passfile: Option<PathBuf>,
) -> std::result::Result<Vec<Target>, String> {
    let list = |name: &str| -> Vec<&str> {
        parameters
            .get(name)
            .map(|text| text.split(',').map(str::trim).collect())
            .unwrap_or_default()
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(format!("it has {} hosts and {} hostaddrs", hosts.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("it has {count} hosts and {} ports; one port is for all", ports.len()));
    }
    let socket_folder =
        SOCKET_FOLDERS.into_iter().find(|folder| Path::new(folder).is_dir()).unwrap_or("/tmp");
    let passfile = match parameters.get("passfile") {
        Some(path) => Some(PathBuf::from(path)),
        None => default_passfile,
    };
    let given = parameters.get("password").cloned().map(Secret);
    let passwords = match &given {
        Some(_) => None,
        None => passfile.as_deref().and_then(passfile::read),
    };
    let target = |index: usize| {
        let address = match addresses.get(index).copied().unwrap_or_default() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| "a hostaddr is not an IP address")?),
        };
        let host = match (hosts.get(index).copied().unwrap_or_default(), address) {
            ("", Some(address)) => Host::Tcp(address.to_string()),
            ("", None) => Host::Socket(socket_folder.to_owned()),
            (folder, _) if folder.starts_with('/') => Host::Socket(folder.to_owned()),
            (name, _) => Host::Tcp(name.to_owned()),
        };
        let port = match ports.get(index).or(ports.first()).copied().unwrap_or_default() {
            "" => PORT,
            text => text
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or("a port is not a number from 1 to 65535")?,
        };
        let wanted = passfile::PasswordQuery {
            host: if host == Host::Socket(socket_folder.to_owned()) {
                "localhost"
            } else {
                host.text()
            },
            port,
            database,
            user,
        };
        let kept = || Some(Secret(passfile::find(passwords.as_deref()?, &wanted)?));
        Ok(Target { password: given.clone().or_else(kept), host, address, port })
    };
    (0..count).map(target).collect()
}
