//! The view: queues above, processors below, as many as there is room for.

use std::time::Duration;

use eduwdm_abi::statistics::{Processor, QueueKind};
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Style, Stylize},
    text::Line,
    widgets::{Block, Cell, Paragraph, Row, Table, Tabs},
};

use super::model::{Model, Watched};

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let queues = u16::try_from(QueueKind::ALL.len()).unwrap_or(u16::MAX);
    let [tabs, facts, above, below, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(queues + 3),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let names = model.devices.iter().map(|device| {
        let gone = if device.gone.is_some() { " (gone)" } else { "" };
        format!("device {}{gone}", device.facts.index)
    });
    frame.render_widget(
        Tabs::new(names)
            .select(model.selected)
            .highlight_style(Style::new().bold().reversed()),
        tabs,
    );
    let Some(device) = model.device() else {
        return;
    };
    frame.render_widget(about(device), facts);
    frame.render_widget(queue_table(device), above);
    frame.render_widget(processor_table(device, model.first), below);
    let keys = "q quit   ← → device   ↑ ↓ processors";
    frame.render_widget(Paragraph::new(keys).dim(), help);
}

fn about(device: &Watched) -> Paragraph<'static> {
    if let Some(why) = &device.gone {
        // The first line says what; the others what to do.
        let why = why.lines().next().unwrap_or_default().to_owned();
        return Paragraph::new(Line::from(why).bold());
    }
    let facts = &device.facts;
    let node = facts
        .node
        .map_or_else(|| "unknown".to_owned(), |node| node.to_string());
    let (vector, irql) = facts.vector;
    let interrupts = device.rate(|counters| {
        let processors = counters.processors.iter();
        processors.map(|processor| processor.interrupts).sum()
    });
    Paragraph::new(Line::from(format!(
        "node {node}   interrupt {}, vector {vector:#x}, IRQL {irql}   {interrupts:.0} interrupts/s",
        facts.interrupt
    )))
}

fn queue_table(device: &Watched) -> Table<'static> {
    let rows = QueueKind::ALL.into_iter().filter_map(|kind| {
        let queue = device.queue(kind)?;
        let rate = device.rate(|counters| {
            let queue = &counters.fixed.queues[kind as usize];
            queue.completed + queue.failed + queue.canceled
        });
        let longest = Duration::from_nanos(queue.longest_100ns.saturating_mul(100));
        Some(Row::new([
            Cell::from(kind.name()),
            number(queue.depth),
            text(format!("{rate:.0}")),
            number(queue.completed),
            number(queue.failed),
            number(queue.canceled),
            number(queue.try_lock_misses),
            text(format!("{longest:.1?}")),
        ]))
    });
    let header = [
        "queue",
        "depth",
        "per s",
        "completed",
        "failed",
        "canceled",
        "misses",
        "longest",
    ];
    table(rows, &header, "queues")
}

fn processor_table(device: &Watched, first: usize) -> Table<'static> {
    let processors = device.processors().iter().enumerate().skip(first);
    let rows = processors.map(|(index, processor)| {
        let rate = |count: fn(&Processor) -> u64| {
            let rate = device.rate(|counters| counters.processors.get(index).map_or(0, count));
            text(format!("{rate:.0}"))
        };
        Row::new([
            text(format!("{index}")),
            number(u64::from(processor.node)),
            rate(|processor| processor.interrupts),
            number(processor.interrupts),
            rate(|processor| processor.dpcs),
            number(processor.dpcs),
            number(processor.try_lock_misses),
            number(processor.completions),
        ])
    });
    let header = [
        "cpu",
        "node",
        "int/s",
        "interrupts",
        "dpc/s",
        "DPCs",
        "misses",
        "completed",
    ];
    table(rows, &header, "processors")
}

fn table(
    rows: impl Iterator<Item = Row<'static>>,
    header: &[&'static str; 8],
    title: &'static str,
) -> Table<'static> {
    let cells = header.iter().enumerate().map(|(index, name)| {
        // The first column is names, or the numbers that stand for them.
        if index == 0 {
            Cell::from(*name)
        } else {
            text((*name).to_owned())
        }
    });
    let mut widths = [Constraint::Length(10); 8];
    widths[1] = Constraint::Length(6);
    widths[2] = Constraint::Length(8);
    Table::new(rows, widths)
        .header(Row::new(cells).style(Style::new().bold()))
        .block(Block::bordered().title(title))
}

fn number(value: u64) -> Cell<'static> {
    text(value.to_string())
}

