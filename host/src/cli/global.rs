//! The settings of all commands.

use std::path::PathBuf;

use clap::Args;

use super::program::Program;

/// The settings of all commands.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The database: postgresql://user@host/name, with libpq's parameters and variables. Default:
    /// ARC_DATABASE_URL, then TIMESCALE_SERVICE_URL, then the embedded database. A URL with a
    /// password belongs in the variable: on the command line, other users of the machine can see
    /// it.
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    pub(super) database_url: Option<String>,

    /// A service to use instead of a database, such as https://arc.example.
    #[arg(
        long,
        global = true,
        env = "ARC_SERVER",
        value_name = "URL",
        conflicts_with = "database_url",
        help_heading = "Settings"
    )]
    pub(super) server: Option<String>,

    /// The token for the service. In the variable, it does not appear in the list of processes.
    #[arg(
        long,
        global = true,
        env = "ARC_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Settings"
    )]
    pub(super) token: Option<String>,

    /// The folder of the embedded database.
    #[arg(
        long,
        global = true,
        env = "ARC_DATA_DIR",
        value_name = "DIR",
        help_heading = "Settings"
    )]
    pub(super) data_dir: Option<PathBuf>,

    /// The folder of PostgreSQL's own programs (initdb, postgres) for the embedded database.
    #[arg(
        long,
        global = true,
        env = "ARC_POSTGRES_BIN",
        value_name = "DIR",
        help_heading = "Settings"
    )]
    pub(super) postgres_bin: Option<PathBuf>,

    /// Do not download PostgreSQL for the embedded database if this machine has none.
    #[arg(
        long,
        global = true,
        env = "ARC_NO_DOWNLOAD",
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Settings"
    )]
    pub(super) no_download: bool,

    /// The mirror from which PostgreSQL is downloaded: a folder of
    /// postgresql-VERSION-PLATFORM.tar.gz and SHA256SUMS. Default: the releases of the theseus-rs
    /// project.
    #[arg(
        long,
        global = true,
        env = "ARC_POSTGRES_MIRROR",
        value_name = "URL",
        help_heading = "Settings"
    )]
    pub(super) postgres_mirror: Option<String>,

    /// The cache folder of compiled components.
    #[arg(
        long,
        global = true,
        env = "ARC_CACHE_DIR",
        value_name = "DIR",
        help_heading = "Settings"
    )]
    pub(super) cache_dir: Option<PathBuf>,

    /// Write JSON for programs instead of text for people.
    #[arg(long, global = true, help_heading = "Settings")]
    pub(super) json: bool,

    /// The program in which this command line runs.
    #[arg(skip)]
    pub(super) program: Program,
}
