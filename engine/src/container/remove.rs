//! Removing a container, and what killed processes left of one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::{Doing, Result};
use super::host_config::HostConfig;
use super::layers::Layers;
use super::record::{Directory, Record};
use super::run_directory::{NETWORK, RunDirectory, make};
use super::{cgroup, events, lookup, pasta};
use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;
use crate::volume::Volumes;

/// Removes a container that does not run. Any step may have been done before by somebody who was killed.
pub(crate) fn remove(root: &Path, id: &str) -> Result<()> {
    let directory = Directory::of(root, id);
    let record = directory.record().ok();
    if record.is_some() {
        directory.update(|record| record.state.removal_in_progress = true)?;
    }
    let run = RunDirectory::of(root, id);
    if run.file(id).is_dir() {
        // The runtime's state is there: its shim was killed before it could take that away.
        end_what_runs(root, id, &run, &directory.host_config().unwrap_or_default());
    }
    let trash = run.file("trash");
    make(&trash)?;
    let driver = Overlay2::new(root, false);
    // Layers that somebody moved there and was killed: their short names are still to be removed.
    empty(&driver, &trash)?;
    let mounts = root.join("image/overlay2/layerdb/mounts").join(id);
    if mounts.is_dir() {
        Layers::of(root, id)?.remove(&driver, &trash)?;
        // In one step: half of it names no layers, and could not be removed again.
        fs::rename(&mounts, trash.join("mounts")).doing("remove", &mounts)?;
    }
    let away = trash.join("container");
    match fs::rename(directory.path(), &away) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).doing("remove", directory.path()),
        _ => {}
    }
    if let Some(record) = &record {
        events::note(root, "destroy", record, &[]);
    }
    run.remove()
}

/// Removes a container of `--rm` that ended.
pub(crate) fn after_exit(root: &Path, id: &str) -> Result<()> {
    let anonymous = Directory::of(root, id).record().map(|record| anonymous_volumes(root, &record)).unwrap_or_default();
    remove(root, id)?;
    remove_volumes(root, &anonymous);
    Ok(())
}

/// Its anonymous volumes.
pub(crate) fn anonymous_volumes(root: &Path, record: &Record) -> Vec<String> {
    let volumes = Volumes::of_root(root);
    let anonymous = |name: &str| volumes.inspect(name).is_ok_and(|volume| volume.is_anonymous());
    let points = record.mount_points.values().filter(|point| point.kind == "volume" && anonymous(&point.name));
    points.map(|point| point.name.clone()).collect()
}

/// Removes anonymous volumes that no other container has.
pub(crate) fn remove_volumes(root: &Path, names: &[String]) {
    let volumes = Volumes::of_root(root);
    for name in names {
        // One that another container has stays.
        let _ = volumes.remove(name, false);
    }
}

/// Makes true what the files say, after processes were killed: ends what lost its shim, and removes what was half made or
/// half removed. Cheap when there is nothing to do.
pub(crate) fn reconcile(root: &Path) -> Result<()> {
    let all = root.join("outcrop/run");
    let entries = match fs::read_dir(&all) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.doing("read", &all)?,
    };
    for entry in entries.flatten() {
        if let Some(id) = entry.file_name().to_str().filter(|name| lookup::is_id(name)) {
            reconcile_one(root, id)?;
        }
    }
    Ok(())
}

/// As [`reconcile`], for one container.
pub(crate) fn reconcile_one(root: &Path, id: &str) -> Result<()> {
    let run = RunDirectory::of(root, id);
    let path = run.file("lock");
    let directory = Directory::of(root, id);
    let Ok(lock) = fs::File::options().append(true).open(&path) else {
        if !directory.path().is_dir() {
            run.remove_abandoned();
        }
        return Ok(());
    };
    if lock.try_lock().is_err() {
        return Ok(());
    }
    if !directory.path().is_dir() {
        return undo(root, id, &run);
    }
    let record = directory.record()?;
    if record.state.removal_in_progress {
        return remove(root, id);
    }
    if record.state.running || record.state.restarting {
        lost_shim(root, id, &run, &directory)?;
        if directory.host_config().is_ok_and(|host| host.auto_remove) {
            drop(lock);
            return after_exit(root, id);
        }
    } else if run.file(id).is_dir() {
        // Its shim was killed between the runtime's first step and the note that it runs.
        end_what_runs(root, id, &run, &directory.host_config()?);
    }
    Ok(())
}

/// The shim was killed: what it started is ended, what it mounted went with it, and the state says so.
fn lost_shim(root: &Path, id: &str, run: &RunDirectory, directory: &Directory) -> Result<()> {
    end_what_runs(root, id, run, &directory.host_config()?);
    let record = directory.update(|record| {
        record.state.running = false;
        record.state.restarting = false;
        record.state.paused = false;
        record.state.pid = 0;
        record.state.exit_code = 137;
        record.state.error = "its shim was killed, and the container with it".into();
        record.state.finished_at = super::state::now();
        record.clone()
    })?;
    events::note(root, "die", &record, &[("exitCode", "137")]);
    Ok(())
}

/// Ends what a killed shim left running, and removes what it and the runtime made for the run.
fn end_what_runs(root: &Path, id: &str, run: &RunDirectory, host: &HostConfig) {
    cgroup::Groups::of(id, host).end(run.process().map(|process| process.pid));
    let _ = fs::remove_dir_all(run.file(id));
    let _ = fs::remove_file(run.file("process.json"));
    pasta::hide(&run.file(NETWORK));
    if let Ok(layers) = Layers::of(root, id) {
        let driver = Overlay2::new(root, false);
        let merged = driver.diff_dir(&layers.mount).with_file_name("merged");
        let _ = driver.unmount(&merged);
        let _ = fs::remove_dir(&merged);
    }
}

/// Removes what is left of a container that was never finished or is removed but for the last step.
fn undo(root: &Path, id: &str, run: &RunDirectory) -> Result<()> {
    let driver = Overlay2::new(root, false);
    let trash = run.file("trash");
    make(&trash)?;
    if let Ok(mount) = fs::read_to_string(run.file("creating"))
        && let Ok(mount) = mount.trim().parse::<crate::driver::CacheId>()
    {
        Layers { init: mount.init(), mount }.remove(&driver, &trash)?;
    }
    let mounts = root.join("image/overlay2/layerdb/mounts").join(id);
    if mounts.is_dir() {
        fs::remove_dir_all(&mounts).doing("remove", &mounts)?;
    }
    empty(&driver, &trash)?;
    empty(&driver, &run.file("staging"))?;
    run.remove()
}

/// Removes all that is in a directory, layers with their short names.
fn empty(driver: &Overlay2, directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        driver.discard(&entry.path()).map_err(super::layers::from_driver)?;
    }
    Ok(())
}

/// Removes the directories of execs that ended with their container, once their shims are gone.
pub(crate) fn forget_execs(run: &RunDirectory) {
    for entry in fs::read_dir(run.file("exec")).into_iter().flatten().flatten() {
        if !super::run_directory::shim_lives(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