fn text(value: String) -> Cell<'static> {
    Cell::from(Line::from(value).right_aligned())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use eductl::edu::Counters;
    use eduwdm_abi::{
        Header,
        statistics::{Queue, Statistics},
    };
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::cli::command::top::model::{Facts, Snapshot};

    fn counters(count: u64) -> Counters {
        let mut queues = [Queue::default(); 4];
        queues[QueueKind::Compute as usize] = Queue {
            depth: 3,
            completed: count,
            longest_100ns: 12_345,
            ..Queue::default()
        };
        let processor = |number| Processor {
            number,
            node: u32::from(number) / 2,
            interrupts: if number == 1 { count } else { 0 },
            ..Processor::default()
        };
        Counters {
            fixed: Statistics {
                header: Header::of::<Statistics>(),
                processor_count: 4,
                processors_returned: 4,
                queues,
            },
            processors: (0..4).map(processor).collect(),
        }
    }

    fn model() -> Model {
        let facts = |index| Facts {
            index,
            path: String::new(),
            node: (index == 0).then_some(1),
            interrupt: "message-signaled",
            vector: (0x51, 5),
        };
        let mut device = Watched::with_facts(facts(0));
        let begun = Instant::now();
        device.push(Snapshot {
            counters: counters(100),
            at: begun,
        });
        let later = begun + Duration::from_secs(2);
        device.push(Snapshot {
            counters: counters(900),
            at: later,
        });
        Model::new(vec![device, Watched::with_facts(facts(1))])
    }

    fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        (0..height).map(row).collect()
    }

    fn has(screen: &[String], words: &[&str]) -> bool {
        let is = |line: &String| words.iter().all(|word| line.contains(word));
        screen.iter().any(is)
    }

    #[test]
    fn depths_rates_and_latencies_are_shown_for_queues_and_processors() {
        let screen = screen(&model(), 100, 30);
        assert!(has(&screen, &["device 0", "device 1"]), "{screen:#?}");
        assert!(has(
            &screen,
            &["node 1", "message-signaled", "0x51", "400 interrupts/s"]
        ));
        assert!(
            has(&screen, &["compute", " 3 ", " 400 ", " 900 ", "1.2ms"]),
            "{screen:#?}"
        );
        assert!(
            has(&screen, &["│1 ", " 400 ", " 900 "]) || has(&screen, &[" 1 ", " 400 ", " 900 "])
        );
    }

    #[test]
    fn a_device_that_is_gone_says_why_and_the_others_are_shown() {
        let mut model = model();
        model.devices[0].gone = Some("GetStatistics failed: gone\n  What to do".to_owned());
        let first = screen(&model, 100, 30);
        assert!(has(&first, &["device 0 (gone)", "device 1"]), "{first:#?}");
        assert!(has(&first, &["GetStatistics failed: gone"]), "{first:#?}");
        // What it had counted.
        assert!(has(&first, &["compute", " 900 "]), "{first:#?}");
        model.select(1);
        let second = screen(&model, 100, 30);
        assert!(has(&second, &["node unknown"]), "{second:#?}");
    }

    #[test]
    fn a_terminal_that_changes_its_size_is_filled_anew() {
        let model = model();
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        for (width, height, rows) in [(100, 30, 4), (60, 12, 0), (120, 40, 4), (100, 15, 2)] {
            terminal.backend_mut().resize(width, height);
            terminal.draw(|frame| draw(frame, &model)).unwrap();
            let buffer = terminal.backend().buffer();
            assert_eq!((buffer.area.width, buffer.area.height), (width, height));
            let row = |y| {
                (0..width)
                    .map(|x| buffer[(x, y)].symbol())
                    .collect::<String>()
            };
            let lines: Vec<_> = (0..height).map(row).collect();
            // The last line is always the keys', and the processors have what is left.
            assert!(
                lines[usize::from(height) - 1].contains("q quit"),
                "{lines:#?}"
            );
            let begin = lines
                .iter()
                .position(|line| line.contains("processors") && !line.contains("q quit"));
            let begin = begin.expect("the processors") + 2;
            let shown = lines[begin..]
                .iter()
                .take_while(|line| line.contains(" 0 ") || line.contains(" 900 "));
            assert_eq!(shown.count(), rows, "{lines:#?}");
        }
    }

    #[test]
    fn another_device_is_shown_when_it_is_selected() {
        let mut model = model();
        model.select(1);
        assert!(has(
            &screen(&model, 100, 30),
            &["node unknown", "0 interrupts/s"]
        ));
        model.select(1);
        assert!(has(&screen(&model, 100, 30), &["node 1"]));
        model.select(-1);
        assert_eq!(model.selected, 1);
    }

    #[test]
    fn processors_scroll_and_stop_at_the_last() {
        let mut model = model();
        let screen_before = screen(&model, 100, 16);
        model.scroll(1);
        assert_ne!(screen(&model, 100, 16), screen_before);
        for _ in 0..10 {
            model.scroll(1);
        }
        assert_eq!(model.first, 3);
        for _ in 0..10 {
            model.scroll(-1);
        }
        assert_eq!(screen(&model, 100, 16), screen_before);
    }

    #[test]
    fn any_size_of_terminal_will_do() {
        for (width, height) in [(1, 1), (10, 3), (40, 8), (79, 24), (300, 100)] {
            let _ = screen(&model(), width, height);
            let _ = screen(&Model::new(Vec::new()), width, height);
        }
    }
}
