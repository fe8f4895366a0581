//! Colours by role, for every number of colours a terminal can have.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None: bold, dim and reverse only (`NO_COLOR`).
    None,
    /// The sixteen of the terminal's own palette.
    Sixteen,
    /// The 256 indexed ones.
    Indexed,
    /// 24 bits.
    True,
}

/// The dark theme's file.
const DARK: &str = include_str!("../../assets/themes/dark.toml");
/// The light theme's file.
const LIGHT: &str = include_str!("../../assets/themes/light.toml");

/// Textures of strata, so that no layer is told by colour alone.
const TEXTURES: [char; 8] = ['·', '▚', '╱', '▒', '░', '≈', '╲', '∴'];
/// The same where the locale shows only ASCII.
const ASCII_TEXTURES: [char; 8] = ['.', '#', '/', '%', ':', '~', '\\', '*'];

type Rgb = (u8, u8, u8);

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    ground: String,
    text: String,
    strong: String,
    dim: String,
    faint: String,
    accent: String,
    good: String,
    change: String,
    bad: String,
    select: String,
    bar: String,
    strata: Vec<String>,
}

/// What a piece of the screen means; [`Theme::style`] says how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Text,
    Strong,
    Dim,
    Border,
    Focus,
    Accent,
    Badge,
    Good,
    Change,
    Bad,
    Selected,
    Bar,
}

/// How a stratum looks: an index into the palette and one into the textures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stratum {
    colour: u8,
    texture: u8,
    /// The colours of the layers right below, the nearest first.
    below: [Option<u8>; 3],
}

impl Stratum {
    /// The texture's character.
    pub(crate) fn texture(self, unicode: bool) -> char {
        let textures = if unicode { TEXTURES } else { ASCII_TEXTURES };
        textures[usize::from(self.texture)]
    }
}

/// The colours of one run.
#[derive(Clone, Debug)]
pub struct Theme {
    level: Level,
    light: bool,
    ground: Rgb,
    roles: [Rgb; 10],
    strata: Vec<Rgb>,
}

impl Theme {
    /// Reads a theme; `over` is a file's text with any of the keys of the built-in ones.
    pub fn new(level: Level, light: bool, over: Option<&str>) -> Result<Self, String> {
        let mut table: toml::Table = toml::from_str(if light { LIGHT } else { DARK }).map_err(|e| e.to_string())?;
        if let Some(text) = over {
            table.extend(toml::from_str::<toml::Table>(text).map_err(|e| e.to_string())?);
        }
        let file: File = table.try_into().map_err(|e: toml::de::Error| e.to_string())?;
        let names = [
            &file.text,
            &file.strong,
            &file.dim,
            &file.faint,
            &file.accent,
            &file.good,
            &file.change,
            &file.bad,
            &file.select,
            &file.bar,
        ];
        let mut roles = [(0, 0, 0); 10];
        for (role, name) in roles.iter_mut().zip(names) {
            *role = parse(name)?;
        }
        let strata = file.strata.iter().map(|s| parse(s)).collect::<Result<Vec<_>, _>>()?;
        if strata.len() < 4 || strata.len() > 64 {
            return Err(format!("strata has {} colours, 4 to 64 are needed", strata.len()));
        }
        Ok(Self { level, light, ground: parse(&file.ground)?, roles, strata })
    }

