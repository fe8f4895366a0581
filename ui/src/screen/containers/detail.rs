//! The pane below the strata: one tab of what is known of the selected container.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::message::Request;
use crate::pen::{Look, Pen};
use crate::popup::Line;
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane, Tab};
use crate::theme::Role;

impl Containers {
    /// The tabs that `area` has room for, the selected one among them, with the column each begins at.
    pub(super) fn tabs_in(&self, area: Rect) -> Vec<(Tab, u16)> {
        let width = |tab: &Tab| tab.word().len() as u16 + 2;
        let room = area.width.saturating_sub(6);
        let until = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0) + 1;
        let fits = |from: &usize| Tab::ALL[*from..until].iter().map(width).sum::<u16>() <= room;
        let from = (0..until).find(fits).unwrap_or(until - 1);
        let mut x = area.x + 3;
        let place = |tab: &Tab| {
            x += width(tab);
            (*tab, x - width(tab))
        };
        Tab::ALL[from..].iter().map(place).collect()
    }

    /// The tabs, the one that is seen in brackets: `[Changes] Live  Terminal  Logs …`.
    pub(super) fn tab_title(&self, look: &Look, area: Rect) -> Vec<(String, Style)> {
        let focused = self.focus == Pane::Detail;
        let (head, dim) = (look.style(if focused { Role::Accent } else { Role::Strong }), look.style(Role::Dim));
        let piece = |(tab, _): (Tab, u16)| {
            if tab == self.tab { (format!("[{}]", tab.word()), head) } else { (format!(" {} ", tab.word()), dim) }
        };
        self.tabs_in(area).into_iter().map(piece).collect()
    }

    pub(super) fn set_tab(&mut self, tab: Tab, cx: &mut Context<'_>) {
        if self.tab != tab {
            self.tab = tab;
            self.top = 0;
            self.enter_tab(cx);
        }
    }

    /// Asks for what the tab shows.
    pub(super) fn enter_tab(&mut self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let (id, alive, name) = (row.id.clone(), row.state.is_alive(), row.name.clone());
        match self.tab {
            Tab::Changes => self.read_changes(cx),
            // What the strata count from.
            Tab::Live if !self.tally.known => self.read_again(cx),
            Tab::Logs => {
                cx.log.add(&["logs", "-f", "--tail", "1000", &name]);
                self.logs.follow(&id, cx);
            }
            Tab::Processes if alive => {
                cx.log.add(&["top", &name]);
                cx.requests.push(Request::Processes(id));
            }
            _ => {}
        }
        if self.tab != Tab::Logs {
            self.logs.stop();
        }
    }

    pub(super) fn draw_detail(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        if area.width == 0 {
            return None;
        }
        match self.tab {
            Tab::Changes => self.draw_changes(pen, area),
            Tab::Live => self.draw_live(pen, area),
            Tab::Terminal => return self.draw_terminal(pen, area),
            Tab::Logs => self.draw_logs(pen, area),
            Tab::Mounts | Tab::Processes | Tab::Inspect => self.draw_text(pen, area),
        }
        None
    }

    /// The lines of a tab that is text.
    fn text_lines(&self) -> Vec<Line> {
        let dim = |text: &str| vec![Line::of(text, Role::Dim)];
        match self.tab {
            Tab::Mounts => self.mount_lines(),
            Tab::Processes => match (&self.processes, self.list.current()) {
                (_, Some(row)) if !row.state.is_alive() => dim("it does not run: no processes"),
                (Some(Ok(processes)), _) => process_lines(processes),
                (Some(Err(why)), _) => vec![Line::of(why, Role::Bad)],
                (None, Some(_)) => dim("asking the engine"),
                (None, None) => Vec::new(),
            },
            _ => {
                self.current_detail().map(|detail| detail.inspect.lines().map(json_line).collect()).unwrap_or_default()
            }
        }
    }

    pub(super) fn text_len(&self) -> usize {
        self.text_lines().len()
    }

    fn draw_text(&self, pen: &mut Pen<'_>, area: Rect) {
        let title = self.tab_title(pen.look, area);
        let pieces: Vec<_> = title.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        let inner = pen.frame(area, &pieces, self.focus == Pane::Detail);
        let lines = self.text_lines();
        let room = usize::from(inner.height);
        let top = self.top.min(lines.len().saturating_sub(room));
        for (line, y) in lines.iter().skip(top).take(room).zip(inner.y..) {
            let pieces: Vec<_> = line.0.iter().map(|(t, r)| (t.as_str(), pen.look.style(*r))).collect();
            pen.pieces(inner.x + 1, y, inner.width.saturating_sub(2), &pieces);
        }
        pen.position(area, (top + room).min(lines.len()).saturating_sub(1), lines.len(), inner.height);
        if self.tab == Tab::Processes && !lines.is_empty() {
            let dim = pen.look.style(Role::Dim);
            pen.right(area.right() - 2, area.bottom() - 1, 20, " R asks again ", dim);
        }
    }
}

/// Columns as wide as what stands in them; the last one takes the rest.
fn process_lines(processes: &crate::message::Processes) -> Vec<Line> {
    let columns = processes.titles.len();
    let width = |column: usize| {
        let cells = processes.rows.iter().filter_map(|row| row.get(column));
        cells.chain(processes.titles.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).min(30)).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate();
        cells
            .map(|(at, (cell, w))| if at + 1 == columns { cell.clone() } else { format!("{cell:<w$}  ") })
            .collect::<String>()
    };
    let head = Line::of(line(&processes.titles), Role::Dim);
    std::iter::once(head).chain(processes.rows.iter().map(|row| Line::plain(line(row)))).collect()
}

/// A line of JSON, its key apart from its value.
fn json_line(line: &str) -> Line {
    match line.split_once("\": ") {
        Some((key, value)) => Line::of(format!("{key}\": "), Role::Dim).and(value, Role::Text),
        None => Line::plain(line),
    }
}
