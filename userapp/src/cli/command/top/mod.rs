//! `eductl top`: a live view of the devices. Once a second it asks which there are, and each for
//! what the driver has counted anyway.

mod model;
mod view;

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use clap::Args;
use eductl::{DeviceKind, Edu, Error, IoSystem, device};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::model::{Model, Watched};
use crate::cli::context::{Context, output_fault};

/// Shows the queues, processors and interrupts of the devices, live. Press q to leave, the arrow
/// keys to move.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl top --interval 2")]
pub struct Arguments {
    /// Seconds between two looks at the counters.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = interval)]
    interval: Duration,
}

/// At most ten looks a second: what is measured is not to be disturbed.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = crate::cli::number::seconds(text)?;
    if interval < Duration::from_millis(100) {
        return Err("0.1 is the shortest".to_owned());
    }
    Ok(interval)
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        if context.json {
            return Err(Error::Usage(
                "top is for people; eductl stats --json is for machines".to_owned(),
            ));
        }
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Error::Usage(
                "top needs a terminal; eductl stats prints the counters once".to_owned(),
            ));
        }
        let system = context.system()?;
        let mut model = Model::new(watch(context, &system)?);
        model.refresh(&system, Instant::now())?;
        // It also restores the terminal should the program panic.
        let mut terminal = ratatui::try_init().map_err(output_fault)?;
        let result = self.show(context, &system, &mut terminal, &mut model);
        ratatui::restore();
        result
    }

    fn show(
        &self,
        context: &Context,
        system: &dyn IoSystem,
        terminal: &mut ratatui::DefaultTerminal,
        model: &mut Model,
    ) -> Result<(), Error> {
        let mut next = Instant::now() + self.interval;
        loop {
            terminal
                .draw(|frame| view::draw(frame, model))
                .map_err(output_fault)?;
            let left = next.saturating_duration_since(Instant::now());
            // Short enough to notice Ctrl-C where the terminal does not hand it over as a key.
            let patience = left.min(Duration::from_millis(100));
            if event::poll(patience).map_err(output_fault)?
                && let Event::Key(key) = event::read().map_err(output_fault)?
                && !model.press(key)
            {
                return Ok(());
            }
            if context.interrupt.is_raised() {
                return Ok(());
            }
            if Instant::now() >= next {
                // Looks that were missed are not made up for.
                next = Instant::now() + self.interval;
                model.refresh(system, Instant::now())?;
            }
        }
    }
}

/// The devices that are watched: the one that is meant, or all of them.
fn watch(context: &Context, system: &dyn IoSystem) -> Result<Vec<Watched>, Error> {
    let devices = if context.asked().is_some() {
        vec![context.find(system, DeviceKind::Edu)?]
    } else {
        let mut devices = device::list(system)?;
        devices.retain(|device| device.kind == DeviceKind::Edu);
        devices
    };
    if devices.is_empty() {
        return Err(Error::NoDevice);
    }
    devices
        .into_iter()
        .map(|device| {
            let edu = Edu::new(context.open(system, &device)?);
            Watched::new(device, edu)
        })
        .collect()
}

impl Model {
    /// Does what a key stands for; whether to go on.
    fn press(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return true;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Right | KeyCode::Tab => self.select(1),
            KeyCode::Left | KeyCode::BackTab => self.select(-1),
            KeyCode::Down => self.scroll(1),
            KeyCode::Up => self.scroll(-1),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_leaves_the_device_alone_most_of_the_time() {
        assert_eq!(interval("0.1"), Ok(Duration::from_millis(100)));
        assert!(interval("0.05").is_err() && interval("-1").is_err());
    }

    #[test]
    fn keys_move_and_leave() {
        let mut model = Model::new(Vec::new());
        let press = |model: &mut Model, code| model.press(KeyEvent::from(code));
        assert!(press(&mut model, KeyCode::Right) && press(&mut model, KeyCode::Down));
        assert!(press(&mut model, KeyCode::Char('x')));
        assert!(!press(&mut model, KeyCode::Char('q')) && !press(&mut model, KeyCode::Esc));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(!model.press(interrupt));
    }
}