    /// How many colours there are.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    pub(crate) fn style(&self, role: Role) -> Style {
        let plain = Style::new();
        if self.level == Level::None {
            return match role {
                Role::Strong | Role::Accent | Role::Bad => plain.add_modifier(Modifier::BOLD),
                Role::Badge | Role::Selected => plain.add_modifier(Modifier::REVERSED),
                Role::Dim | Role::Border => plain.add_modifier(Modifier::DIM),
                _ => plain,
            };
        }
        if self.level == Level::Sixteen {
            return sixteen(role);
        }
        let [text, strong, dim, faint, accent, good, change, bad, select, bar] = self.roles;
        match role {
            Role::Text => plain.fg(self.colour(text)),
            Role::Strong => plain.fg(self.colour(strong)).add_modifier(Modifier::BOLD),
            Role::Dim => plain.fg(self.colour(dim)),
            Role::Border => plain.fg(self.colour(faint)),
            Role::Focus => plain.fg(self.colour(accent)),
            Role::Accent => plain.fg(self.colour(accent)).add_modifier(Modifier::BOLD),
            Role::Badge => plain.fg(self.colour(self.ground)).bg(self.colour(accent)).add_modifier(Modifier::BOLD),
            Role::Good => plain.fg(self.colour(good)),
            Role::Change => plain.fg(self.colour(change)),
            Role::Bad => plain.fg(self.colour(bad)),
            Role::Selected => plain.bg(self.colour(select)),
            Role::Bar => plain.fg(self.colour(bar)),
        }
    }

    /// Picks colour and texture of the layer with this chain ID on a layer that looks like `below`.
    ///
    /// A chain ID stands for the layer with all below it, so this is a function of the chain ID alone: the same layer looks the
    /// same under every image, and never as its neighbour below.
    pub(crate) fn stratum(&self, chain: &[u8; 32], below: Option<Stratum>) -> Stratum {
        let colours = self.strata.len() as u8;
        let near = below.map_or([None; 3], |b| [Some(b.colour), b.below[0], b.below[1]]);
        let mut colour = chain[0] % colours;
        // There are at least four colours, so one is always free.
        while near.contains(&Some(colour)) {
            colour = (colour + 1) % colours;
        }
        let mut texture = chain[1] % 8;
        if below.is_some_and(|b| b.texture == texture) {
            texture = (texture + 1 + chain[3] % 7) % 8;
        }
        Stratum { colour, texture, below: near }
    }

    /// The band at a stratum's left edge: texture on the layer's colour.
    pub(crate) fn band(&self, stratum: Stratum) -> Style {
        let colour = self.strata[usize::from(stratum.colour)];
        match self.level {
            Level::None => Style::new(),
            Level::Sixteen => Style::new().fg(Color::Black).bg(layer_sixteen(stratum.colour)),
            _ => Style::new().fg(self.colour(mix(colour, self.ground, 35))).bg(self.colour(colour)),
        }
    }

    /// The number in the band.
    pub(crate) fn number(&self, stratum: Stratum) -> Style {
        match self.level {
            Level::None => Style::new().add_modifier(Modifier::BOLD),
            Level::Sixteen => self.band(stratum).add_modifier(Modifier::BOLD),
            _ => {
                let ink = if self.light { (250, 249, 245) } else { (20, 22, 26) };
                self.band(stratum).fg(self.colour(ink)).add_modifier(Modifier::BOLD)
            }
        }
    }

    /// Text in the layer's own colour.
    pub(crate) fn ink(&self, stratum: Stratum) -> Style {
        match self.level {
            Level::None => Style::new(),
            Level::Sixteen => Style::new().fg(layer_sixteen(stratum.colour)),
            // With some of the text's own colour, so that dark strata can be read too.
            _ => Style::new().fg(self.colour(mix(self.strata[usize::from(stratum.colour)], self.roles[0], 35))),
        }
    }

    /// What is behind a stratum's text: a breath of its colour.
    pub(crate) fn wash(&self, stratum: Stratum, selected: bool) -> Style {
        let colour = self.strata[usize::from(stratum.colour)];
        match self.level {
            Level::True => Style::new().bg(self.colour(mix(self.ground, colour, if selected { 32 } else { 12 }))),
            _ if selected => self.style(Role::Selected),
            _ => Style::new(),
        }
    }

    /// A style that a log or a program chose, as far as the terminal has its colours.
    pub(crate) fn foreign(&self, style: Style) -> Style {
        let shown = |colour: Color| match (self.level, colour) {
            (Level::None, _) | (Level::Sixteen, Color::Rgb(..)) => None,
            (Level::Sixteen, Color::Indexed(index)) => (index < 16).then_some(colour),
            (Level::Indexed, Color::Rgb(r, g, b)) => Some(Color::Indexed(nearest((r, g, b)))),
            _ => Some(colour),
        };
        Style { fg: style.fg.and_then(shown), bg: style.bg.and_then(shown), ..style }
    }

    /// What is behind the text of a container's open, writable surface: a breath of the accent.
    pub(crate) fn surface(&self) -> Style {
        match self.level {
            Level::True => Style::new().bg(self.colour(mix(self.ground, self.roles[4], 20))),
            _ => Style::new(),
        }
    }

    fn colour(&self, (r, g, b): Rgb) -> Color {
        if self.level == Level::True { Color::Rgb(r, g, b) } else { Color::Indexed(nearest((r, g, b))) }
    }
}

