//! A runner that tries one operation which its host can grant or refuse, and prints the result:
//!
//! ```text
//! arc-host run --dir data arc-grants-runner.wasm -- read data/file.txt
//! ```

#![allow(clippy::print_stdout, reason = "its answer goes to standard output")]

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated from wit/")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "runner" });
}

/// An exit code of the runner's choice: the older WASI call that the standard library uses can only
/// report success or failure.
#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated from the interface")]
mod exiting {
    wit_bindgen::generate!({
        inline: "
            package arc:exiting;
            world exiting {
                import wasi:cli/exit@0.2.12;
            }
            package wasi:cli@0.2.12 {
                interface exit {
                    exit: func(status: result);
                    exit-with-code: func(status-code: u8);
                }
            }
        ",
        generate_all,
    });
}

use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use anyhow::{Context as _, Result, bail};

use bindings::arc::recording::recorder;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["read", path] => println!("{}", fs::read_to_string(path)?),
        ["write", path, text] => fs::write(path, text)?,
        ["append", path, text] => {
            fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?;
        }
        ["remove", path] => fs::remove_file(path)?,
        ["make-folder", path] => fs::create_dir(path)?,
        ["rename", from, to] => fs::rename(from, to)?,
        ["list", path] => {
            for entry in fs::read_dir(path)? {
                println!("{}", entry?.file_name().to_string_lossy());
            }
        }
        ["connect", address] => {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"ping")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            println!("{answer}");
        }
        ["listen", address] => println!("{}", TcpListener::bind(address)?.local_addr()?.port()),
        ["send", address] => {
            UdpSocket::bind("127.0.0.1:0")?.send_to(b"ping", address)?;
        }
        ["resolve", name] => {
            println!("{} addresses", (*name, 80).to_socket_addrs()?.count());
        }
        ["environment"] => {
            for (name, value) in env::vars() {
                println!("{name}={value}");
            }
        }
        ["pass"] => {
            io::copy(&mut io::stdin().lock(), &mut io::stdout().lock())?;
        }
        ["exit", code] => exiting::wasi::cli::exit::exit_with_code(code.parse()?),
        ["exit-plainly", code] => std::process::exit(code.parse()?),
        ["panic"] => bail!("a failure of its own"),
        // Prints that it runs, and then computes until it is stopped.
        ["compute"] => {
            println!("computing");
            io::stdout().flush()?;
            let mut number = 1_u64;
            while number != 0 {
                number = std::hint::black_box(number | 1).wrapping_mul(3);
            }
        }
        ["record", simulation] => {
            println!("recording");
            io::stdout().flush()?;
            let document = r#"{"scenario": {"id": "a"}, "trajectory": {"status": "success"}}"#;
            let submission = recorder::Submission {
                document: document.to_owned(),
                trial: None,
                modal_call_id: None,
                sandbox_id: None,
            };
            let verdicts = recorder::record_outcomes(simulation, &[submission]);
            println!("{:?}", verdicts.ok().context("not recorded")?);
        }
        other => bail!("{other:?} is nothing that this runner does"),
    }
    Ok(())
}
