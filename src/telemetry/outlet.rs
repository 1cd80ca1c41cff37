//! The log's way out: a bounded queue, and one thread that alone writes.
//!
//! Whoever tells something never waits for stderr and never hears of its failures: a reader that
//! stalls, went away, or has a full disk costs lines, which are counted and told later, and no
//! order. `tracing-appender` does most of this, but it forgets lines that could not be written,
//! bounds lines and not bytes, and prints to stdout at the end, which may be a closed pipe.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait to be written; one more is lost.
const LINES_MAX: usize = 8_192;
/// Bytes of all lines that may wait.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often lost lines are told while there is always something to write.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Before what is written to is asked again whether it takes more, when it was made non-blocking by
/// whoever shares it.
const FULL_WAIT: Duration = Duration::from_millis(10);

thread_local! {
    /// What the writing thread tells itself; elsewhere nothing.
    static OWN_LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Where lines go; never fails, never blocks, never grows without bound.
#[derive(Debug, Default)]
pub struct Outlet {
    state: Mutex<OutletState>,
    arrived: Condvar,
    all_written: Condvar,
    lost: AtomicU64,
    lost_and_told: AtomicU64,
}

#[derive(Debug, Default)]
struct OutletState {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
}

impl Outlet {
    /// Starts the thread that writes to `out`. `report` tells that so many lines were lost; it may
    /// use the log itself.
    pub fn open<Out, Report>(out: Out, report: Report) -> std::io::Result<Arc<Self>>
    where
        Out: Write + Send + 'static,
        Report: Fn(u64) + Send + 'static,
    {
        let outlet = Arc::new(Self::default());
        let mut writer = Writer {
            outlet: outlet.clone(),
            out,
            report,
            is_torn: false,
            reported: None,
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        Ok(outlet)
    }

    /// Takes a line with its end, or counts it as lost.
    pub fn offer(&self, line: &[u8]) {
        let is_own = OWN_LINES.with_borrow_mut(|own| {
            let own = own.as_mut();
            own.map(|lines| lines.extend_from_slice(line)).is_some()
        });

        if is_own {
            return;
        }

        let mut state = self.state();
        if state.waiting.len() >= LINES_MAX || state.bytes + line.len() > BYTES_MAX {
            drop(state);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }

        state.bytes += line.len();
        state.waiting.push_back(line.to_vec());
        drop(state);
        self.arrived.notify_one();
    }

    /// Waits until everything is written, so long at most.
    pub fn flush(&self, wait_max: Duration) {
        let is_busy = |state: &mut OutletState| state.is_writing || !state.waiting.is_empty();
        // Out of time: who reads it stalls, and nobody waits for that.
        let _ = self
            .all_written
            .wait_timeout_while(self.state(), wait_max, is_busy);
    }

    /// Lines that were lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, OutletState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_line(&self) -> Vec<u8> {
        let mut state = self.state();
        loop {
            if let Some(line) = state.waiting.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }

            state.is_writing = false;
            self.all_written.notify_all();
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    fn lost_and_untold(&self) -> u64 {
        self.lost()
            .saturating_sub(self.lost_and_told.load(Ordering::Relaxed))
    }
}

/// What the thread has.
struct Writer<Out, Report> {
    outlet: Arc<Outlet>,
    out: Out,
    report: Report,
    /// Whether the last line broke off in its middle.
    is_torn: bool,
    reported: Option<Instant>,
}

impl<Out: Write, Report: Fn(u64)> Writer<Out, Report> {
    fn run(&mut self) {
        loop {
            let line = self.outlet.next_line();
            if self.write(&line) {
                self.report_losses();
            } else {
                self.outlet.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Told once what was lost is over, or now and again where it goes on.
    fn report_losses(&mut self) {
        let lost = self.outlet.lost_and_untold();
        let is_recent = self.reported.is_some_and(|at| at.elapsed() < REPORT_EVERY);
        if lost == 0 || (is_recent && !self.outlet.is_empty()) {
            return;
        }

        OWN_LINES.set(Some(Vec::new()));
        (self.report)(lost);
        let line = OWN_LINES.take().unwrap_or_default();

        if self.write(&line) {
            self.outlet.lost_and_told.fetch_add(lost, Ordering::Relaxed);
            self.reported = Some(Instant::now());
        }
    }

    /// Whether all of it was taken.
    fn write(&mut self, line: &[u8]) -> bool {
        if self.is_torn && !self.put(b"\n") {
            return false;
        }
        self.is_torn = false;
        self.put(line)
    }

    fn put(&mut self, mut rest: &[u8]) -> bool {
        let whole = rest.len();
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(taken @ 1..) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_WAIT),
                Ok(0) | Err(_) => {
                    self.is_torn |= rest.len() < whole;
                    return false;
                }
            }
        }

        true
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// Takes what it is told to take, one answer for each write.
    struct Scripted {
        answers: Receiver<io::Result<usize>>,
        written: Sender<String>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let answer = self.answers.recv().unwrap_or(Ok(bytes.len()));
            let taken = answer?.min(bytes.len());
            let text = String::from_utf8_lossy(&bytes[..taken]).into_owned();
            self.written.send(text).map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Case {
        outlet: Arc<Outlet>,
        answer: Sender<io::Result<usize>>,
        written: Receiver<String>,
    }

    fn case() -> Case {
        let (answer, answers) = channel();
        let (tell, written) = channel();
        let (reach, reached) = channel::<Arc<Outlet>>();
        let report = move |lost| {
            let outlet = reached.recv().unwrap();
            outlet.offer(format!("{lost} lost\n").as_bytes());
        };

        let outlet = Outlet::open(
            Scripted {
                answers,
                written: tell,
            },
            report,
        )
        .unwrap();

        for _ in 0..8 {
            reach.send(outlet.clone()).unwrap();
        }

        Case {
            outlet,
            answer,
            written,
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_once_it_can_on_a_line_of_its_own() {
        let Case {
            outlet,
            answer,
            written,
        } = case();

        answer.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
        answer.send(Ok(2)).unwrap();
        answer.send(Err(ErrorKind::StorageFull.into())).unwrap();
        drop(answer);

        for line in ["first\n", "second\n", "third\n"] {
            outlet.offer(line.as_bytes());
        }

        outlet.flush(PATIENCE);
        assert_eq!(outlet.lost(), 2);
        let text: String = written.try_iter().collect();
        assert_eq!(text, "se\nthird\n2 lost\n");
    }

    #[test]
    fn whoever_tells_never_waits_for_a_reader_that_stalls_and_memory_is_bounded() {
        let Case {
            outlet,
            answer,
            written,
        } = case();

        let kilobyte = format!("{}\n", "x".repeat(1023));
        for _ in 0..2 * BYTES_MAX / 1024 {
            outlet.offer(kilobyte.as_bytes());
        }

        assert!(outlet.state().bytes <= BYTES_MAX);
        let lost = outlet.lost();
        assert!(
            lost >= u64::try_from(BYTES_MAX / 1024).unwrap() - 1,
            "{lost}"
        );

        outlet.flush(Duration::from_millis(1));

        // It reads again.
        drop(answer);
        outlet.flush(PATIENCE);
        let text: String = written.try_iter().collect();
        let reported: u64 = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lost"))
            .map(|lost| lost.parse::<u64>().unwrap())
            .sum();

        assert_eq!(reported, lost);
        for _ in 0..2 * LINES_MAX {
            outlet.offer(b"");
        }

        assert!(outlet.state().waiting.len() <= LINES_MAX);
    }

    #[test]
    fn what_was_told_last_is_written_before_the_end() {
        let Case {
            outlet,
            answer,
            written,
        } = case();

        outlet.offer(b"last\n");
        drop(answer);
        outlet.flush(PATIENCE);
        assert_eq!(written.try_iter().collect::<String>(), "last\n");
    }
}
