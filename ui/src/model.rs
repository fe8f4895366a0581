//! What the screens know of an engine's objects, whoever answered.

mod container;
mod image;
mod volume;

pub(crate) use container::{ContainerDetail, ContainerRow, MountRow, State};
pub(crate) use image::{Detail, ImageRow, RawStep, Step, instruction, join, short, split_tag};
pub(crate) use volume::{Past, User, VolumeRow};
