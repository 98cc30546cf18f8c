//! The picture of the documentation, from a run: `cargo test --test server -- --ignored picture`.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use vt100::{Cell, Color, Screen};

use super::{super::ROOT, INVALID, dev, post, terminal::Terminal};

const COLUMNS: u16 = 138;
const ROWS: u16 = 32;
/// Pixels of a character.
const WIDTH: u16 = 8;
const HEIGHT: u16 = 17;
const LOAD: Duration = Duration::from_secs(75);

#[test]
#[ignore = "makes docs/images/top.svg, in more than a minute"]
fn the_picture_of_the_manual() {
    let (dev, public, management) = dev();
    let mut terminal = Terminal::start(&management.to_string(), COLUMNS, ROWS);
    let start = Instant::now();
    let valid: [(&str, &[u8]); 3] = [
        ("/ingest/RawEvent/1.0", br#"[{"n":1},{"n":2},{"n":3}]"#),
        ("/ingest/RawEvent/1.0", br#"{"hello":"ringest"}"#),
        (
            "/ingest/SensorReading/2.1",
            br#"{"sensorId":"roof-3","measuredAt":"2026-11-30T03:00:00Z","temperature":3.5,"tags":{}}"#,
        ),
    ];
    for round in 0_u64.. {
        if start.elapsed() > LOAD {
            break;
        }
        for (path, body) in valid {
            post(public, path, body);
        }
        if round % 5 == 0 {
            post(public, "/ingest/Order/1.0", INVALID);
            post(public, "/ingest/Unknown", b"{}");
        }
        // Waves, so that there is something to see.
        thread::sleep(Duration::from_millis(
            5 + start.elapsed().as_secs() * 7 % 30,
        ));
    }
    terminal.await_line("figures", |line| line.contains("invalid_record"));
    let picture = terminal.with_screen(svg);
    let picture = picture.replace(&management.to_string(), "127.0.0.1:4001");
    fs::write(Path::new(ROOT).join("docs/images/top.svg"), picture).expect("ours");
    terminal.press("q");
    terminal.assert_restored();
    dev.terminate();
}

/// A screen as SVG 1.1: a text for each word, at its place.
fn svg(screen: &Screen) -> String {
    let (width, height) = (COLUMNS * WIDTH + 24, ROWS * HEIGHT + 24);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>ringest top: figures, routes, refused requests by code, workers and brokers</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#16181d\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', monospace\" font-size=\"13.3\">\n"
    );
    for row in 0..ROWS {
        let cells: Vec<_> = (0..COLUMNS)
            .filter_map(|column| Some((column, screen.cell(row, column)?)))
            .collect();
        for run in cells.chunk_by(|(_, a), (_, b)| (look(a), is_blank(a)) == (look(b), is_blank(b)))
        {
            write_run(&mut svg, row, run);
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn look(cell: &Cell) -> (Color, bool, bool, bool) {
    (cell.fgcolor(), cell.bold(), cell.dim(), cell.inverse())
}

fn is_blank(cell: &Cell) -> bool {
    cell.contents().trim().is_empty()
}

fn write_run(svg: &mut String, row: u16, run: &[(u16, &Cell)]) {
    let (column, cell) = run[0];
    let text: String = run
        .iter()
        .map(|(_, it)| {
            if it.has_contents() {
                it.contents()
            } else {
                " "
            }
        })
        .collect();
    let (fill, is_bold, is_dim, is_inverse) = look(cell);
    let (x, y) = (12 + column * WIDTH, 12 + row * HEIGHT);
    let length = u16::try_from(run.len()).expect("a row") * WIDTH;
    let mut fill = match fill {
        Color::Idx(1) => "#ff7b72",
        Color::Idx(2) => "#7ee787",
        Color::Idx(6) => "#76e3ea",
        _ if is_dim => "#9aa4b2",
        _ => "#e6e8ec",
    };
    if is_inverse {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{length}\" height=\"{HEIGHT}\" fill=\"{fill}\"/>"
        );
        fill = "#16181d";
    }
    if is_blank(cell) {
        return;
    }
    let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let y = y + 13;
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fill}\"{weight}>\
         {text}</text>"
    );
}