/// `percent` of `b` in `a`.
fn mix(a: Rgb, b: Rgb, percent: u16) -> Rgb {
    let one = |a: u8, b: u8| ((u16::from(a) * (100 - percent) + u16::from(b) * percent) / 100) as u8;
    (one(a.0, b.0), one(a.1, b.1), one(a.2, b.2))
}

fn sixteen(role: Role) -> Style {
    let plain = Style::new();
    match role {
        Role::Text => plain,
        Role::Strong => plain.add_modifier(Modifier::BOLD),
        Role::Dim | Role::Border => plain.fg(Color::DarkGray),
        Role::Focus => plain.fg(Color::Yellow),
        Role::Accent => plain.fg(Color::Yellow).add_modifier(Modifier::BOLD),
        Role::Badge => plain.fg(Color::Black).bg(Color::Yellow),
        Role::Good => plain.fg(Color::Green),
        Role::Change => plain.fg(Color::Blue),
        Role::Bad => plain.fg(Color::Red),
        Role::Selected => plain.add_modifier(Modifier::REVERSED),
        Role::Bar => plain.fg(Color::Cyan),
    }
}

fn layer_sixteen(colour: u8) -> Color {
    const COLOURS: [Color; 12] = [
        Color::White,
        Color::Red,
        Color::Blue,
        Color::Green,
        Color::Yellow,
        Color::Magenta,
        Color::Cyan,
        Color::LightRed,
        Color::Gray,
        Color::LightBlue,
        Color::LightYellow,
        Color::LightGreen,
    ];
    COLOURS[usize::from(colour) % COLOURS.len()]
}

/// The nearest of the 256 colours that do not depend on the terminal's palette.
fn nearest((r, g, b): Rgb) -> u8 {
    let distance = |x: Rgb| {
        let d = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
        d(x.0, r) * 3 + d(x.1, g) * 4 + d(x.2, b) * 2
    };
    let steps = [0u8, 95, 135, 175, 215, 255];
    (16u8..=255)
        .min_by_key(|n| {
            if *n < 232 {
                let n = usize::from(*n - 16);
                distance((steps[n / 36], steps[n / 6 % 6], steps[n % 6]))
            } else {
                let grey = 8 + 10 * (*n - 232);
                distance((grey, grey, grey))
            }
        })
        .unwrap_or(16)
}

fn parse(text: &str) -> Result<Rgb, String> {
    let wrong = || format!("{text:?} is no colour: write #rrggbb");
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii()).ok_or_else(wrong)?;
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong());
    Ok((byte(0)?, byte(2)?, byte(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_themes_are_whole() {
        for light in [false, true] {
            assert!(Theme::new(Level::True, light, None).is_ok());
        }
    }

    #[test]
    fn a_file_changes_one_colour_and_mistakes_are_named() {
        let theme = Theme::new(Level::True, false, Some("accent = \"#010203\"")).expect("is valid");
        assert_eq!(theme.style(Role::Accent).fg, Some(Color::Rgb(1, 2, 3)));
        for bad in ["accent = \"red\"", "acent = \"#010203\"", "strata = [\"#000000\"]", "["] {
            assert!(Theme::new(Level::True, false, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_layer_never_looks_as_the_one_below() {
        let theme = Theme::new(Level::True, false, None).expect("is valid");
        for a in 0..=255u8 {
            let below = theme.stratum(&[7; 32], None);
            let mut chain = [a; 32];
            chain[0] = 7;
            let above = theme.stratum(&chain, Some(below));
            assert!(above.colour != below.colour && above.texture != below.texture);
        }
    }

    #[test]
    fn a_selected_row_can_be_seen_without_colours() {
        for level in [Level::None, Level::Sixteen] {
            let theme = Theme::new(level, false, None).expect("is valid");
            assert!(theme.style(Role::Selected).add_modifier.contains(Modifier::REVERSED));
        }
    }
}
