//! The loop: take everything that waits, then draw once, and only when something changed.

use std::io::{self, Stdout, Write};
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, EventStream,
    KeyEventKind,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use futures_util::StreamExt;
use outcrop_layers::index::cache::IndexCache;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::app::{App, Setup};
use crate::client::content::Reader;
use crate::client::{ArchiveClient, Client, EngineClient, Out};
use crate::message::{Data, Message, Request};
use crate::options::{Backend, Error, Lent, Open, Options};
use crate::pen::Look;
use crate::theme::Theme;

/// How often a running job's progress is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Shows the screens until the user leaves; needs a terminal and a multi-threaded tokio runtime.
///
/// The terminal is given back as it was found, also after a panic, SIGTERM or SIGHUP.
///
/// # Errors
/// When the terminal cannot be used or the theme file is wrong.
pub async fn run(options: Options) -> Result<(), Error> {
    let theme = Theme::new(options.level, options.light, options.theme.as_deref()).map_err(Error::Theme)?;
    let look = Look { theme, charset: options.charset, units: options.units, zone: options.zone };
    let (sender, receiver) = mpsc::unbounded_channel();
    let out = Out(sender.clone());
    let connected = !matches!(options.backend, Backend::None);
    let reader = Reader { out, cache: options.cache.map(IndexCache::new), spool: options.spool };
    let lent = Lent { pack: options.pack, watching: options.watching, users: options.users };
    let client = match options.backend {
        Backend::Engine(docker) => {
            Client::Engine(EngineClient::new(docker, reader.clone(), &options.connection, lent.clone()))
        }
        Backend::Archive(path) => Client::Archive(ArchiveClient::new(path, reader.clone())),
        Backend::None => Client::None,
    };
    let app = App::new(Setup {
        connection: options.connection,
        connected,
        tried: options.tried,
        can_embed: options.embedded.is_some(),
        keys: options.keys,
        look,
        mouse: options.mouse,
        save_to: options.save_to,
        spool: reader.spool.clone(),
        select: options.select,
        clock: || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64),
    });
    let tty = Tty::enter(options.mouse)?;
    let terminal = ManuallyDrop::new(Terminal::new(CrosstermBackend::new(io::stdout()))?);
    let embedded = options.embedded.map(Arc::new);
    let mut running = Running { app, client, terminal, sender, reader, embedded, lent, seen: 0, drawn: None };
    let result = running.go(receiver).await;
    drop(tty);
    result
}

/// The terminal in our hands; dropping it gives it back.
struct Tty;

impl Tty {
    fn enter(mouse: bool) -> io::Result<Self> {
        enable_raw_mode()?;
        let tty = Self;
        let mut out = io::stdout();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if mouse {
            execute!(out, EnableMouseCapture)?;
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
        Ok(tty)
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let mut out = io::stdout();
    // Nothing can be done about a terminal that is gone.
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

struct Running {
    app: App,
    client: Client,
    /// Never dropped: it would print to a terminal that may be gone. [`Tty`] gives everything back.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    sender: UnboundedSender<Message>,
    reader: Reader,
    embedded: Option<Arc<Open>>,
    lent: Lent,
    /// The newest epoch that was drawn, and when.
    seen: u64,
    drawn: Option<Instant>,
}

/// An event of the terminal, and when it was read.
type Input = (Instant, Event);

/// Reads the terminal beside the loop. (Polling an `EventStream` now and then loses its wake-ups; only awaiting it is sound.)
fn read_terminal(sender: UnboundedSender<Input>) {
    tokio::spawn(async move {
        let mut events = EventStream::new();
        while let Some(Ok(event)) = events.next().await {
            if sender.send((Instant::now(), event)).is_err() {
                return;
            }
        }
    });
}

impl Running {
    async fn go(&mut self, mut receiver: UnboundedReceiver<Message>) -> Result<(), Error> {
        let (sender, mut inputs) = mpsc::unbounded_channel();
        read_terminal(sender);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let size = crossterm::terminal::size()?;
        let mut dirty = self.app.update(Message::Resize(size.0, size.1));
        loop {
            self.answer()?;
            if self.app.is_over() {
                return Ok(());
            }
            if dirty {
                self.draw()?;
            }
            let ticks = self.app.needs_tick();
            let tick =
                pin!(async { if ticks { tokio::time::sleep(TICK).await } else { std::future::pending().await } });
            dirty = tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.input(input),
                    // The terminal is gone.
                    None => return Ok(()),
                },
                Some(message) = receiver.recv() => self.take(message),
                () = tick => true,
                _ = terminate.recv() => return Ok(()),
                _ = hangup.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            };
            // Takes everything that waits, so that a held key or a burst of answers costs one frame.
            while let Ok(message) = receiver.try_recv() {
                dirty |= self.take(message);
            }
            while let (false, Ok(input)) = (self.app.is_over(), inputs.try_recv()) {
                self.answer()?;
                dirty |= self.input(input);
            }
        }
    }

    /// Takes an event, unless it was typed before the user could see what it would now act on.
    fn input(&mut self, (read, event): Input) -> bool {
        let is_typed = matches!(event, Event::Key(_) | Event::Paste(_) | Event::Mouse(_));
        if is_typed && (self.seen != self.app.epoch || self.drawn.is_some_and(|drawn| read < drawn)) {
            return false;
        }
        translate(event).is_some_and(|message| self.take(message))
    }

    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Opened(connection, docker) => {
                let lent = Lent { watching: None, ..self.lent.clone() };
                self.client = Client::Engine(EngineClient::new(docker, self.reader.clone(), &connection, lent));
                self.app.update(Message::Data(Data::Connected(connection)))
            }
            message => self.app.update(message),
        }
    }

    fn draw(&mut self) -> Result<(), Error> {
        queue!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| self.app.draw(frame))?;
        execute!(io::stdout(), EndSynchronizedUpdate)?;
        if self.seen != self.app.epoch {
            self.seen = self.app.epoch;
            self.drawn = Some(Instant::now());
        }
        Ok(())
    }

    /// Sends the requests out.
    fn answer(&mut self) -> Result<(), Error> {
        for request in self.app.requests() {
            match request {
                Request::Redraw => self.terminal.clear()?,
                Request::Mouse(true) => execute!(io::stdout(), EnableMouseCapture)?,
                Request::Mouse(false) => execute!(io::stdout(), DisableMouseCapture)?,
                Request::Copy(text) => {
                    execute!(io::stdout(), crossterm::clipboard::CopyToClipboard::to_clipboard_from(text))?;
                    io::stdout().flush()?;
                }
                Request::Wait(time, token) => {
                    let sender = self.sender.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        let _ = sender.send(Message::Waited(token));
                    });
                }
                Request::OpenEmbedded => self.open_embedded(),
                request => self.client.start(request),
            }
        }
        Ok(())
    }

    fn open_embedded(&mut self) {
        let Some(open) = self.embedded.clone() else { return };
        let out = Out(self.sender.clone());
        tokio::spawn(async move {
            match open().await {
                Ok((docker, connection)) => {
                    let _ = out.0.send(Message::Opened(Box::new(connection), docker));
                }
                Err(error) => out.data(Data::Failed(error)),
            }
        });
    }
}

fn translate(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Message::Key(key)),
        Event::Mouse(event) => Some(Message::Mouse(event)),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Resize(width, height) => Some(Message::Resize(width, height)),
        _ => None,
    }
}
