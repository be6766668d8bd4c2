//! A child process whose output is read line by line as it comes; it never outlives the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::wait::{LIMIT, within};

/// The process.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    streams_ended: usize,
}

// === impl Process ===

impl Process {
    /// Starts `command` and reads both of its output streams.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        let output = Arc::<Output>::default();
        output.follow(child.stdout.take().expect("it is piped"));
        output.follow(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child, output }
    }

    /// Waits for a line that contains `pattern`, from the beginning of the output, and returns it.
    #[track_caller]
    pub fn wait_for_line(&self, pattern: &str) -> String {
        let end = Instant::now() + LIMIT;
        let mut lines = self.output.lines.lock();
        loop {
            if let Some(line) = lines.all.iter().find(|line| line.contains(pattern)) {
                return line.clone();
            }
            let is_over = lines.streams_ended == 2;
            if is_over || self.output.changed.wait_until(&mut lines, end).timed_out() {
                let why = if is_over { "it has ended" } else { "in time" };
                panic!("{} did not say {pattern:?}, {why}; it said:\n{}", self.name, lines.all.join("\n"));
            }
        }
    }

    /// Returns the lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines.lock().all.clone()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status().expect("there is a shell");
        assert!(status.success(), "signal {name} to {}", self.name);
    }

    /// Waits for the end and returns the exit code; -1 when a signal ended it.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> i32 {
        let (name, child, output) = (&self.name, &mut self.child, &self.output);
        let status = within(limit, &format!("{name} ends"), || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(output.lines.lock().all.join("\n")),
            Err(error) => panic!("wait for {name}: {error}"),
        });
        within(LIMIT, "its output is read to the end", || match output.lines.lock().streams_ended {
            2 => Ok(()),
            ended => Err(format!("{ended} of 2 streams have ended")),
        });
        status.code().unwrap_or(-1)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- output of {} ---\n{}\n---", self.name, self.lines().join("\n"));
        }
    }
}

// === impl Output ===

impl Output {
    fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                output.lines.lock().all.push(String::from_utf8_lossy(&line).into_owned());
                output.changed.notify_all();
            }
            output.lines.lock().streams_ended += 1;
            output.changed.notify_all();
        });
    }
}
