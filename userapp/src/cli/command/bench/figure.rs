//! The figures: each is drawn once for SVG and once for PNG, by the same code.

use std::sync::Once;

use plotters::{
    backend::{BitMapBackend, SVGBackend},
    chart::ChartBuilder,
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::{Circle, Rectangle},
    prelude::{BLUE, Color, DrawingBackend, WHITE},
    series::LineSeries,
    style::{FontStyle, register_font},
};

use super::measure::Measurement;

/// In pixels, or what SVG has for them.
const SIZE: (u32, u32) = (900, 560);
/// The classes of the histogram.
const CLASSES: usize = 40;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type DrawResult<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// All figures: their file names and what is in the files.
pub fn all(measurements: &[Measurement]) -> Result<Vec<(&'static str, Vec<u8>)>, Fault> {
    font()?;
    // The histogram of the deepest queue is the one whose shape tells something.
    let deepest = measurements
        .iter()
        .max_by_key(|measurement| measurement.depth)
        .ok_or("nothing was measured")?;
    Ok(vec![
        ("latency.svg", svg(|area| latency(area, deepest))?),
        ("latency.png", png(|area| latency(&area, deepest))?),
        (
            "throughput.svg",
            svg(|area| throughput(area, measurements))?,
        ),
        (
            "throughput.png",
            png(|area| throughput(&area, measurements))?,
        ),
    ])
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

fn latency<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    measurement: &Measurement,
) -> DrawResult<B> {
    let Histogram { end, classes } = Histogram::of(measurement);
    let highest = classes.iter().copied().max().unwrap_or(1).max(1);
    area.fill(&WHITE)?;
    let caption = format!("Latency of factorials, {} outstanding", measurement.depth);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 24))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0..highest + 1)?;
    chart
        .configure_mesh()
        .x_desc("microseconds in the driver")
        .y_desc("requests")
        .draw()?;
    let width = class_width(end);
    chart.draw_series(classes.iter().enumerate().map(|(index, count)| {
        let start = width * to_f64(index);
        Rectangle::new(
            [(start, 0), (start + width, *count)],
            BLUE.mix(0.6).filled(),
        )
    }))?;
    area.present()
}

fn throughput<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    measurements: &[Measurement],
) -> DrawResult<B> {
    let mut points: Vec<(f64, f64)> = measurements
        .iter()
        .map(|measurement| (f64::from(measurement.depth), measurement.throughput()))
        .collect();
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    let right = points.last().map_or(1.0, |point| point.0);
    let top = points.iter().map(|point| point.1).fold(1.0, f64::max);
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption("Throughput of factorials", ("sans-serif", 24))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("requests outstanding")
        .y_desc("requests per second")
        .draw()?;
    chart.draw_series(LineSeries::new(
        points.iter().copied(),
        BLUE.stroke_width(2),
    ))?;
    chart.draw_series(
        points
            .iter()
            .map(|point| Circle::new(*point, 4, BLUE.filled())),
    )?;
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
    use std::time::Duration;

    use super::*;

    fn measurements() -> Vec<Measurement> {
        [1, 8]
            .map(|depth| Measurement {
                depth,
                latencies: (1..=100).map(Duration::from_micros).collect(),
                elapsed: Duration::from_millis(10),
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
        let figures = all(&measurements()).unwrap();
        assert_eq!(figures.len(), 4);
        for (name, content) in figures {
            if content.starts_with(b"<svg") {
                let text = String::from_utf8(content).unwrap();
                assert!(text.contains("of factorials"), "{name}");
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
        assert!(all(&[]).is_err());
        let one = Measurement {
            depth: 1,
            latencies: vec![Duration::ZERO],
            elapsed: Duration::ZERO,
        };
        assert!(all(&[one]).is_ok());
    }
}
