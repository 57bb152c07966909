//! Networks that stall, are cut, and drop connections silently.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_host::client::{ClientSettings, ServiceClient};
use arc_host::delivery::{Delivery, Destination};
use arc_host::spool::{Spool, SpoolSettings};

use super::conditions::network_url;
use super::ledger::Way;
use super::proxy::{Direction, Network, Target};
use super::run::{Host, Run};
use super::senders::{ServiceAddress, send_with};
use crate::support::{DEADLINE, DatabaseServer, Files};

const SENDERS: usize = 3;
const DIRECT_SENDERS: usize = 2;
const EVERY: &[Way] = &[Way::Service, Way::Spool, Way::Direct];

/// A network fault.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Cut,
    /// Cut in the middle of a request.
    CutAsking,
    /// Cut in the middle of an answer, so that the client does not know whether the request was
    /// processed.
    CutAnswering,
    Refused,
    StalledAndBack,
    StalledAndCut,
    Forgotten,
}

/// Causes a fault for as long as `meanwhile` takes, and ends it.
fn make(trouble: Trouble, network: &Network, run: &mut Run, meanwhile: impl FnOnce(&mut Run)) {
    let bytes = run.random.between(1, 60_000);
    match trouble {
        Trouble::Cut => network.cut(),
        Trouble::CutAsking => cut_after(network, bytes, Direction::ToServer),
        Trouble::CutAnswering => cut_after(network, bytes / 10, Direction::ToClient),
        Trouble::Refused => {
            network.refuse(true);
            network.cut();
            meanwhile(run);
            network.refuse(false);
        }
        Trouble::StalledAndBack => {
            network.stall();
            meanwhile(run);
            network.resume();
        }
        Trouble::StalledAndCut => {
            network.stall();
            meanwhile(run);
            network.cut();
            network.resume();
        }
        Trouble::Forgotten => network.forget(),
    }
}

fn cut_after(network: &Network, bytes: u64, direction: Direction) {
    network.cut_after(bytes, direction);
    let since = Instant::now();
    while !network.was_cut(direction) {
        assert!(since.elapsed() < DEADLINE, "nothing moves");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn between_the_host_and_the_database() {
    let mut run = Run::begin("network between host and database");
    let server = DatabaseServer::start();
    let network = Network::before(Target::Socket(server.socket_folder().join(".s.PGSQL.5432")));
    let url = network_url(&network);
    let host = Host::start(&url);
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&url, DIRECT_SENDERS);
    let troubles = [
        Trouble::Cut,
        Trouble::CutAsking,
        Trouble::CutAnswering,
        Trouble::StalledAndBack,
        Trouble::Forgotten,
        Trouble::Refused,
        Trouble::StalledAndCut,
    ];
    for (trouble, _) in troubles.into_iter().cycle().zip(0..Run::rounds(7)) {
        run.wait(EVERY);
        make(trouble, &network, &mut run, |run| run.wait(&[Way::Spool]));
        run.wait(&[Way::Direct]);
        run.wait(&[Way::Service, Way::Spool]);
        run.count_round();
    }
    run.wait(&[Way::Service]);
    run.end_senders();
    run.settle(&host);
    run.check(&server);
}

/// Creates a network in front of a service.
fn network_before(host: &Host) -> Network {
    let address = host.service().url().trim_start_matches("http://").parse().unwrap();
    Network::before(Target::Tcp(address))
}

const BEFORE_THE_SERVICE: [Trouble; 6] = [
    Trouble::Cut,
    Trouble::CutAnswering,
    Trouble::CutAsking,
    Trouble::StalledAndBack,
    Trouble::Refused,
    Trouble::StalledAndCut,
];

#[test]
fn between_the_service_and_its_clients() {
    let mut run = Run::begin("network between service and clients");
    let server = DatabaseServer::start();
    let host = Host::start(&server.url());
    let network = network_before(&host);
    run.send_to_service(&ServiceAddress::at(&format!("http://{}", network.address())), SENDERS);
    run.send_directly(&server.url(), DIRECT_SENDERS);
    let troubles = BEFORE_THE_SERVICE.into_iter().cycle().zip(0..Run::rounds(12));
    for (trouble, _) in troubles {
        run.wait(&[Way::Service]);
        // The service is unreachable, while the direct runners continue.
        make(trouble, &network, &mut run, |run| run.wait(&[Way::Direct]));
        run.wait(&[Way::Service]);
        run.count_round();
    }
    run.end_senders();
    run.settle(&host);
    run.check(&server);
}

#[test]
fn between_the_service_and_a_client_with_a_spool() {
    let mut run = Run::begin("network between service and client with a spool");
    let server = DatabaseServer::start();
    let (host, files) = (Host::start(&server.url()), Files::new());
    let network = network_before(&host);
    let settings = ClientSettings {
        url: format!("http://{}", network.address()),
        token: None,
        compress: None,
    };
    let delivery = run.runtime().block_on(async {
        let folder = files.path("client-spool");
        let spool = Spool::open(&SpoolSettings { folder, limit_bytes: 1 << 30 }).unwrap();
        Delivery::with_spool(Destination::Service(ServiceClient::new(&settings).unwrap()), spool)
    });
    for _ in 0..DIRECT_SENDERS {
        let delivery = delivery.clone();
        run.send_otherwise(move |ledger, stop, random, number| async move {
            let start = |start| {
                let delivery = delivery.clone();
                async move { delivery.start_simulation(start).await.map(drop) }
            };
            let record = |id, submissions| delivery.record_batch(id, submissions);
            send_with((Arc::clone(&ledger), stop, random, number), start, record).await;
        });
    }
    for (trouble, _) in BEFORE_THE_SERVICE.into_iter().cycle().zip(0..Run::rounds(6)) {
        run.wait(&[Way::Direct]);
        make(trouble, &network, &mut run, |run| run.wait(&[Way::Spool]));
        run.wait(&[Way::Direct]);
        run.count_round();
    }
    run.end_senders();
    run.runtime().block_on(async {
        delivery.settle(DEADLINE).await;
        assert_eq!(
            delivery.spool_state().map(|state| (state.depth, state.dead_letters)),
            Some((0, 0))
        );
        delivery.close().await;
    });
    run.settle(&host);
    run.check(&server);
}
