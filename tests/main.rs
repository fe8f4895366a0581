//! Drives the built program only: its commands, the real docker CLI against `serve`, dockerd on the same data root, kills.
//!
//! Tests that need root or another program are `ignored` with the reason; `.ci/run` runs them as root.

mod archive;
mod build;
mod containers;
mod docker_cli;
mod dockerd;
mod hostile;
mod interop;
mod kill;
mod live;
mod network;
mod outcrop;
mod registry;
mod rootfs;
mod rootless;
mod screens;
mod system;
mod terminal;
mod user;
mod watch;
mod web;
