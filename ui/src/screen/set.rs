//! The screens there are, and which one is seen.

use crate::action::Action;
use crate::message::Data;
use crate::model::News;
use crate::screen::build::Build;
use crate::screen::containers::Containers;
use crate::screen::disk::Disk;
use crate::screen::images::Images;
use crate::screen::volumes::Volumes;
use crate::screen::{Context, Screen};

/// Which screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Images,
    Containers,
    Volumes,
    Disk,
    Build,
}

impl Place {
    pub(crate) const ALL: [Self; 5] = [Self::Images, Self::Containers, Self::Volumes, Self::Disk, Self::Build];

    /// What stands in the second line, with the number that is its key.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Images => "1 Images",
            Self::Containers => "2 Containers",
            Self::Volumes => "3 Volumes",
            Self::Disk => "4 Disk",
            Self::Build => "5 Build",
        }
    }

    /// The action that shows it.
    pub(crate) fn action(self) -> Action {
        match self {
            Self::Images => Action::Images,
            Self::Containers => Action::Containers,
            Self::Volumes => Action::Volumes,
            Self::Disk => Action::Disk,
            Self::Build => Action::Build,
        }
    }

    /// The screen that an action shows.
    pub(crate) fn of(action: Action) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.action() == action)
    }
}

/// All screens.
pub(crate) struct Screens {
    pub(crate) at: Place,
    /// Screens that were out of sight when something changed.
    stale: Vec<Place>,
    images: Images,
    containers: Containers,
    volumes: Volumes,
    disk: Disk,
    build: Build,
}

impl Screens {
    /// Begins with the images, this one selected.
    pub(crate) fn new(select: Option<String>) -> Self {
        Self {
            at: Place::default(),
            stale: Vec::new(),
            images: Images::new(select),
            containers: Containers::default(),
            volumes: Volumes::default(),
            disk: Disk::default(),
            build: Build::default(),
        }
    }

    pub(crate) fn current(&self) -> &dyn Screen {
        match self.at {
            Place::Images => &self.images,
            Place::Containers => &self.containers,
            Place::Volumes => &self.volumes,
            Place::Disk => &self.disk,
            Place::Build => &self.build,
        }
    }

    pub(crate) fn current_mut(&mut self) -> &mut dyn Screen {
        match self.at {
            Place::Images => &mut self.images,
            Place::Containers => &mut self.containers,
            Place::Volumes => &mut self.volumes,
            Place::Disk => &mut self.disk,
            Place::Build => &mut self.build,
        }
    }

    /// Every one, for what concerns all.
    pub(crate) fn all_mut(&mut self) -> [&mut dyn Screen; 5] {
        [&mut self.images, &mut self.containers, &mut self.volumes, &mut self.disk, &mut self.build]
    }

    /// Shows another screen.
    pub(crate) fn show(&mut self, place: Place, cx: &mut Context<'_>) {
        if self.at != place {
            self.current_mut().hide();
            self.at = place;
            let asked = self.current_mut().open(cx);
            if self.stale.contains(&place) && !asked {
                self.current_mut().changed(cx);
            }
            self.stale.retain(|other| *other != place);
        }
    }

    /// Something of the engine's changed: what is in sight asks again, the others when they come into sight.
    pub(crate) fn changed(&mut self, cx: &mut Context<'_>) {
        self.stale = Place::ALL.into_iter().filter(|place| *place != self.at).collect();
        self.current_mut().changed(cx);
    }

    /// Shows a container that was just started, in its terminal if it has one.
    pub(crate) fn launched(&mut self, container: &str, terminal: bool, cx: &mut Context<'_>) {
        self.show(Place::Containers, cx);
        self.containers.launched(container, terminal, cx);
    }

    /// Gives an answer to the screen it is meant for; gives it back when it is none's.
    pub(crate) fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        if let Data::Build { news: News::Built(image), .. } = &data {
            self.images.select(image);
        }
        self.all_mut().into_iter().try_fold(data, |data, screen| screen.data(data, cx))
    }
}
