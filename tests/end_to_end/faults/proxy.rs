//! A network between two processes: a port of loopback whose connections lead to a server, to be
//! slowed, stalled, cut and forgotten.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How many bytes go at once.
const CHUNK_BYTES: usize = 8 << 10;

/// No limit of bytes after which a connection is cut.
const NEVER: i64 = i64::MAX / 2;

/// Where a network leads to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A unix socket.
    Socket(PathBuf),
    /// An address of loopback.
    Tcp(SocketAddr),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// What is asked.
    ToServer,
    /// What is answered.
    ToClient,
}

/// A network.
#[derive(Debug)]
pub(super) struct Network {
    control: Arc<Control>,
    address: SocketAddr,
    /// Ends with the network.
    _runtime: Runtime,
}

#[derive(Debug)]
struct Control {
    target: Target,
    rules: watch::Sender<Rules>,
    /// How many connections there have been.
    connections: AtomicU64,
    /// How many bytes may still go, in either direction.
    left: [AtomicI64; 2],
}

/// What becomes of what is sent. Connections are numbered from 1.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    delay: Duration,
    stalled: bool,
    refused: bool,
    /// Connections up to this one are closed.
    cut: u64,
    /// On connections up to this one nothing moves any more, and neither side hears of it.
    forgotten: u64,
}

impl Rules {
    fn let_go(&self, number: u64) -> bool {
        self.cut >= number || !(self.stalled || self.forgotten >= number)
    }
}

impl Network {
    /// A network in front of a server, on which everything goes as it should.
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

    /// Where its near end is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays everything that is sent.
    pub(super) fn slow(&self, delay: Duration) {
        self.control.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Nothing moves; new connections are accepted, and nothing moves on them either.
    pub(super) fn stall(&self) {
        self.control.rules.send_modify(|rules| rules.stalled = true);
    }

    /// What has stalled goes on.
    pub(super) fn go_on(&self) {
        self.control.rules.send_modify(|rules| rules.stalled = false);
    }

    /// Closes new connections, or takes them again.
    pub(super) fn refuse(&self, refused: bool) {
        self.control.rules.send_modify(|rules| rules.refused = refused);
    }

    /// Closes the connections that there are.
    pub(super) fn cut(&self) {
        self.control.cut();
    }

    /// Closes the connections that there are by then when so many more bytes have gone.
    pub(super) fn cut_after(&self, bytes: u64, direction: Direction) {
        let bytes = i64::try_from(bytes).unwrap();
        self.control.left[direction as usize].store(bytes, Ordering::SeqCst);
    }

    /// Whether what [`Network::cut_after`] has announced has come.
    pub(super) fn was_cut(&self, direction: Direction) -> bool {
        self.control.left[direction as usize].load(Ordering::SeqCst) > NEVER / 2
    }

    /// Forgets the connections that there are, as a firewall does: nothing moves on them any more, and
    /// neither side hears of it. New ones do well.
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

    /// How many of these bytes may go before the connections are cut; nothing where all may.
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

/// Moves bytes until both sides have ended, or the connection is cut.
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
