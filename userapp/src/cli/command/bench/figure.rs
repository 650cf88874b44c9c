//! The figures: each is drawn once for SVG and once for PNG, by the same code.

use std::{ops::Range, sync::Once, time::Duration};

use plotters::{
    backend::{BitMapBackend, SVGBackend},
    chart::ChartBuilder,
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::{EmptyElement, ErrorBar, Text},
    prelude::{BLUE, Color, DrawingBackend, IntoLogRange, WHITE},
    series::LineSeries,
    style::{FontStyle, register_font},
};

use super::measure::{Measurement, Operation};

/// In pixels, or what SVG has for them.
const SIZE: (u32, u32) = (900, 560);
/// The classes of the histogram.
const CLASSES: usize = 40;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type DrawResult<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// All figures: their file names and what is in the files.
pub fn all(
    operation: Operation,
    conditions: &str,
    measurements: &[Measurement],
) -> Result<Vec<(&'static str, Vec<u8>)>, Fault> {
    font()?;
    if measurements.is_empty() {
        return Err("nothing was measured".into());
    }
    let about = About {
        operation,
        conditions,
    };
    Ok(vec![
        (
            "latency.svg",
            svg(|area| latency(area, about, measurements))?,
        ),
        (
            "latency.png",
            png(|area| latency(&area, about, measurements))?,
        ),
        (
            "throughput.svg",
            svg(|area| throughput(area, about, measurements))?,
        ),
        (
            "throughput.png",
            png(|area| throughput(&area, about, measurements))?,
        ),
    ])
}

/// What figures say of themselves.
#[derive(Clone, Copy)]
struct About<'a> {
    operation: Operation,
    conditions: &'a str,
}

/// Registers the font that bitmaps are written with, once for the process.
fn font() -> Result<(), Fault> {
    static REGISTER: Once = Once::new();
    let mut result = Ok(());
    REGISTER.call_once(|| {
        result = register_font(
            "sans-serif",
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        )
        .map_err(|_| "the built-in font is none".into());
    });
    result
}

fn svg<F>(draw: F) -> Result<Vec<u8>, Fault>
where
    F: for<'a> FnOnce(&DrawingArea<SVGBackend<'a>, Shift>) -> DrawResult<SVGBackend<'a>>,
{
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area).map_err(|fault| fault.to_string())?;
    }
    Ok(text.into_bytes())
}

fn png<F>(draw: F) -> Result<Vec<u8>, Fault>
where
    F: for<'a> FnOnce(DrawingArea<BitMapBackend<'a>, Shift>) -> DrawResult<BitMapBackend<'a>>,
{
    let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    draw(BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())
        .map_err(|fault| fault.to_string())?;
    let mut content = std::io::Cursor::new(Vec::new());
    image::write_buffer_with_format(
        &mut content,
        &pixels,
        SIZE.0,
        SIZE.1,
        image::ExtendedColorType::Rgb8,
        image::ImageFormat::Png,
    )?;
    Ok(content.into_inner())
}

/// The quantiles that are drawn, with the dark or light of their lines.
const QUANTILES: [(f64, &str, f64); 5] = [
    (0.5, "median", 1.0),
    (0.9, "90 %", 0.8),
    (0.99, "99 %", 0.6),
    (0.999, "99.9 %", 0.45),
    (1.0, "longest", 0.3),
];

/// The depths, and room on both sides of them: they double, so that their axis is logarithmic.
fn depths(measurements: &[Measurement]) -> Range<f64> {
    let depths = || measurements.iter().map(|one| f64::from(one.depth));
    let least = depths().fold(f64::INFINITY, f64::min);
    let most = depths().fold(1.0, f64::max);
    least / 1.3..most * 1.3
}

fn latency<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    about: About<'_>,
    measurements: &[Measurement],
) -> DrawResult<B> {
    let microseconds = |time: Duration| (time.as_secs_f64() * 1e6).max(0.1);
    let each = |share| {
        let mut points: Vec<_> = measurements
            .iter()
            .map(|one| (f64::from(one.depth), microseconds(one.quantile(share))))
            .collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        points
    };
    let times = || each(0.5).into_iter().chain(each(1.0)).map(|point| point.1);
    let least = times().fold(f64::INFINITY, f64::min);
    let most = times().fold(1.0, f64::max);
    area.fill(&WHITE)?;
    let caption = format!("Latency of {}", about.operation.name());
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 24))
        .margin(16)
        .x_label_area_size(64)
        .y_label_area_size(84)
        .build_cartesian_2d(
            depths(measurements).log_scale(),
            (least / 1.5..most * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(format!("requests outstanding - {}", about.conditions))
        .y_desc(format!("microseconds {}", about.operation.place()))
        .axis_desc_style(("sans-serif", 13))
        .draw()?;
    for (share, name, strength) in QUANTILES {
        let points = each(share);
        let colour = BLUE.mix(strength);
        chart.draw_series(LineSeries::new(
            points.iter().copied(),
            colour.stroke_width(2),
        ))?;
        chart.draw_series(points.last().map(|point| {
            EmptyElement::at(*point) + Text::new(name, (6, -6), ("sans-serif", 13))
        }))?;
    }
    area.present()
}

fn throughput<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    about: About<'_>,
    measurements: &[Measurement],
) -> DrawResult<B> {
    let mut points: Vec<(f64, Vec<f64>, f64)> = measurements
        .iter()
        .map(|one| (f64::from(one.depth), one.rates(), one.throughput()))
        .collect();
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    let highest = points.iter().flat_map(|point| &point.1);
    let top = highest.copied().fold(1.0, f64::max);
    area.fill(&WHITE)?;
    let caption = format!("Throughput of {}", about.operation.name());
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 24))
        .margin(16)
        .x_label_area_size(64)
        .y_label_area_size(84)
        .build_cartesian_2d(depths(measurements).log_scale(), 0.0..top * 1.1)?;
    chart
        .configure_mesh()
        .x_desc(format!("requests outstanding - {}", about.conditions))
        .y_desc("requests per second in the client: median, lowest and highest of the repetitions")
        .axis_desc_style(("sans-serif", 13))
        .draw()?;
    let medians = || points.iter().map(|point| (point.0, point.2));
    chart.draw_series(LineSeries::new(medians(), BLUE.stroke_width(2)))?;
    chart.draw_series(points.iter().map(|(depth, rates, median)| {
        let lowest = rates.first().copied().unwrap_or_default();
        let highest = rates.last().copied().unwrap_or_default();
        ErrorBar::new_vertical(*depth, lowest, *median, highest, BLUE.filled(), 10)
    }))?;
    area.present()
}

