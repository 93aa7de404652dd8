//! A file system that stops answering, as a network's does: a FUSE server in the test's program, by hand (the kernel's
//! `include/uapi/linux/fuse.h`). What it is asked at last it has read and never answers, so that whoever asked cannot even be
//! killed until the connection ends.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The request for a name.
pub const STALL_AT_LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
/// The request to write.
pub const STALL_AT_WRITE: u32 = 16;
const INIT: u32 = 26;
/// The request to make a file and open it.
pub const STALL_AT_CREATE: u32 = 35;

const NOENT: i32 = 2;
const NOSYS: i32 = 38;

/// Such a file system: an empty folder in which files can be made, until the request comes that is never answered.
#[derive(Debug)]
pub struct Stalled {
    reached: Arc<AtomicBool>,
    pid: String,
    path: String,
}

impl Stalled {
    /// Mounts one at a path of the machine whose root this is; it stalls at this request.
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn mount(root: &Path, path: &str, at: u32) -> Stalled {
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .expect("open /dev/fuse");
        let pid = root
            .components()
            .nth(2)
            .expect("/proc/PID/root")
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        std::fs::create_dir_all(root.join(path.trim_start_matches('/'))).expect("make the folder");
        let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
        let done = Command::new("nsenter")
            .args([
                "--mount",
                &format!("--target={pid}"),
                "--",
                "mount",
                "-i",
                "-t",
                "fuse",
                "-o",
                options,
                "stalled",
                path,
            ])
            .stdin(Stdio::from(device.try_clone().expect("duplicate")))
            .status()
            .expect("run mount");
        assert!(done.success());
        let reached = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&reached);
        std::thread::spawn(move || serve(device, at, &told));
        Stalled {
            reached,
            pid,
            path: path.to_owned(),
        }
    }

    /// Whether it has been asked what it does not answer.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

impl Drop for Stalled {
    /// Ends the connection by force: whoever waits gets an error.
    fn drop(&mut self) {
        let done = Command::new("nsenter")
            .args([
                "--mount",
                &format!("--target={}", self.pid),
                "--",
                "umount",
                "-f",
                "-l",
                &self.path,
            ])
            .status()
            .expect("run umount");
        assert!(done.success());
    }
}

fn serve(mut device: File, at: u32, reached: &AtomicBool) {
    let mut room = vec![0; 1 << 20];
    while let Ok(read) = device.read(&mut room) {
        let word = |from: usize| u32::from_ne_bytes(room[from..from + 4].try_into().expect("four bytes"));
        let node = u64::from_ne_bytes(room[16..24].try_into().expect("eight bytes"));
        let (request, unique) = (word(4), room[8..16].to_vec());
        assert!(read >= 40);
        if request == at {
            reached.store(true, Ordering::Relaxed);
            continue;
        }
        let answer = match request {
            INIT => Ok(init()),
            GETATTR => Ok([&60_u64.to_ne_bytes()[..], &[0; 8], &attributes(node)].concat()),
            STALL_AT_LOOKUP => Err(NOENT),
            STALL_AT_CREATE => Ok([entry(2), opened()].concat()),
            OPEN => Ok(opened()),
            _ => Err(NOSYS),
        };
        let (error, bytes) = answer.map_or_else(|error| (-error, Vec::new()), |bytes| (0, bytes));
        let length = u32::try_from(16 + bytes.len()).expect("short");
        let whole = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), &unique, &bytes].concat();
        // Some requests want no answer.
        let _ = device.write(&whole);
    }
}

/// `fuse_init_out` of protocol 7.31.
fn init() -> Vec<u8> {
    let mut out = vec![0; 64];
    out[0..4].copy_from_slice(&7_u32.to_ne_bytes());
    out[4..8].copy_from_slice(&31_u32.to_ne_bytes());
    out[20..24].copy_from_slice(&(128_u32 << 10).to_ne_bytes());
    out
}

/// `fuse_attr` of the root folder, or of a file.
fn attributes(node: u64) -> Vec<u8> {
    let mut out = vec![0; 88];
    out[0..8].copy_from_slice(&node.to_ne_bytes());
    let mode: u32 = if node == 1 { 0o40755 } else { 0o100_644 };
    out[60..64].copy_from_slice(&mode.to_ne_bytes());
    out[64..68].copy_from_slice(&1_u32.to_ne_bytes());
    out
}

/// `fuse_entry_out`.
fn entry(node: u64) -> Vec<u8> {
    let mut out = vec![0; 40];
    out[0..8].copy_from_slice(&node.to_ne_bytes());
    out[16..24].copy_from_slice(&60_u64.to_ne_bytes());
    out[24..32].copy_from_slice(&60_u64.to_ne_bytes());
    out.extend(attributes(node));
    out
}

/// `fuse_open_out`: writes go to us at once.
fn opened() -> Vec<u8> {
    let mut out = vec![0; 16];
    out[0..8].copy_from_slice(&7_u64.to_ne_bytes());
    out[8..12].copy_from_slice(&1_u32.to_ne_bytes());
    out
}
