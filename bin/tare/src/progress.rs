//! What is shown while an image comes in: one line that changes on a terminal, a line per change elsewhere.

use crate::output;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tare_engine::image::{Event, PlannedLayer, Progress, Silent};

/// How often the line changes at most.
const REDRAW: Duration = Duration::from_millis(100);

/// Progress for this call: none where it is quiet.
pub(crate) fn shown(name: &str, quiet: bool) -> Box<dyn Progress> {
    if quiet {
        return Box::new(Silent);
    }
    Box::new(Shown {
        name: name.to_owned(),
        terminal: std::io::stderr().is_terminal(),
        state: Mutex::default(),
    })
}

/// Progress of one image.
struct Shown {
    name: String,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    layers: Vec<PlannedLayer>,
    done: usize,
    received: u64,
    began: Option<Instant>,
    drawn: Option<Instant>,
}

impl State {
    /// Bytes that have to come in.
    fn total(&self) -> u64 {
        self.layers.iter().filter(|l| !l.present).map(|l| l.size).sum()
    }

    /// The one line.
    fn line(&self, name: &str) -> String {
        let count = self.layers.len();
        let total = self.total();
        let mut line = format!(
            "{name}: {} of {}, layer {} of {count}",
            output::decimal_size(self.received.min(total)),
            output::decimal_size(total),
            self.done.min(count),
        );
        let elapsed = self.began.map(|at| at.elapsed().as_millis()).unwrap_or_default();
        if elapsed > 500 {
            let rate = u128::from(self.received) * 1000 / elapsed;
            line.push_str(&format!(
                ", {}/s",
                output::decimal_size(u64::try_from(rate).unwrap_or(u64::MAX))
            ));
        }
        line
    }
}

impl Progress for Shown {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Planned { layers } = event {
            state.layers = layers.to_vec();
            state.done = layers.iter().filter(|l| l.present).count();
            state.began = Some(Instant::now());
        }
        if let Event::Received { bytes, .. } = event {
            state.received += bytes;
        }
        if let Event::Unpacked { .. } = event {
            state.done += 1;
        }
        if self.terminal {
            self.draw(&mut state, matches!(event, Event::Storing));
        } else if let Some(text) = self.change(&state, event) {
            output::tell(&format!("{}: {text}\n", self.name));
        }
    }
}

impl Shown {
    /// Draws the line over the one before; the last time it is cleared, so that results stand alone.
    fn draw(&self, state: &mut State, last: bool) {
        if last {
            return output::tell("\r\x1b[K");
        }
        if state.drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
            state.drawn = Some(Instant::now());
            output::tell(&format!("\r\x1b[K{}", state.line(&self.name)));
        }
    }

    /// What a change of state is in words.
    fn change(&self, state: &State, event: &Event<'_>) -> Option<String> {
        let layer = |at: usize| {
            let digest = state
                .layers
                .get(at)
                .map(|l| l.digest.to_string())
                .unwrap_or_default();
            let hex = digest.split(':').nth(1).unwrap_or_default();
            format!("layer {}", hex.get(..12).unwrap_or(hex))
        };
        match event {
            Event::Planned { layers } => {
                let present = layers.iter().filter(|l| l.present).count();
                let total = output::decimal_size(state.total());
                Some(format!(
                    "{} layers, {present} of them here, {total} to fetch",
                    layers.len()
                ))
            }
            Event::Waiting { layer: at } => Some(format!("{}: another command is fetching it", layer(*at))),
            Event::Started { layer: at } => Some(format!("{}: fetching", layer(*at))),
            Event::Unpacked { layer: at } => Some(format!("{}: done", layer(*at))),
            Event::Storing => Some("storing".to_owned()),
            Event::Received { .. } => None,
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.terminal && state.drawn.is_some() {
            output::tell("\r\x1b[K");
        }
    }
}
