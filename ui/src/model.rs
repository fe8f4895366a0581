//! What the screens know of an engine's objects, whoever answered.

mod build;
mod container;
mod disk;
mod image;
mod volume;

pub(crate) use build::{Laid, News, Plan, Recipe, Words};
pub(crate) use container::{ContainerDetail, ContainerRow, MountRow, State, is_anonymous};
pub(crate) use disk::{Disk, DiskContainer, DiskFolder, DiskImage, DiskVolume, Freed, Thing};
pub(crate) use image::{Detail, ImageRow, RawStep, Step, instruction, join, maker, short, split_tag};
pub(crate) use volume::{Past, User, VolumeRow};
