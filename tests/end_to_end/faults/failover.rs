//! A primary that is killed, and a synchronous standby that takes its place.

use tempfile::TempDir;

use super::ledger::Way;
use super::run::{Host, Run};
use crate::support::DatabaseServer;

const SENDERS: usize = 3;
const DIRECT_SENDERS: usize = 2;
const EVERY: &[Way] = &[Way::Service, Way::Spool, Way::Direct];

/// Makes the primary wait for the standby before it answers a commit.
fn wait_for_the_standby(primary: &DatabaseServer) {
    primary.set("synchronous_standby_names", Some("*"));
    let standbys = "SELECT count(*) FROM pg_stat_replication
         WHERE sync_state = 'sync' AND state = 'streaming'";
    primary.wait_until(standbys, |standbys| standbys == 1);
}

/// Crashes the standby and cancels the commits that wait for it. They are committed on the primary only and visible
/// there, and the runners send them again.
fn commit_without(standby: &mut DatabaseServer, primary: &DatabaseServer) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    standby.crash();
    primary.wait_until(WAITING, |waiting| waiting > 0);
    // Materialized, because the planner could otherwise evaluate the conditions in any order.
    let cancel = "WITH waiting AS MATERIALIZED (
             SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'
         )
         SELECT pid FROM waiting WHERE pg_terminate_backend(pid)";
    let processes: Vec<String> =
        primary.query(cancel).iter().map(|row| row.get::<_, i32>(0).to_string()).collect();
    // None of these commits can be acknowledged, although they are visible: the next ones wait, too.
    let others = format!("{WAITING} AND pid <> ALL ('{{{}}}')", processes.join(", "));
    primary.wait_until(&others, |waiting| waiting > 0);
}

#[test]
fn a_primary_that_is_killed_and_its_standby() {
    let mut run = Run::begin("failover to a standby");
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut primary = DatabaseServer::within(folders[0].path(), &[]);
    let mut standby = DatabaseServer::without_cluster(folders[1].path(), &[]);
    primary.resume();
    standby.follow(&primary);
    wait_for_the_standby(&primary);
    let hosts = [&primary, &standby]
        .map(|server| server.socket_folder().display().to_string().replace('/', "%2F"))
        .join(",");
    let url =
        format!("postgresql:///postgres?host={hosts}&user=arc&target_session_attrs=read-write");
    let host = Host::start(&url);
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&url, DIRECT_SENDERS);
    for round in 0..Run::rounds(2) {
        run.wait(EVERY);
        if round % 2 == 0 {
            primary.kill();
            if run.random.between(0, 1) == 0 {
                // For a while there is no primary.
                run.wait(&[Way::Spool]);
            }
        } else {
            commit_without(&mut standby, &primary);
            primary.kill();
            standby.resume();
        }
        standby.promote();
        run.wait(&[Way::Direct]);
        std::mem::swap(&mut primary, &mut standby);
        standby.follow(&primary);
        wait_for_the_standby(&primary);
        run.wait(&[Way::Service, Way::Spool]);
        run.count_round();
    }
    run.wait(&[Way::Service]);
    run.wait(&[Way::Direct]);
    run.end_senders();
    run.settle(&host);
    run.check(&primary);
}
