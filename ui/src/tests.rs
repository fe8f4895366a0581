//! The screens, driven by keys, over a real archive.

mod build;
mod containers;
mod disk;
mod fixture;
mod frame;
mod keys;
mod launch;
pub(crate) mod live;
mod objects;
mod plain;
mod registry;
mod screens;
mod speed;
mod volumes;

use crossterm::event::{KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::app::{App, Setup};
use crate::client::content::Reader;
use crate::client::{ArchiveClient, Out};
use crate::keymap::{Chord, Keymap};
use crate::message::{Data, Message, Request};
use crate::options::{Connection, Kind, Tried};
use crate::pen::Look;
use crate::safe_text::Charset;
use crate::size::Units;
use crate::theme::{Level, Theme};
use fixture::Image;

/// The terminal in a test: everything is done at once, in order.
struct Screen {
    app: App,
    archive: Option<ArchiveClient>,
    reader: Reader,
    messages: UnboundedReceiver<Message>,
    terminal: Terminal<TestBackend>,
    /// What would have gone out: clipboard, engine.
    sent: Vec<Request>,
    folder: tempfile::TempDir,
}

/// How a test's terminal is.
#[derive(Clone, Copy)]
struct Kit {
    size: (u16, u16),
    level: Level,
    charset: Charset,
    /// Whether an engine is there whose answers the test gives.
    engine: bool,
}

const COLOUR: Kit = Kit { size: (120, 40), level: Level::True, charset: Charset::Unicode, engine: false };

/// What the clock says in tests.
const NOW: i64 = 1_795_460_400;

impl Screen {
    fn open(images: Option<&[Image<'_>]>, kit: Kit) -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = images.map(|images| fixture::write(folder.path(), images));
        let (sender, messages) = unbounded_channel();
        let reader = Reader { out: Out(sender), cache: None, spool: folder.path().to_owned() };
        let theme = Theme::new(kit.level, false, None).expect("is valid");
        let app = App::new(Setup {
            connection: Connection { kind: Kind::Docker, place: "images.tar".into(), ..Connection::default() },
            connected: path.is_some() || kit.engine,
            tried: vec![Tried {
                place: "unix:///run/docker.sock".into(),
                why: "default socket".into(),
                error: "no such file".into(),
            }],
            can_embed: true,
            keys: Keymap::default(),
            look: Look { theme, charset: kit.charset, units: Units::Decimal, zone: 0 },
            mouse: true,
            save_to: folder.path().to_owned(),
            spool: folder.path().to_owned(),
            select: None,
            clock: || NOW,
        });
        let terminal = Terminal::new(TestBackend::new(kit.size.0, kit.size.1)).expect("never fails");
        let archive = path.map(|path| ArchiveClient::new(path, reader.clone()));
        let mut screen = Self { app, archive, reader, messages, terminal, sent: Vec::new(), folder };
        screen.take(Message::Resize(kit.size.0, kit.size.1));
        screen
    }

    /// Takes a message, and all that follows from it.
    fn take(&mut self, message: Message) {
        self.app.update(message);
        self.settle();
    }

    /// Does what was asked for, until nothing more follows.
    fn settle(&mut self) {
        loop {
            let requests = self.app.requests();
            let quiet = requests.is_empty();
            for request in requests {
                self.answer(request);
            }
            let mut news = false;
            while let Ok(message) = self.messages.try_recv() {
                self.app.update(message);
                news = true;
            }
            if quiet && !news {
                return;
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Wait(_, token) => {
                self.app.update(Message::Waited(token));
            }
            Request::SaveFile { .. }
            | Request::Load { .. }
            | Request::Pull { .. }
            | Request::Push { .. }
            | Request::SaveImages { .. }
            | Request::Copy(_) => self.sent.push(request),
            request => match (self.reader.work(request), &self.archive) {
                (Ok(work), _) => work(),
                (Err(request), Some(archive)) => archive.run(*request),
                (Err(request), None) => self.sent.push(*request),
            },
        }
    }

    /// Presses keys, written as in the key file, with spaces between; `text:…` types letters.
    fn keys(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            if let Some(text) = key.strip_prefix("text:") {
                for c in text.chars() {
                    self.take(Message::Key(KeyEvent::from(crossterm::event::KeyCode::Char(c))));
                }
                continue;
            }
            let chord = Chord::parse(key).unwrap_or_else(|| panic!("{key} is no key"));
            self.take(Message::Key(chord.event()));
        }
        self
    }

    /// Gives an answer of the engine.
    fn give(&mut self, data: Data) -> &mut Self {
        self.take(Message::Data(data));
        self
    }

    /// What was asked for since the last look.
    fn asked(&mut self) -> String {
        let asked = std::mem::take(&mut self.sent);
        asked.iter().fold(String::new(), |all, request| format!("{all}{request:?}\n"))
    }

    fn mouse(&mut self, event: MouseEvent) {
        self.take(Message::Mouse(event));
    }

    /// Clicks where this text is seen first.
    fn click(&mut self, text: &str) -> &mut Self {
        let lines = self.text();
        let found = lines.lines().zip(0..).find_map(|(line, y)| Some((line.split_once(text)?.0, y)));
        let (before, row) = found.unwrap_or_else(|| panic!("{text} is not seen:\n{lines}"));
        let kind = MouseEventKind::Down(MouseButton::Left);
        let column = crate::safe_text::width(before);
        self.mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
        self
    }

    fn resize(&mut self, width: u16, height: u16) {
        self.terminal.backend_mut().resize(width, height);
        self.take(Message::Resize(width, height));
    }

    fn buffer(&mut self) -> Buffer {
        let app = &self.app;
        self.terminal.draw(|frame| app.draw(frame)).expect("never fails");
        self.terminal.backend().buffer().clone()
    }

    /// What is on the screen, without colours.
    fn text(&mut self) -> String {
        let buffer = self.buffer();
        let mut out = String::new();
        for y in 0..buffer.area.height {
            let mut skip = 0;
            let mut line = String::new();
            for x in 0..buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                if skip == 0 {
                    line.push_str(symbol);
                }
                skip = usize::from(skip.max(usize::from(crate::safe_text::width(symbol))) as u16).saturating_sub(1);
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Whether nothing in the buffer could act on a terminal.
fn is_clean(buffer: &Buffer, charset: Charset) -> bool {
    buffer.content.iter().all(|cell| {
        let shown = crate::safe_text::visible(cell.symbol(), charset);
        // A combining mark stands behind its base in the same cell.
        shown == cell.symbol()
    })
}

#[test]
fn content_is_read_without_a_terminal() {
    let mut screen = Screen::open(Some(fixture::FAMILY), COLOUR);
    assert!(screen.text().contains("app1:latest"));
}
