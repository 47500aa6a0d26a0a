//! Rows of cells, each column as wide as its widest cell: every table that a terminal shows.

use unicode_width::UnicodeWidthStr as _;

/// The lines of a table, each behind `indent`, two spaces between columns; the columns `right` end where they end, the others begin where
/// they begin. Cells are shown as they are: whoever has foreign text makes it visible before.
pub fn table(rows: &[Vec<String>], indent: &str, right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let room = " ".repeat(width.saturating_sub(cell.width()));
            let between = if column == 0 { "" } else { "  " };
            let [before, after] = if right.contains(&column) { [room.as_str(), ""] } else { ["", room.as_str()] };
            line.extend([between, before, cell, after]);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_is_in_them() {
        let rows = [["NAME", "N", "WHAT"], ["zone", "12", ""], ["日本", "3", "✓ fine"]];
        let rows: Vec<Vec<String>> = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
        assert_eq!(table(&rows, "  ", &[1]), "  NAME   N  WHAT\n  zone  12\n  日本   3  ✓ fine\n");
        assert_eq!(table(&[], "", &[]), "");
    }
}
