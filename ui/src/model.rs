//! What the screens know of an engine's objects, whoever answered.

mod build;
mod container;
mod image;
mod volume;

pub(crate) use build::{Laid, News, Plan, Recipe, Words};
pub(crate) use container::{ContainerDetail, ContainerRow, MountRow, State};
pub(crate) use image::{Detail, ImageRow, RawStep, Step, instruction, join, short, split_tag};
pub(crate) use volume::{Past, User, VolumeRow};
