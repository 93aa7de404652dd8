//! A small HTTP server for tests: it says what it is told to say, true or not, and keeps what it heard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut of_name = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        of_name.next().map(|(_, value)| value.as_str())
    }
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Said in place of the body's true length.
    pub(crate) length: Option<usize>,
    /// After the body: keep the connection open until the peer closes it.
    pub(crate) hold: bool,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            length: None,
            hold: false,
        }
    }

    pub(crate) fn status(status: u16) -> Answer {
        Answer {
            status,
            ..Answer::ok("")
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

type Handler = dyn Fn(&Heard) -> Answer + Send + Sync;

/// A server on a loopback port of its own, ended with its last connection when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, stopped) = (heard.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    break;
                }
                let (handler, log) = (handler.clone(), log.clone());
                // A peer that goes away in the middle is what some tests are about.
                connections.push(std::thread::spawn(move || {
                    serve(stream.unwrap(), &*handler, &log).unwrap_or(())
                }));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        });
        Server {
            address,
            heard,
            stop,
            thread: Some(thread),
        }
    }

    /// `127.0.0.1:port`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// All requests so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Heard>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    // A TLS greeting (record type 22): answered as Go's plain server does.
    if reader.fill_buf()?.first() == Some(&22) {
        return out.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    }
    let Some(heard) = hear(&mut reader)? else {
        return Ok(());
    };
    log.lock().unwrap().push(heard.clone());
    let answer = handler(&heard);
    let length = answer.length.unwrap_or(answer.body.len());
    write!(
        out,
        "HTTP/1.1 {} Said\r\ncontent-length: {length}\r\nconnection: close\r\n",
        answer.status
    )?;
    for (name, value) in &answer.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    out.write_all(b"\r\n")?;
    out.write_all(&answer.body)?;
    if answer.hold {
        reader.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

fn hear(reader: &mut impl BufRead) -> std::io::Result<Option<Heard>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut heard = Heard {
        method,
        path,
        ..Heard::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => heard.headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let length = heard
        .header("content-length")
        .and_then(|l| l.parse().ok())
        .unwrap_or(0);
    reader.take(length).read_to_string(&mut heard.body)?;
    Ok(Some(heard))
}