/// How many requests took how long.
pub struct Histogram {
    /// Where the last class ends, in microseconds; the first begins at 0, and all are as wide.
    pub end: f64,
    /// How many requests are in each class.
    pub classes: Vec<u32>,
}

impl Histogram {
    /// That of a measurement.
    pub fn of(measurement: &Measurement) -> Self {
        let microseconds: Vec<f64> = measurement
            .latencies
            .iter()
            .map(|time| time.as_secs_f64() * 1e6)
            .collect();
        let end = microseconds.last().copied().unwrap_or(1.0).max(1.0);
        let classes = classes(&microseconds, end);
        Self { end, classes }
    }
}

fn class_width(end: f64) -> f64 {
    end / to_f64(CLASSES)
}

/// How many values fall into each of the equal classes from 0 to `end`.
fn classes(values: &[f64], end: f64) -> Vec<u32> {
    let mut classes = vec![0; CLASSES];
    for value in values {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and the number of classes"
        )]
        let index = (value / class_width(end)) as usize;
        // The largest value is the end of the last class.
        classes[index.min(CLASSES - 1)] += 1;
    }
    classes
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is at most the number of classes"
)]
const fn to_f64(index: usize) -> f64 {
    index as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurements() -> Vec<Measurement> {
        [1, 8]
            .map(|depth| Measurement {
                depth,
                latencies: (1..=100).map(Duration::from_micros).collect(),
                elapsed: vec![Duration::from_millis(10), Duration::from_millis(20)],
            })
            .to_vec()
    }

    #[test]
    fn every_value_falls_into_one_class() {
        let classes = classes(&[0.0, 1.0, 39.9, 40.0], 40.0);
        assert_eq!((classes[0], classes[1], classes[39]), (1, 1, 2));
        assert_eq!(classes.iter().sum::<u32>(), 4);
    }

    #[test]
    fn a_histogram_counts_every_request_once() {
        for measurement in measurements() {
            let histogram = Histogram::of(&measurement);
            let counted: u32 = histogram.classes.iter().sum();
            assert_eq!(counted as usize, measurement.latencies.len());
            assert!((histogram.end - 100.0).abs() < 1e-9);
            // 1 to 100 µs in classes of 2.5 µs.
            assert_eq!(histogram.classes[..4], [2, 2, 3, 2]);
        }
    }

    #[test]
    fn figures_are_drawn_as_svg_and_png_with_their_text() {
        let conditions = "up, 1 processors; executed by TCG; 2024-02-29";
        let figures = all(Operation::Read, conditions, &measurements()).unwrap();
        assert_eq!(figures.len(), 4);
        for (name, content) in figures {
            if content.starts_with(b"<svg") {
                let text = String::from_utf8(content).unwrap();
                for words in ["of reads by DMA", "2024-02-29", "executed by TCG"] {
                    assert!(text.contains(words), "{name} does not say “{words}”");
                }
            } else {
                let image = image::load_from_memory(&content).unwrap().to_rgb8();
                assert_eq!(image.dimensions(), SIZE, "{name}");
                // The caption is dark pixels near the upper edge.
                let dark = |pixel: &image::Rgb<u8>| pixel.0.iter().all(|part| *part < 128);
                let caption = image.rows().take(50).flatten().filter(|pixel| dark(pixel));
                assert!(caption.count() > 50, "{name} has no caption");
            }
        }
    }

    #[test]
    fn nothing_measured_is_an_error_and_one_request_is_none() {
        assert!(all(Operation::Factorial, "", &[]).is_err());
        let one = Measurement {
            depth: 1,
            latencies: vec![Duration::ZERO],
            elapsed: vec![Duration::ZERO],
        };
        assert!(all(Operation::Factorial, "", &[one]).is_ok());
    }
}
