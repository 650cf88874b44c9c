//! What was measured, drawn: for each kind of request, the rate over the requests outstanding, a line
//! for each machine, number of threads, and setting of the verifier.

use std::{collections::BTreeMap, sync::Once};

use plotters::{
    backend::SVGBackend,
    chart::ChartBuilder,
    drawing::IntoDrawingArea,
    element::{EmptyElement, ErrorBar, Text},
    prelude::{IntoLogRange, Palette, Palette99, WHITE},
    series::LineSeries,
    style::{Color, FontStyle, register_font},
};

use super::{Figures, Spread};

/// What SVG takes for pixels.
const SIZE: (u32, u32) = (960, 600);

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The rates of a line, over the requests outstanding in all threads.
type Line = Vec<(f64, Spread)>;

/// Registers the font by which text is measured, once for the process: not every system has one.
fn font() -> Result<(), Fault> {
    static REGISTER: Once = Once::new();
    let mut result = Ok(());
    REGISTER.call_once(|| {
        let font = epaint_default_fonts::UBUNTU_LIGHT;
        result = register_font("sans-serif", FontStyle::Normal, font)
            .map_err(|_| "the built-in font is none".into());
    });
    result
}

impl Figures {
    /// A figure for each kind of request that was measured: its name, and what is in its file.
    /// `conditions` tells where and when.
    ///
    /// # Errors
    ///
    /// If it cannot be drawn.
    pub fn draw(&self, conditions: &str) -> Result<Vec<(String, String)>, Fault> {
        font()?;
        let mut kinds: BTreeMap<&str, BTreeMap<String, Line>> = BTreeMap::new();
        for measured in &self.measured {
            let case = &measured.case;
            let verifier = if case.verified { "on" } else { "off" };
            let name = format!(
                "{}, threads: {}, verifier {verifier}",
                case.machine, case.threads
            );
            let lines = kinds.entry(&case.kind).or_default();
            let outstanding = f64::from(case.threads) * f64::from(case.depth);
            let line = lines.entry(name).or_default();
            line.push((outstanding, measured.rate()));
        }
        let draw = |(kind, mut lines): (&str, BTreeMap<String, Line>)| {
            for line in lines.values_mut() {
                line.sort_by(|one, other| one.0.total_cmp(&other.0));
            }
            Ok((kind.to_owned(), self.draw_kind(kind, conditions, &lines)?))
        };
        kinds.into_iter().map(draw).collect()
    }

    fn draw_kind(
        &self,
        kind: &str,
        conditions: &str,
        lines: &BTreeMap<String, Line>,
    ) -> Result<String, Fault> {
        let points = || lines.values().flatten();
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, 1.0_f64), |(least, most), value| {
                (least.min(value), most.max(value))
            })
        };
        let (left, right) = ends(&mut points().map(|point| point.0));
        let (low, _) = ends(&mut points().map(|point| point.1.least));
        let (_, high) = ends(&mut points().map(|point| point.1.greatest));
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(format!("Rate of {kind} requests"), ("sans-serif", 24))
                .margin(16)
                .x_label_area_size(64)
                .y_label_area_size(84)
                // Room for the lines' names.
                .build_cartesian_2d(
                    (left / 1.3..right * 8.0).log_scale(),
                    (low.max(1.0) / 1.5..high * 1.5).log_scale(),
                )?;
            chart
                .configure_mesh()
                .x_desc(format!(
                    "requests outstanding - {}, {conditions}",
                    self.accelerator
                ))
                .y_desc("requests a second: median, least and greatest of the rounds")
                .axis_desc_style(("sans-serif", 13))
                .draw()?;
            for (index, (name, line)) in lines.iter().enumerate() {
                let colour = Palette99::pick(index);
                let medians = line.iter().map(|(x, spread)| (*x, spread.median));
                chart.draw_series(LineSeries::new(medians, colour.stroke_width(2)))?;
                chart.draw_series(line.iter().map(|(x, spread)| {
                    let Spread {
                        least,
                        median,
                        greatest,
                    } = *spread;
                    ErrorBar::new_vertical(*x, least, median, greatest, colour.filled(), 8)
                }))?;
                chart.draw_series(line.last().map(|(x, spread)| {
                    EmptyElement::at((*x, spread.median))
                        + Text::new(name.clone(), (8, -6), ("sans-serif", 12))
                }))?;
            }
            area.present()?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_drawn_with_its_lines_and_what_it_was_measured_on() {
        let measured = |kind: &str, threads: u32, depth: u32, rate: f64| {
            serde_json::json!({
                "case": { "machine": "up", "verified": false, "kind": kind, "threads": threads, "depth": depth },
                "rates": [rate, rate * 2.0], "requests": 10, "interrupts": 10, "dpcs": 10, "latencies": [10],
            })
        };
        let figures = serde_json::json!({
            "accelerator": "tcg",
            "measured": [
                measured("null", 1, 64, 2000.0), measured("null", 1, 1, 1000.0),
                measured("null", 4, 1, 900.0), measured("factorial", 1, 1, 10.0),
            ],
        });
        let figures: Figures = serde_json::from_value(figures).unwrap();
        let drawn = figures.draw("2024-02-29").unwrap();
        let names: Vec<_> = drawn.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(names, ["factorial", "null"]);
        let null = &drawn[1].1;
        for words in [
            "Rate of null",
            "2024-02-29",
            "tcg",
            "up, threads: 4, verifier off",
        ] {
            assert!(null.contains(words), "“{words}” is not in it");
        }
        assert!(Figures::default().draw("").unwrap().is_empty());
    }
}
