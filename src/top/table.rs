//! Columns of text, for the screen and for `--once`.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: usize = 1;

/// A column of a table.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Its width on the screen; 0: what the others leave.
    pub(super) width: usize,
    /// The width of the screen from which on it is shown.
    pub(super) from: usize,
}

impl Column {
    /// A column of text, which takes what the others leave.
    pub(super) const fn text(name: &'static str, from: usize) -> Self {
        let width = 0;
        Self { name, width, from }
    }

    /// A column of numbers, aligned on the right.
    pub(super) const fn number(name: &'static str, width: usize, from: usize) -> Self {
        Self { name, width, from }
    }
}

/// Rows, each with a cell for each column.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// The head and the rows as lines of this width: columns for which there is no room are left out, and longer
    /// texts cut.
    pub(super) fn lines(&self, width: usize) -> (String, Vec<String>) {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|it| self.columns[*it].from <= width)
            .collect();
        let fixed = shown.iter().map(|it| self.columns[*it].width + GAP);
        let left = (width + GAP).saturating_sub(fixed.sum());
        let texts = shown.iter().filter(|it| self.columns[**it].width == 0);
        let of_text = left / texts.count().max(1);
        let line = |cells: &dyn Fn(usize) -> String| {
            let cells = shown.iter().map(|&column| {
                let width = self.columns[column].width;
                if width == 0 {
                    left_aligned(&cells(column), of_text)
                } else {
                    right_aligned(&cells(column), width)
                }
            });
            cells.collect::<Vec<_>>().join(" ")
        };
        let head = line(&|column| self.columns[column].name.to_owned());
        let rows = self
            .rows
            .iter()
            .map(|row| line(&|column| row[column].clone()));
        (head, rows.collect())
    }

    /// All of it, each column as wide as it needs, without trailing spaces.
    pub(super) fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].width());
            let width = cells.max().unwrap_or(0);
            width.max(self.columns[column].name.len())
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &dyn Fn(usize) -> String| {
            let cells = self.columns.iter().enumerate().map(|(column, its)| {
                if its.width == 0 {
                    left_aligned(&cells(column), widths[column])
                } else {
                    right_aligned(&cells(column), widths[column])
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            format!("{}\n", line.trim_end())
        };
        let head = line(&|column| self.columns[column].name.to_owned());
        let rows = self
            .rows
            .iter()
            .map(|row| line(&|column| row[column].clone()));
        std::iter::once(head).chain(rows).collect()
    }
}

/// A text in exactly this width, cut with an ellipsis.
pub(super) fn left_aligned(text: &str, width: usize) -> String {
    let mut line = cut(text, width);
    line.extend(std::iter::repeat_n(' ', width - line.width()));
    line
}

/// A text in exactly this width, cut with an ellipsis, on its right.
pub(super) fn right_aligned(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let blanks = " ".repeat(width - text.width());
    blanks + &text
}

/// A text of at most this width, which ends with an ellipsis if it was longer.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(char);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// A text in lines of at most this width, broken anywhere: it is mostly JSON.
pub(super) fn broken(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut used) = (vec![String::new()], 0);
    for char in text.chars() {
        let its = char.width().unwrap_or(0);
        if used + its > width.max(2) {
            lines.push(String::new());
            used = 0;
        }
        used += its;
        if let Some(line) = lines.last_mut() {
            line.push(char);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_their_width() {
        for (text, width, shown) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("abcd", 1, "…"),
            ("abcd", 0, ""),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("é日", 2, "é…"),
        ] {
            assert_eq!(cut(text, width), shown, "{text} {width}");
        }
        assert_eq!(left_aligned("日本語", 4), "日… ");
        assert_eq!(right_aligned("日本", 5), " 日本");
        assert_eq!(broken("ab日本c", 3), ["ab", "日", "本c"]);
        assert_eq!(broken("", 3), [""]);
    }

    #[test]
    fn columns_without_room_are_left_out() {
        const COLUMNS: [Column; 4] = [
            Column::text("NAME", 0),
            Column::number("COUNT", 5, 0),
            Column::text("WHERE", 25),
            Column::number("P99", 6, 16),
        ];
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let table = Table {
            columns: &COLUMNS,
            rows: vec![
                row(["first", "1", "here", "1 ms"]),
                row(["two", "1,000", "", "-"]),
            ],
        };
        for (width, lines) in [
            (10, ["NAME COUNT", "fir…     1", "two  1,000"]),
            (
                16,
                ["NA… COUNT    P99", "fi…     1   1 ms", "two 1,000      -"],
            ),
            (
                27,
                [
                    "NAME   COUNT WHERE     P99",
                    "first      1 here     1 ms",
                    "two    1,000             -",
                ],
            ),
        ] {
            let (head, rows) = table.lines(width);
            assert_eq!([head, rows[0].clone(), rows[1].clone()], lines, "{width}");
        }
        let text =
            "NAME   COUNT  WHERE   P99\nfirst      1  here   1 ms\ntwo    1,000            -\n";
        assert_eq!(table.text(), text);
    }
}
