//! A network between two processes: a loopback port that forwards its connections to a server and can slow, stall, cut
//! and forget them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The largest number of bytes forwarded at once.
const CHUNK_BYTES: usize = 8 << 10;

/// The byte count that never cuts a connection.
const NEVER: i64 = i64::MAX / 2;

/// The far end of a network.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A Unix socket.
    Socket(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

/// The direction of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// Requests.
    ToServer,
    /// Answers.
    ToClient,
}

/// A simulated network.
#[derive(Debug)]
pub(super) struct Network {
    control: Arc<Control>,
    address: SocketAddr,
    /// Stops with the network.
    _runtime: Runtime,
}

#[derive(Debug)]
struct Control {
    target: Target,
    rules: watch::Sender<Rules>,
    /// The number of connections accepted so far.
    connections: AtomicU64,
    /// The bytes that can still pass before the cut, by direction.
    left: [AtomicI64; 2],
}

/// How bytes are handled. Connections are numbered from 1.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    delay: Duration,
    stalled: bool,
    refused: bool,
    /// Connections up to this number are closed.
    cut: u64,
    /// Connections up to this number forward nothing any more, and neither side is notified.
    forgotten: u64,
}

impl Rules {
    fn let_go(&self, number: u64) -> bool {
        self.cut >= number || !(self.stalled || self.forgotten >= number)
    }
}

impl Network {
    /// Creates a network without faults in front of a server.
    pub(super) fn before(target: Target) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            target,
            rules: watch::Sender::default(),
            connections: AtomicU64::new(0),
            left: [AtomicI64::new(NEVER), AtomicI64::new(NEVER)],
        });
        runtime.spawn(accept(listener, Arc::clone(&control)));
        Network { control, address, _runtime: runtime }
    }

    /// Returns the address of the near end.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays all bytes.
    pub(super) fn slow(&self, delay: Duration) {
        self.control.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Stops forwarding, on new connections too; they are still accepted.
    pub(super) fn stall(&self) {
        self.control.rules.send_modify(|rules| rules.stalled = true);
    }

    /// Resumes forwarding after a stall.
    pub(super) fn resume(&self) {
        self.control.rules.send_modify(|rules| rules.stalled = false);
    }

    /// Closes new connections, or accepts them again.
    pub(super) fn refuse(&self, refused: bool) {
        self.control.rules.send_modify(|rules| rules.refused = refused);
    }

    /// Closes the current connections.
    pub(super) fn cut(&self) {
        self.control.cut();
    }

    /// Closes the connections that are open when this many further bytes have passed.
    pub(super) fn cut_after(&self, bytes: u64, direction: Direction) {
        let bytes = i64::try_from(bytes).unwrap();
        self.control.left[direction as usize].store(bytes, Ordering::SeqCst);
    }

    /// Returns whether the cut of [`Network::cut_after`] has happened.
    pub(super) fn was_cut(&self, direction: Direction) -> bool {
        self.control.left[direction as usize].load(Ordering::SeqCst) > NEVER / 2
    }

    /// Forgets the current connections, as a firewall does: they forward nothing any more, and neither side is
    /// notified. New connections work.
    pub(super) fn forget(&self) {
        let number = self.control.connections.load(Ordering::SeqCst);
        self.control.rules.send_modify(|rules| rules.forgotten = number);
    }
}

impl Control {
    fn cut(&self) {
        let number = self.connections.load(Ordering::SeqCst);
        self.rules.send_modify(|rules| rules.cut = number);
    }

    /// Returns how many of these bytes can pass before the connections are cut; `None` if all can.
    fn cut_within(&self, bytes: usize, direction: Direction) -> Option<usize> {
        let counter = &self.left[direction as usize];
        let bytes = i64::try_from(bytes).unwrap();
        let left = counter.fetch_sub(bytes, Ordering::SeqCst);
        if left > bytes {
            return None;
        }
        counter.store(NEVER, Ordering::SeqCst);
        usize::try_from(left).ok()
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        if control.rules.borrow().refused {
            continue;
        }
        let number = control.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let control = Arc::clone(&control);
        tokio::spawn(async move {
            let _ = near.set_nodelay(true);
            match &control.target {
                Target::Socket(path) => {
                    if let Ok(far) = UnixStream::connect(path).await {
                        serve(near, far, &control, number).await;
                    }
                }
                Target::Tcp(address) => {
                    if let Ok(far) = TcpStream::connect(address).await {
                        let _ = far.set_nodelay(true);
                        serve(near, far, &control, number).await;
                    }
                }
            }
        });
    }
}

/// Forwards bytes until both sides have ended or the connection is cut.
async fn serve(
    near: impl AsyncRead + AsyncWrite,
    far: impl AsyncRead + AsyncWrite,
    control: &Control,
    number: u64,
) {
    let (near_read, near_write) = tokio::io::split(near);
    let (far_read, far_write) = tokio::io::split(far);
    let mut rules = control.rules.subscribe();
    let moving = async {
        tokio::try_join!(
            pump(near_read, far_write, control, number, Direction::ToServer),
            pump(far_read, near_write, control, number, Direction::ToClient),
        )
    };
    tokio::select! {
        biased;
        _ = rules.wait_for(|rules| rules.cut >= number) => {}
        _ = moving => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    control: &Control,
    number: u64,
    direction: Direction,
) -> std::io::Result<()> {
    let mut rules = control.rules.subscribe();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        let delay = match rules.wait_for(|rules| rules.let_go(number)).await {
            Ok(rules) => rules.delay,
            Err(_) => return Ok(()),
        };
        tokio::time::sleep(delay).await;
        if read == 0 {
            return to.shutdown().await;
        }
        if let Some(last) = control.cut_within(read, direction) {
            to.write_all(&chunk[..last]).await?;
            control.cut();
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        to.write_all(&chunk[..read]).await?;
    }
}
