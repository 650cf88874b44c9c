//! A recording of what a command prints: an SVG in which each line appears when it did.
//!
//! Pauses are cut to [`LONGEST`], so that nobody has to watch a machine boot.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::{Duration, Instant},
};

/// A pause is shown for no longer than this.
const LONGEST: Duration = Duration::from_millis(700);
/// And a line that follows at once comes this much later, for the eye.
const SHORTEST: Duration = Duration::from_millis(40);
/// How long the end is shown before it begins again.
const AT_THE_END: Duration = Duration::from_secs(8);
/// So many lines are seen at a time; the rest scrolls out.
const ROWS: usize = 26;
const COLUMNS: usize = 108;
const LINE_HEIGHT: f64 = 17.0;
const CHARACTER_WIDTH: f64 = 7.8;
const MARGIN: f64 = 14.0;

/// Passes on what is written, and remembers when each line was complete.
#[derive(Debug)]
pub struct Recorder<W> {
    to: W,
    begun: Instant,
    lines: Vec<(Duration, String)>,
    rest: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// Records what is written from now on. The command stands above it, as it was typed.
    pub fn new(to: W, command: &str) -> Self {
        Self {
            to,
            begun: Instant::now(),
            lines: vec![(Duration::ZERO, format!("$ {command}"))],
            rest: Vec::new(),
        }
    }

    /// The recording.
    pub fn svg(&self) -> String {
        svg(&self.lines)
    }
}

impl<W: Write> Write for Recorder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        for &byte in &bytes[..count] {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&self.rest).into_owned();
                self.lines.push((self.begun.elapsed(), line));
                self.rest.clear();
            } else {
                self.rest.push(byte);
            }
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// When each line is shown.
fn shown_at(lines: &[(Duration, String)]) -> Vec<Duration> {
    let mut now = Duration::ZERO;
    let mut before = Duration::ZERO;
    let mut times = Vec::new();
    for (at, _) in lines {
        now += at.saturating_sub(before).clamp(SHORTEST, LONGEST);
        before = *at;
        times.push(now);
    }
    times
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn svg(lines: &[(Duration, String)]) -> String {
    let times = shown_at(lines);
    let end = times.last().copied().unwrap_or_default() + AT_THE_END;
    let percent = |time: Duration| time.as_secs_f64() / end.as_secs_f64() * 100.0;
    let columns = u32::try_from(COLUMNS).map_or(0.0, f64::from);
    let rows = |count: usize| u32::try_from(count).map_or(0.0, f64::from) * LINE_HEIGHT;
    let (width, height) = (
        columns.mul_add(CHARACTER_WIDTH, 2.0 * MARGIN),
        2.0f64.mul_add(MARGIN, rows(ROWS)),
    );
    let mut style = String::new();
    let mut text = String::new();
    let mut scroll = String::from("0% { transform: translateY(0) }\n");
    for (index, ((_, line), &time)) in lines.iter().zip(&times).enumerate() {
        let at = percent(time);
        // Writing to a string cannot fail.
        let _ = writeln!(
            style,
            "@keyframes l{index} {{ 0%, {at:.3}% {{ opacity: 0 }} {:.3}%, 100% {{ opacity: 1 }} }}",
            at + 0.001
        );
        let line: String = if line.chars().count() > COLUMNS {
            line.chars().take(COLUMNS - 1).chain(['…']).collect()
        } else {
            line.clone()
        };
        let _ = writeln!(
            text,
            "<text y=\"{:.1}\" style=\"animation-name: l{index}\" xml:space=\"preserve\">{}</text>",
            rows(index + 1),
            escape(&line)
        );
        if index >= ROWS {
            let (before, after) = (rows(index - ROWS), rows(index + 1 - ROWS));
            let _ = writeln!(
                scroll,
                "{at:.3}% {{ transform: translateY(-{before:.1}px) }} \
                 {:.3}% {{ transform: translateY(-{after:.1}px) }}",
                at + 0.001
            );
        }
    }
    let last = rows(lines.len().saturating_sub(ROWS));
    let seconds = end.as_secs_f64();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\">\n<style>\n\
         text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', Consolas, monospace; fill: #d8dee9; \
         animation: {seconds:.2}s linear infinite }}\n\
         .all {{ animation: scroll {seconds:.2}s linear infinite }}\n\
         @media (prefers-reduced-motion) {{ text {{ animation: none }} \
         .all {{ animation: none; transform: translateY(-{last:.1}px) }} }}\n\
         @keyframes scroll {{\n{scroll}100% {{ transform: translateY(-{last:.1}px) }}\n}}\n\
         {style}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#20252e\"/>\n\
         <svg x=\"{MARGIN}\" y=\"{:.1}\" width=\"{width:.0}\" height=\"{:.1}\">\n\
         <g class=\"all\">\n{text}</g>\n</svg>\n</svg>\n",
        MARGIN - 4.0,
        rows(ROWS) + 6.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_there_and_pauses_are_cut() {
        let mut recorder = Recorder::new(Vec::new(), "run <this>");
        recorder.write_all(b"one\ntw").unwrap();
        recorder.write_all(b"o & more\n").unwrap();
        assert_eq!(recorder.to, b"one\ntwo & more\n");
        let svg = recorder.svg();
        for line in ["$ run &lt;this&gt;", ">one<", ">two &amp; more<"] {
            assert!(svg.contains(line), "{line}: {svg}");
        }
        let lines: Vec<_> = [0, 60_000, 60_001]
            .map(|at| (Duration::from_millis(at), String::new()))
            .into();
        let times = shown_at(&lines);
        let second = SHORTEST + LONGEST;
        assert_eq!(times, [SHORTEST, second, second + SHORTEST]);
    }
}
