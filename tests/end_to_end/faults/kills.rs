//! The host, the database, and both, killed with SIGKILL at random moments.

use super::ledger::Way;
use super::run::{Host, Run};
use crate::support::DatabaseServer;

/// The number of runners that send to the service.
const SENDERS: usize = 4;

/// The number of runners that record directly into the database.
const DIRECT_SENDERS: usize = 2;

const TO_SERVICE: &[Way] = &[Way::Service, Way::Spool];
const EVERY: &[Way] = &[Way::Service, Way::Spool, Way::Direct];

fn begin(name: &'static str) -> (Run, DatabaseServer, Host) {
    let mut run = Run::begin(name);
    let server = DatabaseServer::start();
    let host = Host::start(&server.url());
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&server.url(), DIRECT_SENDERS);
    (run, server, host)
}

fn end(mut run: Run, server: &DatabaseServer, host: &Host) {
    run.wait(&[Way::Service]);
    run.wait(&[Way::Direct]);
    run.end_senders();
    run.settle(host);
    run.check(server);
}

#[test]
fn the_host_is_killed() {
    let (mut run, server, mut host) = begin("kill -9 of the host");
    for _ in 0..Run::rounds(6) {
        run.wait(TO_SERVICE);
        host.kill();
        host.resume();
        run.count_round();
    }
    end(run, &server, &host);
}

#[test]
fn the_database_is_killed() {
    let (mut run, mut server, host) = begin("kill -9 of the database");
    for round in 0..Run::rounds(4) {
        run.wait(EVERY);
        if round % 2 == 0 {
            // The whole server; meanwhile the service spools all results.
            server.kill();
            run.wait(&[Way::Spool]);
            server.resume();
        } else {
            // One server process, after which the server recovers on its own.
            server.kill_a_connection();
        }
        run.wait(&[Way::Direct]);
        run.count_round();
    }
    end(run, &server, &host);
}

#[test]
fn the_host_and_the_database_are_killed() {
    let (mut run, mut server, mut host) = begin("kill -9 of host and database");
    for _ in 0..Run::rounds(4) {
        run.wait(EVERY);
        // In either order, with or without results in between.
        let order = run.random.between(0, 3);
        if order % 2 == 0 {
            server.kill();
            if order == 2 {
                run.wait(&[Way::Spool]);
            }
            host.kill();
        } else {
            host.kill();
            server.kill();
        }
        if run.random.between(0, 1) == 0 {
            host.resume();
            run.wait(&[Way::Spool]);
            server.resume();
        } else {
            server.resume();
            host.resume();
        }
        run.wait(TO_SERVICE);
        run.count_round();
    }
    end(run, &server, &host);
}
