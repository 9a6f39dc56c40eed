//! Curves over sizes, as an SVG.

use std::fmt::Write;

/// A panel: its title, and curves with a name each, of points (entries, ns).
pub struct Panel {
    pub title: &'static str,
    pub curves: Vec<(&'static str, Vec<(f64, f64)>)>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 54.0;
const TOP: f64 = 34.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 40.0;
const COLOURS: [&str; 4] = ["#d1495b", "#30638e", "#3f7d20", "#8a6d3b"];

/// The panels, two to a row. Entries run logarithmically, times from zero.
pub fn draw(panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2) as f64;
    let (width, height) = (WIDTH * 2.0, HEIGHT * rows);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = ((index % 2) as f64 * WIDTH, (index / 2) as f64 * HEIGHT);
        let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">\n{}</g>", one(panel));
    }
    svg + "</svg>\n"
}

fn one(panel: &Panel) -> String {
    let points = || panel.curves.iter().flat_map(|(_, points)| points);
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)))
    };
    let ((few, many), (_, slow)) = (bounds(|p| p.0.log10()), bounds(|p| p.1));
    let top = nice(slow);
    let x = |entries: f64| LEFT + (entries.log10() - few) / (many - few).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let y = |ns: f64| HEIGHT - BOTTOM - ns / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!("<text x=\"{LEFT}\" y=\"18\" font-size=\"13\" font-weight=\"bold\">{}</text>\n", panel.title);
    for step in 0..=4 {
        let ns = top * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{ns:.0} ns</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y(ns) + 4.0,
            y = y(ns)
        );
    }
    for power in few.ceil() as i32..=many.floor() as i32 {
        let at = x(10f64.powi(power));
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">10<tspan dy=\"-4\" font-size=\"8\">{power}</tspan></text>",
            HEIGHT - BOTTOM + 16.0
        );
    }
    for (index, (name, points)) in panel.curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        let left = LEFT + 8.0 + index as f64 * 120.0;
        let _ = writeln!(svg, "<text x=\"{left}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>", HEIGHT - 8.0);
    }
    svg
}

/// A round number not below.
fn nice(value: f64) -> f64 {
    let unit = 10f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0].map(|n| n * unit).into_iter().find(|n| *n >= value).unwrap_or(10.0 * unit)
}
