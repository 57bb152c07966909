//! The service under test, and a client that speaks plain HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Files, Program};

/// The longest wait before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// `arc-host serve` on a free loopback port, with a folder of its own.
#[derive(Debug)]
pub struct Service {
    child: Child,
    url: String,
    log: std::path::PathBuf,
    http: Http,
}

/// A client that speaks plain HTTP, from any thread.
#[derive(Debug)]
pub struct Http {
    runtime: Runtime,
    client: Client,
    headers: HeaderMap,
}

/// A stream of results that is sent by hand, on a connection of its own.
#[derive(Debug)]
pub struct OpenStream {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
}

/// An HTTP response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Service {
    /// Starts a service whose spool is in `files`, with further options.
    pub fn start(program: &Program, files: &Files, options: &[&str]) -> Self {
        let spool = files.path("spool").display().to_string();
        let mut all = vec!["--spool-dir", spool.as_str()];
        if !options.contains(&"--log-level") {
            all.extend(["--log-level", "debug"]);
        }
        all.extend(options);
        Self::start_with(program, &files.path("service.log"), &all)
    }

    /// Starts a service with these options, and waits until it listens.
    pub fn start_with(program: &Program, log: &Path, options: &[&str]) -> Self {
        let mut command = program.command(["serve", "--json", "--listen", "127.0.0.1:0"]);
        command.args(options);
        Self::start_command(command, log)
    }

    /// Starts a service after a line of shell, such as one that sets a limit of the process.
    pub fn start_after(shell: &str, program: &Program, log: &Path, options: &[&str]) -> Self {
        let wanted = program.command(["serve", "--json", "--listen", "127.0.0.1:0"]);
        let mut command = program.in_environment("sh");
        command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")]);
        command.arg(wanted.get_program()).args(wanted.get_args()).args(options);
        Self::start_command(command, log)
    }

    fn start_command(mut command: std::process::Command, log: &Path) -> Self {
        let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let logged = || std::fs::read_to_string(log).unwrap_or_default();
        let listening: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}\n{}", logged()));
        let url = listening["listening"][0].as_str().unwrap().to_owned();
        Service { child, url, log: log.to_owned(), http: Http::new() }
    }

    /// Returns the service's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the program configured for this service.
    pub fn program(&self) -> Program {
        Program::on_service(&self.url)
    }

    /// Returns the service's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log contains a text.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let since = Instant::now();
        while !self.log().contains(text) {
            assert!(since.elapsed() < DEADLINE, "{text} is not in the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Adds a header to every request.
    pub fn send_header(&mut self, name: &'static str, value: &str) {
        self.http
            .headers
            .insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }

    /// Switches to HTTP/2.
    pub fn speak_http2(&mut self) {
        self.http.client = client(reqwest::Client::builder().http2_prior_knowledge());
    }

    /// Sends a request; the body's type is JSON unless a header sets another.
    #[track_caller]
    pub fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let url = format!("{}{path}", self.url);
        let body: reqwest::Body = body.into();
        let bytes = body.as_bytes().map(<[u8]>::to_vec);
        let mut sent = self.http.send(method.clone(), &url, headers, body);
        // A client that is refused while it sends can find the connection closed before it reads the answer.
        for _ in 0..5 {
            let cut = sent.as_ref().is_err_and(|error| format!("{error:?}").contains("BrokenPipe"));
            let (true, Some(bytes)) = (cut, &bytes) else { break };
            sent = self.http.send(method.clone(), &url, headers, bytes.clone());
        }
        sent.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Sends a GET request.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "")
    }

    /// Sends JSON in a POST request.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string())
    }

    /// Starts a simulation with these scenarios, and returns its id.
    #[track_caller]
    pub fn start_simulation(&self, scenarios: &[&str]) -> String {
        let scenarios: Vec<Value> = scenarios.iter().map(|id| json!({"id": id})).collect();
        let started = self.post("/v1/simulations", &json!({"scenarios": scenarios}));
        assert!([200, 202].contains(&started.status), "{started:?}");
        started.json()["simulation_id"].as_str().unwrap().to_owned()
    }

    /// Repeats a request until the answer satisfies the condition.
    #[track_caller]
    pub fn wait_until(&self, path: &str, good: impl Fn(&Answer) -> bool) -> Answer {
        let since = Instant::now();
        loop {
            let answer = self.get(path);
            if good(&answer) {
                return answer;
            }
            assert!(since.elapsed() < DEADLINE, "{path}: {answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the spool is empty.
    #[track_caller]
    pub fn wait_for_empty_spool(&self) {
        self.wait_until("/v1/health", |health| health.json()["spool"]["depth"] == 0);
    }

    /// Opens a bare connection whose reads and writes time out when the test has to fail.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Begins a stream of results for a simulation.
    pub fn open_stream(&self, simulation_id: &str, headers: &[(&str, &str)]) -> OpenStream {
        let mut stream = self.connect();
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(
            stream,
            "POST /v1/simulations/{simulation_id}/outcomes HTTP/1.1\r\nhost: localhost\r\n{headers}\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        .unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        OpenStream { stream, answers }
    }

    /// Returns the peak of the service's memory so far, in mebibytes.
    pub fn peak_memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() >> 10
    }

    /// Returns the processor time of the service so far.
    pub fn processor_time(&self) -> Duration {
        let line = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = line.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // User and system time, in hundredths of a second.
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Waits at most this long for the service to end, and returns its exit code.
    #[track_caller]
    pub fn wait_at_most(&mut self, limit: Duration) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(since.elapsed() < limit, "it has not ended after {limit:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends the service SIGHUP, at which it reads its settings again.
    pub fn reload(&self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGHUP).unwrap();
    }

    /// Sends the service SIGTERM.
    pub fn terminate(&self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
    }

    /// Waits for the service to end, and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Stops the service, and returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    /// Kills the service, as in a crash.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl OpenStream {
    /// Sends a part of the body. A refused connection might be closed already.
    pub fn send(&mut self, part: &[u8]) {
        let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
        chunk.extend_from_slice(part);
        chunk.extend_from_slice(b"\r\n");
        let _ = self.stream.write_all(&chunk);
    }

    /// Ends the body.
    pub fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").unwrap();
    }

    /// Returns the next line of the answer as JSON: a verdict, or a problem.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        self.try_next().expect("the answer has another line")
    }

    /// Returns the next line of the answer as JSON; `None` at its end.
    pub fn try_next(&mut self) -> Option<Value> {
        let mut line = String::new();
        while self.answers.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).expect(&line));
            }
            if line == "0\r\n" {
                return None;
            }
            line.clear();
        }
        None
    }

    /// Returns the connection.
    pub fn connection(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }
}

