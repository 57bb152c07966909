//! `arc-host run`: a runner that is a component.

use super::Done;
use super::arguments::{Global, Run};
use super::connection;
use super::output;
use crate::Recorder;
use crate::error::{Error, Result};
use crate::runners::{Runner, RunnerSettings};

pub(super) async fn run(global: &Global, arguments: Run) -> Result<Done> {
    let path = arguments.file.display().to_string();
    let component = std::fs::read(&arguments.file)
        .map_err(|error| Error::io(format!("could not read {path}"), error))?;
    let settings = RunnerSettings {
        memory_bytes: (arguments.memory as usize) << 20,
        cache_dir: connection::components_cache(global),
    };
    let runner = Runner::new(&component, &settings)?;
    let extractor = connection::extractor(global)?;
    let database = connection::open_current(global).await?;
    let recorder = Recorder::new(extractor, database.store().clone()).await?;
    let recorder = recorder.with_formats(connection::formats(global)?);
    let mut words = vec![path];
    words.extend(arguments.arguments);
    let exit = tokio::select! {
        exit = runner.run(recorder.clone(), &words) => Some(exit),
        _ = tokio::signal::ctrl_c() => None,
    };
    // What the runner has handed over is stored, however it ended.
    recorder.close().await;
    match exit {
        Some(exit) => Ok(Done::Exit(u8::try_from(exit?.code).unwrap_or(u8::MAX))),
        None => {
            output::note("stopped; what was recorded is kept");
            Ok(Done::Interrupted)
        }
    }
}
