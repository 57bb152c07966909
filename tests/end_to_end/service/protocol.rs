//! Limits of TLS and HTTP/2.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{DEADLINE, Files, Program, Service, TestDatabase, read_to_end, result};

#[test]
fn a_handshake_that_is_not_made_is_not_waited_for() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = files.write("server.crt", parameters.self_signed(&key).unwrap().pem());
    let key = files.write("server.key", key.serialize_pem());
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let options =
        ["--tls-certificate", &certificate, "--tls-key", &key, "--headers-timeout-seconds", "1"];
    let service = Service::start(&Program::on(&database), &files, &options);
    // No bytes, and half of a greeting.
    for begun in [&b""[..], &[0x16, 0x03, 0x01]] {
        let address = service.url().trim_start_matches("https://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(begun).unwrap();
        assert_eq!(read_to_end(&mut stream), "");
    }
    assert_eq!(service.stop(), Some(0));
}

/// A frame of HTTP/2: its type, flags, stream and payload.
type Frame = (u8, u8, u32, Vec<u8>);

/// Returns the bytes of a frame.
fn encoded(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn write_frame(stream: &mut TcpStream, (kind, flags, id, payload): &Frame) {
    stream.write_all(&encoded(*kind, *flags, *id, payload)).unwrap();
}

/// Reads the next frame; fails at the end of the connection.
fn read_frame(stream: &mut TcpStream) -> std::io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    Ok((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

#[test]
fn requests_at_once_on_one_http_2_connection() {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const END_HEADERS: u8 = 4;
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let mut stream = service.connect();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    write_frame(&mut stream, &(SETTINGS, 0, 0, Vec::new()));
    // The service announces the limit: setting 3.
    let (kind, _, _, settings) = read_frame(&mut stream).unwrap();
    assert_eq!(kind, SETTINGS);
    let mut pairs = settings.chunks(6).filter(|pair| pair[..2] == [0, 3]);
    assert_eq!(pairs.next().unwrap()[2..], 256_u32.to_be_bytes());
    // Requests without bodies: POST, http, a path, a host, and the type of the body.
    let mut headers = vec![0x83, 0x86];
    for (index, value) in [(0x04, "/v1/extract"), (0x01, "localhost")] {
        headers.extend([index, u8::try_from(value.len()).unwrap()]);
        headers.extend(value.as_bytes());
    }
    for text in ["content-type", "application/json"] {
        if text == "content-type" {
            headers.push(0x00);
        }
        headers.push(u8::try_from(text.len()).unwrap());
        headers.extend(text.as_bytes());
    }
    for number in 0..257 {
        write_frame(&mut stream, &(HEADERS, END_HEADERS, number * 2 + 1, headers.clone()));
    }
    // Only the last request is refused (7), which allows the client to send it again.
    let refused = loop {
        let frame = read_frame(&mut stream).unwrap();
        if frame.0 == RESET {
            break frame;
        }
        assert_ne!(frame.0, HEADERS, "no request is answered without its body");
    };
    assert_eq!((refused.2, refused.3), (256 * 2 + 1, 7_u32.to_be_bytes().to_vec()));
    drop(stream);
    service.get("/v1/simulations").has(200);
    assert_eq!(service.stop(), Some(0));
}

/// Returns the header block of a GET request of HTTP/2 for this path.
fn get_lines(path: &str) -> Vec<u8> {
    let mut headers = vec![0x82, 0x86];
    for (index, value) in [(0x04, path), (0x01, "localhost")] {
        headers.extend([index, u8::try_from(value.len()).unwrap()]);
        headers.extend(value.as_bytes());
    }
    headers.push(0x00);
    for text in ["accept", "application/x-ndjson"] {
        headers.push(u8::try_from(text.len()).unwrap());
        headers.extend(text.as_bytes());
    }
    headers
}

/// Reads frames until the service closes the connection, and answers its pings, as client libraries
/// do.
fn answer_pings_until_the_end(stream: &mut TcpStream) {
    const PING: u8 = 6;
    const ACK: u8 = 1;
    let since = std::time::Instant::now();
    while let Ok((kind, flags, _, payload)) = read_frame(stream) {
        assert!(since.elapsed() < DEADLINE, "the service does not close the connection");
        if kind == PING && flags & ACK == 0 {
            write_frame(stream, &(PING, ACK, 0, payload));
        }
    }
    assert!(since.elapsed() < DEADLINE, "the service does not close the connection");
}

#[test]
fn an_http_2_connection_on_which_nothing_happens_is_ended() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const END_STREAM_AND_HEADERS: u8 = 5;
    let (database, files) = (TestDatabase::new(), Files::new());
    let limits = ["--headers-timeout-seconds", "1", "--response-idle-timeout-seconds", "1"];
    let service = Service::start(&Program::on(&database), &files, &limits);
    let id = service.start_simulation(&["a"]);
    let path = format!("/v1/simulations/{id}/outcomes");
    service.post(&path, &result("a", "success", 1.0)).has(200);
    let open = |window: u32, requests: &[Frame]| {
        let mut stream = service.connect();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        // The client's receive window: setting 4.
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        write_frame(&mut stream, &(SETTINGS, 0, 0, settings));
        requests.iter().for_each(|request| write_frame(&mut stream, request));
        stream
    };
    // No request, one with incomplete headers, one whose answer is read, and one whose answer is
    // not.
    let whole = (HEADERS, END_STREAM_AND_HEADERS, 1, get_lines(&path));
    let begun = (HEADERS, 0, 1, get_lines(&path));
    for (window, requests) in [
        (1 << 16, vec![]),
        (1 << 16, vec![begun]),
        (1 << 16, vec![whole.clone()]),
        (0, vec![whole]),
    ] {
        let mut stream = open(window, &requests);
        answer_pings_until_the_end(&mut stream);
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn requests_that_are_reset_as_soon_as_they_are_sent() {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const END_STREAM_AND_HEADERS: u8 = 5;
    const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
    const STREAMS: u32 = 100_000;
    const AT_ONCE: u32 = 500;
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let mut stream = service.connect();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    write_frame(&mut stream, &(SETTINGS, 0, 0, Vec::new()));
    let mut reader = stream.try_clone().unwrap();
    let headers = get_lines("/v1/simulations");
    let reset = std::thread::scope(|scope| {
        // Reads whether the service closes the connection, and for which reason.
        let reading = scope.spawn(move || {
            let mut reason = None;
            while let Ok((kind, _, _, payload)) = read_frame(&mut reader) {
                if kind == GOAWAY {
                    reason = payload.get(4..8).map(<[u8]>::to_vec);
                }
            }
            reason
        });
        let sending = scope.spawn(move || {
            let mut sent = 0;
            while sent < STREAMS {
                let mut many = Vec::new();
                for number in sent..sent + AT_ONCE {
                    let id = number * 2 + 1;
                    many.extend(encoded(HEADERS, END_STREAM_AND_HEADERS, id, &headers));
                    many.extend(encoded(RESET, 0, id, &CANCEL));
                }
                if stream.write_all(&many).is_err() {
                    break;
                }
                sent += AT_ONCE;
            }
            // If the service has not closed the connection, the client does.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            sent
        });
        // Other clients are answered meanwhile.
        let mut answered = 0;
        while !sending.is_finished() || answered == 0 {
            service.get("/health/live").has(200);
            service.get("/v1/simulations").has(200);
            answered += 1;
        }
        (sending.join().unwrap(), reading.join().unwrap())
    });
    // The service closes the connection long before that: "enhance your calm".
    let (sent, reason) = reset;
    assert_eq!(reason, Some(11_u32.to_be_bytes().to_vec()), "after {sent} streams");
    let peak = service.peak_memory_mib();
    assert!(peak < 400, "{peak} MiB");
    service.get("/v1/simulations").has(200);
    assert_eq!(service.stop(), Some(0));
}