impl Http {
    /// Creates a client without a connection.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Http { runtime, client: client(Client::builder()), headers: HeaderMap::new() }
    }

    /// Sends a request; the body's type is JSON unless a header sets another.
    pub fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.client.request(method.clone(), url).headers(self.headers.clone());
        if method == Method::POST && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = request.body(body);
        self.runtime.block_on(async {
            let response = sent.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await?.to_vec();
            Ok(Answer { status, headers, body })
        })
    }
}

/// Returns a client that uses no proxy and trusts no certificate, since it does not speak TLS.
pub fn client(builder: reqwest::ClientBuilder) -> Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    // A single connection, because the service would count a spare one.
    let builder = builder.tls_backend_preconfigured(tls).pool_max_idle_per_host(1);
    builder.no_proxy().timeout(DEADLINE).build().unwrap()
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the service's log:\n{}", self.log());
        }
    }
}

impl Answer {
    /// Asserts the status.
    #[track_caller]
    pub fn has(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Asserts that the answer is a problem with this status and code.
    #[track_caller]
    pub fn has_problem(self, status: u16, code: &str) -> Value {
        let answer = self.has(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }

    /// Returns a header, or an empty text if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the lines of the body as JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// Reads from a bare connection until the other side closes it.
pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset connection counts as closed; one that stays open fails at the deadline.
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection is not closed");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
